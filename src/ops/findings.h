/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where a guest's definition reaches beyond the guest's own files, so that a restore on a host that
 * did not make the backup refuses it without --trust-definition.
 */
#pragma once

#include "guest/definition/check.h"
#include "guest/host_places.h"
#include "ops/restore/placement.h"

/* What definition_check is told about host and guest. */
struct findings_view {
    struct host_places places;
    struct definition_own *own;
    struct definition_host host; /* borrows from the above and from the placement */
};

/* hypervisor NULL: only libvirt's usual places are known. The placement must outlive the view. */
void findings_view_make(struct hypervisor *hypervisor, const struct placement *placement,
                        const struct manifest *manifest, struct findings_view *ret);
void findings_view_clear(struct findings_view *view);
#define CLEANUP_FINDINGS_VIEW CLEANUP(findings_view_clear)

/* What a restore of this backup with its usual options would find, as far as that can be known
 * without libvirt and without the memory image. Empty if the backup cannot be restored at all. */
void findings_of_backup(const struct manifest *manifest, struct definition_findings *ret);

/* "os/kernel: /srv/vmlinuz, hostdev and 4 more, which HINT"; the caller frees. */
char *findings_line(const struct definition_findings *findings, const char *hint);
