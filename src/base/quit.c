/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/quit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/array.h"
#include "base/units.h"

static atomic_int quit_signal; /* other threads look at it too */
static atomic_bool insisted;
static int quit_event = -1;
static int quit_grace = -1; /* a timer, which the second signal starts */
static atomic_uint_least64_t grace_end_ms;
static _Thread_local int deferred; /* scopes */

#define SLEEP_SLICE_MS 50

/* All of it may be done in a signal handler. */
static void begin_grace(void)
{
    uint64_t end_ms = units_now_ms() + QUIT_GRACE_MS;
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000) * 1000000},
    };

    grace_end_ms = end_ms;
    if (quit_grace >= 0)
        (void)timerfd_settime(quit_grace, TFD_TIMER_ABSTIME, &at, NULL);
    insisted = true;
}

static void on_signal(int number)
{
    int saved_errno = errno;

    if (!quit_signal)
        quit_signal = number;
    else if (!insisted)
        begin_grace();
    if (quit_event >= 0)
        (void)!write(quit_event, &(uint64_t){1}, sizeof(uint64_t));
    errno = saved_errno;
}

int quit_install(struct err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction old;

    quit_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (quit_event < 0)
        return err_set_errno(err, errno, "cannot create an eventfd");
    quit_grace = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (quit_grace < 0)
        return err_set_errno(err, errno, "cannot create a timer");
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
        /* If they are ignored, that is on purpose: nohup, or a shell's background jobs. */
        sigaction(signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

int quit_requested(void)
{
    return quit_signal;
}

bool quit_insisted(void)
{
    return insisted;
}

/* Waits in slices: the signal may go to another thread, or come just before the wait. */
int quit_sleep(uint64_t ms, struct err *err)
{
    uint64_t end_ms = units_now_ms() + ms;

    for (;;) {
        uint64_t now_ms = units_now_ms();
        if (insisted)
            return err_set(err, ERR_CANCELLED, "stopped by a second signal");
        if (now_ms >= end_ms)
            return 0;
        uint64_t left_ms = end_ms - now_ms;
        poll(NULL, 0, (int)(left_ms < SLEEP_SLICE_MS ? left_ms : SLEEP_SLICE_MS));
    }
}

/* ---- while something is undone ----------------------------------------------------------------- */

int quit_defer_begin(void)
{
    return ++deferred;
}

void quit_defer_end(const int *scope)
{
    deferred = *scope - 1;
}

bool quit_is_deferred(void)
{
    return deferred > 0;
}

/* ---- what the work asks ------------------------------------------------------------------------ */

int quit_fd(void)
{
    return deferred ? quit_grace : quit_event;
}

int quit_signal_fd(void)
{
    return quit_event;
}

static int (*quit_look)(void *opaque, struct err *err);
static void *quit_look_opaque;

void quit_set_look(int (*look)(void *opaque, struct err *err), void *opaque)
{
    quit_look_opaque = opaque;
    quit_look = look;
}

int quit_check(struct err *err)
{
    if (deferred && insisted && units_now_ms() >= grace_end_ms)
        return err_set(err, ERR_CANCELLED, "stopped by a second signal");
    if (deferred)
        return 0;
    if (!quit_signal)
        return quit_look ? quit_look(quit_look_opaque, err) : 0;
    return err_set(err, ERR_CANCELLED, "stopped by SIG%s", sigabbrev_np(quit_signal));
}

void quit_forget(void)
{
    quit_event = -1;
    quit_grace = -1;
    quit_signal = 0;
    insisted = false;
}
