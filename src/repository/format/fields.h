/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Members of the objects in JSON, read strictly: one that is missing, or is something else than it
 * must be, makes the object corrupt. Members that are unknown are nobody's business.
 */
#pragma once

#include "base/digest.h"
#include "base/json.h"
#include "repository/format/id.h"

/* Every object has "format", which is this. */
#define FIELDS_FORMAT 1

/* An object of at most max bytes, of the format that is known. Unsupported: another format. */
int fields_open(const void *data, size_t len, size_t max, struct json **ret, struct err *err);

/* Not empty; the caller frees. */
int fields_text(const struct json *json, const char *name, char **ret, struct err *err);
/* null: *ret is NULL. */
int fields_text_or_null(const struct json *json, const char *name, char **ret, struct err *err);
int fields_bool(const struct json *json, const char *name, bool *ret, struct err *err);
int fields_number(const struct json *json, const char *name, uint64_t max, uint64_t *ret,
                  struct err *err);
int fields_time(const struct json *json, const char *name, int64_t *ret_ms, struct err *err);
int fields_id(const struct json *json, const char *name, struct id *ret, struct err *err);
/* null: *ret_there is false. */
int fields_id_or_null(const struct json *json, const char *name, bool *ret_there, struct id *ret,
                      struct err *err);
/* 64 hex digits. */
int fields_key(const struct json *json, const char *name, uint8_t ret[static DIGEST_SIZE],
               struct err *err);

/* Words are numbered from 0; NULL: there are no more. */
typedef const char *fields_words(unsigned number);
int fields_word(const struct json *json, const char *name, fields_words *words, unsigned *ret,
                struct err *err);
