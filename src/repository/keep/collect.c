/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/collect.h"

#include <string.h>

#include "base/lock_file.h"
#include "repository/keep/collection.h"

static int check_store(const struct repository *repository, const struct collect_settings *settings,
                       struct err *err)
{
    if (repository->create_only == CREATE_ONLY_NONE && !settings->alone)
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s: nothing keeps this store from creating a name twice; collect only while "
            "nobody else uses the repository, with --alone",
            store_url(repository->store));
    if (repository->lagging && !settings->nfs_ok)
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s: is on %s, where listings may be old; collect on its server, or mount it "
            "with lookupcache=none,noac and add --nfs-ok",
            store_url(repository->store), repository->lagging);
    return 0;
}

static void begin_collection(struct collection *work, const struct repository *repository,
                             const struct collect_settings *settings,
                             const struct collect_events *events)
{
    work->repository = repository;
    work->settings = settings;
    work->events = events;
    work->scope = (struct stored_scope){.store = repository->store,
                                        .repository = repository->id,
                                        .name = settings->scope,
                                        .parser = repository->parser};
}

static void count_candidates(const struct pack_set *set, struct collect_result *result)
{
    for (uint32_t i = 0; i < set->count; i++) {
        result->packs_removed += set->sizes[i] > 0;
        result->bytes_removed += set->sizes[i];
    }
}

/* What an earlier run has left, if it can be gone on with. */
static int resume_collection(struct collection *work, bool *ret_resumed, struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;
    bool there = false;

    *ret_resumed = false;
    if (collection_load(work, &there, &failure) < 0) {
        if (failure.kind != ERR_CORRUPT && failure.kind != ERR_INTERNAL)
            return err_move(err, &failure);
        work->stopped = "what it has left in the state directory is damaged";
    } else if (!there) {
        return 0;
    } else if (collection_check_token(work, err) < 0) {
        return -1;
    }
    if (work->stopped) {
        collection_tell(work, COLLECT_ANEW, NULL, work->begun_ms, work->stopped);
        work->stopped = NULL;
        collection_clear(work);
        return collection_forget(work, err);
    }
    collection_tell(work, COLLECT_RESUMED, NULL, work->begun_ms, NULL);
    *ret_resumed = true;
    return 0;
}

/* The reserve may have been given up by a run that did not come to its end. */
static int refill_reserve(struct collection *work, struct err *err)
{
    CLEANUP_FREE char *name = name_format(&(struct name){.kind = NAME_RESERVE});
    CLEANUP_ERR struct err failure = ERR_INIT;
    uint8_t byte = 0;
    struct store_range range = {.name = name, .data = &byte, .cap = 1};
    size_t len = 0;

    if (store_get(work->scope.store, &range, &len, &failure) == 0)
        return 0;
    if (failure.kind != ERR_NOT_FOUND)
        return err_move(err, &failure);
    err_clear(&failure);
    if (repository_add_reserve(work->repository, &failure) < 0 && failure.kind != ERR_NO_SPACE)
        return err_move(err, &failure);
    return 0;
}

static int finish_collection(struct collection *work, struct err *err)
{
    if (work->stopped) {
        work->result->outcome = COLLECT_STOPPED;
        collection_tell(work, COLLECT_ANEW, NULL, work->begun_ms, work->stopped);
    } else if (collect_tidy(work, err) < 0) {
        return -1;
    }
    return collection_forget(work, err) < 0 ? -1 : refill_reserve(work, err);
}

static int run_collection(struct collection *work, struct err *err)
{
    bool resumed = false;

    if (work->settings->dry_run) {
        if (collect_look(work, err) < 0)
            return -1;
        work->result->points_removed = work->taken.count;
        count_candidates(&work->candidates, work->result);
        return 0;
    }
    if (resume_collection(work, &resumed, err) < 0 || (!resumed && collect_look(work, err) < 0))
        return -1;
    if (!work->stopped &&
        (work->taken.count > 0 || work->candidates.count > 0 || work->waits.count > 0)) {
        if (collect_wait(work, err) < 0)
            return -1;
        work->result->sessions_waited = work->waits.count;
        if (work->waits.count > 0) {
            work->result->outcome = COLLECT_UNFINISHED;
            return 0;
        }
        if (collect_remove(work, err) < 0)
            return -1;
    }
    return finish_collection(work, err);
}

int collect_run(const struct repository *repository, const struct collect_settings *settings,
                const struct collect_events *events, struct collect_result *ret, struct err *err)
{
    CLEANUP_COLLECTION struct collection work = {0};
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    struct collect_result result = {0};

    begin_collection(&work, repository, settings, events);
    work.result = &result;
    CLEANUP_FREE char *lock_name = collection_file_name(&work, "lock");
    if (check_store(repository, settings, err) < 0)
        return -1;
    if (lock_file_take(settings->state_fd, lock_name, 0, &lock, err) < 0)
        return err_prefix(err, "%s: another collection of scope '%s' runs on this host",
                          store_url(repository->store), settings->scope);
    if (run_collection(&work, err) < 0)
        return -1;
    *ret = result;
    return 0;
}
