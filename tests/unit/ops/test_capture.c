/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Capturing with a fake hypervisor: each of its steps fails once, fails for good, loses the
 * connection or is the last of the process, and the guest is as it was, at the latest when
 * its journal is undone.
 */
#include "ops/backup/capture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/stop.h"
#include "ops/undo/undo.h"
#include "undo_world.h"

#define MOST_STEPS 60
#define XML                                                                                        \
    "<domain><uuid>" WEB "</uuid><devices><disk type='file' device='disk'>"                        \
    "<source file='/img/web'/><target dev='vda'/></disk></devices></domain>"

/* ---- the calls ---------------------------------------------------------------------------------- */

static const struct world *the_world;

static int fake_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket,
                        struct err *err)
{
    (void)guest;
    *ret = GUEST_JOB_NONE;
    *ret_socket = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_can_open(struct hypervisor *hypervisor, const char *path, bool *ret,
                         struct err *err)
{
    (void)hypervisor;
    *ret = access(path, R_OK) == 0;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_private_folder(struct guest *guest, char **ret, struct err *err)
{
    (void)guest;
    if (fake_step(err) < 0)
        return -1;
    *ret = path_in(the_world, "private");
    return fake_done();
}

static int fake_get_abilities(struct guest *guest, struct guest_abilities *ret, struct err *err)
{
    (void)guest;
    *ret = (struct guest_abilities){.agent = true};
    return fake_step(err) < 0 ? -1 : fake_done();
}

static bool fake_is_stuck(const struct guest *guest)
{
    (void)guest;
    return false;
}

static int fake_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err)
{
    (void)guest;
    *ret = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_scratch_begin(const struct scratch_watch_request *request,
                              struct scratch_watch **ret, struct err *err)
{
    (void)request;
    *ret = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_freeze(struct guest *guest, unsigned timeout_s, struct err *err)
{
    (void)timeout_s;
    if (fake_step(err) < 0)
        return -1;
    fake_of(guest)->frozen = true;
    return fake_done();
}

static void write_image(const char *path)
{
    make_image(the_world, "image");
    CLEANUP_FREE char *from = path_in(the_world, "image");
    assert_int_equal(rename(from, path), 0);
}

static int fake_save(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
                     struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    write_image(path);
    fake_of(guest)->active = false;
    *ret_downtime_start_ms = 1;
    return fake_done();
}

static int fake_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                                bool *ret_forced, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    write_image(snapshot->path);
    fake_of(guest)->paused = true;
    *ret_forced = false;
    return fake_done();
}

static int fake_backup_begin(struct guest *guest, const struct guest_backup *backup,
                             struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    (void)snprintf(fake_of(guest)->socket, FAKE_TEXT, "%s", backup->socket);
    for (size_t i = 0; i < backup->disk_count; i++)
        close(open(backup->disks[i].scratch, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    return fake_done();
}

static const struct capture_calls calls = {
    .undo = &fake_calls,
    .undo_brief = &fake_calls,
    .get_job = fake_get_job,
    .can_open = fake_can_open,
    .private_folder = fake_private_folder,
    .get_abilities = fake_get_abilities,
    .is_stuck = fake_is_stuck,
    .watch_begin = fake_watch_begin,
    .scratch_begin = fake_scratch_begin,
    .freeze = fake_freeze,
    .save = fake_save,
    .snapshot_memory = fake_snapshot_memory,
    .backup_begin = fake_backup_begin,
};

/* ---- a backup that captures ------------------------------------------------------------------------ */

struct backup {
    const struct world *world;
    enum capture_mode mode;
    bool running; /* else the guest was paused */
    void (*in_middle)(const struct world *world);
    bool captured;
    bool rest_removed;
};

static int at_instant(void *opaque, struct err *err)
{
    (void)opaque;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static void on_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

/* Called when the guest is back, and its journal still there. */
static void remove_rest(void *opaque)
{
    struct backup *backup = opaque;
    const struct fake_guest *web = fake_find(WEB);

    backup->rest_removed = true;
    if (!backup->captured)
        return;
    assert_true(web->active && web->paused == !backup->running);
    assert_true(intent_exists(backup->world->state_fd, WEB));
}

static int back_up(struct backup *backup, bool *ret_stranded, struct err *err)
{
    const struct world *world = backup->world;
    char target[] = "vda";
    struct source_disk disk = {.target = target};
    CLEANUP(xml_freep) struct xml_doc *live = xml_parse(XML, strlen(XML), NULL);
    const struct source source = {
        .status = {.state = backup->running ? GUEST_RUNNING : GUEST_PAUSED, .persistent = true},
        .live = live,
        .disks = &disk,
        .disk_count = 1,
    };
    const struct report report = {.event = on_event};
    CLEANUP_FREE char *usual = path_in(world, "staging");
    struct staging *staging = NULL;
    const struct staging_request staged = {
        .usual = usual, .destination = world->folder, .uuid = WEB};
    struct capture capture = {0};

    assert_non_null(live);
    if (capture_has_memory(backup->mode))
        assert_int_equal(staging_open(&staged, &staging, NULL), 0);
    struct guest *guest = fake_handle(world->web);
    const struct capture_request request = {
        .calls = &calls,
        .hypervisor = fake_connection(),
        .guest = guest,
        .uri = "fake:///",
        .uuid = WEB,
        .name = "web",
        .source = &source,
        .archive = world->folder,
        .staging = staging,
        .report = &report,
        .mode = backup->mode,
        .state_fd = world->state_fd,
        .at_instant = at_instant,
    };
    int result = capture_begin(&capture, &request, err);
    if (result == 0 && backup->in_middle)
        backup->in_middle(world);
    if (result == 0)
        result = capture_end(&capture, err);
    backup->captured = result == 0;
    *ret_stranded = capture.stranded;
    capture_clear(&capture, remove_rest, backup);
    staging_close(staging);
    fake_calls.free(guest);
    return result;
}

static const struct {
    const char *name;
    enum capture_mode mode;
    bool running;
} ways[] = {
    {"save", CAPTURE_SAVE, true},          {"save, paused", CAPTURE_SAVE, false},
    {"pause", CAPTURE_PAUSE, true},        {"live", CAPTURE_LIVE, true},
    {"live, paused", CAPTURE_LIVE, false}, {"disks", CAPTURE_DISKS, true},
};
#define WAYS (sizeof(ways) / sizeof(*ways))

static void prepare(struct world *world, size_t way, struct backup *ret)
{
    world_make(world);
    the_world = world;
    CLEANUP_FREE char *folder = path_in(world, "private");
    assert_int_equal(mkdir(folder, 0700), 0);
    world->web->paused = !ways[way].running;
    *ret = (struct backup){.world = world, .mode = ways[way].mode, .running = ways[way].running};
}

static void check_as_it_was(const struct backup *backup)
{
    const struct fake_guest *web = backup->world->web;
    CLEANUP_FREE char *private_folder = path_in(backup->world, "private");
    CLEANUP_FREE char *staging = path_in(backup->world, "staging/vb-" WEB);

    assert_true(web->active && web->paused == !backup->running);
    assert_false(web->frozen || web->damaged || web->socket[0]);
    assert_true(web->restored <= 1);
    assert_int_equal(rmdir(private_folder), 0); /* it is empty */
    assert_int_equal(access(staging, F_OK), -1);
    assert_false(intent_exists(backup->world->state_fd, WEB));
}

static void the_guest_is_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        struct backup backup;
        CLEANUP_ERR struct err err = ERR_INIT;
        bool stranded = false;
        print_message("# %s\n", ways[i].name);
        prepare(&world, i, &backup);
        if (back_up(&backup, &stranded, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(backup.rest_removed && !stranded);
        check_as_it_was(&backup);
    }
}

/* In a process of its own, which may die of it: 0 captured, 1 failed, 2 stranded, or FAKE_DEATH. */
static int back_up_apart(struct backup *backup)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        bool stranded = false;
        log_set_level(LOG_QUIET);
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        int result = back_up(backup, &stranded, NULL);
        _exit(stranded ? 2 : result < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void each_step(enum fake_fault fault, bool may_leave)
{
    for (size_t i = 0; i < WAYS; i++)
        for (unsigned at = 1;; at++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            struct backup backup;
            prepare(&world, i, &backup);
            fake_arm(fault, at);
            int result = back_up_apart(&backup);
            bool reached = fake_reached();
            print_message("# %s, fault %d at step %u: %d\n", ways[i].name, (int)fault, at, result);
            fake_arm(FAKE_NO_FAULT, 0);
            if (!reached)
                assert_int_equal(result, 0);
            if (!may_leave)
                assert_in_range(result, 0, 1);
            if (intent_exists(world.state_fd, WEB)) {
                assert_true(result == 2 || result == FAKE_DEATH);
                assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL),
                                 UNDO_DONE);
            }
            check_as_it_was(&backup);
            if (!reached)
                break;
            assert_true(at < MOST_STEPS);
        }
}

static void a_step_that_fails_once_leaves_it_as_it_was_or_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_FAIL, true);
}

static void a_lost_connection_leaves_it_as_it_was(void **state)
{
    (void)state;
    each_step(FAKE_LOSE, false);
}

static void steps_that_keep_failing_leave_it_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_FAIL_ON, true);
}

