/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Deletes the checkpoint of a backup that is not committed: nothing is stored that it could be
 * continued from, and it would make the guest's writes slower for ever.
 */
#include "ops/undo/undo.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/quit.h"
#include "ops/undo/private.h"

/* The guest was off a moment ago. If it is started now, its image is in use, and the next try finds
 * it running. */
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

static int try_undo_checkpoint(const struct undo_host *host, const struct intent *intent,
                               struct err *err)
{
    const struct guest_checkpoint checkpoint = {intent->checkpoint, &intent->recorded};
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};
    bool off = true;

    if (undo_guest_find(host, intent->uuid, &guest, err) < 0)
        return -1;
    if (guest.guest && guest.calls->checkpoint_delete(guest.guest, &checkpoint, &off, err) < 0)
        return -1;
    return off ? remove_bitmaps(host->calls, intent, err) : 0;
}

static int undo_checkpoint_in_tries(const struct undo_host *host, const struct intent *intent,
                                    struct err *err)
{
    for (unsigned i = 1;; i++) {
        CLEANUP_ERR struct err try_err = ERR_INIT;
        if (undo_connect(host, err) < 0)
            return -1;
        if (try_undo_checkpoint(host, intent, &try_err) == 0)
            return 0;
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
        /* A folder that is missing has its own remedy, which ends with the same words. */
        if (err && err->text && strstr(err->text, "virt-backup recover"))
            return -1;
        return err_append(err, "once that is fixed, run: virt-backup recover");
    }
    intent_forget_checkpoint(intent);
    return 0;
}
