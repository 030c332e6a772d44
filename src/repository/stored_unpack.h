/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points, made simple. What takes libraries to read in a slot - sections that are compressed, the
 * JSON of INFO - is unpacked by functions that may run in another process (base/parser.h).
 * What they make is read here again, with nothing but arrays and lengths, and every byte of it is
 * checked: it may come from a process that a hostile point has taken over.
 */
#pragma once

#include "repository/format/info.h"
#include "repository/format/slot.h"
#include "repository/stored_scope.h"

/* The most bytes of a point when it is unpacked. */
#define STORED_UNPACK_MAX UINT64_C(0x100000000)
/* And of one that is stored in so many: what is compressed grows, but not beyond measure. There is always
 * room for the small items of a guest, which may be zeros. */
uint64_t stored_unpack_most(uint64_t stored_len);
/* Of a point whose start was parsed, from its table. Corrupt or unsupported: more than it may have. */
int stored_unpack_size(const struct slot *slot, uint64_t *ret, struct err *err);

/* No facts take more: texts, which JSON makes no shorter, and some numbers. */
#define STORED_UNPACK_INFO_MAX (2 * LIMITS_INFO + 65536)

/* ---- unpacking: for a struct parser ----------------------------------------------------------- */

/* data: a struct slot_id, then all bytes of the slot. Corrupt: it is no point, by slot_parse, or more than
 * stored_unpack_most. */
parser_function stored_unpack_point;
/* data: a struct slot_id, the struct slot_section of INFO, then the section as stored. */
parser_function stored_unpack_info;

/* ---- what they made --------------------------------------------------------------------------- */

struct unpacked_section {
    enum slot_type type; /* PACKS, DIGESTS, MAP, TRUST, MANIFEST or SMALL */
    uint32_t number;
    const uint8_t *data; /* borrowed; decompressed. Of TRUST: for trust_section_take, or empty */
    size_t len;
};

struct unpacked_point {
    uint32_t flags; /* only FLAG_PARTIAL and FLAG_DERIVED */
    struct info info;
    struct reader sections;
    struct unpacked_section last;
};

/* The beginning: flags and INFO, which the caller clears. Borrows data. */
int stored_unpack_begin(const void *data, size_t len, const struct id *guest,
                        struct unpacked_point *ret, struct err *err);
/* 1 and the next section, ascending by type and number; 0 at the end. */
int stored_unpack_next(struct unpacked_point *point, struct unpacked_section *ret, struct err *err);
/* What stored_unpack_info made. */
int stored_unpack_take_info(const void *data, size_t len, const struct id *guest, struct info *ret,
                            struct err *err);
