/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Takes a guest's place in the store and finds out whether its items can go there, before anything of the guest is
 * read.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "codec/codec.h"
#include "ops/backup/guest.h"
#include "ops/backup/source.h"
#include "ops/points/points.h"

/* Begins the set. run->busy is set if another run is writing a backup of the guest. */
int backup_names_begin(struct backup_run *run, struct guest *guest, struct points_set **ret,
                       struct err *err);
/* memory: there will be a memory image. Fails like points_expect. */
int backup_names_try(struct points_set *set, const struct source *source, bool memory,
                     enum codec_type codec, struct err *err);
