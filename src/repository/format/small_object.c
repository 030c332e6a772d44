/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/small_object.h"

#include <stddef.h>
#include <string.h>

#include "repository/format/fields.h"
#include "repository/format/flat.h"
#include "repository/format/stamp.h"

/* ---- what objects have ----------------------------------------------------------------------- */

#define WORDS(name, ...)                                                                           \
    static const char *name(unsigned number)                                                       \
    {                                                                                              \
        static const char *const words[] = {__VA_ARGS__};                                          \
        return number < sizeof(words) / sizeof(words[0]) ? words[number] : NULL;                   \
    }
WORDS(create_only_word, "condition", "versions", "none")
WORDS(defect_word, "missing", "length", "stored", "data")
WORDS(level_word, "objects", "stored", "data")
WORDS(result_word, "good", "bad")

enum object_member_type {
    MEMBER_TEXT,
    MEMBER_TEXT_OR_NULL,
    MEMBER_NUMBER,
    MEMBER_TIME,
    MEMBER_ID,
    MEMBER_KEY,
    MEMBER_WORD,
};

/* A JSON number is signed. */
#define MEMBER_NUMBER_MAX ((uint64_t)INT64_MAX)

static const struct object_member {
    enum small_object_kind kind;
    const char *name;
    enum object_member_type type;
    size_t offset;
    fields_words *words;
} object_members[] = {
#define MEMBER(kind, name, type, member, words)                                                    \
    {SMALL_##kind, name, MEMBER_##type, offsetof(struct small_object, member), words}
    MEMBER(CONFIG, "id", ID, id, NULL),
    MEMBER(CONFIG, "create-only", WORD, create_only, create_only_word),
    MEMBER(CONFIG, "created", TIME, when_ms, NULL),
    MEMBER(CONFIG, "id-salt", KEY, id_salt, NULL),
    MEMBER(SESSION, "gid", ID, guest, NULL),
    MEMBER(SESSION, "sid", ID, session, NULL),
    MEMBER(SESSION, "host", TEXT, host, NULL),
    MEMBER(SESSION, "program", TEXT, program, NULL),
    MEMBER(TOKEN, "host", TEXT, host, NULL),
    MEMBER(TOKEN, "when", TIME, when_ms, NULL),
    MEMBER(MARK, "by", TEXT, by, NULL),
    MEMBER(MARK, "when", TIME, when_ms, NULL),
    MEMBER(MARK, "reason", TEXT, reason, NULL),
    MEMBER(BAD_PACK, "what", WORD, defect, defect_word),
    MEMBER(BAD_PACK, "when", TIME, when_ms, NULL),
    MEMBER(BAD_PACK, "by", TEXT, by, NULL),
    MEMBER(VERIFICATION, "level", WORD, level, level_word),
    MEMBER(VERIFICATION, "result", WORD, result, result_word),
    MEMBER(VERIFICATION, "when", TIME, when_ms, NULL),
    MEMBER(VERIFICATION, "host", TEXT, host, NULL),
    MEMBER(RESULT, "verb", TEXT, verb, NULL),
    MEMBER(RESULT, "job", TEXT_OR_NULL, job, NULL),
    MEMBER(RESULT, "name", TEXT, name, NULL),
    MEMBER(RESULT, "host", TEXT, host, NULL),
    MEMBER(RESULT, "started", TIME, started_ms, NULL),
    MEMBER(RESULT, "ended", TIME, ended_ms, NULL),
    MEMBER(RESULT, "when", TIME, when_ms, NULL),
    MEMBER(RESULT, "status", NUMBER, status, NULL),
    MEMBER(RESULT, "point", TEXT_OR_NULL, point, NULL),
    MEMBER(RESULT, "read", NUMBER, read, NULL),
    MEMBER(RESULT, "stored", NUMBER, stored, NULL),
    MEMBER(RESULT, "reason", TEXT_OR_NULL, reason, NULL),
#undef MEMBER
};
#define MEMBER_COUNT (sizeof(object_members) / sizeof(object_members[0]))

size_t small_object_max(enum small_object_kind kind)
{
    return kind == SMALL_CONFIG         ? LIMITS_CONFIG
           : kind == SMALL_VERIFICATION ? LIMITS_VERIFICATION
           : kind == SMALL_RESULT       ? LIMITS_RESULT
                                        : LIMITS_SMALL_OBJECT;
}

void small_object_clear(struct small_object *object)
{
    free(object->program);
    free(object->reason);
    free(object->host);
    free(object->by);
    free(object->verb);
    free(object->job);
    free(object->name);
    free(object->point);
    *object = (struct small_object){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

static void set_object_member(struct json *json, const struct object_member *member,
                              const struct small_object *object)
{
    const void *value = (const char *)object + member->offset;
    char id[ID_TEXT_SIZE], stamp[STAMP_SIZE], hex[DIGEST_HEX_SIZE];
    const char *text = NULL;

    switch (member->type) {
    case MEMBER_TEXT:
    case MEMBER_TEXT_OR_NULL:
        text = *(char *const *)value;
        break;
    case MEMBER_NUMBER:
        json_set_u64(json, member->name, *(const uint64_t *)value);
        return;
    case MEMBER_TIME:
        text = stamp_format(*(const int64_t *)value, stamp);
        break;
    case MEMBER_ID:
        text = id_text(value, id);
        break;
    case MEMBER_KEY:
        digest_to_hex(value, hex);
        text = hex;
        break;
    case MEMBER_WORD:
        text = member->words(*(const unsigned *)value);
        break;
    }
    json_set_str(json, member->name, text);
}

int small_object_format(const struct small_object *object, struct buf *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    CLEANUP_SMALL_OBJECT struct small_object again = {0};

    json_set_u64(json, "format", FIELDS_FORMAT);
    if (object->kind == SMALL_CONFIG) {
        json_set_bool(json, "encrypted", false);
        json_set_u64(json, "block", LIMITS_BLOCK);
        json_set_u64(json, "pack", LIMITS_PACK_BODY);
    }
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (object_members[i].kind == object->kind)
            set_object_member(json, &object_members[i], object);
    CLEANUP_FREE char *text = json_format(json);
    size_t len = strlen(text);
    if (len > small_object_max(object->kind))
        return err_set(err, ERR_UNSUPPORTED, "an object of %zu bytes, and it may have %zu", len,
                       small_object_max(object->kind));
    if (small_object_parse(object->kind, text, len, &again, err) < 0)
        return err_prefix(err, "an object that cannot be read back");
    buf_append(ret, text, len);
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int get_object_member(const struct json *json, const struct object_member *member,
                             struct small_object *object, struct err *err)
{
    void *value = (char *)object + member->offset;

    switch (member->type) {
    case MEMBER_TEXT:
        return fields_text(json, member->name, value, err);
    case MEMBER_TEXT_OR_NULL:
        return fields_text_or_null(json, member->name, value, err);
    case MEMBER_NUMBER:
        return fields_number(json, member->name, MEMBER_NUMBER_MAX, value, err);
    case MEMBER_TIME:
        return fields_time(json, member->name, value, err);
    case MEMBER_ID:
        return fields_id(json, member->name, value, err);
    case MEMBER_KEY:
        return fields_key(json, member->name, value, err);
    case MEMBER_WORD:
        return fields_word(json, member->name, member->words, value, err);
    }
    return 0;
}

/* What is the same in every repository. */
static int check_config(const struct json *json, struct err *err)
{
    bool encrypted = false;
    uint64_t block = 0, pack = 0;

    if (fields_bool(json, "encrypted", &encrypted, err) < 0 ||
        fields_number(json, "block", UINT32_MAX, &block, err) < 0 ||
        fields_number(json, "pack", UINT32_MAX, &pack, err) < 0)
        return -1;
    if (encrypted)
        return err_set(err, ERR_UNSUPPORTED,
                       "encrypted repositories are not supported by this version");
    if (block != LIMITS_BLOCK || pack != LIMITS_PACK_BODY)
        return err_set(err, ERR_CORRUPT, "has other sizes of blocks and packs than there are");
    return 0;
}

int small_object_parse(enum small_object_kind kind, const void *data, size_t len,
                       struct small_object *ret, struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object object = {.kind = kind};
    CLEANUP(json_freep) struct json *json = NULL;

    if (fields_open(data, len, small_object_max(kind), &json, err) < 0 ||
        (kind == SMALL_CONFIG && check_config(json, err) < 0))
        return -1;
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (object_members[i].kind == kind &&
            get_object_member(json, &object_members[i], &object, err) < 0)
            return -1;
    *ret = object;
    object = (struct small_object){0};
    return 0;
}

/* ---- reading with a parser ------------------------------------------------------------------- */

static void flatten_member(const struct object_member *member, const struct small_object *object,
                           struct buf *ret)
{
    const void *value = (const char *)object + member->offset;

    switch (member->type) {
    case MEMBER_TEXT:
        flat_put_text(ret, *(char *const *)value);
        break;
    case MEMBER_TEXT_OR_NULL:
        buf_put_u8(ret, *(char *const *)value != NULL);
        if (*(char *const *)value)
            flat_put_text(ret, *(char *const *)value);
        break;
    case MEMBER_NUMBER:
        buf_put_be64(ret, *(const uint64_t *)value);
        break;
    case MEMBER_TIME:
        buf_put_be64(ret, (uint64_t)*(const int64_t *)value);
        break;
    case MEMBER_ID:
        buf_append(ret, value, ID_SIZE);
        break;
    case MEMBER_KEY:
        buf_append(ret, value, DIGEST_SIZE);
        break;
    case MEMBER_WORD:
        buf_put_be32(ret, *(const unsigned *)value);
        break;
    }
}

/* A parser_function. data: the kind, in a byte, and the object. */
static int flatten_small_object(const void *data, size_t len, struct buf *ret, struct err *err)
{
    struct reader reader = reader_of(data, len);
    enum small_object_kind kind = (enum small_object_kind)reader_u8(&reader);
    CLEANUP_SMALL_OBJECT struct small_object object = {0};

    if (small_object_parse(kind, reader.p, reader.left, &object, err) < 0)
        return -1;
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (object_members[i].kind == kind)
            flatten_member(&object_members[i], &object, ret);
    return 0;
}

static void take_flat_bytes(struct reader *reader, void *ret, size_t len)
{
    const uint8_t *bytes = reader_bytes(reader, len);

    if (bytes)
        memcpy(ret, bytes, len);
}

static void take_flat_member(struct reader *reader, const struct object_member *member,
                             struct small_object *object)
{
    void *value = (char *)object + member->offset;
    uint64_t number;
    uint32_t word;

    switch (member->type) {
    case MEMBER_TEXT:
        *(char **)value = flat_text(reader, small_object_max(object->kind));
        break;
    case MEMBER_TEXT_OR_NULL:
        if (reader_u8(reader))
            *(char **)value = flat_text(reader, small_object_max(object->kind));
        break;
    case MEMBER_NUMBER:
        number = reader_be64(reader);
        reader->failed = reader->failed || number > MEMBER_NUMBER_MAX;
        *(uint64_t *)value = number;
        break;
    case MEMBER_TIME:
        *(int64_t *)value = flat_time_ms(reader);
        break;
    case MEMBER_ID:
        take_flat_bytes(reader, value, ID_SIZE);
        break;
    case MEMBER_KEY:
        take_flat_bytes(reader, value, DIGEST_SIZE);
        break;
    case MEMBER_WORD:
        word = reader_be32(reader);
        reader->failed = reader->failed || !member->words(word);
        *(unsigned *)value = word;
        break;
    }
}

struct parser_task small_object_task(enum small_object_kind kind, const struct buf *bytes,
                                     struct buf *ret_given)
{
    buf_put_u8(ret_given, (uint8_t)kind);
    if (bytes->len > 0)
        buf_append(ret_given, bytes->data, bytes->len);
    /* It is no longer than in JSON, where numbers are texts. */
    return (struct parser_task){flatten_small_object, ret_given->data, ret_given->len,
                                small_object_max(kind)};
}

int small_object_take(enum small_object_kind kind, const struct buf *made, struct small_object *ret,
                      struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object object = {.kind = kind};
    struct reader reader = reader_of(made->data, made->len);

    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (object_members[i].kind == kind)
            take_flat_member(&reader, &object_members[i], &object);
    if (reader.failed || reader.left > 0)
        return err_set(err, ERR_CORRUPT, "the parser has given something else than its members");
    *ret = object;
    object = (struct small_object){0};
    return 0;
}

int small_object_read(const struct parser *parser, enum small_object_kind kind,
                      const struct buf *bytes, struct small_object *ret, struct err *err)
{
    CLEANUP_BUF struct buf given = {0}, made = {0};
    const struct parser_task task = small_object_task(kind, bytes, &given);

    return parser_run(parser, &task, &made, err) < 0 ? -1
                                                     : small_object_take(kind, &made, ret, err);
}
