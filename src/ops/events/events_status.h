/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fields of events of status, for ops/events/events.h.
 */
#pragma once

#include <stdbool.h>

struct status;
struct status_guest;

struct event_status {
    const struct status *all;
    const struct status_guest *guest;
    bool first; /* the head of a table goes before it */
};

struct event_status_total {
    const struct status *all;
    bool plugin;         /* for a monitoring system, which gets no other event */
    const char *unknown; /* of a plugin: why nothing is known; then `all` is NULL */
};
