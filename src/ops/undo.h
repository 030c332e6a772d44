/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way back: whatever an intent says may have been done to a guest is undone,
 * so that the guest is as it was found. All NBD clients of the run must have
 * ended. Order: backup job, thaw, resume or restore, files.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/hypervisor.h"
#include "ops/intent.h"

/* -1: the guest could not be put back, or not all of it; the error says how to do
 * it by hand, and the memory image that is needed for that is kept. May be called
 * again: what is undone is struck from the intent. */
int undo_guest(struct hypervisor *hypervisor, struct intent *intent, struct err *err);

/* The same for a restore that did not come to its end: its files go, its guest is not
 * defined any more, and one that it replaced is back. hypervisor NULL: no guest was
 * touched. */
int undo_restore(struct hypervisor *hypervisor, struct intent *intent, struct err *err);

/* Removes what a restore that has come to its end has replaced. */
void undo_outdated(struct intent *intent);

/* Removes the memory image, which undo_guest leaves: on the way to a good backup
 * it is still to be stored. */
void undo_memory(struct intent *intent);

/* As recover does for each guest in the state directory: takes its lock (*ret_busy if
 * another run has it and keeps it), undoes, forgets the intent. hypervisor NULL: connects to the
 * intent's own. */
int undo_recorded(int state_fd, const char *uuid, struct hypervisor *hypervisor, bool *ret_busy,
                  struct err *err);
