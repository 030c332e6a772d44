/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON through jansson, which only this module uses: reads what qemu-img prints, writes our own
 * events, one object per line, and our journals.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct json;

/* A document from text of len bytes. Free with json_free. */
struct json *json_parse(const char *text, size_t len, struct err *err);
struct json *json_new_object(void);
struct json *json_new_array(void);
void json_free(struct json *json);
DEFINE_CLEANUP(struct json *, json_freep, json_free)

/* Reading. `path` names members with dots: "format-specific.data.compat", "" the value itself. Results are borrowed from
 * the document; NULL, false or 0 if the path leads nowhere or to another type. */
const struct json *json_get(const struct json *json, const char *path);
const char *json_get_str(const struct json *json, const char *path);
bool json_get_u64(const struct json *json, const char *path, uint64_t *ret);
bool json_get_bool(const struct json *json, const char *path);
size_t json_length(const struct json *array); /* 0 if it is not an array */
const struct json *json_at(const struct json *array, size_t index);

/* A copy of what json_set_bytes wrote, which the caller frees; NULL if there is none. *ret_bad
 * (otherwise not touched) becomes true if the member is neither of the two forms. */
char *json_get_bytes(const struct json *json, const char *path, bool *ret_bad);

/* Writing. Bytes of a text that are not UTF-8 are written as U+FFFD. A NULL string writes null. */
void json_set_str(struct json *object, const char *name, const char *value);
/* A name or path that must be read back byte for byte: text if it is UTF-8, else
 * {"hex":"2f73e9"}. */
void json_set_bytes(struct json *object, const char *name, const char *value);
void json_set_u64(struct json *object, const char *name, uint64_t value);
void json_set_bool(struct json *object, const char *name, bool value);
void json_set(struct json *object, const char *name, struct json *value); /* takes ownership */
void json_add(struct json *array, struct json *value);                    /* takes ownership */
void json_add_str(struct json *array, const char *value);

/* One line, without its newline. The caller frees it. */
char *json_format(const struct json *json);
