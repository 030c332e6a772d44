/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names that a backup's files will have, tried in the archive before anything
 * of the guest is read.
 */
#pragma once

#include <stdbool.h>

#include "archive/backup_set.h"
#include "base/err.h"
#include "codec/codec.h"
#include "ops/source.h"

/* memory: there will be a memory image. Fails as backup_set_expect does. */
int backup_names_try(struct backup_set *set, const char *domain, const struct source *source,
                     bool memory, enum codec_type codec, struct err *err);
