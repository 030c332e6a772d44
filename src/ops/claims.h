/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The places that the guests of one restore take, so that no two files are meant for one:
 * those of the guest at hand and of all that came before it. A dry run makes none of the files,
 * and claims the same places.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "record/manifest.h"

struct claim {
    char *path;
    char *guest;    /* its name in the archive */
    char *original; /* of a shareable disk: where it was on the host that was backed up */
    struct manifest_image image;
    char *format;
};

struct claims { /* zero-initialised: none */
    struct claim *list;
    size_t count;
};

/* True if a file of that name, or a block device by any of its names, is claimed. */
bool claims_has(const struct claims *claims, const char *path);
void claims_add(struct claims *claims, const char *path, const char *guest);
/* The same, and other guests may use the disk. */
void claims_add_shareable(struct claims *claims, const char *path, const char *guest,
                          const struct manifest_disk *disk);
/* What another guest has claimed for the same shareable disk. *ret_same: with the same
 * contents. NULL: none has. Borrowed until the next claim. */
const struct claim *claims_find_shared(const struct claims *claims, const char *guest,
                                       const struct manifest_disk *disk, bool *ret_same);
/* The first free one of "STEM SUFFIX", "STEM-2 SUFFIX", ... in that folder; the caller frees. */
char *claims_free_path(const struct claims *claims, const char *folder, const char *stem,
                       const char *suffix);
/* That guest could not be restored: its places are free again. */
void claims_release(struct claims *claims, const char *guest);
void claims_clear(struct claims *claims);
