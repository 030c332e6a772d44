/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/check_records.h"

#include <string.h>
#include <time.h>

#include "base/random.h"
#include "base/units.h"
#include "repository/format/name.h"
#include "repository/small_objects.h"

#define CHECK_AHEAD_MS DAY_MS

/* A small object; those that are damaged are reported as such (corrupt), and so are those that
 * whoever parses them does not survive. */
static int read_record(const struct stored_scope *scope, const char *name,
                       enum small_object_kind kind, struct small_object *ret, struct err *err)
{
    CLEANUP_BUF struct buf bytes = {0};

    if (store_read(scope->store, name, small_object_max(kind), &bytes, err) < 0)
        return -1;
    if (small_object_read(scope->parser, kind, &bytes, ret, err) == 0)
        return 0;
    if (err->kind == ERR_IO)
        err->kind = ERR_CORRUPT;
    return err_prefix(err, "%s/%s", store_url(scope->store), name);
}

/* ---- bad packs -------------------------------------------------------------------------------- */

void check_bad_packs_clear(struct check_bad_packs *packs)
{
    free(packs->packs);
    *packs = (struct check_bad_packs){0};
}

static char *bad_pack_name(const struct stored_scope *scope, const struct id *session,
                           uint32_t number)
{
    struct name name = {.kind = NAME_BAD_PACK, .session = *session, .number = number};

    memcpy(name.scope, scope->name, strlen(scope->name) + 1);
    return name_format(&name);
}

static int remember_bad_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                             struct err *err)
{
    struct check_bad_packs *packs = opaque;

    (void)entry;
    (void)err;
    packs->packs = mem_resize(packs->packs, packs->count + 1, sizeof(*packs->packs));
    packs->packs[packs->count++] =
        (struct check_bad_pack){name->session, name->number, DEFECT_DATA};
    return 0;
}

int check_records_bad_packs(const struct stored_scope *scope, struct check_bad_packs *ret,
                            struct err *err)
{
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs packs = {0};
    const struct objects_each each = {.call = remember_bad_pack, .opaque = &packs};

    if (objects_list(scope, "v", "bad", &each, err) < 0)
        return -1;
    for (size_t i = 0; i < packs.count; i++) {
        struct check_bad_pack *pack = &packs.packs[i];
        CLEANUP_FREE char *name = bad_pack_name(scope, &pack->session, pack->number);
        CLEANUP_SMALL_OBJECT struct small_object object = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        if (read_record(scope, name, SMALL_BAD_PACK, &object, &why) == 0)
            pack->defect = (enum small_defect)object.defect;
        else if (!small_objects_can_do_without(&why))
            return err_move(err, &why);
    }
    *ret = packs;
    packs = (struct check_bad_packs){0};
    return 0;
}

int check_records_note_bad(const struct stored_scope *scope, const struct pack_id *pack,
                           enum small_defect defect, const char *by, struct err *err)
{
    CLEANUP_FREE char *name = bad_pack_name(scope, &pack->session, pack->number);
    CLEANUP_FREE char *host = mem_strdup(by);
    struct small_object object = {.kind = SMALL_BAD_PACK, .defect = defect, .by = host};
    CLEANUP_BUF struct buf bytes = {0};

    if (store_now(scope->store, &object.when_ms, err) < 0 ||
        small_object_format(&object, &bytes, err) < 0)
        return -1;
    const struct store_object record = {.name = name, .data = bytes.data, .len = bytes.len};
    return store_replace(scope->store, &record, err);
}

int check_records_note_mended(const struct stored_scope *scope, const struct pack_id *pack,
                              struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    strings_take(&names, bad_pack_name(scope, &pack->session, pack->number));
    return store_delete(scope->store, &names, err);
}

/* ---- checks of points ------------------------------------------------------------------------- */

void check_records_clear(struct check_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        free(records->records[i].name);
    free(records->records);
    *records = (struct check_records){0};
}

static int add_check_record(void *opaque, const struct name *name, const struct store_entry *entry,
                            struct err *err)
{
    struct check_records *records = opaque;

    (void)err;
    records->records = mem_resize(records->records, records->count + 1, sizeof(*records->records));
    records->records[records->count++] = (struct check_record){
        .point = {name->guest, name->session}, .name = mem_strdup(entry->name)};
    return 0;
}

static int list_check_records(const struct stored_scope *scope, const struct id *guest,
                              struct check_records *ret, struct err *err)
{
    const struct objects_each each = {add_check_record, ret, .odd = OBJECTS_FILES};
    char text[ID_TEXT_SIZE];
    CLEANUP_FREE char *below = guest ? mem_printf("ok/%s", id_text(guest, text)) : mem_strdup("ok");

    return objects_list(scope, "v", below, &each, err);
}

static void add_good_record(struct check_record *record, struct check_records *ret)
{
    ret->records = mem_resize(ret->records, ret->count + 1, sizeof(*ret->records));
    ret->records[ret->count++] = *record;
    record->name = NULL;
}

struct check_records_reading {
    struct check_record **wanted; /* borrowed */
    struct check_records *good;
};

