/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For restore_guest.c, restore_files.c and restore_tpm.c only: one guest's restore in the making,
 * its journal, and its files.
 */
#pragma once

#include "guest/definition/check.h"
#include "ops/intent.h"
#include "ops/placement.h"
#include "ops/staging.h"
#include "ops/restore_guest.h"
#include "ops/restore_output.h"
#include "ops/guest_lock.h"
#include "ops/state_dir.h"
#include "ops/target.h"

struct restore_job {
    struct restore_run *run;
    const char *name; /* in the archive */
    struct archive_backup *backup;
    const struct manifest *manifest; /* the backup's */
    enum seal_state seal;            /* SEAL_FITS: this host has written the manifest */
    struct placement placement;
    struct xml_doc *definition; /* as it is to be here; NULL: --disks */
    struct xml_doc *live;       /* NULL: no memory is restored */
    struct definition_findings findings;
    struct strings ejected; /* drives that are left empty */
    struct target target;
    struct lock_file *lock;
    struct staging *staging; /* for the memory image; NULL: it goes to the destination */
    struct restore_outputs outputs;
    struct intent intent; /* what is to be undone when the restore fails or dies */
    uint64_t started_ms;
};

/* Writes the intent down. */
int restore_note(struct restore_job *job, struct err *err);
/* All is there: what comes now can't undo it. */
int restore_complete(struct restore_job *job, struct err *err);

/* Makes definition and live XML, and looks for what in them reaches beyond the
 * guest's own files, and for memory that is resumed with XML of its own. */
int restore_check_guest(struct restore_job *job, struct err *err);
/* Refused (denied) if anything was found, unless the user trusts it: then a warning
 * tells of each. A manifest of this host is believed - what is in it came from its own
 * libvirt - but for the disks that a copy under a new name would share with the original. */
int restore_check_findings(struct restore_job *job, struct err *err);
/* Is there room for the least that the files will take? */
int restore_check_room(struct restore_job *job, struct err *err);
/* Disks, NVRAM and TPM state, with owner, mode and context. */
int restore_files(struct restore_job *job, struct err *err);
/* NVRAM or TPM state, with owner, mode and context. */
int restore_extra(struct restore_job *job, const struct manifest_extra *extra,
                  struct restore_output *output, struct err *err);

/* Chooses where the state of an emulated TPM goes: where libvirt will look for it.
 * Refused: a state that is there already (exists), but for that of the same guest
 * when it is replaced; a host that can't emulate the guest's TPM. */
int restore_tpm_place(struct restore_job *job, struct err *err);
/* Makes it, with the folders that it needs. */
int restore_tpm_write(struct restore_job *job, struct err *err);
