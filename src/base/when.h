/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Dates and times. People read local time with its zone, programs RFC 3339.
 */
#pragma once

#define WHEN_TEXT_SIZE 32

/* The local time now: "2026-05-01T03:00:00+02:00". Returns text. */
const char *when_now(char text[static WHEN_TEXT_SIZE]);
/* A time in RFC 3339 (with Z or an offset) as local time for people, without a fraction of a
 * second: "2026-05-01 03:00:00 +0200". Anything else is copied as it is, cut to fit. Returns text. */
const char *when_local(const char *rfc3339, char text[static WHEN_TEXT_SIZE]);
