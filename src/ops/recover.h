/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests that a dead run has not left as it found them: those of which a journal is in the state
 * directory. A journal stays until its guest is as it was found, or runs again, or there is
 * nothing left to bring it back from, or the user dismisses it. Those for which it has failed
 * before are tried again after all others.
 */
#pragma once

#include "base/err.h"
#include "ops/report.h"
#include "ops/verbs.h"

/* The verb: puts back all, or forgets those that options->dismiss names. */
int recover_run(const struct recover_options *options, const struct report *report,
                struct outcome *ret_outcome, struct err *err);

/* Before a backup or restore begins: puts back what was not tried yet, and tells what could not be
 * put back, which fails nobody but that guest's own backup or restore. -1: the state directory
 * can't be read, or a signal came. */
int recover_before(int state_fd, const struct report *report, struct err *err);
/* When all else is done: tries again what has failed before. */
void recover_again(int state_fd, const struct report *report);
/* With the guest's lock held. -1: it has a journal; the error says why, and what to do. */
int recover_check(int state_fd, const char *uuid, struct err *err);
/* Changes nothing: tells which guests could not be put back. Without a state directory, none. */
void recover_tell(const struct report *report);
