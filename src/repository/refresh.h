/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which packs a full read stops using. A pack lives as long as one point uses any of it, and each
 * day leaves a few blocks more in packs that are otherwise no longer wanted. So of the packs of
 * which the base uses little the rest is stored once more, some of it in each backup, and then the
 * next points do without them.
 *
 * Less than 35 %, those first of which the least share is used: they give back most for what is stored
 * again. Not too much in one night, because until the points that use the old packs are gone everything is
 * there twice: a fifth of what the base's own session stored, but at least half a pack, or those of
 * small guests would never come to it. Of ten weeks with 1 % of changes a day this takes a fifth less than
 * no refresh where a week of points is kept, and a tenth more where points of weeks and months are. With
 * less than 50 % it would be 7 % less and 9 % more, and a quarter more written.
 */
#pragma once

#include <stdbool.h>

#include "repository/stored_point.h"

#define REFRESH_USED_PERCENT 35u
#define REFRESH_BYTES_MIN (LIMITS_PACK_BODY / 2)
#define REFRESH_STORED_DIVISOR 5u

/* The packs of small nights, on the other hand, stay in use for years, and each is an object that every
 * listing, check and restore must deal with. So if the base uses more than 100 of less than 4 MiB, what it uses of
 * the smallest is stored again, too, as much as makes one pack. */
#define REFRESH_SMALL_BYTES (UINT64_C(4) << 20)
#define REFRESH_SMALL_PACKS 100u

/* Sets ret[place] of the packs that are to be used no more; the others are not touched. */
void refresh_choose(const struct stored_point *base, bool *ret);
