/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the service manager gets to see of a job (base/notify.h): a line of status with the guests that
 * are being backed up, and a sign of life. There is one only while something goes on: each loop that
 * waits for a child that lives calls watch_beat, and so does whoever has done something.
 *
 * May be used from several threads.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct watch_place { /* what one worker does */
    char *what;      /* owned; "web", "prune db"; NULL: nothing */
    unsigned percent;
};

struct watch { /* its fields are private */
    pthread_mutex_t mutex;
    struct watch_place *places;
    size_t place_count;
    size_t done;
    size_t count;
    uint64_t interval_ms; /* between two signs of life; 0: none are wanted */
    uint64_t beat_ms;
    uint64_t shown_ms;
    bool stopping;
};

/* For so many guests, and so many workers. Tells READY. */
void watch_begin(struct watch *watch, size_t count, size_t workers);
/* Once for each watch_begin. */
void watch_end(struct watch *watch);
#define CLEANUP_WATCH CLEANUP(watch_end)

/* After a signal it also tells STOPPING, once: not at the end of a job, because the run may have another
 * one, which the manager would kill. */
void watch_beat(struct watch *watch);
/* This worker begins with something, which is 0 % done; NULL: it has nothing to do. */
void watch_set(struct watch *watch, size_t worker, const char *what);
void watch_progress(struct watch *watch, size_t worker, uint64_t done, uint64_t total);
/* One more guest is done. */
void watch_done(struct watch *watch);
