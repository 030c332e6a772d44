/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Turns what was found and done into a manifest.
 */
#pragma once

#include "record/manifest.h"
#include "disk/attributes.h"
#include "guest/guest.h"
#include "ops/backup/source.h"

/* A manifest with everything known about the guest before the first byte is read: all but disks,
 * memory, extras, consistency and downtime. */
struct manifest *describe_guest(struct hypervisor *hypervisor, struct guest *guest,
                                const struct source *source);
/* Owner, group, mode and security context of the file as it is now. */
int describe_owner(const char *path, struct manifest_owner *ret, struct err *err);
/* Adds the disk, without `stored`. The result is borrowed from the manifest. */
int describe_disk(struct manifest *manifest, const struct source_disk *disk,
                  struct manifest_disk **ret, struct err *err);
