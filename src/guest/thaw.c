/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/thaw.h"

/* "Nothing is frozen" counts only this long after the freeze's time limit. */
#define SETTLE_MS 2000
/* This many such answers in a row are enough. */
#define QUIET_ENOUGH 2
/* If each of this many calls thaws file systems, the agent is lying or somebody else is freezing
 * them: our own freeze is undone by then. */
#define ANSWERED_ENOUGH 4

struct thaw thaw_begin(enum freeze_outcome freeze, uint64_t limit_ms, uint64_t now_ms)
{
    bool limit_passed = freeze != FREEZE_UNKNOWN && limit_ms < now_ms;

    return (struct thaw){
        .freeze = freeze,
        .settled_ms = (limit_passed ? limit_ms : now_ms) + SETTLE_MS,
    };
}

/* An agent answers its requests in order, so a thaw after an answered freeze is final. If the
 * freeze was not answered we do not rely on that. */
bool thaw_is_over(struct thaw *thaw, enum thaw_answer answer, uint64_t now_ms)
{
    bool answered = answer == THAW_THAWED || answer == THAW_NOTHING;

    switch (thaw->freeze) {
    case FREEZE_NOT_SENT:
        return true;
    case FREEZE_DONE:
        return answered;
    case FREEZE_REFUSED:
        return answered || answer == THAW_FAILED;
    default:
        break;
    }
    thaw->answered = answered ? thaw->answered + 1 : 0;
    if (answer == THAW_NOTHING)
        thaw->quiet++;
    else /* what was asked for has happened: look just once more */
        thaw->quiet = answer == THAW_THAWED ? QUIET_ENOUGH - 1 : 0;
    if (now_ms < thaw->settled_ms)
        return false;
    return (answer == THAW_NOTHING && thaw->quiet >= QUIET_ENOUGH) ||
           thaw->answered >= ANSWERED_ENOUGH;
}
