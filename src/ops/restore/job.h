/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For this folder only: the restore of one guest in progress, its journal, and its files.
 */
#pragma once

#include "guest/definition/check.h"
#include "ops/undo/intent.h"
#include "ops/restore/placement.h"
#include "ops/staging.h"
#include "ops/restore/guest.h"
#include "ops/restore/output.h"
#include "ops/sizes.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/state_dir.h"
#include "ops/restore/target.h"

struct restore_job {
    struct restore_run *run;
    const char *name;  /* in the store */
    const char *point; /* id; NULL: the latest */
    struct point *backup;
    const struct manifest *manifest; /* the backup's */
    enum seal_state seal;            /* SEAL_FITS: this host wrote the manifest */
    struct placement placement;
    struct xml_doc *definition; /* as it should be here; NULL: --disks */
    struct xml_doc *live;       /* NULL: no memory is restored */
    struct definition_findings findings;
    struct strings ejected; /* drives that are left empty */
    struct target target;
    struct lock_file *lock;
    struct lock_file *replaced_lock; /* if the guest that is replaced has another UUID */
    struct staging *staging;         /* for the memory image; NULL: it goes to the destination */
    struct restore_outputs outputs;
    struct intent intent; /* what to undo if the restore fails or dies */
    struct sizes sizes;   /* of what is restored */
    uint64_t volume;      /* raw bytes of the images among it */
    uint64_t started_ms;
};

/* Writes the intent down. */
int restore_note(struct restore_job *job, struct err *err);
/* Everything is in place: from here on nothing is undone. */
int restore_complete(struct restore_job *job, struct err *err);

/* Warns how many snapshots and checkpoints of the replaced guest libvirt forgets, if any:
 * WARNING_POINTS_REMOVED or WARNING_POINTS_WOULD_BE_REMOVED. */
void restore_tell_points(const struct restore_job *job, const struct guest_points *points,
                         enum warning_kind kind);

/* Counts in job->sizes what is read and written. Call it once it is known where everything goes. */
void restore_measure(struct restore_job *job);
/* EVENT_RESTORE_PLAN. Fails if there is no memory for a child process. */
int restore_tell_plan(struct restore_job *job, struct err *err);
/* EVENT_RESTORED, which counts in the run's sizes. */
void restore_tell_done(struct restore_job *job, bool started);
/* The same if no guest is defined. */
void restore_tell_disks_done(struct restore_job *job);
/* The shell command that starts the guest by hand; the caller frees. */
char *restore_tell_start_line(const struct restore_job *job);

/* Makes the definition and the live XML. Looks in them for anything that reaches beyond the guest's
 * own files, and for memory that is resumed with its own XML. */
int restore_check_guest(struct restore_job *job, struct err *err);
/* Refused (denied) if anything was found, unless the user trusts it: then each finding is a
 * warning. A manifest from this host is believed, since its contents came from this host's libvirt,
 * except for disks that a copy under a new name would share with the original. */
int restore_check_findings(struct restore_job *job, struct err *err);
/* Warns about each thing that a start of the guest needs and this host lacks: networks, pools and
 * their volumes, secrets, files, folders, sockets, devices. */
void restore_tell_lacks(const struct restore_job *job);
/* Checks that there is room for the least that the files will take, on each file system. */
int restore_check_room(struct restore_job *job, struct err *err);
/* For a backup that this host did not make: each original place counts as a finding. */
void restore_check_places(struct restore_job *job);
/* Warns about what the restored guest will not have. */
void restore_warn_about_place(struct restore_job *job);
/* Disks, NVRAM and TPM state, with owner, mode and security context. */
int restore_files(struct restore_job *job, struct err *err);
/* NVRAM or TPM state, with owner, mode and security context. */
int restore_extra(struct restore_job *job, const struct manifest_extra *extra,
                  struct restore_output *output, struct err *err);

/* Chooses where the state of an emulated TPM goes: where libvirt will look for it. Refused: an
 * existing state (exists), unless it belongs to the same guest and that is replaced; a host that
 * cannot emulate the guest's TPM. */
int restore_tpm_place(struct restore_job *job, struct err *err);
/* Makes it, and the folders that it needs. */
int restore_tpm_write(struct restore_job *job, struct err *err);
