/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a restore asks at a terminal, when its command line leaves something open: which guest and which
 * point, where to, and what it may do beyond making new files.
 */
#pragma once

#include "base/strings.h"
#include "ops/verbs.h"

struct restore_answers {
    struct strings domains; /* what options->domains borrows, if it was asked */
    const char **words;
    char *point;
    char *destination;
};

void restore_answers_clear(struct restore_answers *answers);
#define CLEANUP_RESTORE_ANSWERS CLEANUP(restore_answers_clear)

/* Fills in what *options lacks, from answers that borrow from *ret. If anything was asked, shows the plan
 * and asks whether to go on. -1: the answer to that, or to another question, was no (cancelled), or the
 * restore would fail whatever is answered. Asks nothing if nothing is open. */
int restore_ask(struct restore_options *options, struct spawner *spawner,
                const struct report *report, struct restore_answers *ret, struct err *err);
