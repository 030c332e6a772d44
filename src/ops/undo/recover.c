/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/recover.h"

#include "base/out.h"
#include <string.h>

#include "base/quit.h"
#include "base/shell.h"
#include "base/strings.h"
#include "base/text.h"
#include "base/when.h"
#include "disk/meeting.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/intent.h"
#include "ops/staging.h"
#include "ops/undo/state_dir.h"
#include "ops/undo/undo.h"

/* ---- putting back ---------------------------------------------------------------------- */

/* outcome NULL: a failure is only a warning. */
static void recover_fail(const struct report *report, struct outcome *outcome, const char *guest,
                         struct err *err)
{
    if (!outcome) {
        report_warning(report, guest, &(struct warning){WARNING_NOT_PUT_BACK, .why = err->text});
        return;
    }
    err_prefix(err, "guest '%s'", guest);
    report_failure(report, outcome, guest, err);
}

/* The settings of a round. */
struct recovery {
    int state_fd;
    const struct undo_calls *calls;
    struct strings *late; /* gets those that would take longer than there is time for */
    struct strings *told; /* of whom all is told; NULL: nobody asks */
    const struct report *report;
    struct outcome *outcome;
};

static void recovery_note_told(const struct recovery *recovery, const char *uuid)
{
    if (recovery->told && !strings_has(recovery->told, uuid))
        strings_add(recovery->told, uuid);
}

/* What was told at the beginning of a run is not news after another try. */
static bool recovery_is_news(const struct recovery *recovery, const struct intent *intent,
                             const struct err *err)
{
    return !recovery->told || !strings_has(recovery->told, intent->uuid) ||
           (err->kind != ERR_BUSY && !text_same(intent->trouble, err->text));
}

/* Another process is working on it, or its agent is slow: worth waiting for, but not now. */
static bool recover_is_late(const struct recovery *recovery, enum undo_result result,
                            const struct err *err)
{
    return recovery->calls->brief &&
           (result == UNDO_BUSY || (result == UNDO_STRANDED && err->kind == ERR_TRANSIENT));
}

static void recover_one(const struct recovery *recovery, const struct intent *intent)
{
    const struct report *report = recovery->report;
    struct outcome *outcome = recovery->outcome;
    int state_fd = recovery->state_fd;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *note = NULL;
    enum undo_result result = undo_recorded(state_fd, intent->uuid, recovery->calls, &note, &err);

    if (recover_is_late(recovery, result, &err)) {
        if (recovery->late)
            strings_add(recovery->late, intent->uuid);
        else if (recovery_is_news(recovery, intent, &err))
            report_warning(report, intent->name,
                           &(struct warning){WARNING_RECOVER_LATER, .why = err.text});
        return;
    }
    switch (result) {
    case UNDO_NOTHING: /* somebody else has put it back */
        break;
    case UNDO_DONE:
        report_event(report, &(struct event){.kind = EVENT_RECOVERED,
                                             .guest = intent->name,
                                             .recovered = {intent->since, note}});
        if (outcome)
            outcome->good++;
        break;
    case UNDO_BUSY:
        if (outcome)
            outcome->busy++;
        recover_fail(report, outcome, intent->name, &err);
        break;
    case UNDO_STRANDED:
        undo_note_trouble(state_fd, intent->uuid, err.text);
        if (outcome)
            outcome->stranded = true;
        if (recovery_is_news(recovery, intent, &err))
            recover_fail(report, outcome, intent->name, &err);
        break;
    }
    recovery_note_told(recovery, intent->uuid);
}

/* Goes through the guests that were tried before, or those that were not, unless their run is still
 * at work. */
static void recover_round(const struct recovery *recovery, const struct strings *uuids, bool again)
{
    struct outcome *outcome = recovery->outcome;
    out_hold(); /* the next guest must not wait for whoever reads the messages about this one */
    for (size_t i = 0; i < uuids->count && !quit_requested(); i++) {
        CLEANUP_INTENT struct intent intent = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (intent_read(recovery->state_fd, uuids->items[i], &intent, &err) < 0) {
            /* Whether it was tried before is unknown; the others come first. */
            if (again && err.kind != ERR_NOT_FOUND) {
                if (outcome)
                    outcome->stranded = true;
                if (!recovery->told || !strings_has(recovery->told, uuids->items[i]))
                    recover_fail(recovery->report, outcome, uuids->items[i], &err);
                recovery_note_told(recovery, uuids->items[i]);
            }
            continue;
        }
        if (!intent_owner_lives(&intent) && again == (intent.trouble != NULL))
            recover_one(recovery, &intent);
    }
    out_release();
}

