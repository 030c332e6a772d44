/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guest's place at the hypervisor that it is restored to: whether it is free, which guest is
 * there now, and the new definition.
 */
#pragma once

#include <stdbool.h>

#include "record/manifest.h"
#include "base/err.h"
#include "guest/guest.h"
#include "ops/undo/intent.h"
#include "ops/restore/placement.h"
#include "ops/events/report.h"

struct target {
    struct guest *guest;    /* owned; defined by us */
    struct guest *replaced; /* owned; the guest of that name or UUID that was there before */
};

struct target_request {
    struct hypervisor *hypervisor;
    const struct placement *placement;
    const struct manifest *manifest;
    const struct report *report;
    bool replace;
    bool disks_only; /* no guest is defined */
    bool
        original_places; /* with disks_only: disks are put back under the definition that is there */
};

/* Refused: an existing guest of that name or UUID (unless `replace` is set and it is shut off
 * without managed save), two such guests, a block device that is to be written but is used by any
 * guest, a file that is to be replaced but is in use (see in_use.h). With disks_only an existing
 * guest whose disks are put back must be shut off too, and have a definition that fits them, but does
 * not count as replaced; devices of its own may be written to while it is shut off. */
int target_check(struct target *target, const struct target_request *request, struct err *err);
/* The same right before files and the guest are replaced: meanwhile a guest may have been started,
 * defined or undefined. */
int target_check_again(const struct target *target, const struct target_request *request,
                       struct err *err);
/* Notes in the intent what is there now and what will be; the caller writes the intent down before
 * it calls target_define. */
int target_note(const struct target *target, const char *uuid, const char *name,
                struct intent *intent, struct err *err);

struct target_definition {
    struct hypervisor *hypervisor;
    const char *xml;
    const struct intent *intent; /* as target_note has left it */
    bool autostart;
};
int target_define(struct target *target, const struct target_definition *definition,
                  struct err *err);
void target_clear(struct target *target);
