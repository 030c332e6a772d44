/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The places taken by the guests of one restore, so that no two files get the same one: those of
 * the current guest and of all guests before it. A dry run claims the same places, but creates no
 * files.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "record/manifest.h"

struct claim {
    char *path;
    char *guest;    /* its name in the archive */
    char *original; /* of a shareable disk: its path on the host that was backed up */
    struct manifest_image image;
    char *format;
};

struct claims { /* zero-initialised: no claims */
    struct claim *list;
    size_t count;
};

/* True if a file of that name, or a block device under any of its names, is claimed. */
bool claims_has(const struct claims *claims, const char *path);
void claims_add(struct claims *claims, const char *path, const char *guest);
/* The same, for a disk that other guests may use too. */
void claims_add_shareable(struct claims *claims, const char *path, const char *guest,
                          const struct manifest_disk *disk);
/* What another guest has claimed for the same shareable disk; NULL: nothing. *ret_same: the
 * contents are the same. Borrowed until the next claim. */
const struct claim *claims_find_shared(const struct claims *claims, const char *guest,
                                       const struct manifest_disk *disk, bool *ret_same);
/* The first free one of "STEM SUFFIX", "STEM-2 SUFFIX", ... in that folder; the caller frees. Stem
 * and suffix may come from a manifest: what archive_check_name does not accept as the name of a file
 * is refused, so that the path cannot lead out of the folder. */
char *claims_free_path(const struct claims *claims, const char *folder, const char *stem,
                       const char *suffix, struct err *err);
/* That guest could not be restored: frees its places. */
void claims_release(struct claims *claims, const char *guest);
void claims_clear(struct claims *claims);
