/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What parsers (base/parser.h) make of the parts of a repository: numbers, and texts behind their
 * lengths. Whoever reads them believes none of it.
 */
#pragma once

#include "base/buf.h"

/* The last time that can be written: of the year 9999. */
#define FLAT_LAST_MS UINT64_C(253402300799999)

/* A text that is not empty. */
void flat_put_text(struct buf *ret, const char *text);
/* The caller frees it. NULL, and the reader has failed: it is empty, longer than max, or not UTF-8
 * without a NUL. */
char *flat_text(struct reader *reader, size_t max);
/* A time that can be written; else the reader has failed. */
int64_t flat_time_ms(struct reader *reader);
