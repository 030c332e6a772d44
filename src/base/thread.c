/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/thread.h"

#include <signal.h>

int thread_start(pthread_t *ret, void *(*run)(void *opaque), void *opaque, const char *purpose,
                 struct err *err)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(ret, NULL, run, opaque);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return err_set_errno(err, failed, "cannot start a thread for %s", purpose);
    return 0;
}
