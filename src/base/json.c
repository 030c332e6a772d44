/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/utf8.h"

/* jansson's json_t is cast to and from struct json, one to one. */
static json_t *value_of(const struct json *json)
{
    return (json_t *)(uintptr_t)json;
}

static struct json *json_of(json_t *value)
{
    return (struct json *)value;
}

/* A member that is missing for lack of memory would not be noticed, for example in a journal. */
static void *allocate_json(size_t size)
{
    return mem_alloc(size);
}

static void use_memory(void)
{
    json_set_alloc_funcs(allocate_json, free);
}

struct json *json_parse(const char *text, size_t len, struct err *err)
{
    json_error_t error;

    use_memory();
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        err_set(err, ERR_CORRUPT, "not valid JSON: %s (line %d)", error.text, error.line);
    return json_of(value);
}

struct json *json_new_object(void)
{
    use_memory();
    return json_of(json_object());
}

struct json *json_new_array(void)
{
    use_memory();
    return json_of(json_array());
}

void json_free(struct json *json)
{
    json_decref(value_of(json));
}

const struct json *json_get(const struct json *json, const char *path)
{
    json_t *value = value_of(json);

    while (value && *path) {
        size_t len = strcspn(path, ".");
        CLEANUP_FREE char *name = mem_strndup(path, len);
        value = json_object_get(value, name);
        path += len + (path[len] == '.');
    }
    return json_of(value);
}

const char *json_get_str(const struct json *json, const char *path)
{
    return json_string_value(value_of(json_get(json, path)));
}

bool json_get_u64(const struct json *json, const char *path, uint64_t *ret)
{
    json_t *value = value_of(json_get(json, path));

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

bool json_get_bool(const struct json *json, const char *path)
{
    return json_is_true(value_of(json_get(json, path)));
}

size_t json_length(const struct json *array)
{
    return json_array_size(value_of(array));
}

const struct json *json_at(const struct json *array, size_t index)
{
    return json_of(json_array_get(value_of(array), index));
}

/* With U+FFFD in the place of what is not UTF-8. */
static json_t *clean_string(const char *value)
{
    CLEANUP_BUF struct buf clean = {0};

    while (*value) {
        size_t len = utf8_decode(value, NULL);
        if (len == 0)
            buf_append_str(&clean, "\xef\xbf\xbd");
        else
            buf_append(&clean, value, len);
        value += len ? len : 1;
    }
    buf_put_u8(&clean, 0);
    return json_string((const char *)clean.data);
}

void json_set_str(struct json *object, const char *name, const char *value)
{
    json_object_set_new(value_of(object), name, value ? clean_string(value) : json_null());
}

void json_add_str(struct json *array, const char *value)
{
    json_array_append_new(value_of(array), clean_string(value));
}

/* ---- bytes that may not be text ------------------------------------------------------ */

static bool is_utf8(const char *text)
{
    while (*text) {
        size_t len = utf8_decode(text, NULL);
        if (len == 0)
            return false;
        text += len;
    }
    return true;
}

void json_set_bytes(struct json *object, const char *name, const char *value)
{
    static const char digits[] = "0123456789abcdef";

    if (!value || is_utf8(value)) {
        json_set_str(object, name, value);
        return;
    }
    CLEANUP_BUF struct buf hex = {0};
    struct json *wrapped = json_new_object();
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        buf_put_u8(&hex, (uint8_t)digits[*p >> 4]);
        buf_put_u8(&hex, (uint8_t)digits[*p & 15]);
    }
    buf_put_u8(&hex, 0);
    json_set_str(wrapped, "hex", (const char *)hex.data);
    json_set(object, name, wrapped);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL: it is not hexadecimal, or contains a NUL. */
static char *bytes_of_hex(const char *hex)
{
    size_t len = strlen(hex);
    CLEANUP_FREE char *bytes = mem_alloc(len / 2 + 1);

    for (size_t i = 0; i < len / 2; i++) {
        int high = digit_of(hex[2 * i]);
        int low = digit_of(hex[2 * i + 1]);
        if (high < 0 || low < 0 || high + low == 0)
            return NULL;
        bytes[i] = (char)(high << 4 | low);
    }
    return len % 2 ? NULL : TAKE_PTR(bytes);
}

char *json_get_bytes(const struct json *json, const char *path, bool *ret_bad)
{
    const struct json *member = json_get(json, path);
    const char *text = json_get_str(json, path);

    if (!member || json_is_null(value_of(member)))
        return NULL;
    if (text)
        return mem_strdup(text);
    const char *hex = json_get_str(member, "hex");
    char *bytes = hex ? bytes_of_hex(hex) : NULL;
    if (!bytes)
        *ret_bad = true;
    return bytes;
}

void json_set_u64(struct json *object, const char *name, uint64_t value)
{
    json_object_set_new(value_of(object), name, json_integer((json_int_t)value));
}

void json_set_bool(struct json *object, const char *name, bool value)
{
    json_object_set_new(value_of(object), name, json_boolean(value));
}

void json_set(struct json *object, const char *name, struct json *value)
{
    json_object_set_new(value_of(object), name, value_of(value));
}

void json_add(struct json *array, struct json *value)
{
    json_array_append_new(value_of(array), value_of(value));
}

char *json_format(const struct json *json)
{
    char *text =
        json_dumps(value_of(json), JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));

    return text ? text : mem_strdup("null");
}
