/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/recover.h"

#include "base/out.h"
#include "base/quit.h"
#include "disk/meeting.h"
#include "ops/intent.h"
#include "ops/guest_lock.h"
#include "ops/state_dir.h"
#include "ops/undo.h"

static void recover_one(int state, const char *uuid, const struct report *report,
                        struct outcome *outcome)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct json *fields = NULL;

    if (intent_read(state, uuid, &intent, &err) < 0) {
        report_failure(report, outcome, uuid, &err);
        return;
    }
    if (intent_owner_lives(&intent))
        return; /* its run is at work */
    enum undo_result result = undo_recorded(state, uuid, &undo_calls_libvirt, &err);
    if (result == UNDO_STRANDED || result == UNDO_BUSY) {
        outcome->busy += result == UNDO_BUSY;
        outcome->stranded = outcome->stranded || result == UNDO_STRANDED;
        report_failure(report, outcome, intent.name, &err);
        return;
    }
    outcome->good++;
    fields = json_new_object();
    json_set_str(fields, "guest", intent.name);
    json_set_str(fields, "since", intent.since);
    report_event(report, "guest-recovered", fields,
                 "guest '%s': put back after the run of %s, which did not end", intent.name,
                 intent.since);
}

int recover_run(const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    CLEANUP_CLOSE int state = -1;
    CLEANUP_STRINGS struct strings uuids = {0};

    if (state_dir_open(&state, err) < 0 || intent_list(state, &uuids, err) < 0)
        return -1;
    out_hold(); /* the next guest does not wait for whoever reads about the last one */
    for (size_t i = 0; i < uuids.count && !quit_requested(); i++)
        recover_one(state, uuids.items[i], report, ret_outcome);
    out_release();
    guest_lock_sweep(state);
    meeting_sweep();
    return quit_check(err);
}
