/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Turns libvirt's errors into ours. libvirt keeps the last error per thread, so call these in the
 * thread whose call failed, before its next libvirt call.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Sets *err to "TEXT: libvirt's message" on one line, with the kind that matches libvirt's code. For
 * a call that was not waited for any longer (bounded.h): transient, or cancelled if that was because
 * of a signal, with the errno ETIMEDOUT. Returns -1. */
int libvirt_error(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "JOB works on this guest; ..." (busy), with the line that shows the job. Returns -1. */
int libvirt_error_job(struct err *err, const char *job, const char *guest);
/* libvirt's code (VIR_ERR_...), 0 if the last call did not fail. */
int libvirt_error_code(void);
/* True if the last call failed because this hypervisor's driver does not have it. */
bool libvirt_error_is_unknown_call(void);
/* Stops libvirt from printing errors itself, for the whole process. */
void libvirt_error_silence(void);
