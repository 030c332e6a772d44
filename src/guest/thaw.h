/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * When it is certain that an agent's file systems are thawed and stay so. An agent
 * that has not answered a freeze in time may freeze when nobody waits any more. What it
 * answers is the guest's own word: no answer, however often it comes, keeps us for ever.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How the freeze ended that is to be undone. */
enum freeze_outcome {
    FREEZE_UNKNOWN,  /* it was asked for by another process, or by another handle */
    FREEZE_NOT_SENT, /* the agent never got to know of it */
    FREEZE_DONE,     /* the agent has answered that it froze */
    FREEZE_REFUSED,  /* the agent has answered that it did not */
    FREEZE_LATE,     /* no answer: it may come yet */
    FREEZE_GARBLED,  /* an answer that no agent gives: nothing is known, nor will be */
};

enum thaw_answer {
    THAW_THAWED,  /* file systems were thawed */
    THAW_NOTHING, /* nothing was frozen */
    THAW_FAILED,  /* the agent has answered with an error */
    THAW_SILENT,  /* no answer */
};

struct thaw {
    enum freeze_outcome freeze;
    uint64_t settled_ms; /* by then a freeze that is not certain to have ended would have */
    unsigned quiet;      /* how often the answer was, last in a row, that nothing is frozen */
    unsigned answered;   /* how often, last in a row, a thaw was answered as it should be */
};

/* limit_ms: by when the freeze should have been answered; later than now_ms, or the
 * freeze is unknown: taken as now. Both of one clock. */
struct thaw thaw_begin(enum freeze_outcome freeze, uint64_t limit_ms, uint64_t now_ms);
/* True if nothing is left to be asked; to be called after each answer, until then. */
bool thaw_is_over(struct thaw *thaw, enum thaw_answer answer, uint64_t now_ms);
