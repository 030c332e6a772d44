/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/undo.h"

#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "ops/points/points.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/private.h"

/* The guardian may be working on it, or another recover. */
#define RECONNECT_MS (UINT64_C(60) * 1000)

/* ---- common to both kinds ----------------------------------------------------------------- */

int undo_connect(const struct undo_host *host, struct err *err)
{
    if (!host->hypervisor || host->calls->alive(host->hypervisor))
        return 0;
    return host->calls->reconnect(host->hypervisor, RECONNECT_MS, err);
}

int undo_guest_look(struct undo_guest *guest, struct err *err)
{
    return guest->guest ? guest->calls->get_status(guest->guest, &guest->status, err) : 0;
}

int undo_guest_find(const struct undo_host *host, const char *uuid, struct undo_guest *ret,
                    struct err *err)
{
    CLEANUP_ERR struct err find_err = ERR_INIT;

    *ret = (struct undo_guest){.calls = host->calls, .status = {.state = GUEST_SHUT_OFF}};
    if (host->calls->find_uuid(host->hypervisor, uuid, &ret->guest, &find_err) < 0)
        return find_err.kind == ERR_NOT_FOUND ? 0 : err_move(err, &find_err);
    return undo_guest_look(ret, err);
}

void undo_guest_clear(struct undo_guest *guest)
{
    if (guest->guest)
        guest->calls->free(guest->guest);
}

/* ---- what the journal says ---------------------------------------------------------------------- */

void undo_tidy_archive(const char *path)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(points_writer_closep) struct points_writer *writer = NULL;
    const struct points_place place = {.path = path};
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return;
    if (points_writer_open(&place, &writer, &err) < 0)
        log_detail("the archive is not tidied yet: %s", err.text);
}

/* all: not only what keeps the guest from its former state. */
static int undo_read(int state_fd, const char *uuid, const struct undo_calls *calls, bool all,
                     struct intent *intent, char **ret_note, struct err *err)
{
    struct undo_host host = {.calls = calls, .state_fd = state_fd};

    if (intent_read(state_fd, uuid, intent, err) < 0)
        return -1;
    if (intent->uri && calls->open(intent->uri, &host.hypervisor, err) < 0)
        return -1;
    int undone = intent->kind == INTENT_RESTORE ? undo_restore(&host, intent, err)
                                                : undo_backup(&host, intent, ret_note, err);
    if (undone == 0 && all)
        undone = undo_checkpoint(&host, intent, err);
    calls->close(host.hypervisor);
    return undone;
}

int undo_taken(int state_fd, const char *uuid, const struct undo_calls *calls, struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};

    return undo_read(state_fd, uuid, calls, false, &intent, NULL, err);
}

/* Call with the guest's lock held. */
static enum undo_result undo_locked(int state_fd, const char *uuid, const struct undo_calls *calls,
                                    char **ret_note, struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};

    if (!intent_exists(state_fd, uuid))
        return UNDO_NOTHING;
    if (undo_read(state_fd, uuid, calls, true, &intent, ret_note, err) < 0) {
        if (intent.uuid && intent_is_empty(&intent))
            (void)intent_remove(state_fd, uuid, NULL);
        return UNDO_STRANDED;
    }
    if (undo_memory(&intent, err) < 0)
        return UNDO_STRANDED;
    if (intent.archive)
        undo_tidy_archive(intent.archive);
    return intent_remove(state_fd, uuid, err) < 0 ? UNDO_STRANDED : UNDO_DONE;
}

enum undo_result undo_recorded(int state_fd, const char *uuid, const struct undo_calls *calls,
                               char **ret_note, struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_ERR struct err lock_err = ERR_INIT;

    if (guest_lock_take(state_fd, uuid, calls->lock_wait_ms, &lock, &lock_err) < 0) {
        bool busy = lock_err.kind == ERR_BUSY;
        err_move(err, &lock_err);
        return busy ? UNDO_BUSY : UNDO_STRANDED;
    }
    enum undo_result result = undo_locked(state_fd, uuid, calls, ret_note, err);
    guest_lock_leave(lock, state_fd, uuid);
    return result;
}

void undo_note_trouble(int state_fd, const char *uuid, const char *text)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_INTENT struct intent intent = {0};

    if (guest_lock_take(state_fd, uuid, 0, &lock, NULL) < 0)
        return;
    if (intent_read(state_fd, uuid, &intent, NULL) == 0 && !text_same(intent.trouble, text)) {
        intent_set_trouble(&intent, text);
        (void)intent_write(state_fd, &intent, NULL);
    }
    guest_lock_leave(lock, state_fd, uuid);
}
