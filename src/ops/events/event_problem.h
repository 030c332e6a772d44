/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An error as a part of events.
 */
#pragma once

#include "base/err.h"

struct event_problem {
    enum err_kind kind;
    const char *error;      /* the text of a struct err */
    enum err_remedy remedy; /* of EVENT_GUEST_FAILED only */
};
