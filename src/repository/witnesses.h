/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Witnesses: some blocks of a disk that the next backup reads although nobody is said to have written
 * to them. If they are not what they were, the image is another one, or was written to behind QEMU's
 * back.
 */
#pragma once

#include "repository/known.h"
#include "repository/point_maps.h"
#include "repository/format/trust_section.h"

#define WITNESSES_SPREAD 64u

/* Of the image's blocks that are not zeros: as many, spread evenly, and the first and the last. Those whose
 * ids are not known are left out. */
int witnesses_choose(const struct point_map *map, const struct point_packs *packs,
                     const struct known *known, struct trust_section *ret, struct err *err);
/* Whether a disk has the block of this witness: len bytes, the rest of the disk if it is shorter than a
 * block. */
bool witnesses_fit(const uint8_t *id_salt, const struct trust_witness *witness, const void *data,
                   size_t len);
