/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/collect.h"

#include <limits.h>
#include <unistd.h>

#include "ops/keep/keep.h"
#include "ops/points/scopes.h"
#include "ops/undo/state_dir.h"
#include "repository/format/stamp.h"

struct keep_collecting {
    const struct collect_options *options;
    const struct report *report;
    struct outcome *outcome;
    int state_fd;
    const char *host;
    const char *scope;
};

void keep_collect_defaults(struct collect_options *ret)
{
    ret->trash_age_ms = (uint64_t)COLLECT_TRASH_AGE_MS;
    ret->silence_ms = (uint64_t)COLLECT_SILENCE_MS;
}

static void tell_collection(const struct keep_collecting *collecting,
                            enum event_collection_what what, const char *since, const char *why)
{
    report_event(collecting->report,
                 &(struct event){.kind = EVENT_COLLECTION,
                                 .collection = {collecting->scope, what, since, why}});
}

static void tell_collected_point(const struct keep_collecting *collecting, enum event_kind kind,
                                 const struct collect_event *event)
{
    char guest[ID_UUID_SIZE], id[ID_TEXT_SIZE], since[STAMP_SIZE];

    report_event(
        collecting->report,
        &(struct event){
            .kind = kind,
            .collect_point = {
                .point = {.scope = collecting->scope, .id = id_text(&event->point.session, id)},
                .guest_uuid = id_uuid(&event->point.guest, guest),
                .since = event->time_ms ? stamp_format(event->time_ms, since) : NULL,
                .held = event->kind == COLLECT_HELD,
                .why = event->text}});
}

static void on_collect_event(void *opaque, const struct collect_event *event)
{
    const struct keep_collecting *collecting = opaque;
    char since[STAMP_SIZE];

    switch (event->kind) {
    case COLLECT_RESUMED:
        tell_collection(collecting, COLLECTION_RESUMED, stamp_format(event->time_ms, since), NULL);
        break;
    case COLLECT_ANEW:
        tell_collection(collecting, COLLECTION_ANEW, NULL, event->text);
        break;
    case COLLECT_RESERVED:
        tell_collection(collecting, COLLECTION_RESERVE_USED, NULL, NULL);
        break;
    case COLLECT_HELD:
    case COLLECT_YOUNG:
        tell_collected_point(collecting, EVENT_POINT_SPARED, event);
        break;
    case COLLECT_TAKEN:
        tell_collected_point(collecting, EVENT_POINT_TAKEN, event);
        break;
    case COLLECT_REMOVED:
        tell_collected_point(collecting, EVENT_POINT_COLLECTED, event);
        break;
    case COLLECT_STAYS:
        tell_collected_point(collecting, EVENT_POINT_STUCK, event);
        break;
    case COLLECT_WAITING:
        tell_collected_point(collecting, EVENT_SESSION_WAITED, event);
        break;
    case COLLECT_FENCED:
        tell_collected_point(collecting, EVENT_SESSION_FENCED, event);
        break;
    case COLLECT_UNKNOWN:
        report_warning(collecting->report, NULL,
                       &(struct warning){.kind = WARNING_UNKNOWN_OBJECT, .name = event->text});
        break;
    }
}

static void tell_collected(const struct keep_collecting *collecting,
                           const struct collect_result *result)
{
    static const enum event_collect_end ends[] = {[COLLECT_DONE] = COLLECT_END_DONE,
                                                  [COLLECT_UNFINISHED] = COLLECT_END_UNFINISHED,
                                                  [COLLECT_STOPPED] = COLLECT_END_STOPPED};

    report_event(
        collecting->report,
        &(struct event){.kind = EVENT_COLLECTED,
                        .collected = {.scope = collecting->scope,
                                      .end = ends[result->outcome],
                                      .dry_run = collecting->options->dry_run,
                                      .points = result->packs_seen
                                                    ? result->points_seen + result->points_removed
                                                    : 0,
                                      .points_removed = result->points_removed,
                                      .packs = result->packs_seen,
                                      .packs_removed = result->packs_removed,
                                      .bytes_removed = result->bytes_removed,
                                      .waiting = result->sessions_waited,
                                      .fenced = result->sessions_fenced}});
}

static int collect_scope(void *opaque, const struct repository *repository, const char *scope,
                         struct err *err)
{
    struct keep_collecting *collecting = opaque;
    const struct collect_options *options = collecting->options;
    const struct collect_settings settings = {
        .scope = scope,
        .state_fd = collecting->state_fd,
        .host = collecting->host,
        .trash_age_ms = (int64_t)options->trash_age_ms,
        .silence_ms = (int64_t)options->silence_ms,
        .wait = options->wait,
        .look_ms = COLLECT_LOOK_MS,
        .alone = options->alone,
        .nfs_ok = options->nfs_ok,
        .dry_run = options->dry_run,
        .memory_limit = options->memory_limit,
    };
    const struct collect_events events = {on_collect_event, collecting};
    struct collect_result result = {0};

    collecting->scope = scope;
    if (collect_run(repository, &settings, &events, &result, err) < 0)
        return -1;
    tell_collected(collecting, &result);
    collecting->outcome->good += result.outcome != COLLECT_STOPPED;
    collecting->outcome->failed += result.outcome == COLLECT_STOPPED;
    collecting->outcome->busy += result.outcome == COLLECT_STOPPED;
    return 0;
}

int keep_collect(const struct collect_options *options, const struct report *report,
                 struct outcome *ret_outcome, struct err *err)
{
    char host[HOST_NAME_MAX + 1] = "";
    CLEANUP_CLOSE int state_fd = -1;
    struct keep_collecting collecting = {
        .options = options, .report = report, .outcome = ret_outcome, .host = host};
    const struct scopes_request request = {
        .url = options->repository,
        .parser = options->parser,
        .scope = options->scope,
        .report = report,
        .outcome = ret_outcome,
    };
    const struct scopes_each each = {collect_scope, &collecting};

    if (gethostname(host, sizeof(host) - 1) < 0 || *host == '\0')
        return err_set(err, ERR_IO, "this host has no name");
    if (state_dir_open(&state_fd, err) < 0)
        return -1;
    collecting.state_fd = state_fd;
    return scopes_run(&request, &each, err);
}
