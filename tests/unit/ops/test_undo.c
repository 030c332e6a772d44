/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Undoing from a journal, with a hypervisor that fails, is lost, or under which the process
 * dies, at each call in turn: whoever comes next puts all back.
 */
#include "ops/undo/undo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "ops/undo/guest_lock.h"
#include "undo_world.h"

#define MOST_STEPS 40

static enum undo_result undo(const struct world *world)
{
    return undo_recorded(world->state_fd, WEB, &fake_calls, NULL, NULL);
}

/* In a process of its own, which may die of it: the result, or FAKE_DEATH. */
static int undo_apart(const struct world *world)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit((int)undo(world));
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool journal_is_there(const struct world *world)
{
    return faccessat(world->state_fd, WEB ".intent", F_OK, 0) == 0;
}

/* ---- the tests -------------------------------------------------------------------------------- */

static void all_is_put_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        print_message("# %s\n", scenarios[i].name);
        world_make(&world);
        scenarios[i].make(&world);
        assert_int_equal(undo(&world), UNDO_DONE);
        scenarios[i].check(&world);
        assert_false(journal_is_there(&world));
        assert_int_equal(undo(&world), UNDO_NOTHING);
    }
}

/* One fault at each step in turn, then another try without. */
static void each_step(enum fake_fault fault)
{
    for (size_t i = 0; i < scenario_count; i++)
        for (unsigned at = 1;; at++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            world_make(&world);
            scenarios[i].make(&world);
            fake_arm(fault, at);
            int result = undo_apart(&world);
            bool reached = fake_reached();
            print_message("# %s, fault %d at step %u: %d\n", scenarios[i].name, (int)fault, at,
                          result);
            fake_arm(FAKE_NO_FAULT, 0);
            if (result == UNDO_DONE) {
                assert_false(journal_is_there(&world));
            } else {
                assert_true(reached);
                assert_true(journal_is_there(&world));
                assert_int_equal(undo(&world), UNDO_DONE);
            }
            scenarios[i].check(&world);
            if (!reached)
                break;
            assert_true(at < MOST_STEPS);
        }
}

static void a_process_that_dies_before_a_step_leaves_it_to_the_next(void **state)
{
    (void)state;
    each_step(FAKE_DIE_BEFORE);
}

static void a_process_that_dies_after_a_step_leaves_it_to_the_next(void **state)
{
    (void)state;
    each_step(FAKE_DIE_AFTER);
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    each_step(FAKE_LOSE);
}

static void a_call_that_fails_once_is_made_by_the_next(void **state)
{
    (void)state;
    each_step(FAKE_FAIL);
}

static void calls_that_fail_for_good_lose_nothing(void **state)
{
    (void)state;
    each_step(FAKE_FAIL_ON);
}

static void a_guest_that_ran_on_is_not_resumed_from_older_memory(void **state)
{
    (void)state;
    for (unsigned at = 1;; at++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        saved_and_down(&world);
        fake_arm(FAKE_DIE_AFTER, at);
        (void)undo_apart(&world);
        bool reached = fake_reached();
        bool ran_on = world.web->ran_on;
        fake_cut();
        fake_arm(FAKE_NO_FAULT, 0);
        (void)undo(&world);
        assert_false(world.web->damaged);
        assert_false(journal_is_there(&world));
        /* Until it ran again it had its memory to lose. */
        if (!ran_on && world.web->restored == 0)
            fail_msg("cut after step %u: its memory was not used", at);
        if (!reached)
            break;
        assert_true(at < MOST_STEPS);
    }
}

/* ---- a guest that cannot be put back -------------------------------------------------------------- */

static void told(const struct world *world, char **ret_note)
{
    undo_note_trouble(world->state_fd, WEB, "could not be put back");
    assert_int_equal(undo_recorded(world->state_fd, WEB, &fake_calls, ret_note, NULL), UNDO_DONE);
    assert_false(journal_is_there(world));
}

static void a_guest_whose_memory_is_refused_stays_in_the_journal(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    world.fake->refuse_restore = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, &err),
                         UNDO_STRANDED);
        assert_non_null(strstr(err.text, "virsh restore"));
        assert_true(journal_is_there(&world) && exists(&world, "memory"));
        undo_note_trouble(world.state_fd, WEB, err.text);
    }
    world.fake->refuse_restore = false;
    assert_int_equal(undo(&world), UNDO_DONE);
    as_it_was(&world);
}

static void a_guest_that_somebody_has_started_is_told_before_its_journal_ends(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_FREE char *note = NULL;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    world.web->active = world.web->booted = true;
    /* Its own next try is not success. */
    assert_int_equal(undo(&world), UNDO_STRANDED);
    assert_int_equal(undo(&world), UNDO_STRANDED);
    assert_true(exists(&world, "memory"));
    told(&world, &note);
    assert_non_null(strstr(note, "web.rescue.sav"));
    assert_true(exists(&world, "web.rescue.sav"));
    assert_int_equal(world.web->restored, 0);
}

