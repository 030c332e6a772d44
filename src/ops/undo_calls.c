/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo_calls.h"

#include "guest/live.h"

const struct undo_calls undo_calls_libvirt = {
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
};
