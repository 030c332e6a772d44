/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rate, ratio and time left of one image, from the progress that a verb reports.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ops/events/report.h"

struct meter {
    char *subject; /* "web vda"; owned */
    uint64_t done;
    uint64_t elapsed_ms;
    double rate; /* bytes a millisecond, over the last few seconds */
};

/* Takes in a progress report; starts again when it is about another image. */
void meter_update(struct meter *meter, const struct progress *progress);
void meter_clear(struct meter *meter);

/* About how long the rest takes, if what is done took this long. False if that would mean nothing
 * yet: too little is done. */
bool meter_left(uint64_t done, uint64_t rest, uint64_t passed_ms, uint64_t *ret_seconds);

/* "web vda: 42%  180 MiB/s": what a narrow terminal has room for. The caller frees. */
char *meter_short_line(const struct meter *meter, const struct progress *progress);
/* "web vda: 42%  1.2 GiB of 2.9 GiB  180 MiB/s  ratio 0.34  0:12 left". The
 * caller frees. */
char *meter_line(const struct meter *meter, const struct progress *progress);
