/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events, and what becomes of them, for test_events.c.
 */
#pragma once

#include <stddef.h>

#include "cli/events.h"

struct event_row {
    struct event event;
    const char *name;
    enum event_shown shown;
    const char *text;
    const char *object;
};

/* About points of a repository. */
extern const struct event_row event_rows_keep[];
extern const size_t event_rows_keep_count;
/* Of jobs. */
extern const struct event_row event_rows_job[];
extern const size_t event_rows_job_count;
