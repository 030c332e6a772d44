/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names of repositories, guests, sessions and blocks: 16 bytes, as text 32 lower-case hex
 * digits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ID_SIZE 16
#define ID_TEXT_SIZE 33 /* with its NUL */

struct id {
    uint8_t bytes[ID_SIZE];
};

/* Returns text. */
const char *id_text(const struct id *id, char text[static ID_TEXT_SIZE]);
#define ID_UUID_SIZE 37 /* with its NUL */
/* The same with the dashes of a UUID. Returns text. */
const char *id_uuid(const struct id *id, char text[static ID_UUID_SIZE]);
/* The first 32 bytes of text; false if they are anything else. */
bool id_parse(const char *text, struct id *ret);
/* What id_uuid gives, and nothing else. */
bool id_parse_uuid(const char *text, struct id *ret);
/* As the texts would be. */
int id_compare(const struct id *a, const struct id *b);

int id_random(struct id *ret, struct err *err);

/* Of a session: 48 bits of milliseconds since 1970, and 80 random ones. */
int id_of_time(int64_t time_ms, struct id *ret, struct err *err);
int64_t id_time_ms(const struct id *id);
