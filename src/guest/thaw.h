/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decides when it is certain that an agent's file systems are thawed and stay so. An agent that did
 * not answer a freeze in time may still freeze when nobody is waiting any more. Its answers are
 * only the guest's word: no answer, however often repeated, can keep us forever.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How the freeze that is being undone ended. */
enum freeze_outcome {
    FREEZE_UNKNOWN,  /* it was asked for by another process, or by another handle */
    FREEZE_NOT_SENT, /* the agent never received it */
    FREEZE_DONE,     /* the agent answered that it froze */
    FREEZE_REFUSED,  /* the agent answered that it did not freeze */
    FREEZE_LATE,     /* no answer yet: it may still freeze */
    FREEZE_GARBLED,  /* an answer that no real agent gives: nothing is known, now or later */
};

enum thaw_answer {
    THAW_THAWED,  /* file systems were thawed */
    THAW_NOTHING, /* nothing was frozen */
    THAW_FAILED,  /* the agent answered with an error */
    THAW_SILENT,  /* no answer */
};

struct thaw {
    enum freeze_outcome freeze;
    uint64_t settled_ms; /* by then a freeze that may be outstanding would have ended */
    unsigned quiet;      /* consecutive answers that nothing is frozen */
    unsigned answered;   /* consecutive valid answers to a thaw */
};

/* limit_ms: when the freeze should have been answered at the latest; if that is later than now_ms,
 * or the freeze is unknown, now_ms is used. Both are from the same clock. */
struct thaw thaw_begin(enum freeze_outcome freeze, uint64_t limit_ms, uint64_t now_ms);
/* Call this after each answer. True if there is nothing left to ask; then do not call it again. */
bool thaw_is_over(struct thaw *thaw, enum thaw_answer answer, uint64_t now_ms);
