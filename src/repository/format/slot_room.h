/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How many bytes a point may have when it is unpacked. What is compressed grows, but not beyond
 * measure: whoever reads a point refuses one that would, and so whoever writes it stays within.
 */
#pragma once

#include "repository/format/slot.h"

/* The most bytes of a point when it is unpacked. */
#define SLOT_ROOM_MAX UINT64_C(0x100000000)
/* Of each section, what an unpacked point has before it: type, number and length. */
#define SLOT_ROOM_HEAD 16u
/* No facts take more: texts, which JSON makes no shorter, and some numbers. */
#define SLOT_ROOM_INFO_MAX (2 * LIMITS_INFO + 65536)

/* The most bytes of one that is stored in so many. There is always room for the small items of a guest,
 * which may be zeros. */
uint64_t slot_room_most(uint64_t stored_len);
/* The room for all of these sections; UINT64_MAX if that is more than a number can say. */
uint64_t slot_room_of(const struct slot_section *sections, uint32_t count);
/* Whether a point of so many stored bytes may need this room. Unsupported: more than SLOT_ROOM_MAX;
 * corrupt: more than slot_room_most. The error goes on after "the point" or its name. */
int slot_room_check(uint64_t room, uint64_t stored_len, struct err *err);
