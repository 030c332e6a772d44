/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UTF-8, decoded strictly: overlong forms, surrogates and values above U+10FFFF
 * are not UTF-8.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The code point at the start of text (NUL-terminated), and its length in bytes: 1 to 4 (1 for the
 * final NUL); 0 if the bytes are not UTF-8. ret_code may be NULL. */
size_t utf8_decode(const char *text, uint32_t *ret_code);
/* How much of text may stay, so that it has at most max bytes and no part of a character. */
size_t utf8_cut(const char *text, size_t max);