/* After a signal: names those that recovery->told does not. */
static void recover_not_tried(const struct recovery *recovery, const struct strings *uuids)
{
    for (size_t i = 0; i < uuids->count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (strings_has(recovery->told, uuids->items[i]))
            continue;
        if (intent_read(recovery->state_fd, uuids->items[i], &intent, &err) == 0) {
            if (!intent_owner_lives(&intent))
                report_not_tried(recovery->report, intent.name);
        } else if (err.kind != ERR_NOT_FOUND) {
            report_not_tried(recovery->report, uuids->items[i]);
        }
    }
}

static void recover_sweep(int state_fd)
{
    guest_lock_sweep(state_fd);
    meeting_sweep();
}

/* wait_ms: for another process that has a guest; 0: the usual time. */
static int recover_all(int state_fd, uint64_t wait_ms, const struct report *report,
                       struct outcome *outcome, struct err *err)
{
    struct undo_calls patient = undo_calls_libvirt;
    CLEANUP_STRINGS struct strings uuids = {0};
    CLEANUP_STRINGS struct strings failed = {0};
    CLEANUP_STRINGS struct strings late = {0};
    CLEANUP_STRINGS struct strings late_again = {0};
    CLEANUP_STRINGS struct strings told = {0};

    /* What fails in the first round is not tried again at once. */
    if (intent_list(state_fd, &uuids, err) < 0)
        return -1;
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        if (intent_read(state_fd, uuids.items[i], &intent, NULL) < 0 || intent.trouble)
            strings_add(&failed, uuids.items[i]);
    }
    struct recovery recovery = {
        .state_fd = state_fd,
        .calls = &undo_calls_brief,
        .late = &late,
        .told = &told,
        .report = report,
        .outcome = outcome,
    };
    recover_round(&recovery, &uuids, false);
    recovery.late = &late_again;
    recover_round(&recovery, &failed, true);
    /* Every guest that can be put back quickly is back; now there is time to wait. */
    if (wait_ms)
        patient.lock_wait_ms = wait_ms;
    recovery.calls = &patient;
    recover_round(&recovery, &late, false);
    recover_round(&recovery, &late_again, true);
    if (quit_requested())
        recover_not_tried(&recovery, &uuids);
    recover_sweep(state_fd);
    return quit_check(err);
}

/* ---- reporting --------------------------------------------------------------------------- */

static char *recover_describe(const struct intent *intent)
{
    const char *kind = intent->kind == INTENT_RESTORE ? "restore" : "backup";
    char when[WHEN_TEXT_SIZE];

    when_local(intent->since, when);
    if (intent->trouble)
        return mem_printf("left behind by the %s of %s: %s", kind, when, intent->trouble);
    return mem_printf("the %s of %s did not finish, and is not undone yet", kind, when);
}

/* told: gets those who are told; leaves out those not tried yet, which are about to be. NULL: tells
 * of all. */
static void recover_tell_all(int state_fd, struct strings *told, const struct report *report)
{
    CLEANUP_STRINGS struct strings uuids = {0};

    if (intent_list(state_fd, &uuids, NULL) < 0)
        return;
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        if (intent_read(state_fd, uuids.items[i], &intent, NULL) < 0 ||
            intent_owner_lives(&intent) || (told && !intent.trouble))
            continue;
        CLEANUP_FREE char *text = recover_describe(&intent);
        report_warning(
            report, intent.name,
            &(struct warning){told ? WARNING_LEFT_BEHIND : WARNING_LEFT_TO_RECOVER, .why = text});
        if (told)
            strings_add(told, uuids.items[i]);
    }
}

void recover_tell(const struct report *report)
{
    CLEANUP_CLOSE int state_fd = state_dir_look();

    if (state_fd >= 0)
        recover_tell_all(state_fd, NULL, report);
}

char *recover_text(const struct intent *intent)
{
    return intent_owner_lives(intent) ? NULL : recover_describe(intent);
}

int recover_check(int state_fd, const char *uuid, const struct strings *told, struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};

    if (!intent_exists(state_fd, uuid))
        return 0;
    if (intent_read(state_fd, uuid, &intent, err) < 0)
        return -1;
    CLEANUP_FREE char *text =
        strings_has(told, uuid) ? mem_strdup("not put back yet") : recover_describe(&intent);
    CLEANUP_FREE char *name = shell_quote_listed(intent.name);
    return err_set(
        err, ERR_BUSY,
        "%s; once you have dealt with it yourself, run: virt-backup recover --dismiss %s", text,
        name);
}