/* That it runs is seen only once; its disks are newer than its memory for ever. */
static void a_guest_that_was_started_and_has_ended_is_not_resumed_from_its_image(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *note = NULL;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    world.web->active = world.web->booted = true;
    assert_int_equal(undo(&world), UNDO_STRANDED);
    world.web->active = world.web->booted = false;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, &err), UNDO_STRANDED);
    assert_non_null(strstr(err.text, "it is shut off again"));
    assert_non_null(strstr(err.text, "virsh start"));
    assert_true(exists(&world, "memory"));
    told(&world, &note);
    assert_non_null(strstr(note, "stays shut off"));
    assert_true(exists(&world, "web.rescue.sav"));
    assert_int_equal(world.web->restored, 0);
}

static void a_journal_ends_when_its_image_is_gone(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_FREE char *note = NULL;
    CLEANUP_FREE char *image = NULL;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    world.fake->refuse_restore = true;
    assert_int_equal(undo(&world), UNDO_STRANDED);
    image = path_in(&world, "memory");
    assert_int_equal(unlink(image), 0);
    told(&world, &note);
    assert_non_null(strstr(note, "gone"));
}

/* As a power cut leaves it: libvirt has written "LibvirtQemudPart" and no more of the head. */
static void damage_image(const struct world *world)
{
    CLEANUP_FREE char *path = path_in(world, "memory");
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, "LibvirtQemudPart", 16, 0), 16);
}

static void an_incomplete_image_is_kept(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *note = NULL;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    damage_image(&world);
    assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, &err), UNDO_STRANDED);
    assert_non_null(strstr(err.text, "/memory"));
    assert_true(journal_is_there(&world) && exists(&world, "memory"));
    world.web->active = world.web->booted = true;
    assert_int_equal(undo(&world), UNDO_STRANDED);
    assert_true(exists(&world, "memory"));
    told(&world, &note);
    assert_true(exists(&world, "web.rescue.sav"));
}

static void an_image_of_a_save_that_was_given_up_is_removed(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    damage_image(&world);
    world.web->active = world.web->paused = true;
    world.web->booted = false;
    assert_int_equal(undo(&world), UNDO_DONE);
    as_it_was(&world);
}

/* ---- a folder that is not there, or is another one --------------------------------------------------- */

static void move(const struct world *world, const char *from, const char *to)
{
    CLEANUP_FREE char *old = path_in(world, from);
    CLEANUP_FREE char *new = path_in(world, to);

    assert_int_equal(rename(old, new), 0);
}

static void make_folder(const struct world *world, const char *name)
{
    CLEANUP_FREE char *path = path_in(world, name);

    assert_int_equal(mkdir(path, 0700), 0);
}

static void saved_elsewhere(const struct world *world, bool saved)
{
    CLEANUP_INTENT struct intent intent = {0};

    make_folder(world, "staged");
    make_image(world, "staged/memory");
    backup_begin(world, &intent);
    free(intent.memory);
    intent.memory = path_in(world, "staged/memory");
    intent.saved = saved;
    world->web->active = !saved;
    note(world, &intent);
}

static void stays(const struct world *world, const char *why)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(undo_recorded(world->state_fd, WEB, &fake_calls, NULL, &err), UNDO_STRANDED);
    assert_non_null(strstr(err.text, why));
    assert_non_null(strstr(err.text, "virt-backup recover"));
    assert_true(journal_is_there(world));
}

/* Renamed or not mounted, then another one in its place, then back. */
static void folder_comes_and_goes(const struct world *world, const char *name)
{
    move(world, name, "elsewhere");
    stays(world, "is missing");
    make_folder(world, name);
    stays(world, "is no longer the same folder");
    CLEANUP_FREE char *path = path_in(world, name);
    assert_int_equal(rmdir(path), 0);
    move(world, "elsewhere", name);
    assert_int_equal(undo(world), UNDO_DONE);
}

static void a_saved_guest_waits_for_the_folder_of_its_memory(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    saved_elsewhere(&world, true);
    folder_comes_and_goes(&world, "staged");
    as_it_was(&world);
    assert_int_equal(world.web->restored, 1);
}

static void memory_that_is_to_be_removed_is_not_forgotten(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    saved_elsewhere(&world, false);
    folder_comes_and_goes(&world, "staged");
    assert_false(exists(&world, "staged/memory"));
}

