/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What makes a manifest believable: its own digest, and that what it says fits
 * together. For the manifest_*.c files only.
 */
#pragma once

#include <stddef.h>

#include "record/manifest.h"
#include "base/digest.h"
#include "base/err.h"

/* All that manifest_parse promises about the contents. Corrupt. */
int manifest_check(const struct manifest *manifest, struct err *err);

/* Where the 64 digits of the manifest's own digest stand, or shall stand, in its
 * text: refused (corrupt) unless there is exactly one such place. */
int manifest_check_find_digest(const char *text, size_t len, size_t *ret_offset, struct err *err);
/* The digest of a text that has `digits` digits in that place. */
void manifest_check_compute_digest(const char *text, size_t len, size_t offset, size_t digits,
                                   char ret_hex[static DIGEST_HEX_SIZE]);
