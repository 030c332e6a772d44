/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/long_call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/quit.h"
#include "base/thread.h"

struct long_call {
    void (*work)(void *opaque);
    void (*clean)(void *opaque); /* set by long_call_abandon */
    void *opaque;
    pthread_t thread;
    int ended_fd;         /* reports a hang-up when the thread closes... */
    int thread_fd;        /* ...this one: unlike a write, a close cannot fail */
    atomic_bool one_left; /* set by the first of the thread and an abandoning caller to leave; the
                           * second one frees */
};

static void free_long_call(struct long_call *call)
{
    close(call->ended_fd);
    if (call->thread_fd >= 0)
        close(call->thread_fd);
    free(call);
}

static void leave_call(struct long_call *call)
{
    if (!atomic_exchange(&call->one_left, true))
        return;
    call->clean(call->opaque);
    free_long_call(call);
}

static void *run_long_call(void *opaque)
{
    struct long_call *call = opaque;

    call->work(call->opaque);
    close(TAKE_FD(call->thread_fd));
    leave_call(call);
    return NULL;
}

int long_call_start(void (*work)(void *opaque), void *opaque, struct long_call **ret,
                    struct err *err)
{
    struct long_call *call = mem_alloc(sizeof(*call));
    int ends[2];

    call->work = work;
    call->opaque = opaque;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        free(call);
        return err_set_errno(err, errno, "cannot create a pipe");
    }
    call->ended_fd = ends[0];
    call->thread_fd = ends[1];
    if (thread_start(&call->thread, run_long_call, call, "a call to libvirt", err) < 0) {
        free_long_call(call);
        return -1;
    }
    *ret = call;
    return 0;
}

enum long_call_event long_call_wait(struct long_call *call, int timeout_ms, bool heed_signals)
{
    struct pollfd fds[] = {
        {.fd = call->ended_fd, .events = POLLIN},
        {.fd = heed_signals ? quit_fd() : -1, .events = POLLIN},
    };

    /* EINTR counts as a timeout: a signal for us is seen at the next wait. */
    if (poll(fds, ARRAY_COUNT(fds), timeout_ms) <= 0)
        return LONG_CALL_TIMEOUT;
    return fds[0].revents ? LONG_CALL_ENDED : LONG_CALL_SIGNAL;
}

void long_call_finish(struct long_call *call)
{
    pthread_join(call->thread, NULL);
    free_long_call(call);
}

void long_call_abandon(struct long_call *call, void (*clean)(void *opaque))
{
    call->clean = clean;
    pthread_detach(call->thread);
    leave_call(call);
}
