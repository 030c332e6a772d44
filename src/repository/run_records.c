/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/run_records.h"

#include <string.h>

#include "base/utf8.h"
#include "repository/keep/objects.h"
#include "repository/small_objects.h"

#define TOP "r"
#define TEXT_MAX 500u /* bytes, of each text but the reason */
#define REASON_MAX 2000u

/* ---- writing --------------------------------------------------------------------------------- */

static int pass_over_entry(void *opaque, const struct store_entry *entry, struct err *err)
{
    (void)opaque;
    (void)entry;
    (void)err;
    return 0;
}

/* A new scope gets its folders from the first backup, and the one for results from the first result: a
 * repository of an earlier version has none. */
static int add_folder(struct store *store, const char *scope, struct err *err)
{
    CLEANUP_FREE char *config = name_format(&(struct name){.kind = NAME_CONFIG});
    CLEANUP_FREE char *last = mem_printf("c/%s/", scope);
    CLEANUP_STRINGS struct strings folders = {0};
    struct store_range range = {.name = config, .data = &(char){0}, .cap = 1};
    size_t len = 0;

    if (!name_is_scope(scope))
        return err_set(err, ERR_USAGE, "'%s' cannot be the name of a scope", scope);
    if (store_get(store, &range, &len, err) < 0 ||
        store_list(store, last, &(struct store_each){.call = pass_over_entry}, err) < 0)
        return -1;
    strings_add(&folders, TOP);
    strings_take(&folders, mem_printf(TOP "/%s", scope));
    return store_add_folders(store, &folders, err);
}

static void cut_text(char *text, size_t max)
{
    if (text)
        text[utf8_cut(text, max)] = '\0';
}

static void cut_texts(struct small_object *result)
{
    cut_text(result->verb, TEXT_MAX);
    cut_text(result->job, TEXT_MAX);
    cut_text(result->name, TEXT_MAX);
    cut_text(result->host, TEXT_MAX);
    cut_text(result->point, TEXT_MAX);
    cut_text(result->reason, REASON_MAX);
}

/* Results of one host have names of their own, so that it can remove its older ones unread. */
static void stand_for_host(const char *host, char ret[static NAME_RANDOM_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    digest_of(host, strlen(host), digest);
    digest_to_hex(digest, hex);
    memcpy(ret, hex, NAME_RANDOM_SIZE - 1);
    ret[NAME_RANDOM_SIZE - 1] = '\0';
}

struct older_results {
    const struct name *newest;
    struct strings names; /* of all of its host and guest, in the order of time */
};

static int note_older_result(void *opaque, const struct name *name, const struct store_entry *entry,
                             struct err *err)
{
    struct older_results *older = opaque;

    (void)err;
    if (strcmp(name->random, older->newest->random) == 0 &&
        id_compare(&name->session, &older->newest->session) != 0)
        strings_add(&older->names, entry->name);
    return 0;
}

static void older_results_clear(struct older_results *older)
{
    strings_clear(&older->names);
}

static int remove_older_results(const struct stored_scope *scope, const struct name *newest,
                                struct err *err)
{
    struct older_results older CLEANUP(older_results_clear) = {.newest = newest};
    const struct objects_each each = {note_older_result, &older, .odd = OBJECTS_FILES};
    char guest[ID_TEXT_SIZE];

    if (objects_list(scope, TOP, id_text(&newest->guest, guest), &each, err) < 0)
        return -1;
    if (older.names.count < RUN_RECORDS_KEPT)
        return 0;
    const struct strings out = {older.names.items, older.names.count - (RUN_RECORDS_KEPT - 1)};
    return store_delete(scope->store, &out, err);
}

int run_records_add(struct store *store, const char *scope, const struct id *guest,
                    struct small_object *result, struct err *err)
{
    const struct stored_scope stored = {.store = store, .name = scope};
    struct name name = {.kind = NAME_RESULT, .guest = *guest};
    CLEANUP_BUF struct buf bytes = {0};
    enum store_outcome outcome = STORE_EXISTS;

    result->kind = SMALL_RESULT;
    cut_texts(result);
    if (add_folder(store, scope, err) < 0 || store_now(store, &result->when_ms, err) < 0 ||
        id_of_time(result->when_ms, &name.session, err) < 0 ||
        small_object_format(result, &bytes, err) < 0)
        return -1;
    stand_for_host(result->host, name.random);
    memcpy(name.scope, scope, strlen(scope) + 1);
    CLEANUP_FREE char *text = name_format(&name);
    const struct store_object object = {.name = text, .data = bytes.data, .len = bytes.len};
    if (store_create(store, &object, &outcome, err) < 0)
        return -1;
    if (outcome != STORE_MADE)
        return err_set(err, ERR_EXISTS, "%s/%s: is there already", store_url(store), text);
    return remove_older_results(&stored, &name, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

void run_records_clear(struct run_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        small_object_clear(&records->all[i].object);
    free(records->all);
    *records = (struct run_records){0};
}

static int note_result_name(void *opaque, const struct name *name, const struct store_entry *entry,
                            struct err *err)
{
    struct strings *names = opaque;

    (void)name;
    (void)err;
    strings_add(names, entry->name);
    return 0;
}

static bool is_text_of_id(const char *text)
{
    struct id id;

    return strlen(text) == ID_TEXT_SIZE - 1 && id_parse(text, &id);
}

struct run_records_reading {
    const struct strings *names;
    struct run_records *records; /* with room for all */
};

static int take_run_record(void *opaque, size_t number, struct small_object *object,
                           struct err *err)
{
    const struct run_records_reading *reading = opaque;
    struct run_records *records = reading->records;
    struct name name;

    (void)err;
    if (!name_parse(reading->names->items[number], &name) ||
        (object->point && !is_text_of_id(object->point)))
        return 0;
    records->all[records->count++] = (struct run_record){name.guest, *object};
    *object = (struct small_object){0};
    return 0;
}

int run_records_read(const struct stored_scope *scope, const struct id *guest,
                     struct run_records *ret, struct err *err)
{
    CLEANUP_RUN_RECORDS struct run_records records = {0};
    CLEANUP_STRINGS struct strings names = {0};
    const struct objects_each each = {note_result_name, &names, .odd = OBJECTS_FILES};
    CLEANUP_ERR struct err why = ERR_INIT;
    char text[ID_TEXT_SIZE];

    if (objects_list(scope, TOP, guest ? id_text(guest, text) : NULL, &each, &why) < 0 &&
        why.kind != ERR_NOT_FOUND)
        return err_move(err, &why);
    records.all = mem_array(names.count, sizeof(*records.all));
    struct run_records_reading reading = {&names, &records};
    const struct small_objects_each take = {SMALL_RESULT, take_run_record, &reading};
    if (small_objects_read(scope, (const char *const *)names.items, names.count, &take, err) < 0)
        return -1;
    *ret = records;
    records = (struct run_records){0};
    return 0;
}
