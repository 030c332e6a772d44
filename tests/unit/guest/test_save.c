/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Cancelling a save: our own is aborted, whatever the clocks say, and nobody else's.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libvirt/virterror.h>

#include "base/quit.h"
#include "fake_libvirt.h"
#include "guest/guest.h"

#define HOUR_MS 3600000
/* Looks at the job of somebody else before it is over. */
#define LOOKS 5

static struct hypervisor *hypervisor;
static struct guest *guest;
static char path[] = "/tmp/test-save.XXXXXX";
static atomic_bool begun, aborted;
static atomic_uint aborted_early;

static int set_up(void **state)
{
    (void)state;
    alarm(60); /* a save that is not aborted never ends */
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) < 0 || unlink(path) < 0)
        return -1;
    fake_libvirt = (struct fake_libvirt){.now_ms = 1000000};
    return hypervisor_open("test:///default", &hypervisor, NULL) < 0 ||
                   guest_find(hypervisor, "test", &guest, NULL) < 0
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    guest_free(guest);
    hypervisor_close(hypervisor);
    unlink(path);
    return 0;
}

/* First another save is at work, and ours waits for its turn; an hour is what libvirt says of a
 * job once its wall clock has been stepped. */
static int jobs(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    *type = VIR_DOMAIN_JOB_UNBOUNDED;
    *operation = VIR_DOMAIN_JOB_OPERATION_SAVE;
    *elapsed_ms = begun ? HOUR_MS : 0;
    (void)call;
    return 0;
}

/* poll() and usleep() only move the fake clock on. */
static void sleep_really(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    nanosleep(&moment, NULL);
}

static int save(unsigned call)
{
    (void)call;
    kill(getpid(), SIGTERM); /* this thread takes none */
    for (int i = 0; i < 100 * LOOKS && !aborted; i++)
        sleep_really();
    begun = true;
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (!aborted)
        sleep_really();
    return fake_libvirt_fail(VIR_ERR_OPERATION_ABORTED, VIR_FROM_QEMU, "aborted");
}

static int abort_job(unsigned call)
{
    (void)call;
    aborted_early += !begun;
    aborted = true;
    return 0;
}

static void a_signal_aborts_our_own_save_whatever_the_clocks_say(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;

    (void)state;
    fake_libvirt.job_stats = jobs;
    fake_libvirt.save = save;
    fake_libvirt.abort_job = abort_job;
    assert_int_equal(guest_save(guest, path, &stopped_ms, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(aborted);
    assert_int_equal(aborted_early, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_aborts_our_own_save_whatever_the_clocks_say),
    };

    if (quit_install(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
