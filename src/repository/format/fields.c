/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/fields.h"

#include <inttypes.h>
#include <string.h>

#include "repository/format/stamp.h"

static int refuse_field(const char *name, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "its \"%s\" is not %s", name, what);
}

int fields_open(const void *data, size_t len, size_t max, struct json **ret, struct err *err)
{
    uint64_t format = 0;

    if (len > max)
        return err_set(err, ERR_CORRUPT, "has %zu bytes, and may have %zu", len, max);
    CLEANUP(json_freep) struct json *json = json_parse(data, len, err);
    if (!json)
        return -1;
    if (!json_get_u64(json, "format", &format) || format == 0)
        return refuse_field("format", "a number", err);
    if (format != FIELDS_FORMAT)
        return err_set(err, ERR_UNSUPPORTED,
                       "was made by a newer virt-backup: format %" PRIu64 "; this one reads %d",
                       format, FIELDS_FORMAT);
    *ret = TAKE_PTR(json);
    return 0;
}

int fields_text(const struct json *json, const char *name, char **ret, struct err *err)
{
    const char *text = json_get_str(json, name);

    if (!text || !*text)
        return refuse_field(name, "a text", err);
    *ret = mem_strdup(text);
    return 0;
}

static bool is_null(const struct json *json, const char *name)
{
    const struct json *value = json_get(json, name);
    CLEANUP_FREE char *text = json_format(value);

    return value && strcmp(text, "null") == 0;
}

int fields_text_or_null(const struct json *json, const char *name, char **ret, struct err *err)
{
    if (!is_null(json, name))
        return fields_text(json, name, ret, err);
    *ret = NULL;
    return 0;
}

int fields_bool(const struct json *json, const char *name, bool *ret, struct err *err)
{
    CLEANUP_FREE char *text = json_format(json_get(json, name));

    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return refuse_field(name, "true or false", err);
    *ret = text[0] == 't';
    return 0;
}

int fields_number(const struct json *json, const char *name, uint64_t max, uint64_t *ret,
                  struct err *err)
{
    uint64_t number = 0;

    if (!json_get_u64(json, name, &number) || number > max)
        return refuse_field(name, "a number that it can be", err);
    *ret = number;
    return 0;
}

int fields_time(const struct json *json, const char *name, int64_t *ret_ms, struct err *err)
{
    const char *text = json_get_str(json, name);

    return text && stamp_parse(text, ret_ms) ? 0 : refuse_field(name, "a time", err);
}

int fields_id(const struct json *json, const char *name, struct id *ret, struct err *err)
{
    const char *text = json_get_str(json, name);

    if (!text || strlen(text) != ID_TEXT_SIZE - 1 || !id_parse(text, ret))
        return refuse_field(name, "32 hexadecimal digits", err);
    return 0;
}

int fields_id_or_null(const struct json *json, const char *name, bool *ret_there, struct id *ret,
                      struct err *err)
{
    if (is_null(json, name)) {
        *ret_there = false;
        return 0;
    }
    if (fields_id(json, name, ret, err) < 0)
        return -1;
    *ret_there = true;
    return 0;
}

int fields_key(const struct json *json, const char *name, uint8_t ret[static DIGEST_SIZE],
               struct err *err)
{
    const char *text = json_get_str(json, name);

    if (!text || !digest_from_hex(text, ret))
        return refuse_field(name, "64 hexadecimal digits", err);
    return 0;
}

int fields_word(const struct json *json, const char *name, fields_words *words, unsigned *ret,
                struct err *err)
{
    const char *text = json_get_str(json, name);

    for (unsigned number = 0; text && words(number); number++) {
        if (strcmp(words(number), text) != 0)
            continue;
        *ret = number;
        return 0;
    }
    return refuse_field(name, "a word that is known", err);
}
