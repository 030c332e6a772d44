/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/prune_tell.h"

#include "repository/format/stamp.h"

void prune_tell(const struct report *report, const struct prune_guest *guest,
                const struct retention_point *point, const struct retention_verdict *verdict)
{
    bool by_option = verdict->reason == RETENTION_BY_OPTION;
    char id[ID_TEXT_SIZE];
    char time[STAMP_SIZE];

    report_event(
        report, &(struct event){
                    .kind = EVENT_PRUNE_VERDICT,
                    .guest = guest ? guest->name : NULL,
                    .verdict = {.point = {.scope = guest ? guest->scope : NULL,
                                          .id = guest ? id_text(&point->id, id) : NULL,
                                          .time = stamp_format(point->taken_at_ms, time)},
                                .keeps = retention_keeps(verdict),
                                .reason = verdict->reason,
                                .option = by_option ? retention_option_name(verdict->option) : NULL,
                                .period = by_option && *verdict->period ? verdict->period : NULL}});
}
