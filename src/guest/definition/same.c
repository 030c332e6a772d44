/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include "base/text.h"

bool definition_same_disks(const struct definition_disks *a, const struct definition_disks *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!text_same(a->disks[i].target, b->disks[i].target) ||
            !text_same(a->disks[i].path, b->disks[i].path) ||
            !text_same(a->disks[i].pool, b->disks[i].pool) ||
            !text_same(a->disks[i].volume, b->disks[i].volume))
            return false;
    return true;
}
