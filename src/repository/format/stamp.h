/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Times in the objects of a repository: "2026-05-01T03:00:00.250Z", in UTC, to the millisecond.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define STAMP_SIZE 25 /* with its NUL */

/* time_ms: since 1970, from 0 to the year 9999. Returns text. */
const char *stamp_format(int64_t time_ms, char text[static STAMP_SIZE]);
/* False if it is not exactly what stamp_format would give. */
bool stamp_parse(const char *text, int64_t *ret_time_ms);
