/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/utf8.h"

/* jansson's json_t is cast to and from struct json: one value, one pointer. */
static json_t *value_of(const struct json *json)
{
    return (json_t *)(uintptr_t)json;
}

static struct json *wrap(json_t *value)
{
    return (struct json *)value;
}

/* A member that is not there for want of memory would go unseen, in a journal for one. */
static void *take_memory(size_t size)
{
    return mem_alloc(size);
}

static void use_memory(void)
{
    json_set_alloc_funcs(take_memory, free);
}

struct json *json_parse(const char *text, size_t len, struct err *err)
{
    json_error_t error;

    use_memory();
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        err_set(err, ERR_CORRUPT, "not valid JSON: %s (line %d)", error.text, error.line);
    return wrap(value);
}

struct json *json_new_object(void)
{
    use_memory();
    return wrap(json_object());
}

struct json *json_new_array(void)
{
    use_memory();
    return wrap(json_array());
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
    return wrap(value);
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
    return wrap(json_array_get(value_of(array), index));
}

void json_set_str(struct json *object, const char *name, const char *value)
{
    CLEANUP_BUF struct buf clean = {0};

    if (!value) {
        json_object_set_new(value_of(object), name, json_null());
        return;
    }
    while (*value) {
        size_t len = utf8_decode(value, NULL);
        if (len == 0)
            buf_append_str(&clean, "\xef\xbf\xbd");
        else
            buf_append(&clean, value, len);
        value += len ? len : 1;
    }
    buf_put_u8(&clean, 0);
    json_object_set_new(value_of(object), name, json_string((const char *)clean.data));
}

void json_set_u64(struct json *object, const char *name, uint64_t value)
{
    json_object_set_new(value_of(object), name, json_integer((json_int_t)value));
}

void json_set_real(struct json *object, const char *name, double value)
{
    json_object_set_new(value_of(object), name, json_real(value));
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
