/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The backup of one guest, from the first look to the published manifest.
 */
#pragma once

#include "guest/guest.h"
#include "ops/transfer/children.h"
#include "ops/events/course.h"
#include "ops/points/points.h"
#include "ops/sizes.h"
#include "record/seal.h"
#include "ops/verbs.h"

struct backup_run {
    const struct backup_options *options;
    const struct report *report;
    struct hypervisor *hypervisor;
    struct points_writer *writer; /* NULL in a dry run */
    struct children children;
    int state_fd;         /* state directory; -1 in a dry run */
    struct strings told;  /* of guests that earlier runs left behind: see ops/undo/recover.h */
    struct seal_key *key; /* the key that seals manifests; NULL: they are not sealed */
    bool busy; /* set by backup_guest: it failed because another run works on the guest */
    struct course course;
    struct sizes sizes; /* of the guests done so far */
};

/* Leaves the guest as it was before, whatever happens. If that fails, *ret_stranded is set and the
 * error says how to do it by hand. */
int backup_guest(struct backup_run *run, struct guest *guest, bool *ret_stranded, struct err *err);

/* About how many raw bytes the guest's disks and memory have; 0 if that cannot be told. Nothing is
 * reported. */
uint64_t backup_survey_guest(const struct backup_run *run, struct guest *guest);

/* Reports what backup_guest would do. */
int backup_plan_guest(struct backup_run *run, struct guest *guest, struct err *err);
