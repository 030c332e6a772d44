/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state of guests and jobs in the text format of Prometheus, for the textfile collector of its
 * node_exporter.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct status;

/* Appends the text. */
void metrics_format(const struct status *status, struct buf *ret);
/* Replaces what the file says of jobs, and leaves what it says of guests, of which nothing new is known. */
int metrics_write_jobs(const char *path, const struct status *status, struct err *err);
/* Replaces the file, which everybody can read, as a whole: its folder gets a temporary file whose name no
 * collector takes. */
int metrics_write(const char *path, const struct status *status, struct err *err);
