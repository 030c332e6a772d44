/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What undoing asks of a hypervisor: a table of calls, so that a test can replace libvirt and let
 * each call fail. The contracts are those of guest/, and of disk/bitmap.h.
 */
#pragma once

#include "base/err.h"
#include "guest/checkpoint.h"
#include "guest/guest.h"
#include "guest/guest_points.h"
#include "guest/hypervisor.h"

struct undo_calls {
    bool brief;            /* see undo_calls_brief */
    uint64_t lock_wait_ms; /* to wait for another process that has the guest */

    int (*open)(const char *uri, struct hypervisor **ret, struct err *err);
    void (*close)(struct hypervisor *hypervisor);
    bool (*alive)(struct hypervisor *hypervisor);
    int (*reconnect)(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err);

    int (*find_uuid)(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                     struct err *err);
    void (*free)(struct guest *guest);
    int (*get_status)(struct guest *guest, struct guest_status *ret, struct err *err);
    int (*wait_for_job)(struct guest *guest, uint64_t timeout_ms, struct err *err);
    int (*backup_end)(struct guest *guest, const char *socket, struct err *err);
    int (*thaw)(struct guest *guest, unsigned timeout_s, struct err *err);
    int (*resume)(struct guest *guest, struct err *err);
    int (*restore)(struct hypervisor *hypervisor, const char *path, const char *xml, bool running,
                   struct err *err);

    int (*define)(struct hypervisor *hypervisor, const char *xml, struct guest **ret,
                  struct err *err);
    int (*undefine)(struct guest *guest, struct err *err);
    int (*set_autostart)(struct guest *guest, bool autostart, struct err *err);
    int (*put_points_back)(struct guest *guest, const struct guest_points *points, struct err *err);
    int (*checkpoint_delete)(struct guest *guest, const struct guest_checkpoint *checkpoint,
                             bool *ret_off, struct err *err);
    int (*bitmap_remove)(const char *path, const char *name, struct err *err);
};

/* libvirt, through guest/. */
extern const struct undo_calls undo_calls_libvirt;
/* The same while other guests are waiting: no wait for a job that works on the guest, its agent or
 * libvirt takes longer than some seconds. What would take longer is a transient error. */
extern const struct undo_calls undo_calls_brief;
