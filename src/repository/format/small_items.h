/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The section SMALL of a point: small files beside the images, stored as they are. See POINTS in
 * virt-backup-repository(5).
 */
#pragma once

#include "base/buf.h"
#include "repository/format/limits.h"

enum small_item_kind {
    ITEM_NVRAM = 1,
    ITEM_TPM = 2,
    ITEM_SAVE_HEADER = 3, /* what comes before the memory in a save image */
};
#define SMALL_ITEMS_MAX 3u

struct small_item {
    enum small_item_kind kind;
    const uint8_t *data; /* borrowed */
    size_t len;
};

/* Ascending by kind, each at most once. */
struct small_items {
    struct small_item items[SMALL_ITEMS_MAX];
    size_t count;
};

/* Appends the section. Unsupported: an item is too large. */
int small_items_format(const struct small_items *items, struct buf *ret, struct err *err);
/* The items borrow data. */
int small_items_parse(const void *data, size_t len, struct small_items *ret, struct err *err);
