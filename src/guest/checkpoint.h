/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checkpoints of ours: from the instant of a backup on, a bitmap in each recorded disk's image notes
 * what the guest writes, so that the next backup need only read that. One is made together with a
 * backup job (guest/backup_job.h). It is two things that can be lost independently of each other:
 * libvirt's record, which goes with the guest's definition, and the bitmaps, which stay in the
 * images, but are no longer to be trusted if QEMU did not end properly.
 *
 * A name is vb-OWNER-RANDOM. OWNER, 16 lower-case hexadecimal digits, says who follows the guest
 * with it; RANDOM, 32 of them, is never drawn twice, so that no image that was copied or restored
 * carries the name of a later backup. Other checkpoints are never touched.
 *
 * All bitmaps of a disk record at the same time, and none depends on another: each can be removed
 * by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strings.h"
#include "guest/guest.h"

#define GUEST_CHECKPOINT_OWNER_LEN 16

/* A new name; the caller frees. owner: see above. */
int guest_checkpoint_name(const char *owner, char **ret, struct err *err);
/* owner NULL: any. */
bool guest_checkpoint_is_ours(const char *name, const char *owner);

/* False if the guest has internal snapshots that libvirt knows of: with a bitmap in its images it
 * could not be reverted to one, and libvirt would leave it shut off. An image may also have some
 * that only qemu-img knows of (disk_info). */
int guest_checkpoint_is_safe(struct guest *guest, bool *ret_safe, struct err *err);
/* Appends the names of those that libvirt has a record of. owner as above. */
int guest_checkpoint_list(struct guest *guest, const char *owner, struct strings *names,
                          struct err *err);

struct guest_checkpoint {
    const char *name;
    const struct strings *targets; /* the disks that it records */
};

/* Makes libvirt's record of one whose bitmaps were added to the images while the guest was off. */
int guest_checkpoint_record(struct guest *guest, const struct guest_checkpoint *checkpoint,
                            struct err *err);
/* libvirt's record of it, as XML, by which it can be redefined (virsh checkpoint-create --redefine). The
 * caller frees. */
char *guest_checkpoint_xml(const struct guest_checkpoint *checkpoint);

enum guest_checkpoint_state {
    GUEST_CHECKPOINT_FOUND,     /* libvirt has it, and its bitmap is there and sound */
    GUEST_CHECKPOINT_REDEFINED, /* the same, but its record was lost and is made anew */
    GUEST_CHECKPOINT_BROKEN,    /* libvirt has it, but the bitmap is missing or not to be trusted */
    GUEST_CHECKPOINT_ABSENT,    /* libvirt does not have it, and there is no sound bitmap */
};

/* Asks for each target whether an increment since that checkpoint is possible. The guest must be
 * active, and its disks must not have been handed over by a copy of its memory. Afterwards libvirt
 * has a record of the checkpoint with, at least, all the targets that are sound. That a sound bitmap
 * tells the truth is another matter: the image may have been exchanged. */
int guest_checkpoint_validate(struct guest *guest, const struct guest_checkpoint *checkpoint,
                              enum guest_checkpoint_state *ret_states, struct err *err);

/* Removes the record and the bitmaps, sound or broken; what does not exist is already removed. If the
 * guest is off, only the record is removed, and *ret_off is set: its bitmaps are still in the images.
 * May be repeated after a failure. */
int guest_checkpoint_delete(struct guest *guest, const struct guest_checkpoint *checkpoint,
                            bool *ret_off, struct err *err);
