/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/events/report.h"

void report_event(const struct report *report, const struct event *event)
{
    report->event(report->opaque, event);
}

void report_warning(const struct report *report, const char *guest, const struct warning *warning)
{
    report_event(report,
                 &(struct event){.kind = EVENT_WARNING, .guest = guest, .warning = *warning});
}

void report_failure(const struct report *report, struct outcome *outcome, const char *guest,
                    const struct err *err)
{
    outcome->failed++;
    report_event(report, &(struct event){.kind = EVENT_GUEST_FAILED,
                                         .guest = guest,
                                         .problem = {err->kind, err->text, err->remedy}});
}

void report_no_match(const struct report *report, struct outcome *outcome,
                     const struct event_no_match *no_match)
{
    outcome->failed++;
    report_event(report, &(struct event){.kind = EVENT_NO_MATCH, .no_match = *no_match});
}

void report_not_tried(const struct report *report, const char *guest)
{
    report_event(report, &(struct event){.kind = EVENT_GUEST_NOT_TRIED, .guest = guest});
}

void report_position(const struct report *report, const struct report_position *position)
{
    if (report->position)
        report->position(report->opaque, position);
}
