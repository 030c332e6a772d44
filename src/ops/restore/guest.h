/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Restores one guest. If it fails part-way, it is undone: files are removed, and a replaced
 * definition comes back. If everything is in place and only the start of the guest fails, the files
 * are kept and the error says how to start it.
 */
#pragma once

#include "guest/guest.h"
#include "ops/transfer/children.h"
#include "ops/restore/claims.h"
#include "ops/events/course.h"
#include "ops/points/points.h"
#include "ops/sizes.h"
#include "record/seal.h"
#include "ops/verbs.h"

struct restore_need;
struct restore_needs { /* zero-initialised: none */
    struct restore_need *list;
    size_t count;
};
void restore_needs_clear(struct restore_needs *needs);

struct restore_run {
    const struct restore_options *options; /* with an absolute destination, if any */
    const struct report *report;
    struct points_store *store;
    struct hypervisor *hypervisor; /* NULL: --disks, no guest is touched */
    int state_fd;                  /* state directory; -1 in a dry run */
    struct strings told; /* of guests that earlier runs left behind: see ops/undo/recover.h */
    struct children children;
    struct seal_key *key; /* this host's; NULL: it has no key */
    struct claims claims; /* the places that the guests of this run take */
    struct course course;
    struct sizes sizes;           /* of what has been restored so far */
    struct restore_needs planned; /* what the guests of a dry run would have taken so far */
    struct strings folders;       /* into which files were restored */
    bool owner_said;              /* already warned that owners could not be restored */
    bool busy;     /* set by restore_guest: it failed because another run works on the guest */
    bool stranded; /* set by restore_guest: a guest could not be put back, now or earlier */
};

int restore_guest(struct restore_run *run, const char *name, const char *point, struct err *err);
