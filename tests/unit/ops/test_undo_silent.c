/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A libvirt that does not answer while a backup is undone: neither that call nor any other is made
 * after it, and whoever comes next puts all back.
 */
#include "ops/undo/undo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "undo_world.h"

#define MOST_STEPS 40

static enum undo_result undo(const struct world *world)
{
    return undo_recorded(world->state_fd, WEB, &fake_calls, NULL, NULL);
}

static bool journal_is_there(const struct world *world)
{
    return faccessat(world->state_fd, WEB ".intent", F_OK, 0) == 0;
}

static void hold_with_a_job(const struct world *world)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, "held with a job") == 0)
            scenarios[i].make(world);
}

static void what_is_not_answered_is_not_asked_again(void **state)
{
    unsigned at = 0;
    bool reached = true;

    (void)state;
    while (reached) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        hold_with_a_job(&world);
        fake_arm(FAKE_SILENT, ++at);
        enum undo_result result = undo(&world);
        reached = fake_reached();
        if (reached) {
            assert_int_equal(result, UNDO_STRANDED);
            assert_int_equal(world.fake->steps, at);
            assert_true(journal_is_there(&world));
        }
        fake_arm(FAKE_NO_FAULT, 0);
        assert_int_equal(undo(&world), reached ? UNDO_DONE : UNDO_NOTHING);
        assert_true(at < MOST_STEPS);
    }
    assert_true(at > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_answered_is_not_asked_again),
    };

    return cmocka_run_group_tests_name("undo silent", tests, NULL, NULL);
}