static void a_process_that_dies_leaves_it_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_DIE_BEFORE, true);
    each_step(FAKE_DIE_AFTER, true);
}

/* ---- a run that was stopped, and its guest let go ----------------------------------------------------- */

static void be_taken_over(const struct world *world)
{
    CLEANUP_CLOSE int taken = -1;

    assert_int_equal(intent_take_over(world->state_fd, WEB, &taken, NULL), 0);
    assert_int_equal(undo_taken(world->state_fd, WEB, &fake_calls, NULL), 0);
    raise(SIGCONT);
    /* As between two chunks. */
    CLEANUP_ERR struct err err = ERR_INIT;
    assert_int_equal(quit_check(&err), -1);
    assert_non_null(strstr(err.text, "stopped while holding it"));
}

static void be_continued_only(const struct world *world)
{
    (void)world;
    raise(SIGCONT);
    assert_int_equal(quit_check(NULL), 0);
}

static void on_sigcont_the_journal_decides(void **state)
{
    (void)state;
    stop_install();
    for (size_t i = 0; i < WAYS; i++)
        for (int taken = 0; taken < 2; taken++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            struct backup backup;
            CLEANUP_ERR struct err err = ERR_INIT;
            bool stranded = false;
            print_message("# %s, %d\n", ways[i].name, taken);
            prepare(&world, i, &backup);
            backup.in_middle = taken ? be_taken_over : be_continued_only;
            assert_int_equal(back_up(&backup, &stranded, &err), taken ? -1 : 0);
            if (taken)
                assert_non_null(strstr(err.text, "stopped while holding it"));
            assert_false(stranded);
            check_as_it_was(&backup);
            assert_int_equal(quit_check(NULL), 0); /* for the next guest it is over */
        }
}

/* ---- nothing begun -------------------------------------------------------------------------------------- */

static void note_call(void *opaque)
{
    *(bool *)opaque = true;
}

/* Its request, with the descriptor of the state directory, is not set yet: 0 is somebody else's. */
static void what_was_not_begun_touches_no_journal(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    struct capture capture = {0};
    bool called = false;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    int stdin_fd = dup(STDIN_FILENO);
    assert_int_equal(dup2(world.state_fd, STDIN_FILENO), STDIN_FILENO);
    capture_clear(&capture, note_call, &called);
    dup2(stdin_fd, STDIN_FILENO);
    close(stdin_fd);
    assert_true(called);
    assert_true(intent_exists(world.state_fd, WEB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guest_is_as_it_was),
        cmocka_unit_test(a_step_that_fails_once_leaves_it_as_it_was_or_to_recover),
        cmocka_unit_test(a_lost_connection_leaves_it_as_it_was),
        cmocka_unit_test(steps_that_keep_failing_leave_it_to_recover),
        cmocka_unit_test(a_process_that_dies_leaves_it_to_recover),
        cmocka_unit_test(on_sigcont_the_journal_decides),
        cmocka_unit_test(what_was_not_begun_touches_no_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
