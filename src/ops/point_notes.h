/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Notes in the state directory: which point was made last here of a guest for an owner of checkpoints
 * (guest/checkpoint.h), "UUID.OWNER.point". They are only there to be compared; without one nothing is
 * lost.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

/* Its name; the caller frees. */
char *point_note_name(const char *uuid, const char *owner);
/* The id; NULL: there is no note. One that cannot be read is greater than any id. The caller frees. */
char *point_note_read(int state_fd, const char *name);
int point_note_write(int state_fd, const char *name, const char *point, struct err *err);

/* Those of a guest, for all owners. Call with the guest's lock held. */
void point_notes_remove(int state_fd, const char *uuid);
/* Those of guests that are not among `uuids`, all that a hypervisor has, and which were written more than
 * POINT_NOTES_DAYS days before `now` (seconds since 1970). A guest may come back after that: then its
 * increments are checked as those of a guest that has come from another host. */
#define POINT_NOTES_DAYS 90
void point_notes_sweep(int state_fd, const struct strings *uuids, int64_t now);
