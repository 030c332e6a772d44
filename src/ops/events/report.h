/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a verb reports while it works. The verbs know no output format: cli shows each event as a
 * line of text or as a JSON object.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ops/events/events.h"
#include "ops/sizes.h"

struct progress {
    const char *guest;
    const char *what; /* "vda", "memory" */
    uint64_t done;    /* raw bytes */
    uint64_t total;   /* raw bytes; of this disk or memory */
    uint64_t stored;  /* bytes written to, or read from, the archive for them */
    uint64_t elapsed_ms;
};

/* Where a run is: guest 3 of 12. Volumes are raw bytes of images; 0: not known (yet). */
struct report_position {
    unsigned number;
    unsigned count;
    uint64_t volume; /* of this guest */
    uint64_t before; /* of the guests before this one */
    uint64_t total;  /* of all guests of the run, as far as that is known */
};

struct report {
    void *opaque;
    void (*event)(void *opaque, const struct event *event);
    /* About five times a second. */
    void (*progress)(void *opaque, const struct progress *progress);
    /* Called before each guest, and again when its volume is known, before its images; may be
     * NULL. */
    void (*position)(void *opaque, const struct report_position *position);
    bool shows_progress; /* false: nobody sees progress or position */
};

/* The result of a run over several guests. */
struct outcome {
    unsigned good;
    unsigned failed;
    unsigned busy;      /* of those that failed: another run works on the guest */
    bool damaged;       /* verify found damage */
    bool stranded;      /* a guest could not be put back into its former state */
    int signal;         /* the run was stopped by this signal; 0: it was not */
    struct sizes sizes; /* of the good guests; no image: not counted */
};

void report_event(const struct report *report, const struct event *event);
/* EVENT_WARNING; guest NULL: it is about no single guest. */
void report_warning(const struct report *report, const char *guest, const struct warning *warning);
/* EVENT_GUEST_FAILED; counts it in outcome. The error's text names the guest. */
void report_failure(const struct report *report, struct outcome *outcome, const char *guest,
                    const struct err *err);
/* EVENT_NO_MATCH; counts as failed. */
void report_no_match(const struct report *report, struct outcome *outcome,
                     const struct event_no_match *no_match);
/* EVENT_GUEST_NOT_TRIED, for each guest that a stopped run did not get to. */
void report_not_tried(const struct report *report, const char *guest);
void report_position(const struct report *report, const struct report_position *position);
