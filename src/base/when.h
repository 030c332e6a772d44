/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Dates and times. People read local time with its zone, programs RFC 3339.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WHEN_TEXT_SIZE 32

/* The local time now: "2026-05-01T03:00:00+02:00". Returns text. */
const char *when_now(char text[static WHEN_TEXT_SIZE]);
/* A time in RFC 3339 (with Z or an offset) as local time for people, without a fraction of a
 * second: "2026-05-01 03:00:00 +0200". Anything else is copied as it is, cut to fit. Returns text. */
const char *when_local(const char *rfc3339, char text[static WHEN_TEXT_SIZE]);
/* A time since 1970 in RFC 3339: "2026-05-01T01:00:00Z". Returns text. */
const char *when_utc(int64_t time_ms, char text[static WHEN_TEXT_SIZE]);
/* What people and programs write: "2026-05-01", "2026-05-01 03:00", "2026-05-01 03:00:00" or
 * "2026-05-01 03:00:00.250", with 'T' for the blank, and, if there is a time of day, with or without
 * a zone: "Z", "+02:00", " +0200"; local time without. *ret_ms: the last millisecond of the day,
 * minute, second or part of one. False: anything else, or a day that no calendar has. */
bool when_parse(const char *text, int64_t *ret_ms);
