/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Freezing and thawing through an agent that is not to be trusted: whatever it answers, it
 * takes no longer than it may, and what is certain is told from what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libvirt/virterror.h>

#include "base/units.h"
#include "fake_libvirt.h"
#include "guest/agent.h"
#include "guest/hypervisor.h"

#define FREEZE_S 30
#define THAW_S 90

static struct hypervisor *hypervisor;
static struct guest *guest;

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

/* How a freeze ended stays with the handle. */
static int find_anew(void **state)
{
    (void)state;
    fake_libvirt = (struct fake_libvirt){.now_ms = 1000000};
    return guest_find(hypervisor, "test", &guest, NULL);
}

static int forget(void **state)
{
    (void)state;
    guest_free(guest);
    return 0;
}

/* ---- what an agent may answer --------------------------------------------------------------- */

static int no_json(unsigned call)
{
    (void)call;
    return fake_libvirt_fail(VIR_ERR_INTERNAL_ERROR, VIR_FROM_NONE, "cannot parse json xyzzy");
}

/* libvirt asks an agent that has broken off nothing more. */
static int given_up(unsigned call)
{
    (void)call;
    return fake_libvirt_fail(VIR_ERR_AGENT_UNRESPONSIVE, VIR_FROM_QEMU, "not available");
}

static int no_sync(unsigned call)
{
    (void)call;
    return fake_libvirt_fail(VIR_ERR_AGENT_UNSYNCED, VIR_FROM_QEMU, "wrong id");
}

static int silence(unsigned call)
{
    (void)call;
    fake_libvirt.now_ms += 10000;
    return fake_libvirt_fail(112, VIR_FROM_QEMU, "did not respond");
}

static int always_one(unsigned call)
{
    (void)call;
    return 1;
}

/* ---- tests ------------------------------------------------------------------------------------ */

static uint64_t thaw_takes_ms(int wanted, unsigned timeout_s, struct err *err)
{
    uint64_t began_ms = units_now_ms();

    assert_int_equal(guest_thaw(guest, timeout_s, err), wanted);
    return units_now_ms() - began_ms;
}

static void freeze_that_is_answered_with_nonsense_is_not_waited_for(void **state)
{
    (void)state;
    fake_libvirt.freeze = no_json;
    fake_libvirt.thaw = given_up;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_in_range(thaw_takes_ms(0, THAW_S, NULL), 5000, 15000);
}

static void thaw_that_is_answered_with_nonsense_is_not_waited_for(void **state)
{
    (void)state;
    fake_libvirt.freeze = silence;
    fake_libvirt.thaw = no_json;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_in_range(thaw_takes_ms(0, THAW_S, NULL), 5000, 15000);
}

static void agent_that_answers_a_question_with_nonsense_is_not_asked_to_freeze(void **state)
{
    (void)state;
    fake_libvirt.get_time = no_json;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_int_equal(fake_libvirt.freeze_calls, 0);
    assert_int_equal(thaw_takes_ms(0, THAW_S, NULL), 0);
}

static void freeze_before_which_libvirt_and_the_agent_do_not_meet_was_not_sent(void **state)
{
    (void)state;
    fake_libvirt.freeze = no_sync;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_int_equal(thaw_takes_ms(0, THAW_S, NULL), 0);
    assert_int_equal(fake_libvirt.thaw_calls, 0);
}

static void agent_that_thaws_something_each_time_is_believed_in_the_end(void **state)
{
    (void)state;
    fake_libvirt.freeze = silence;
    fake_libvirt.thaw = always_one;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_in_range(thaw_takes_ms(0, THAW_S, NULL), 1500, 10000);
}

static void silence_is_waited_for_up_to_the_limit(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    fake_libvirt.freeze = silence;
    fake_libvirt.thaw = silence;
    assert_int_equal(guest_freeze(guest, FREEZE_S, NULL), -1);
    assert_in_range(thaw_takes_ms(-1, THAW_S, &err), 90000, 100000);
    assert_int_equal(err.kind, ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(freeze_that_is_answered_with_nonsense_is_not_waited_for,
                                        find_anew, forget),
        cmocka_unit_test_setup_teardown(thaw_that_is_answered_with_nonsense_is_not_waited_for,
                                        find_anew, forget),
        cmocka_unit_test_setup_teardown(
            agent_that_answers_a_question_with_nonsense_is_not_asked_to_freeze, find_anew, forget),
        cmocka_unit_test_setup_teardown(
            freeze_before_which_libvirt_and_the_agent_do_not_meet_was_not_sent, find_anew, forget),
        cmocka_unit_test_setup_teardown(agent_that_thaws_something_each_time_is_believed_in_the_end,
                                        find_anew, forget),
        cmocka_unit_test_setup_teardown(silence_is_waited_for_up_to_the_limit, find_anew, forget),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
