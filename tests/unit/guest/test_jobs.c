/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waiting for the jobs of a guest: what libvirt answers is never waited on without bound.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt/virterror.h>

#include "base/quit.h"
#include "base/units.h"
#include "fake_libvirt.h"
#include "guest/backup_job.h"
#include "guest/connection.h"
#include "guest/hypervisor.h"

#define LONG_MS (UINT64_C(10) * 60 * 1000)

static struct hypervisor *hypervisor;
static struct guest *guest;

static int reset(void **state)
{
    (void)state;
    fake_libvirt = (struct fake_libvirt){.now_ms = 1000000};
    return 0;
}

static int set_up(void **state)
{
    (void)state;
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
    return 0;
}

static int data_missing(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    (void)call;
    (void)type;
    (void)operation;
    (void)elapsed_ms;
    return fake_libvirt_fail(VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, "backup job data missing");
}

static int data_missing_at_first(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    return call < 3 ? data_missing(call, type, operation, elapsed_ms) : 0;
}

static int somebody_saves(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    *type = VIR_DOMAIN_JOB_UNBOUNDED;
    *operation = VIR_DOMAIN_JOB_OPERATION_SAVE;
    *elapsed_ms = 5;
    if (call == 20)
        raise(SIGTERM);
    return 0;
}

static int somebody_saves_until_a_second_signal(unsigned call, int *type, int *operation,
                                                uint64_t *elapsed_ms)
{
    if (call == 40)
        raise(SIGTERM);
    return somebody_saves(call, type, operation, elapsed_ms);
}

static void job_that_libvirt_has_lost_is_passed_over(void **state)
{
    uint64_t began_ms = units_now_ms();
    enum guest_job job = GUEST_JOB_NONE;

    (void)state;
    fake_libvirt.job_stats = data_missing;
    assert_int_equal(guest_get_job(guest, &job, NULL, NULL), 0);
    assert_int_equal(job, GUEST_JOB_NO_DATA);
    assert_int_equal(guest_wait_for_job(guest, LONG_MS, NULL), 0);
    assert_in_range(units_now_ms() - began_ms, 10000, 60000);
}

static int connection_lost(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    (void)call;
    (void)type;
    (void)operation;
    (void)elapsed_ms;
    return fake_libvirt_fail(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, "client socket is closed");
}

static void lost_connection_is_not_taken_for_a_job(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    enum guest_job job = GUEST_JOB_NONE;

    (void)state;
    fake_libvirt.job_stats = connection_lost;
    assert_int_equal(guest_get_job(guest, &job, NULL, &err), -1);
    assert_int_equal(job, GUEST_JOB_NONE);
    assert_non_null(strstr(err.text, "client socket is closed"));
}

static void job_that_is_being_begun_is_waited_for(void **state)
{
    uint64_t began_ms = units_now_ms();

    (void)state;
    fake_libvirt.job_stats = data_missing_at_first;
    assert_int_equal(guest_wait_for_job(guest, LONG_MS, NULL), 0);
    assert_in_range(units_now_ms() - began_ms, 100, 1000);
}

