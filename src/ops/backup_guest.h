/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The backup of one guest, from the first look to the published manifest.
 */
#pragma once

#include "archive/archive.h"
#include "guest/guest.h"
#include "ops/children.h"
#include "record/seal.h"
#include "ops/verbs.h"

struct backup_run {
    const struct backup_options *options;
    const struct report *report;
    struct hypervisor *hypervisor;
    struct archive_writer *archive; /* NULL in a dry run */
    struct children children;
    int state_fd;         /* state directory; -1 in a dry run */
    struct seal_key *key; /* what manifests are sealed with; NULL: they are not */
    bool busy; /* set by backup_guest: it failed because another run works on the guest */
    struct report_position position;
    uint64_t raw_bytes; /* of the guests that are done */
    uint64_t usage;
};

/* Whatever happens, the guest is afterwards as it was found; when that can't be
 * done, *ret_stranded is set and the error says how to do it by hand. */
int backup_guest(struct backup_run *run, struct guest *guest, bool *ret_stranded, struct err *err);

/* Tells what backup_guest would do. */
int backup_plan_guest(struct backup_run *run, struct guest *guest, struct err *err);
