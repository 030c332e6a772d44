/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way back of one guest. What was begun and can't be finished is undone:
 * files are removed, a replaced definition comes back. Only when everything is
 * there and the guest just can't be started are the files kept, and the error
 * says how to start it.
 */
#pragma once

#include "archive/archive.h"
#include "guest/guest.h"
#include "ops/children.h"
#include "ops/claims.h"
#include "record/seal.h"
#include "ops/verbs.h"

struct restore_run {
    const struct restore_options *options; /* destination made absolute */
    const struct report *report;
    struct archive_reader *archive;
    struct hypervisor *hypervisor; /* NULL: --disks, no guest is touched */
    int state_fd;                  /* state directory; -1 in a dry run */
    struct children children;
    struct seal_key *key; /* this host's; NULL: it has none */
    struct claims claims; /* places that the guests of this run take */
    uint64_t planned;     /* bytes that the guests of a dry run would have taken so far */
    bool owner_said;      /* that owners could not be put back */
    bool busy;     /* set by restore_guest: it failed because another run works on the guest */
    bool stranded; /* set by restore_guest: a guest could not be put back, now or before */
};

int restore_guest(struct restore_run *run, const char *name, struct err *err);