int recover_before(int state_fd, struct strings *told, const struct report *report, struct err *err)
{
    CLEANUP_STRINGS struct strings uuids = {0};

    if (intent_list(state_fd, &uuids, err) < 0)
        return -1;
    recover_tell_all(state_fd, told, report);
    const struct recovery recovery = {
        .state_fd = state_fd, .calls = &undo_calls_brief, .told = told, .report = report};
    recover_round(&recovery, &uuids, false);
    recover_sweep(state_fd);
    return quit_check(err);
}

void recover_again(int state_fd, struct strings *told, const struct report *report)
{
    CLEANUP_STRINGS struct strings uuids = {0};

    const struct recovery recovery = {
        .state_fd = state_fd, .calls = &undo_calls_brief, .told = told, .report = report};
    if (intent_list(state_fd, &uuids, NULL) == 0)
        recover_round(&recovery, &uuids, true);
}

/* ---- dismissing ---------------------------------------------------------------------------- */

static void recover_add_left(struct strings *left, const char *path)
{
    if (path && access(path, F_OK) == 0)
        strings_add(left, path);
}

/* The files that the journal names, as far as they exist. */
static void recover_left(struct intent *intent, struct strings *ret)
{
    if (intent->memory && access(intent->memory, F_OK) == 0) {
        CLEANUP_FREE char *kept = staging_keep(intent->memory, intent->name);
        recover_add_left(ret, kept);
    }
    for (size_t i = 0; i < intent->scratch_count; i++)
        recover_add_left(ret, intent->scratch[i]);
    for (size_t i = 0; i < intent->file_count; i++)
        recover_add_left(ret, intent->files[i].path);
    for (size_t i = 0; i < intent->former_count; i++)
        recover_add_left(ret, intent->formers[i].path);
    recover_add_left(ret, intent->resumed);
}

static int recover_dismiss_locked(int state_fd, const char *uuid, const struct report *report,
                                  struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err read_err = ERR_INIT;
    CLEANUP_STRINGS struct strings left = {0};

    /* A journal that cannot be read can be dismissed too, by its UUID. */
    if (intent_read(state_fd, uuid, &intent, &read_err) < 0)
        intent.name = mem_strdup(uuid);
    else if (intent_owner_lives(&intent))
        return err_set(err, ERR_BUSY, "its run is still active (pid %llu)",
                       (unsigned long long)intent.pid);
    recover_left(&intent, &left);
    if (intent_remove(state_fd, uuid, err) < 0)
        return -1;
    report_event(
        report,
        &(struct event){.kind = EVENT_DISMISSED,
                        .guest = intent.name,
                        .dismissed = {.left = (const char *const *)left.items,
                                      .left_count = left.count,
                                      .checkpoint = intent.committing ? NULL : intent.checkpoint}});
    return 0;
}

static int recover_dismiss_one(int state_fd, const char *uuid, const struct report *report,
                               struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;

    if (guest_lock_take(state_fd, uuid, 0, &lock, err) < 0)
        return -1;
    return recover_dismiss_locked(state_fd, uuid, report, err);
}

static bool recover_is_named(int state_fd, const char *uuid, const char *wanted)
{
    CLEANUP_INTENT struct intent intent = {0};

    return strcmp(uuid, wanted) == 0 ||
           (intent_read(state_fd, uuid, &intent, NULL) == 0 && strcmp(intent.name, wanted) == 0);
}

static void recover_dismiss(int state_fd, const char *wanted, const struct strings *uuids,
                            const struct report *report, struct outcome *outcome)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    bool found = false;

    for (size_t i = 0; i < uuids->count; i++) {
        if (!recover_is_named(state_fd, uuids->items[i], wanted))
            continue;
        found = true;
        if (recover_dismiss_one(state_fd, uuids->items[i], report, &err) == 0) {
            outcome->good++;
            continue;
        }
        outcome->busy += err.kind == ERR_BUSY;
        recover_fail(report, outcome, wanted, &err);
    }
    if (!found) {
        err_set(&err, ERR_NOT_FOUND, "no interrupted run has left anything to dismiss");
        recover_fail(report, outcome, wanted, &err);
    }
}

/* ---- the verb ------------------------------------------------------------------------------- */

int recover_run(const struct recover_options *options, const struct report *report,
                struct outcome *ret_outcome, struct err *err)
{
    CLEANUP_CLOSE int state_fd = -1;
    CLEANUP_STRINGS struct strings uuids = {0};

    if (state_dir_open(&state_fd, err) < 0)
        return -1;
    if (options->dismiss.count == 0)
        return recover_all(state_fd, options->wait_ms, report, ret_outcome, err);
    if (intent_list(state_fd, &uuids, err) < 0)
        return -1;
    for (size_t i = 0; i < options->dismiss.count; i++)
        recover_dismiss(state_fd, options->dismiss.names[i], &uuids, report, ret_outcome);
    return 0;
}
