/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fields of events of doctor, for ops/events/events.h.
 */
#pragma once

enum finding_severity {
    FINDING_GOOD,
    FINDING_NOTE,    /* as it is, it works */
    FINDING_WARNING, /* something will not be as expected */
    FINDING_PROBLEM, /* something cannot be backed up or restored */
    FINDING_SEVERITIES
};

/* Its texts are made where it is found, as those of errors are. */
struct event_finding {
    enum finding_severity severity;
    const char *area;  /* "libvirt", "guest", "disk", "repository", ... */
    const char *disk;  /* NULL: of none, as the next */
    const char *place; /* a path */
    const char *text;
    const char *remedy; /* a command, where there is one; NULL: nothing is to be done */
};

struct event_examined {
    unsigned good;
    unsigned notes;
    unsigned warnings;
    unsigned problems;
};
