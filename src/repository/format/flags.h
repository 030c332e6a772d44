/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The flags in the heads of packs and points.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define FLAG_ENCRYPTED 1u
#define FLAG_CHACHA20 2u /* instead of AES */
#define FLAG_PARTIAL 4u  /* points only: of a backup that was not complete */
#define FLAG_DERIVED 8u  /* points only: made from another point */

/* Corrupt: what no version could have written. Unsupported: what this one cannot read, encrypted or
 * with flags other than `allowed` and those of encryption. */
int flags_check(uint32_t flags, uint32_t allowed, struct err *err);
