/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The secret that seals manifests (record/seal.h). For root it is the host's,
 * /var/lib/virt-backup-key/seal; for other users it is the user's own, beside their state
 * directory. The first backup makes it, and it never changes. A folder or file that others can read
 * or write is refused (denied).
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ops/events/report.h"
#include "record/seal.h"

/* *ret is NULL if there is no key and !make. The caller frees. */
int host_key_open(bool make, struct seal_key **ret, struct err *err);
/* Overwrites it first. */
void host_key_free(struct seal_key *key);
DEFINE_CLEANUP(struct seal_key *, host_key_freep, host_key_free)

/* The key for the verbs: no run fails because of its key. If there is no usable key: NULL, and a
 * warning that says what follows from that. */
struct seal_key *host_key_for_backup(const struct report *report);
struct seal_key *host_key_for_reading(const struct report *report);
