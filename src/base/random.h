/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random bytes of the kernel, good enough for keys and for names that nobody can guess; and noise.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

int random_bytes(void *ret, size_t len, struct err *err);
/* Bytes that nobody can compress, many at little cost. Whoever knows some of them knows all: they are no
 * secret. */
int random_noise(void *ret, size_t len, struct err *err);
/* 2 * len lower-case hex digits of the kernel's random bytes, and a NUL. */
int random_hex(size_t len, char *ret, struct err *err);
