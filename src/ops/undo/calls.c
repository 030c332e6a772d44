/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/calls.h"

#include "disk/bitmap.h"
#include "guest/bounded.h"
#include "guest/live.h"

#define BRIEF_MS 5000
/* A freeze whose outcome is not known may need at least two seconds to finish. */
#define BRIEF_THAW_S 8

const struct undo_calls undo_calls_libvirt = {
    .lock_wait_ms = UINT64_C(60) * 1000,
    .open = hypervisor_open,
    .close = hypervisor_close,
    .alive = hypervisor_alive,
    .reconnect = hypervisor_reconnect,
    .find_uuid = guest_find_uuid,
    .free = guest_free,
    .get_status = guest_get_status,
    .wait_for_job = guest_wait_for_job,
    .backup_end = guest_backup_end,
    .thaw = guest_thaw,
    .resume = guest_resume,
    .restore = guest_restore,
    .define = guest_define,
    .undefine = guest_undefine,
    .set_autostart = guest_set_autostart,
    .put_points_back = guest_points_put_back,
    .checkpoint_delete = guest_checkpoint_delete,
    .bitmap_remove = disk_bitmap_remove,
};

/* ---- while other guests wait ----------------------------------------------------------------- */

static int undo_call_later(struct err *err)
{
    if (err && err->kind == ERR_BUSY)
        err->kind = ERR_TRANSIENT;
    return -1;
}

static int brief_reconnect(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err)
{
    return hypervisor_reconnect(hypervisor, timeout_ms < BRIEF_MS ? timeout_ms : BRIEF_MS, err);
}

static int brief_find_uuid(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                           struct err *err)
{
    BOUNDED_CALLS(&bounded_brief);

    return guest_find_uuid(hypervisor, uuid, ret, err);
}

static int brief_get_status(struct guest *guest, struct guest_status *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_brief);

    return guest_get_status(guest, ret, err);
}

static int brief_resume(struct guest *guest, struct err *err)
{
    BOUNDED_CALLS(&bounded_brief);

    return guest_resume(guest, err);
}

static int brief_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err)
{
    uint64_t limit_ms = timeout_ms < BRIEF_MS ? timeout_ms : BRIEF_MS;
    BOUNDED_CALLS(&bounded_brief);

    return guest_wait_for_job(guest, limit_ms, err) < 0 ? undo_call_later(err) : 0;
}

static int brief_thaw(struct guest *guest, unsigned timeout_s, struct err *err)
{
    unsigned limit_s = timeout_s < BRIEF_THAW_S ? timeout_s : BRIEF_THAW_S;

    return guest_thaw(guest, limit_s, err) < 0 ? undo_call_later(err) : 0;
}

static int brief_checkpoint_delete(struct guest *guest, const struct guest_checkpoint *checkpoint,
                                   bool *ret_off, struct err *err)
{
    BOUNDED_CALLS(&bounded_brief);

    return guest_checkpoint_delete(guest, checkpoint, ret_off, err);
}

const struct undo_calls undo_calls_brief = {
    .brief = true,
    .lock_wait_ms = 3000,
    .open = hypervisor_open,
    .close = hypervisor_close,
    .alive = hypervisor_alive,
    .reconnect = brief_reconnect,
    .find_uuid = brief_find_uuid,
    .free = guest_free,
    .get_status = brief_get_status,
    .wait_for_job = brief_wait_for_job,
    .backup_end = guest_backup_end,
    .thaw = brief_thaw,
    .resume = brief_resume,
    .restore = guest_restore,
    .define = guest_define,
    .undefine = guest_undefine,
    .set_autostart = guest_set_autostart,
    .put_points_back = guest_points_put_back,
    .checkpoint_delete = brief_checkpoint_delete,
    .bitmap_remove = disk_bitmap_remove,
};
