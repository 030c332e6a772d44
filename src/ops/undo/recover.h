/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recovers guests that a dead run did not put back, that is, those with a journal in the state
 * directory. A journal stays until its guest is back in its former state or running again, there is
 * nothing left to bring it back from, or the user dismisses it. Guests for which it failed before
 * are tried again after all others.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"
#include "ops/events/report.h"
#include "ops/verbs.h"

/* The verb: puts back all guests, or forgets those named in options->dismiss. After a signal, those
 * not reached are reported as not tried. */
int recover_run(const struct recover_options *options, const struct report *report,
                struct outcome *ret_outcome, struct err *err);

/* The three steps of a backup or restore. They share `told`, the UUIDs of the guests that the user
 * was told about, so that each guest's trouble is told once in a run. */
/* Before anything else: puts back what was not tried yet, and reports what could not be put back,
 * which fails only that guest's own backup or restore. -1: the state directory cannot be read, or a
 * signal came. */
int recover_before(int state_fd, struct strings *told, const struct report *report,
                   struct err *err);
/* After everything else: tries again what failed before. */
void recover_again(int state_fd, struct strings *told, const struct report *report);
/* Call it with the guest's lock held. -1: it has a journal; the error says what to do, and why,
 * unless that was told. */
int recover_check(int state_fd, const char *uuid, const struct strings *told, struct err *err);
/* "left behind by the backup of ...: WHY"; NULL: the run is at work. The caller frees. */
struct intent;
char *recover_text(const struct intent *intent);
/* Changes nothing: reports which guests could not be put back. Without a state directory, none. */
void recover_tell(const struct report *report);
