/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Deletes the checkpoint of a backup that is not committed: nothing is stored that it could be
 * continued from, and it would make the guest's writes slower for ever.
 */
#include "ops/undo/undo.h"

#include <errno.h>

#include "base/log.h"
#include "base/quit.h"
#include "ops/undo/private.h"

static int remove_bitmaps(const struct undo_calls *calls, const struct intent *intent,
                          struct err *err)
{
    for (size_t i = 0; i < intent->checkpoint_images.count; i++) {
        const char *path = intent->checkpoint_images.items[i];
        int there = intent_look(intent, path, err);
        if (there < 0 || (there > 0 && calls->bitmap_remove(path, intent->checkpoint, err) < 0))
            return -1;
    }
    return 0;
}

/* Of a guest that is off, libvirt's record goes last: if a bitmap must stay, that leads to it.
 * *ret_in_use: one of its images is in use though the guest is off, or was a moment ago. If the guest is
 * gone, only the journal leads to it. */
static int try_undo_checkpoint(const struct undo_host *host, const struct intent *intent,
                               bool *ret_in_use, struct err *err)
{
    const struct guest_checkpoint checkpoint = {intent->checkpoint, &intent->recorded};
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};
    struct guest_status status = {.state = GUEST_SHUT_OFF};
    bool ended = false;

    *ret_in_use = false;
    if (undo_guest_find(host, intent->uuid, &guest, err) < 0 ||
        (guest.guest && guest.calls->get_status(guest.guest, &status, err) < 0))
        return -1;
    bool off = status.state == GUEST_SHUT_OFF;
    if (off && remove_bitmaps(host->calls, intent, err) < 0) {
        *ret_in_use = guest.guest && err->kind == ERR_BUSY;
        return -1;
    }
    if (!guest.guest)
        return 0;
    if (guest.calls->checkpoint_delete(guest.guest, &checkpoint, &ended, err) < 0)
        return -1;
    return ended && !off ? remove_bitmaps(host->calls, intent, err) : 0;
}

/* If it is started between two steps, its images are in use, and the next try finds it running. Images that
 * others read, as those of a template are read by its clones, may be in use for weeks. */
static int undo_checkpoint_in_tries(const struct undo_host *host, const struct intent *intent,
                                    struct err *err)
{
    for (unsigned i = 1;; i++) {
        CLEANUP_ERR struct err try_err = ERR_INIT;
        bool in_use = false;
        if (undo_connect(host, err) < 0)
            return -1;
        if (try_undo_checkpoint(host, intent, &in_use, &try_err) == 0)
            return 0;
        if (in_use && i > 1) {
            log_detail("guest '%s': checkpoint '%s' stays until a later backup deletes it: %s",
                       intent->name, intent->checkpoint, try_err.text);
            return 0;
        }
        bool again = try_err.errnum != ETIMEDOUT && ((try_err.kind == ERR_BUSY && i == 1) ||
                                                     !host->calls->alive(host->hypervisor));
        if (i == UNDO_TRIES || !again)
            return err_move(err, &try_err);
    }
}

int undo_checkpoint(const struct undo_host *host, struct intent *intent, struct err *err)
{
    QUIT_DEFERRED();

    if (!intent->checkpoint)
        return 0;
    if (intent->committing)
        log_detail("guest '%s': checkpoint '%s' is left alone: its backup may be committed",
                   intent->name, intent->checkpoint);
    else if (undo_checkpoint_in_tries(host, intent, err) < 0) {
        err_prefix(err, "cannot delete its checkpoint '%s'", intent->checkpoint);
        if (err && err->remedy == ERR_REMEDY_RECOVER)
            return -1;
        return err_append(err, "once that is fixed, run: virt-backup recover");
    }
    intent_forget_checkpoint(intent);
    return 0;
}
