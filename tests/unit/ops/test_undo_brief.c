/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * While other guests are due, none is waited for longer than some seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libvirt/virterror.h>

#include "../guest/fake_libvirt.h"
#include "base/units.h"
#include "ops/undo/calls.h"

#define MINUTES_MS 600000
#define SECONDS_MS 12000

static struct hypervisor *hypervisor;

static int set_up(void **state)
{
    (void)state;
    return hypervisor_open("test:///default", &hypervisor, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    hypervisor_close(hypervisor);
    return 0;
}

static int somebody_saves(unsigned call, int *type, int *operation, uint64_t *elapsed_ms)
{
    (void)call;
    *type = VIR_DOMAIN_JOB_UNBOUNDED;
    *operation = VIR_DOMAIN_JOB_OPERATION_SAVE;
    *elapsed_ms = 5;
    return 0;
}

static int silence(unsigned call)
{
    (void)call;
    fake_libvirt.now_ms += 1000;
    return fake_libvirt_fail(VIR_ERR_AGENT_UNRESPONSIVE, VIR_FROM_QEMU, "not connected");
}

static void wait_with(const struct undo_calls *calls, bool for_agent, enum err_kind kind,
                      uint64_t least_ms, uint64_t most_ms)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct guest *guest = NULL;

    fake_libvirt =
        (struct fake_libvirt){.now_ms = 1000000, .job_stats = somebody_saves, .thaw = silence};
    uint64_t began_ms = units_now_ms();
    assert_int_equal(
        calls->find_uuid(hypervisor, "6695eb01-f6a4-8304-79aa-97f2502e193f", &guest, NULL), 0);
    if (for_agent)
        assert_int_equal(calls->thaw(guest, MINUTES_MS / 1000, &err), -1);
    else
        assert_int_equal(calls->wait_for_job(guest, MINUTES_MS, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_in_range(units_now_ms() - began_ms, least_ms, most_ms);
    calls->free(guest);
}

static void a_job_is_waited_for_for_seconds_while_others_are_due(void **state)
{
    (void)state;
    wait_with(&undo_calls_brief, false, ERR_TRANSIENT, 1000, SECONDS_MS);
    wait_with(&undo_calls_libvirt, false, ERR_BUSY, MINUTES_MS, 2 * MINUTES_MS);
}

static void an_agent_is_waited_for_for_seconds_while_others_are_due(void **state)
{
    (void)state;
    wait_with(&undo_calls_brief, true, ERR_TRANSIENT, 1000, SECONDS_MS);
    wait_with(&undo_calls_libvirt, true, ERR_BUSY, MINUTES_MS, 2 * MINUTES_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_waited_for_for_seconds_while_others_are_due),
        cmocka_unit_test(an_agent_is_waited_for_for_seconds_while_others_are_due),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
