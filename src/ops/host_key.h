/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The secret with which manifests are sealed (record/seal.h): that of the host for root,
 * /var/lib/virt-backup-key/seal, that of the user for others, beside their state directory.
 * It is made by the first backup, and never changed. A folder or a file that others can
 * read or write is refused (denied).
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ops/report.h"
#include "record/seal.h"

/* The key; *ret is NULL if there is none and !make. The caller frees. */
int host_key_open(bool make, struct seal_key **ret, struct err *err);
/* Overwrites it first. */
void host_key_free(struct seal_key *key);
DEFINE_CLEANUP(struct seal_key *, host_key_freep, host_key_free)

/* What backup and the others make of it: no run fails for its key. NULL, and a warning
 * that says what follows, when it can't be had. */
struct seal_key *host_key_for_backup(const struct report *report);
struct seal_key *host_key_for_reading(const struct report *report);
