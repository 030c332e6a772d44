/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A store in memory that has one object, for what reads parts of it.
 */
#pragma once

#include <string.h>

#include "store/store_impl.h"

struct one_object {
    struct store store;
    const char *name;
    const uint8_t *data; /* borrowed */
    size_t len;
    unsigned gets; /* counted */
};

static inline int one_object_get(struct store *store, const struct store_range *range,
                                 size_t *ret_len, struct err *err)
{
    struct one_object *object = (struct one_object *)store;

    object->gets++;
    if (strcmp(range->name, object->name) != 0)
        return err_set(err, ERR_NOT_FOUND, "there is only %s", object->name);
    size_t left = range->offset < object->len ? object->len - (size_t)range->offset : 0;
    *ret_len = left < range->cap ? left : range->cap;
    if (*ret_len > 0)
        memcpy(range->data, object->data + range->offset, *ret_len);
    return 0;
}

static const struct store_ops one_object_ops = {.get = one_object_get};

static inline struct one_object one_object_of(const char *name, const void *data, size_t len)
{
    static char url[] = "memory";

    return (struct one_object){
        .store = {&one_object_ops, url}, .name = name, .data = data, .len = len};
}
