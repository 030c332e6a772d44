/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which point of a guest is meant by "latest", or by a time: for people who name it, and for the
 * policy that must keep it. Pure arithmetic.
 *
 * The sessions of a guest rise whatever the clock says. So the latest is the complete point of the
 * newest session, and a clock that was wrong once changes nothing. A derived point (a copy) may have
 * data that is older than its session: one above the newest that is not derived is the latest only
 * if its data was taken no earlier; of several, the one whose data was taken last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Begins as {.until_ms = INT64_MAX}, or as the time that is meant: points taken later do not count. */
struct latest {
    int64_t until_ms;
    int64_t taken_ms; /* of the latest so far, if there is one */
    bool any;
    bool settled; /* older sessions need not be looked at: none of them is the latest */
};

/* To be called for each point that counts, from the newest session to the oldest. True: it is the
 * latest so far. One that cannot be read is taken for one that is not derived, of the time of its
 * session: to pass over it would name another one silently. */
bool latest_take(struct latest *latest, bool derived, int64_t taken_ms);
