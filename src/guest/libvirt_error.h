/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's errors as ours. libvirt keeps the last error of each thread, so
 * these must be called in the thread whose call failed, before its next one.
 */
#pragma once

#include "base/err.h"

/* Sets *err to "TEXT: libvirt's message" on one line, with the kind that
 * libvirt's code asks for. Returns -1. */
int libvirt_error(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "JOB works on this guest; ..." (busy), with the line that shows the job. Returns -1. */
int libvirt_error_job(struct err *err, const char *job, const char *guest);
/* libvirt's code (VIR_ERR_...), 0 if the last call did not fail. */
int libvirt_error_code(void);
/* Keeps libvirt from printing errors itself. For the whole process. */
void libvirt_error_silence(void);
