/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/keep.h"

#include <limits.h>
#include <unistd.h>

#include "base/quit.h"
#include "ops/keep/tell.h"
#include "repository/format/stamp.h"
#include "repository/keep/marks.h"

struct mark_run {
    const struct mark_options *options;
    const struct report *report;
    struct mark mark;
};

static int tag_point(const struct mark_run *run, const struct meant_point *point, struct err *err)
{
    const struct mark_options *options = run->options;
    const struct stored_scope *scope = &point->scope->scope;

    for (size_t i = 0; i < options->add_tags.count; i++) {
        const char *tag = options->add_tags.names[i];
        bool changed = false;
        if (marks_tag(scope, &point->id, tag, &run->mark, &changed, err) < 0)
            return -1;
        tell_point(run->report, EVENT_POINT_TAGGED, point,
                   &(struct event_point){.tag = tag, .was_so = !changed});
    }
    for (size_t i = 0; i < options->remove_tags.count; i++) {
        const char *tag = options->remove_tags.names[i];
        bool changed = false;
        if (marks_untag(scope, &point->id, tag, &changed, err) < 0)
            return -1;
        tell_point(run->report, EVENT_POINT_UNTAGGED, point,
                   &(struct event_point){.tag = tag, .was_so = !changed});
    }
    return 0;
}

static int set_point_aside(const struct mark_run *run, const struct meant_point *point,
                           struct err *err)
{
    CLEANUP_FREE char *copy = NULL;

    if (marks_set_aside(&point->scope->scope, &point->id, &run->mark, &copy, err) < 0)
        return -1;
    tell_point(run->report, EVENT_POINT_SET_ASIDE, point, &(struct event_point){.copy = copy});
    return 0;
}

/* 1: the user said no. */
static int remove_meant_point(const struct mark_run *run, const struct meant_point *point,
                              struct err *err)
{
    char id[ID_TEXT_SIZE], time[STAMP_SIZE];
    bool made = false;

    if (!point->guest)
        return err_set(err, ERR_CORRUPT,
                       "it cannot be read; to give it up, run: virt-backup repair --set-aside");
    const struct remove_candidate candidate = {
        .guest = point->guest,
        .time = stamp_format(point->taken_ms, time),
        .host = point->host,
        .path = run->options->repository,
        .id = id_text(&point->id.session, id),
    };
    if (!run->options->confirm(run->options->opaque, &candidate))
        return quit_check(err) < 0 ? -1 : 1;
    if (marks_remove(&point->scope->scope, &point->id, &run->mark, &made, err) < 0)
        return -1;
    if (!made)
        return err_set(err, ERR_BUSY, "it is in the trash already");
    report_event(run->report, &(struct event){.kind = EVENT_REMOVED,
                                              .guest = candidate.guest,
                                              .point_id = candidate.id,
                                              .removed = {candidate.time, candidate.host}});
    return 0;
}

static int mark_point(const struct mark_run *run, const struct meant_point *point, struct err *err)
{
    const struct stored_scope *scope = &point->scope->scope;
    enum event_kind kind = EVENT_POINT_HELD;
    bool changed = false;
    int result = -1;

    switch (run->options->action) {
    case MARK_HOLD:
        result = marks_hold(scope, &point->id, &run->mark, &changed, err);
        break;
    case MARK_RELEASE:
        kind = EVENT_POINT_RELEASED;
        result = marks_release(scope, &point->id, &changed, err);
        break;
    case MARK_UNDELETE:
        kind = EVENT_POINT_UNDELETED;
        result = marks_undelete(scope, &point->id, &changed, err);
        break;
    case MARK_TAG:
        return tag_point(run, point, err);
    case MARK_REMOVE:
        return remove_meant_point(run, point, err);
    case MARK_SET_ASIDE:
        return set_point_aside(run, point, err);
    }
    if (result == 0)
        tell_point(run->report, kind, point, &(struct event_point){.was_so = !changed});
    return result;
}

/* 1: nothing is done. */
static int mark_word(const struct mark_run *run, const struct meant_view *view, const char *word,
                     struct err *err)
{
    CLEANUP_MEANT_POINT struct meant_point point = {0};

    if (meant_find(view, word, run->options->action == MARK_UNDELETE, &point, err) < 0)
        return -1;
    int result = mark_point(run, &point, err);
    return result < 0 ? err_prefix(err, "point '%s'", word) : result;
}

/* What its markers, holds and tags say. */
static const char *writer_of(enum mark_action action, const char *host)
{
    return action == MARK_SET_ASIDE ? "set-aside" : action == MARK_REMOVE ? "remove" : host;
}

int keep_mark(const struct mark_options *options, const struct report *report,
              struct outcome *ret_outcome, struct err *err)
{
    CLEANUP_MEANT_VIEW struct meant_view view = {0};
    char host[HOST_NAME_MAX + 1] = "";
    struct mark_run run = {.options = options, .report = report};

    if (gethostname(host, sizeof(host) - 1) < 0 || *host == '\0')
        return err_set(err, ERR_IO, "this host has no name");
    run.mark.by = writer_of(options->action, host);
    run.mark.reason = options->reason ? options->reason : "by command";
    const struct meant_place where = {options->repository, options->scope, options->parser};
    if (meant_open(&where, &view, err) < 0)
        return -1;
    for (size_t i = 0; i < options->points.count; i++) {
        CLEANUP_ERR struct err point_err = ERR_INIT;
        if (quit_check(err) < 0)
            return -1;
        int result = mark_word(&run, &view, options->points.names[i], &point_err);
        if (point_err.kind == ERR_CANCELLED)
            return err_move(err, &point_err);
        if (result >= 0)
            ret_outcome->good += result == 0;
        else
            tell_point_failed(report, ret_outcome, options->points.names[i], &point_err);
    }
    return 0;
}
