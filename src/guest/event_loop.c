/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/event_loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "base/thread.h"
#include "guest/libvirt_error.h"

/* Global because libvirt's loop is: it is registered once and for all. */
static struct {
    pthread_mutex_t lock; /* guards everything below except stop */
    bool registered;
    unsigned users;
    pthread_t thread;
    int wake_timer;
    bool timer_freed; /* by the loop, in whichever thread runs it */
    atomic_bool stop;
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_wake(int timer, void *opaque)
{
    (void)opaque;
    virEventUpdateTimeout(timer, -1);
}

static void on_freed(void *opaque)
{
    (void)opaque;
    loop.timer_freed = true;
}

static void *run_event_loop(void *opaque)
{
    (void)opaque;
    while (!atomic_load(&loop.stop))
        virEventRunDefaultImpl();
    return NULL;
}

/* The loop frees what is removed from it, handles before timers: once ours is gone, so is what a
 * closed connection had there. */
static void free_timer(void)
{
    virEventRemoveTimeout(loop.wake_timer);
    while (!loop.timer_freed)
        virEventRunDefaultImpl();
}

static int start_event_loop(struct err *err)
{
    if (!loop.registered && virEventRegisterDefaultImpl() < 0)
        return libvirt_error(err, "cannot create libvirt's event loop");
    loop.registered = true;
    loop.wake_timer = virEventAddTimeout(-1, on_wake, NULL, on_freed);
    if (loop.wake_timer < 0)
        return libvirt_error(err, "cannot create a timer in libvirt's event loop");
    loop.timer_freed = false;
    atomic_store(&loop.stop, false);
    if (thread_start(&loop.thread, run_event_loop, NULL, "libvirt's event loop", err) < 0) {
        free_timer();
        return -1;
    }
    return 0;
}

static void stop_event_loop(void)
{
    atomic_store(&loop.stop, true);
    virEventUpdateTimeout(loop.wake_timer, 0);
    pthread_join(loop.thread, NULL);
}

int event_loop_begin(struct err *err)
{
    int result = 0;

    pthread_mutex_lock(&loop.lock);
    if (loop.users == 0)
        result = start_event_loop(err);
    if (result == 0)
        loop.users++;
    pthread_mutex_unlock(&loop.lock);
    return result;
}

void event_loop_close(virConnectPtr connection)
{
    pthread_mutex_lock(&loop.lock);
    bool last = loop.users == 1;
    if (last)
        stop_event_loop();
    if (connection)
        virConnectClose(connection);
    if (last)
        free_timer();
    loop.users--;
    pthread_mutex_unlock(&loop.lock);
}
