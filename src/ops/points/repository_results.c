/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_results.h"

#include "ops/points/repository_impl.h"
#include "repository/run_records.h"

static char *copy_unless_empty(const char *text)
{
    return text && *text ? mem_strdup(text) : NULL;
}

int points_repository_add_result(const struct run_result *result, const char *url,
                                 const char *scope, struct err *err)
{
    CLEANUP(store_closep) struct store *store = NULL;
    CLEANUP_SMALL_OBJECT struct small_object object = {
        .verb = copy_unless_empty(result->verb),
        .job = copy_unless_empty(result->job),
        .name = copy_unless_empty(result->guest),
        .host = copy_unless_empty(result->host),
        .point = copy_unless_empty(result->point),
        .reason = copy_unless_empty(result->reason),
        .started_ms = result->started_s * 1000,
        .ended_ms = result->ended_s * 1000,
        .status = (uint64_t)result->status,
        .read = result->read,
        .stored = result->stored,
    };
    struct id guest;

    if (!id_parse_uuid(result->uuid, &guest))
        return err_set(err, ERR_USAGE, "'%s' is no UUID", result->uuid);
    return store_open(url, &store, err) < 0 ||
                   run_records_add(store, scope ? scope : REPOSITORY_SCOPE, &guest, &object, err) <
                       0
               ? err_prefix(err, "the result of the run is not kept in the repository")
               : 0;
}

static void append_record(struct results *results, const struct run_record *record)
{
    const struct small_object *object = &record->object;
    char uuid[ID_UUID_SIZE];
    const struct run_result result = {
        .job = results_keep(results, object->job),
        .guest = results_keep(results, object->name),
        .uuid = results_keep(results, id_uuid(&record->guest, uuid)),
        .verb = results_keep(results, object->verb),
        .host = results_keep(results, object->host),
        .point = results_keep(results, object->point),
        .reason = results_keep(results, object->reason),
        .started_s = object->started_ms / 1000,
        .ended_s = object->ended_ms / 1000,
        .status = object->status > UINT8_MAX ? UINT8_MAX : (int)object->status,
        .read = object->read,
        .stored = object->stored,
    };

    results_append(results, &result);
}

int points_repository_results(const struct points_place *place, struct results *ret,
                              struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_RUN_RECORDS struct run_records records = {0};
    struct stored_scope scope;

    if (points_repository_open(place, &repository, &scope, err) < 0 ||
        run_records_read(&scope, NULL, &records, err) < 0)
        return -1;
    for (size_t i = 0; i < records.count; i++)
        append_record(ret, &records.all[i]);
    return 0;
}
