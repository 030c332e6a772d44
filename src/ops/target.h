/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guest's place at the hypervisor that it is restored to: is it free, what
 * stands there now, the new definition, and the way back to the old one.
 */
#pragma once

#include <stdbool.h>

#include "archive/manifest.h"
#include "base/err.h"
#include "guest/guest.h"
#include "ops/placement.h"
#include "ops/report.h"

struct target {
    struct guest *guest;    /* owned; defined by us */
    struct guest *replaced; /* owned; the guest of that name or UUID that was there */
    char *old_xml;          /* owned; its definition */
    bool old_autostart;
    bool removed; /* the old definition is not there any more */
};

/* Refused: a guest of that name or UUID that exists (unless `replace` and it is
 * shut off without managed save), two such guests, a block device that is to be
 * written and that any guest uses. */
int target_check(struct target *target, struct hypervisor *hypervisor,
                 const struct placement *placement, const struct manifest *manifest, bool replace,
                 struct err *err);
int target_define(struct target *target, struct hypervisor *hypervisor, const char *xml,
                  bool autostart, struct err *err);
/* Nothing is undone from here on. */
void target_keep(struct target *target);
/* Removes our definition and brings the replaced one back. */
int target_undo(struct target *target, struct hypervisor *hypervisor, struct err *err);
void target_clear(struct target *target);

/* Warns of each thing that the guest refers to and this host lacks: networks,
 * pools, secrets, ISO files, kernels. */
void target_list_missing(struct hypervisor *hypervisor, const struct report *report,
                         const char *name, const struct xml_doc *definition,
                         const struct manifest *manifest);
