/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Backups that capture the guest WEB of the fake hypervisor, in every way.
 */
#pragma once

#include "ops/backup/capture.h"
#include "undo_world.h"

struct capture_way {
    const char *name;
    enum capture_mode mode;
    bool running; /* else the guest was paused, or off if it is captured offline */
    enum { WITHOUT_CHECKPOINT, NOT_COMMITTED, COMMITTED } checkpoint;
};
extern const struct capture_way capture_ways[];
extern const size_t capture_way_count;

struct backup {
    const struct world *world;
    const struct capture_way *way;
    void (*in_middle)(const struct world *world);
    bool captured;
    bool rest_removed;
    bool late;    /* libvirt finds the former bitmap sound, and then cannot use it */
    bool untold;  /* libvirt cannot tell of the former bitmap */
    bool resumed; /* somebody resumes the guest before its disks are fixed */
    bool overlay; /* somebody gives its disk an overlay before its memory is saved */
    bool plugged; /* it gets another device before its memory is copied */
    bool ends;    /* the guest has ended when the former checkpoint is deleted */
};

void prepare(struct world *world, size_t way, struct backup *ret);
int back_up(struct backup *backup, bool *ret_stranded, struct err *err);
/* In a process of its own, which may die of it: 0 captured, 1 failed, 2 stranded, or FAKE_DEATH. */
int back_up_apart(struct backup *backup);
/* The checkpoint too: there if the backup is committed. */
void check_as_it_was(const struct backup *backup);
