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

/* All that manifest_read promises about the contents. Corrupt. */
int manifest_check(const struct manifest *manifest, struct err *err);

/* The manifest's text has two places of 64 digits, next to each other:
 *   <vb:backup xmlns:vb="..." sha256="DIGEST" seal="SEAL" key="..." ...
 * The seal is made over the text with both empty, the digest over the text with
 * only its own place empty. So the digest covers the seal, and whoever has no key
 * finds a changed bit in it nevertheless. */
struct manifest_places {
    size_t digest; /* offset of the digits */
    size_t digest_len;
    size_t seal; /* 0: the text has no seal there */
    size_t seal_len;
};

/* Finds them, with or without digits in them: refused (corrupt) unless there is exactly one
 * place for the digest. Anything but 64 digits or none is corrupt. */
int manifest_check_places(const char *text, size_t len, struct manifest_places *ret,
                          struct err *err);
/* The digest that belongs into its place. */
void manifest_check_digest(const char *text, size_t len, const struct manifest_places *places,
                           char ret_hex[static DIGEST_HEX_SIZE]);
/* What is sealed. */
void manifest_check_sealed(const char *text, size_t len, const struct manifest_places *places,
                           uint8_t ret[static DIGEST_SIZE]);