static void half_made_files_wait_for_their_folder(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_FREE char *path = NULL;

    (void)state;
    world_make(&world);
    make_folder(&world, "restored");
    make_file(&world, "restored/vda", "disk", 4);
    path = path_in(&world, "restored/vda");
    intent_begin(&intent, INTENT_RESTORE);
    intent_add_file(&intent, path, NULL);
    note(&world, &intent);
    folder_comes_and_goes(&world, "restored");
    assert_false(exists(&world, "restored/vda"));
}

static void a_folder_of_our_own_that_is_gone_tells_nothing(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};
    static const char *const names[] = {"made", "made/vda"};

    (void)state;
    world_make(&world);
    make_folder(&world, "made");
    intent_begin(&intent, INTENT_RESTORE);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *path = path_in(&world, names[i]);
        intent_add_file(&intent, path, NULL);
    }
    note(&world, &intent);
    move(&world, "made", "away");
    assert_int_equal(undo(&world), UNDO_DONE);
}

static void a_journal_of_version_1_waits_for_its_folder_too(void **state)
{
    static const char text[] =
        "{\"version\":1,\"pid\":1,\"pid-started\":1,\"since\":\"then\",\"uri\":\"fake:///"
        "\",\"uuid\":"
        "\"" WEB "\",\"name\":\"web\",\"saved\":true,\"was-running\":true,\"memory\":\"%s\","
        "\"live-xml\":\"<domain>" WEB "</domain>\"}";
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_FREE char *memory = NULL;
    CLEANUP_FREE char *journal = NULL;

    (void)state;
    world_make(&world);
    world.web->active = false;
    make_folder(&world, "staged");
    make_image(&world, "staged/memory");
    memory = path_in(&world, "staged/memory");
    journal = mem_printf(text, memory);
    make_file(&world, "state/" WEB ".intent", journal, strlen(journal));
    move(&world, "staged", "elsewhere");
    stays(&world, "is missing");
    move(&world, "elsewhere", "staged");
    assert_int_equal(undo(&world), UNDO_DONE);
    as_it_was(&world);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void the_lock_file_stays_as_long_as_the_journal(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    world.fake->refuse_restore = true;
    assert_int_equal(undo(&world), UNDO_STRANDED);
    guest_lock_sweep(world.state_fd);
    assert_true(exists(&world, "state/" WEB ".lock"));
    world.fake->refuse_restore = false;
    assert_int_equal(undo(&world), UNDO_DONE);
    assert_false(exists(&world, "state/" WEB ".lock"));
}

/* And waited for as long as told. */
static void a_guest_that_another_run_works_on_is_left_alone(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    struct undo_calls calls = fake_calls;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    assert_int_equal(guest_lock_take(world.state_fd, WEB, 0, &lock, NULL), 0);
    calls.lock_wait_ms = 200;
    uint64_t begun_ms = units_now_ms();
    assert_int_equal(undo_recorded(world.state_fd, WEB, &calls, NULL, NULL), UNDO_BUSY);
    assert_true(units_now_ms() - begun_ms >= 200);
    undo_note_trouble(world.state_fd, WEB, "must not be noted");
    CLEANUP_INTENT struct intent intent = {0};
    assert_int_equal(intent_read(world.state_fd, WEB, &intent, NULL), 0);
    assert_null(intent.trouble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_put_back),
        cmocka_unit_test(a_process_that_dies_before_a_step_leaves_it_to_the_next),
        cmocka_unit_test(a_process_that_dies_after_a_step_leaves_it_to_the_next),
        cmocka_unit_test(a_lost_connection_is_made_again),
        cmocka_unit_test(a_call_that_fails_once_is_made_by_the_next),
        cmocka_unit_test(calls_that_fail_for_good_lose_nothing),
        cmocka_unit_test(a_guest_that_ran_on_is_not_resumed_from_older_memory),
        cmocka_unit_test(a_guest_whose_memory_is_refused_stays_in_the_journal),
        cmocka_unit_test(a_guest_that_somebody_has_started_is_told_before_its_journal_ends),
        cmocka_unit_test(a_guest_that_was_started_and_has_ended_is_not_resumed_from_its_image),
        cmocka_unit_test(a_journal_ends_when_its_image_is_gone),
        cmocka_unit_test(an_incomplete_image_is_kept),
        cmocka_unit_test(an_image_of_a_save_that_was_given_up_is_removed),
        cmocka_unit_test(a_saved_guest_waits_for_the_folder_of_its_memory),
        cmocka_unit_test(memory_that_is_to_be_removed_is_not_forgotten),
        cmocka_unit_test(half_made_files_wait_for_their_folder),
        cmocka_unit_test(a_folder_of_our_own_that_is_gone_tells_nothing),
        cmocka_unit_test(a_journal_of_version_1_waits_for_its_folder_too),
        cmocka_unit_test(the_lock_file_stays_as_long_as_the_journal),
        cmocka_unit_test(a_guest_that_another_run_works_on_is_left_alone),
    };

    return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
