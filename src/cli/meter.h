/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rate, ratio and time left of one image, from the progress that a verb reports.
 */
#pragma once

#include <stdint.h>

#include "ops/report.h"

struct meter {
    char *subject; /* "web vda"; owned */
    uint64_t done;
    uint64_t elapsed_ms;
    double rate; /* bytes a millisecond, over the last few seconds */
};

/* Takes in a progress report; starts again when it is about another image. */
void meter_update(struct meter *meter, const struct progress *progress);
void meter_clear(struct meter *meter);

/* "web vda: 42%  1.2 GiB of 2.9 GiB  180 MiB/s  ratio 0.34  0:12 left". The
 * caller frees. */
char *meter_line(const struct meter *meter, const struct progress *progress);