static void job_of_somebody_else_is_waited_for_up_to_the_limit(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t began_ms = units_now_ms();

    (void)state;
    fake_libvirt.job_stats = somebody_saves;
    assert_int_equal(guest_wait_for_job(guest, LONG_MS, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_true(quit_requested());
    assert_in_range(units_now_ms() - began_ms, LONG_MS, LONG_MS + 1000);
}

static void second_signal_ends_the_wait_for_a_job(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t began_ms = units_now_ms();

    (void)state;
    fake_libvirt.job_stats = somebody_saves_until_a_second_signal;
    assert_int_equal(guest_wait_for_job(guest, LONG_MS, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_in_range(units_now_ms() - began_ms, 1000, 10000);
}

/* ---- block nodes that were handed over -------------------------------------------------------- */

#define JOB "<domainbackup><server socket='/nowhere/socket'/></domainbackup>"

static struct {
    unsigned begun; /* jobs that libvirt has begun */
    bool active;    /* the nodes are QEMU's own again ... */
    bool loaded;    /* ... and their bitmaps are loaded */
    bool commands;  /* QEMU has the command for that */
    bool broken;    /* no bitmap can be used */
    bool running;   /* a job is */
    char calls[64]; /* what libvirt was asked for, in order */
} qemu;

static void note_call(char what)
{
    size_t len = strlen(qemu.calls);

    assert_true(len + 1 < sizeof(qemu.calls));
    qemu.calls[len] = what;
}

/* An increment is asked for of vda, and vdb is read whole. */
static int begin_on_qemu(unsigned call, const char *xml, const char *checkpoint)
{
    bool increment = strstr(xml, "backupmode=\"incremental\"");
    bool both = !strstr(xml, "backup=\"no\"");

    (void)call;
    note_call(increment ? 'I' : both ? 'W' : 'L');
    assert_int_equal(both, checkpoint != NULL);
    if (qemu.commands && !qemu.active)
        return fake_libvirt_fail(VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, "Block node is inactive");
    if (increment && (!qemu.loaded || qemu.broken))
        return fake_libvirt_fail(VIR_ERR_CHECKPOINT_INCONSISTENT, VIR_FROM_QEMU, "missing bitmap");
    qemu.active = qemu.loaded = qemu.running = true;
    qemu.begun++;
    return 0;
}

static const char *job_on_qemu(unsigned call)
{
    (void)call;
    return qemu.running ? JOB : NULL;
}

static int abort_on_qemu(unsigned call)
{
    (void)call;
    note_call('A');
    qemu.running = false;
    return 0;
}

static const char *command_on_qemu(unsigned call, const char *command)
{
    (void)call;
    note_call('S');
    assert_non_null(strstr(command, "blockdev-set-active"));
    if (!qemu.commands)
        return "{\"error\":{\"class\":\"CommandNotFound\"}}";
    qemu.active = qemu.loaded = true;
    return "{\"return\":{}}";
}

static int begin_handed_over(unsigned installed_major, const char *since, struct err *err)
{
    const struct guest_backup_disk disks[] = {
        {.target = "vda", .scratch = "/nowhere/vda", .since = since, .record = true},
        {.target = "vdb", .scratch = "/nowhere/vdb"},
    };
    const struct guest_backup backup = {"/nowhere/socket", disks, 2, "vb-checkpoint"};

    fake_libvirt.backup_begin = begin_on_qemu;
    fake_libvirt.backup_xml = job_on_qemu;
    fake_libvirt.abort_job = abort_on_qemu;
    fake_libvirt.monitor = command_on_qemu;
    guest->handed_over = true;
    guest->qemu_major = installed_major;
    return guest_backup_begin(guest, &backup, err);
}

/* While the guest stands still, libvirt is asked for nothing that QEMU refuses. */
static void increment_after_a_copy_of_memory_costs_one_more_job_of_its_disk(void **state)
{
    (void)state;
    memset(&qemu, 0, sizeof(qemu));
    assert_int_equal(begin_handed_over(7, "vb-former", NULL), 0);
    assert_string_equal(qemu.calls, "LAI");
}

static void whole_read_after_a_copy_of_memory_is_one_job(void **state)
{
    (void)state;
    memset(&qemu, 0, sizeof(qemu));
    assert_int_equal(begin_handed_over(7, NULL, NULL), 0);
    assert_string_equal(qemu.calls, "W");
}

static void newer_qemu_has_a_command(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(&qemu, 0, sizeof(qemu));
        qemu.commands = true;
        assert_int_equal(begin_handed_over(10, i ? "vb-former" : NULL, NULL), 0);
        assert_string_equal(qemu.calls, i ? "SI" : "SW");
    }
}

/* An upgrade changes what is installed, not what runs. */
static void qemu_that_runs_may_be_older_or_newer_than_the_installed_one(void **state)
{
    (void)state;
    memset(&qemu, 0, sizeof(qemu));
    assert_int_equal(begin_handed_over(10, "vb-former", NULL), 0);
    assert_string_equal(qemu.calls, "SILAI");
    memset(&qemu, 0, sizeof(qemu));
    qemu.commands = true;
    assert_int_equal(begin_handed_over(7, "vb-former", NULL), 0);
    assert_string_equal(qemu.calls, "LSI");
}

static void broken_bitmap_after_a_copy_of_memory_is_told(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    memset(&qemu, 0, sizeof(qemu));
    qemu.broken = true;
    assert_int_equal(begin_handed_over(7, "vb-former", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_string_equal(qemu.calls, "LAI");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(job_that_libvirt_has_lost_is_passed_over, reset),
        cmocka_unit_test_setup(lost_connection_is_not_taken_for_a_job, reset),
        cmocka_unit_test_setup(job_that_is_being_begun_is_waited_for, reset),
        cmocka_unit_test_setup(job_of_somebody_else_is_waited_for_up_to_the_limit, reset),
        cmocka_unit_test_setup(increment_after_a_copy_of_memory_costs_one_more_job_of_its_disk,
                               reset),
        cmocka_unit_test_setup(whole_read_after_a_copy_of_memory_is_one_job, reset),
        cmocka_unit_test_setup(newer_qemu_has_a_command, reset),
        cmocka_unit_test_setup(qemu_that_runs_may_be_older_or_newer_than_the_installed_one, reset),
        cmocka_unit_test_setup(broken_bitmap_after_a_copy_of_memory_is_told, reset),
        /* The last one: signals that have come stay. */
        cmocka_unit_test_setup(second_signal_ends_the_wait_for_a_job, reset),
    };

    if (quit_install(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
