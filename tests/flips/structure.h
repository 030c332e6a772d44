/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Damage to files as a whole: cut off, grown, gone, one in the place of another, and those
 * of two backups mixed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "damage.h"

struct structure_files {
    char **names; /* owned; sorted */
    size_t count;
};

/* The files of guest "web" in an archive. */
void structure_list(const char *path, struct structure_files *ret);
void structure_files_clear(struct structure_files *files);
/* Bytes of all of them together. */
uint64_t structure_size(const char *path, const struct structure_files *files);

/* Each file, cut off at each of its bytes; a byte longer; gone. */
void structure_cut(struct damage *damage, const struct sample *sample,
                   const struct structure_files *files);
/* Each pair of files swapped, in one backup and between two guests; and every mixture of
 * the files of two backups of one guest. */
void structure_exchange(struct damage *damage);
