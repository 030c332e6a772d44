/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a dry run reports about one guest.
 */
#pragma once

#include "mtcp/sizing.h"
#include "ops/backup/capture.h"
#include "ops/events/report.h"
#include "ops/backup/source.h"

struct backup_plan {
    const char *guest;
    const struct points_place *destination;
    const struct source *source;
    enum capture_mode mode;
    const struct sizing_plan *sizing;
    unsigned long libvirt; /* its version in libvirt's own numbering: 9000000 */
};

/* EVENT_BACKUP_PLAN. Fails if a file of the archive cannot be named. */
int backup_plan_tell(const struct backup_plan *plan, const struct report *report, struct err *err);
