/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guardian: a small process in its own session that outlives the run. It is
 * forked before libvirt is opened and waits for the run's end; when the run has
 * died and left intents in the state directory, it undoes them over a connection
 * of its own, and removes what the run has half made in the archive. It does nothing
 * else.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"

struct guardian;

/* Forks it. Called by main before any thread exists. archive: the folder in which the run
 * makes backups, which need not exist yet; NULL: none. Borrowed. */
int guardian_start(const char *archive, struct guardian **ret, struct err *err);
/* The run is over, well or not, and has undone what it had to: the guardian ends. */
void guardian_free(struct guardian *guardian);
DEFINE_CLEANUP(struct guardian *, guardian_freep, guardian_free)
