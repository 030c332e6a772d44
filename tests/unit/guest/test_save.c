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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
static char path[32];
static atomic_bool begun, aborted;
static atomic_uint aborted_early;

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/test-save.XXXXXX");
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

/* ---- saves that do not end ------------------------------------------------------------------- */

static atomic_bool released, left;
static uint64_t step_ms; /* that the clock goes on when a job is looked at */

static int set_up_again(void **state)
{
    quit_forget();
    begun = aborted = released = left = false;
    aborted_early = 0;
    return set_up(state) < 0 ? -1 : quit_install(NULL);
}

static int stuck_job(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    fake_libvirt.now_ms += step_ms;
    return jobs(call, type, operation, elapsed_ms);
}

static int accept_abort(unsigned call)
{
    (void)call;
    aborted = true;
    return 0;
}

/* Ends when it is aborted. */
static int save_without_progress(unsigned call)
{
    (void)call;
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (!aborted)
        sleep_really();
    return fake_libvirt_fail(VIR_ERR_OPERATION_ABORTED, VIR_FROM_QEMU, "aborted");
}

static int save_for_ever(unsigned call)
{
    (void)call;
    kill(getpid(), SIGTERM);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (!released) {
        sleep_really();
        __atomic_fetch_add(&fake_libvirt.now_ms, aborted ? 1000 : 0, __ATOMIC_SEQ_CST);
    }
    left = true;
    return 0;
}

static void a_save_that_makes_no_progress_is_aborted(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;

    (void)state;
    step_ms = 6 * UINT64_C(60000);
    fake_libvirt.job_stats = stuck_job;
    fake_libvirt.save = save_without_progress;
    fake_libvirt.abort_job = accept_abort;
    assert_int_equal(guest_save(guest, path, &stopped_ms, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.text, "for ten minutes"));
    assert_int_equal(fake_libvirt.abort_job_calls, 1);
    assert_false(guest_is_stuck(guest));
}

static void a_save_that_does_not_end_when_aborted_is_left_to_libvirt(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;

    (void)state;
    step_ms = 0;
    fake_libvirt.job_stats = stuck_job;
    fake_libvirt.save = save_for_ever;
    fake_libvirt.abort_job = accept_abort;
    assert_int_equal(guest_save(guest, path, &stopped_ms, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_non_null(strstr(err.text, "libvirt does not end it"));
    assert_true(guest_is_stuck(guest));
    assert_int_equal(access(path, F_OK), 0); /* it may be all that there will be of the guest */
    released = true;
    while (!left)
        sleep_really();
}

/* QEMU hangs: libvirt has not made the file yet, or has written its own head. */
static bool with_head;
static bool signalled;

static int save_before_its_begin(unsigned call)
{
    (void)call;
    if (with_head)
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (signalled)
        kill(getpid(), SIGTERM);
    while (!released) {
        sleep_really();
        __atomic_fetch_add(&fake_libvirt.now_ms, 100, __ATOMIC_SEQ_CST);
    }
    left = true;
    return 0;
}

static int refuse_abort(unsigned call)
{
    (void)call;
    return fake_libvirt_fail(VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_QEMU, "busy");
}

static void expect_left(enum err_kind kind, uint64_t least_ms, uint64_t most_ms)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;
    uint64_t begun_ms = fake_libvirt.now_ms;

    step_ms = 0;
    fake_libvirt.job_stats = stuck_job;
    fake_libvirt.save = save_before_its_begin;
    fake_libvirt.abort_job = refuse_abort;
    int result = guest_save(guest, path, &stopped_ms, &err);
    uint64_t lasted_ms = fake_libvirt.now_ms - begun_ms;
    released = true;
    while (!left)
        sleep_really();
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, kind);
    assert_non_null(strstr(err.text, "no memory was written to it"));
    assert_true(guest_is_stuck(guest));
    assert_in_range(lasted_ms, least_ms, most_ms);
}

#define MINUTE_MS UINT64_C(60000)
/* The fake clock goes a hundred times faster than looks are made. */
#define INEXACT_MS (8 * MINUTE_MS)

static void a_save_that_hangs_before_its_begin_is_left_after_a_minute(void **state)
{
    (void)state;
    signalled = true;
    with_head = false;
    expect_left(ERR_CANCELLED, MINUTE_MS, INEXACT_MS);
}

static void so_is_one_of_which_there_is_only_the_head(void **state)
{
    (void)state;
    signalled = true;
    with_head = true;
    expect_left(ERR_CANCELLED, MINUTE_MS, INEXACT_MS);
}

static void without_a_signal_it_is_left_too(void **state)
{
    (void)state;
    signalled = false;
    with_head = false;
    expect_left(ERR_IO, 11 * MINUTE_MS, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signal_aborts_our_own_save_whatever_the_clocks_say,
                                        set_up_again, tear_down),
        cmocka_unit_test_setup_teardown(a_save_that_makes_no_progress_is_aborted, set_up_again,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_save_that_does_not_end_when_aborted_is_left_to_libvirt,
                                        set_up_again, tear_down),
        cmocka_unit_test_setup_teardown(a_save_that_hangs_before_its_begin_is_left_after_a_minute,
                                        set_up_again, tear_down),
        cmocka_unit_test_setup_teardown(so_is_one_of_which_there_is_only_the_head, set_up_again,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_signal_it_is_left_too, set_up_again, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
