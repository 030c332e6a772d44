/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/thaw.h"

/* An answer that nothing is frozen counts from this long after the freeze's limit. */
#define SETTLE_MS 2000
/* So many such answers in a row end it. */
#define QUIET_ENOUGH 2
/* An agent whose file systems are thawed by each of so many calls is not telling the
 * truth, or somebody else freezes them: our own freeze is undone by then. */
#define ANSWERED_ENOUGH 4

struct thaw thaw_begin(enum freeze_outcome freeze, uint64_t limit_ms, uint64_t now_ms)
{
    bool limit_passed = freeze != FREEZE_UNKNOWN && limit_ms < now_ms;

    return (struct thaw){
        .freeze = freeze,
        .settled_ms = (limit_passed ? limit_ms : now_ms) + SETTLE_MS,
    };
}

/* An agent works off what it is asked in order, so a thaw after an answered freeze
 * is the end of it. Where there was no answer it is not relied upon. */
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
    else /* what was asked for has happened: one more look is enough */
        thaw->quiet = answer == THAW_THAWED ? QUIET_ENOUGH - 1 : 0;
    if (now_ms < thaw->settled_ms)
        return false;
    return (answer == THAW_NOTHING && thaw->quiet >= QUIET_ENOUGH) ||
           thaw->answered >= ANSWERED_ENOUGH;
}
