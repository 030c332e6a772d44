/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shows what a verb reports: as text, or with --json as one object per line.
 *
 * Results (text or objects) go to standard output; warnings, errors and progress go to standard
 * error. Progress is one changing line on a terminal, else a line every few seconds. With --json,
 * progress is an object on standard output instead, and warnings and errors are objects too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/meter.h"
#include "ops/events/report.h"

struct output {
    bool json;
    bool quiet;         /* no text but warnings and errors */
    const char *run_id; /* if set, each object has this and the time; NULL: neither */
    struct meter meter;
    uint64_t shown_ms; /* when progress was last shown; 0: never */
    struct report_position position;
    /* Raw bytes: */
    uint64_t before;    /* of the images of this guest before the current one */
    uint64_t image;     /* of the current one */
    uint64_t moved;     /* done so far in all images of the run but the current one */
    uint64_t done;      /* in the current one */
    uint64_t run_begun; /* monotonic clock, ms; 0: no guest has begun */
};

/* The report that shows its events through *output, which must outlive it. With --json every
 * warning of base/log.h becomes an object too, until output_clear; also those of processes that are
 * forked meanwhile. */
struct report output_report(struct output *output);
/* Shows the error that ended the run. */
void output_error(struct output *output, const struct err *err);

/* Writes the last line, "2 guests backed up, 1 failed: 12 GiB stored in 4 GiB, 0:42", or the object
 * "summary". */
struct output_summary {
    const char *verb;     /* "backup" */
    const char *one;      /* of what is done: "guest", "point" */
    const char *done;     /* "backed up"; NULL: no line for people */
    const char *relation; /* of the images' size to the files': "stored in" */
    struct outcome outcome;
    int status;
    uint64_t elapsed_ms;
};
void output_finish(struct output *output, const struct output_summary *summary);

/* Writes text to standard output as it is (help). */
void output_text(const char *text);
/* Flushes standard output. -1 if anything written to it was lost. */
int output_flush(struct err *err);
void output_clear(struct output *output);
