/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/capture_calls.h"

const struct capture_calls capture_calls_libvirt = {
    .undo = &undo_calls_libvirt,
    .undo_brief = &undo_calls_brief,
    .get_job = guest_get_job,
    .get_xml = guest_get_xml,
    .can_open = hypervisor_can_open,
    .private_folder = guest_private_folder,
    .get_abilities = guest_get_abilities,
    .is_stuck = guest_is_stuck,
    .watch_begin = guest_watch_begin,
    .scratch_begin = scratch_watch_begin,
    .freeze = guest_freeze,
    .save = guest_save,
    .snapshot_memory = guest_snapshot_memory,
    .is_safe = guest_checkpoint_is_safe,
    .validate = guest_checkpoint_validate,
    .record = guest_checkpoint_record,
    .bitmap_look = disk_bitmap_look,
    .bitmap_list = disk_bitmap_list,
    .bitmap_add = disk_bitmap_add,
    .list = guest_checkpoint_list,
    .backup_begin = guest_backup_begin,
};
