/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What capturing asks of a hypervisor: a table of calls, as undo_calls is for the way back, so that a
 * test can replace libvirt. The contracts are those of guest/, of disk/bitmap.h and of
 * ops/backup/scratch_watch.h.
 */
#pragma once

#include "disk/bitmap.h"
#include "guest/guest.h"
#include "guest/live.h"
#include "ops/backup/scratch_watch.h"
#include "ops/undo/calls.h"

struct capture_calls {
    const struct undo_calls *undo;
    const struct undo_calls *undo_brief;
    int (*get_job)(struct guest *guest, enum guest_job *ret, char **ret_socket, struct err *err);
    int (*get_xml)(struct guest *guest, enum guest_xml_kind kind, char **ret_xml, struct err *err);
    int (*can_open)(struct hypervisor *hypervisor, const char *path, bool *ret, struct err *err);
    int (*private_folder)(struct guest *guest, char **ret, struct err *err);
    int (*get_abilities)(struct guest *guest, struct guest_abilities *ret, struct err *err);
    bool (*is_stuck)(const struct guest *guest);

    int (*watch_begin)(struct guest *guest, struct guest_watch **ret, struct err *err);
    int (*scratch_begin)(const struct scratch_watch_request *request, struct scratch_watch **ret,
                         struct err *err);
    int (*freeze)(struct guest *guest, unsigned timeout_s, struct err *err);
    int (*save)(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
                struct err *err);
    int (*snapshot_memory)(struct guest *guest, const struct guest_snapshot *snapshot,
                           bool *ret_forced, struct err *err);
    int (*is_safe)(struct guest *guest, bool *ret_safe, struct err *err);
    int (*validate)(struct guest *guest, const struct guest_checkpoint *checkpoint,
                    enum guest_checkpoint_state *ret_states, struct err *err);
    int (*record)(struct guest *guest, const struct guest_checkpoint *checkpoint, struct err *err);
    int (*bitmap_look)(const char *path, const char *name, enum disk_bitmap_state *ret,
                       struct err *err);
    int (*bitmap_list)(const char *path, struct strings *ret, struct err *err);
    int (*bitmap_add)(const char *path, const char *name, struct err *err);
    int (*list)(struct guest *guest, const char *owner, struct strings *names, struct err *err);
    int (*backup_begin)(struct guest *guest, const struct guest_backup *backup, struct err *err);
};

/* libvirt, through guest/. */
extern const struct capture_calls capture_calls_libvirt;
