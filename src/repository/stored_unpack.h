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

/* Of a point whose start was parsed, from its table. Corrupt or unsupported: more than it may have. */
int stored_unpack_size(const struct slot *slot, uint64_t *ret, struct err *err);

/* ---- unpacking: for a struct parser ----------------------------------------------------------- */

/* data: a struct slot_id, then all bytes of the slot. Corrupt: it is no point, by slot_parse, or more than
 * slot_room_most. */
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