static int take_check_record(void *opaque, size_t number, struct small_object *object,
                             struct err *err)
{
    const struct check_records_reading *reading = opaque;
    struct check_record *record = reading->wanted[number];

    (void)err;
    record->level = (enum small_level)object->level;
    record->result = (enum small_result)object->result;
    record->when_ms = object->when_ms;
    record->ahead = object->when_ms > (int64_t)time(NULL) * 1000 + CHECK_AHEAD_MS;
    add_good_record(record, reading->good);
    return 0;
}

/* point: NULL, or the only one of the guest whose records are read. */
static int read_check_records(const struct stored_scope *scope, const struct id *guest,
                              const struct point_id *point, struct check_records *ret,
                              struct err *err)
{
    CLEANUP_CHECK_RECORDS struct check_records records = {0}, good = {0};

    if (list_check_records(scope, guest, &records, err) < 0)
        return -1;
    CLEANUP_FREE struct check_record **wanted = mem_array(records.count, sizeof(*wanted));
    CLEANUP_FREE const char **names = mem_array(records.count, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < records.count; i++)
        if (!point || objects_compare_points(&records.records[i].point, point) == 0) {
            names[count] = records.records[i].name;
            wanted[count++] = &records.records[i];
        }
    struct check_records_reading reading = {wanted, &good};
    const struct small_objects_each take = {SMALL_VERIFICATION, take_check_record, &reading};
    if (small_objects_read(scope, names, count, &take, err) < 0)
        return -1;
    *ret = good;
    good = (struct check_records){0};
    return 0;
}

int check_records_read(const struct stored_scope *scope, const struct id *guest,
                       struct check_records *ret, struct err *err)
{
    return read_check_records(scope, guest, NULL, ret, err);
}

int64_t check_records_last_good(const struct check_records *records, const struct point_id *point,
                                enum small_level level)
{
    int64_t last_ms = 0;

    for (size_t i = 0; i < records->count; i++) {
        const struct check_record *record = &records->records[i];
        if (record->result == RESULT_GOOD && !record->ahead && record->level >= level &&
            record->when_ms > last_ms && objects_compare_points(&record->point, point) == 0)
            last_ms = record->when_ms;
    }
    return last_ms;
}

int64_t check_records_last(const struct check_records *records, const struct point_id *point,
                           enum small_level level)
{
    int64_t last_ms = 0;

    for (size_t i = 0; i < records->count; i++) {
        const struct check_record *record = &records->records[i];
        if (!record->ahead && record->level >= level && record->when_ms > last_ms &&
            objects_compare_points(&record->point, point) == 0)
            last_ms = record->when_ms;
    }
    return last_ms;
}

/* NULL: it was never checked. */
static const struct check_record *find_last_record(const struct check_records *records,
                                                   const struct point_id *point)
{
    const struct check_record *last = NULL;

    for (size_t i = 0; i < records->count; i++) {
        const struct check_record *record = &records->records[i];
        if (objects_compare_points(&record->point, point) == 0 &&
            (!record->ahead || record->result == RESULT_BAD) &&
            (!last || record->when_ms >= last->when_ms))
            last = record;
    }
    return last;
}

bool check_records_is_good(const struct check_records *records, const struct point_id *point)
{
    const struct check_record *last = find_last_record(records, point);

    return last && last->result == RESULT_GOOD;
}

bool check_records_is_bad(const struct check_records *records, const struct point_id *point)
{
    const struct check_record *last = find_last_record(records, point);

    return last && last->result == RESULT_BAD;
}

static int remove_older_records(const struct stored_scope *scope,
                                const struct check_records *records,
                                const struct small_object *newer, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    for (size_t i = 0; i < records->count; i++) {
        const struct check_record *record = &records->records[i];
        bool older =
            record->when_ms <= newer->when_ms || record->when_ms > newer->when_ms + CHECK_AHEAD_MS;
        if (record->level <= newer->level && older)
            strings_add(&names, record->name);
    }
    return names.count > 0 ? store_delete(scope->store, &names, err) : 0;
}

int check_records_note(const struct stored_scope *scope, const struct point_id *point,
                       const struct small_object *verification, struct err *err)
{
    struct name name = {.kind = NAME_VERIFIED, .guest = point->guest, .session = point->session};
    CLEANUP_CHECK_RECORDS struct check_records records = {0};
    CLEANUP_BUF struct buf bytes = {0};
    enum store_outcome outcome = STORE_EXISTS;

    if (read_check_records(scope, &point->guest, point, &records, err) < 0 ||
        random_hex((NAME_RANDOM_SIZE - 1) / 2, name.random, err) < 0 ||
        small_object_format(verification, &bytes, err) < 0)
        return -1;
    memcpy(name.scope, scope->name, strlen(scope->name) + 1);
    CLEANUP_FREE char *text = name_format(&name);
    const struct store_object record = {.name = text, .data = bytes.data, .len = bytes.len};
    if (store_create(scope->store, &record, &outcome, err) < 0)
        return -1;
    if (outcome != STORE_MADE)
        return err_set(err, ERR_EXISTS, "%s/%s: is there already", store_url(scope->store), text);
    return remove_older_records(scope, &records, verification, err);
}
