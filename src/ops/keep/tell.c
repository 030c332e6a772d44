/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/tell.h"

#include "repository/format/stamp.h"

void tell_point(const struct report *report, enum event_kind kind, const struct meant_point *point,
                const struct event_point *more)
{
    char id[ID_TEXT_SIZE];
    char time[STAMP_SIZE];

    report_event(
        report,
        &(struct event){.kind = kind,
                        .guest = point->guest,
                        .point = {.scope = point->scope->scope.name,
                                  .id = id_text(&point->id.session, id),
                                  .time = point->guest ? stamp_format(point->taken_ms, time) : NULL,
                                  .tag = more->tag,
                                  .copy = more->copy,
                                  .was_so = more->was_so}});
}

void tell_point_failed(const struct report *report, struct outcome *outcome, const char *word,
                       const struct err *err)
{
    outcome->failed++;
    outcome->busy += err->kind == ERR_BUSY;
    report_event(report, &(struct event){.kind = EVENT_POINT_FAILED,
                                         .point_failed = {word, {err->kind, err->text}}});
}
