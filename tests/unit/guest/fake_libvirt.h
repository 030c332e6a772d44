/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's functions about jobs, saves and agents, and the clocks, in place of the
 * real ones for a program that links this: what they answer is a test's own affair.
 * Nobody sleeps: poll() without descriptors and usleep() move the clock on. Other functions are
 * those of libvirt's test driver, whose guest "test" runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

struct fake_libvirt {
    uint64_t now_ms;        /* of the monotonic clock */
    int64_t wall_offset_ms; /* of the wall clock to it */

    /* What a function answers when its own field is set: NULL, none. Each is called with the
     * number of times that its function was called before. -1: fails with error_code. */
    int error_code;
    int error_domain;
    const char *error_message;

    int (*job_stats)(unsigned call, int *type, int *operation, uint64_t *elapsed_ms);
    const char *(*backup_xml)(unsigned call);
    int (*freeze)(unsigned call);
    int (*thaw)(unsigned call);
    int (*get_time)(unsigned call);
    int (*save)(unsigned call);
    int (*abort_job)(unsigned call);
    int (*backup_begin)(unsigned call, const char *xml, const char *checkpoint);
    const char *(*monitor)(unsigned call, const char *command); /* the reply; NULL: fails */
    unsigned backup_begin_calls, monitor_calls;
    unsigned job_stats_calls, backup_xml_calls, freeze_calls, thaw_calls, get_time_calls,
        save_calls, abort_job_calls;
};
extern struct fake_libvirt fake_libvirt;

/* For a test's answers: sets the error and returns -1. */
int fake_libvirt_fail(int code, int domain, const char *message);
