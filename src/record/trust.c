/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/trust.h"

void trust_clear(struct trust *trust)
{
    free(trust->checkpoint);
    free(trust->bitmap);
    free(trust->path);
    free(trust->format);
    free(trust->host);
    free(trust->redefine);
    *trust = (struct trust){0};
}

void trust_copy(const struct trust *trust, struct trust *ret)
{
    *ret = *trust;
    ret->checkpoint = mem_strdup(trust->checkpoint);
    ret->bitmap = mem_strdup(trust->bitmap);
    ret->path = mem_strdup(trust->path);
    ret->format = mem_strdup(trust->format);
    ret->host = mem_strdup(trust->host);
    ret->redefine = mem_strdup(trust->redefine);
}
