/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guardian: a small process in its own session that outlives the run. It is forked before
 * libvirt is opened and waits for the run to end. If the run dies and leaves intents in the state
 * directory, the guardian undoes them over its own connection, and removes what the run left
 * unfinished in the archive. It does nothing else.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"

struct guardian;

/* Forks it. main calls this before any thread exists. archive: the folder in which the run makes
 * backups, which may not exist yet; NULL: none. Borrowed. */
int guardian_start(const char *archive, struct guardian **ret, struct err *err);
/* Ends the guardian: the run is over, successful or not, and has undone what it had to. */
void guardian_free(struct guardian *guardian);
DEFINE_CLEANUP(struct guardian *, guardian_freep, guardian_free)
