/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One pack, whole in memory, checked.
 */
#pragma once

#include "repository/check.h"

/* data: the pack, whose index it is. Corrupt: a frame cannot be decoded, or a block does not have its
 * id; the text says which, not in which pack. */
int check_pack_frames(const struct check_request *request, const uint8_t *data,
                      const struct pack_index *index, struct err *err);
