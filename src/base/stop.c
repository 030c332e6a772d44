/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/out.h"

static atomic_bool stop_held;
static atomic_bool stop_wanted;
static atomic_bool stop_continued;
static char stop_text[512]; /* prepared before the handler may need it */

static void stop_on_tstp(int number)
{
    int saved_errno = errno;

    (void)number;
    if (!stop_held)
        (void)raise(SIGSTOP);
    else if (!atomic_exchange(&stop_wanted, true))
        out_last_words(stop_text);
    errno = saved_errno;
}

static void stop_on_cont(int number)
{
    (void)number;
    stop_continued = true;
}

void stop_install(void)
{
    struct sigaction tstp = {.sa_handler = stop_on_tstp, .sa_flags = SA_RESTART};
    struct sigaction cont = {.sa_handler = stop_on_cont, .sa_flags = SA_RESTART};
    struct sigaction old;

    sigemptyset(&tstp.sa_mask);
    sigemptyset(&cont.sa_mask);
    /* A shell without job control ignores it on purpose. */
    sigaction(SIGTSTP, NULL, &old);
    if (old.sa_handler != SIG_IGN)
        sigaction(SIGTSTP, &tstp, NULL);
    sigaction(SIGCONT, &cont, NULL);
}

void stop_hold(const char *guest)
{
    (void)snprintf(stop_text, sizeof(stop_text),
                   "virt-backup: guest '%s' is held; stopping as soon as it is let go\n", guest);
    stop_continued = false;
    stop_held = true;
}

void stop_release(void)
{
    stop_held = false;
    if (atomic_exchange(&stop_wanted, false))
        (void)raise(SIGSTOP);
}

bool stop_was_continued(void)
{
    return atomic_exchange(&stop_continued, false);
}
