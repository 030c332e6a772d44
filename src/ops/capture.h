/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Holding a guest still: its memory saved by libvirt (virDomainSave), the guest
 * down while its disks are read, and put back into its former state on every
 * way out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive/archive.h"
#include "guest/guest.h"
#include "ops/source.h"

struct capture {
    struct hypervisor *hypervisor;
    struct backup_set *set; /* borrowed */
    const char *uuid;       /* borrows: the guest's, the set's */
    const char *name;
    const char *sav_path; /* libvirt's save image, uncompressed unless libvirt is set so */
    char *live_xml;       /* owned; what the guest is restored with */
    bool persistent;
    bool running;         /* it ran, not paused */
    bool down;            /* saved and not put back yet */
    bool stranded;        /* could not be put back */
    uint64_t stopped_ms;  /* monotonic */
    uint64_t downtime_ms; /* set by capture_end */
};

/* Checks room and access, then saves the guest's memory below the set's folder.
 * On failure, and when a signal comes, the guest is as it was. */
int capture_begin(struct hypervisor *hypervisor, struct guest *guest, const struct source *source,
                  struct archive_writer *archive, struct backup_set *set, struct capture *ret,
                  struct err *err);

/* Puts the guest back; does nothing when it is not down. When that fails the save
 * image is kept under a plain name in the archive's folder and the error says
 * how to resume the guest from it; capture->stranded is set. Never over a guest
 * that somebody has started meanwhile. */
int capture_end(struct capture *capture, struct err *err);
void capture_clear(struct capture *capture);
