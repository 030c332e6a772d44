/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Undoes a restore: the definition is removed before the files that it names, and the replaced
 * guest is put back before the files of the new one are removed.
 */
#include "ops/undo/undo.h"

#include "base/quit.h"
#include "ops/staging.h"
#include "ops/undo/files.h"
#include "ops/undo/private.h"

static int remove_defined(const struct undo_host *host, const struct intent *intent,
                          struct err *err)
{
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};

    if (undo_guest_find(host, intent->defined, &guest, err) < 0)
        return -1;
    /* With in_place it may still be the old definition. */
    return guest.guest && !intent->in_place ? guest.calls->undefine(guest.guest, err) : 0;
}

static int bring_old_back(const struct undo_host *host, const struct intent *intent,
                          struct err *err)
{
    CLEANUP_UNDO_GUEST struct undo_guest old = {.calls = host->calls};

    if (host->calls->define(host->hypervisor, intent->old_xml, &old.guest, err) < 0 ||
        host->calls->set_autostart(old.guest, intent->old_autostart, err) < 0)
        return err_prefix(err, "its former definition could not be restored");
    return host->calls->put_points_back(old.guest, &intent->old_points, err);
}

/* Once the guest runs on from the image its disks are newer, so the image is useless and dangerous.
 * The guest therefore stays paused until the image is gone for good. */
static int settle_resumed(const struct undo_host *host, struct intent *intent, struct err *err)
{
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};

    if (undo_guest_find(host, intent->uuid, &guest, err) < 0)
        return -1;
    /* libvirt may still be restoring it, and must not lose the image before the end. */
    if (undo_guest_is_active(&guest) &&
        (guest.calls->wait_for_job(guest.guest, UNDO_JOB_WAIT_MS, err) < 0 ||
         undo_guest_look(&guest, err) < 0))
        return -1;
    if (undo_guest_is_active(&guest)) {
        if (intent_look(intent, intent->resumed, err) < 0)
            return err_prefix(err, "cannot remove the memory image that it was resumed from");
        if (staging_remove(intent->resumed, err) < 0)
            return err_prefix(err, "the memory image that it was resumed from");
        if (intent->was_running && guest.status.state == GUEST_PAUSED &&
            guest.calls->resume(guest.guest, err) < 0)
            return err_prefix(err, "is restored, but paused");
    }
    free(TAKE_PTR(intent->resumed));
    return 0;
}

int undo_restore(const struct undo_host *host, struct intent *intent, struct err *err)
{
    QUIT_DEFERRED();

    if (undo_outdated(intent, err) < 0 || undo_connect(host, err) < 0)
        return -1;
    if (intent->resumed)
        return settle_resumed(host, intent, err);
    if (intent->defined && remove_defined(host, intent, err) < 0)
        return err_prefix(err, "its new definition could not be removed");
    if (intent->defined && intent->old_xml && bring_old_back(host, intent, err) < 0)
        return -1;
    if (undo_formers(intent, err) < 0 || undo_files(intent, err) < 0)
        return -1;
    free(intent->defined);
    intent->defined = NULL;
    return 0;
}
