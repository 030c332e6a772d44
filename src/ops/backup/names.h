/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Takes a guest's place in the archive and tries its file names, before anything of the guest is
 * read.
 */
#pragma once

#include <stdbool.h>

#include "archive/backup_set.h"
#include "base/err.h"
#include "codec/codec.h"
#include "ops/backup/guest.h"
#include "ops/backup/source.h"

/* Begins the set. run->busy is set if another run is writing a backup of the guest. */
int backup_names_begin(struct backup_run *run, struct guest *guest, struct backup_set **ret,
                       struct err *err);
/* Tries the names that the files will have. memory: there will be a memory image. Fails like
 * backup_set_expect. */
int backup_names_try(struct backup_set *set, const char *domain, const struct source *source,
                     bool memory, enum codec_type codec, struct err *err);
