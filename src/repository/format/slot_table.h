/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of a point's sections, for repository/format/slot.c.
 */
#pragma once

#include "repository/format/slot.h"

/* Appends the section's entry. */
void slot_table_format(const struct slot_section *section, struct buf *ret);
/* Fills slot->sections, of which there are slot->section_count, and slot->size. Corrupt: sections
 * that a point with these flags cannot have. */
int slot_table_parse(struct reader *reader, struct slot *slot, struct err *err);

void slot_table_check_of(const void *data, size_t len, uint8_t ret[static SLOT_CHECK_SIZE]);
/* Corrupt: these are not the section's stored bytes. */
int slot_table_check(const struct slot_section *section, const void *stored, struct err *err);
