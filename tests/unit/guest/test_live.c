/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * On libvirt's test driver, which has one running guest, "test", and neither jobs
 * nor events of QEMU.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "guest/abilities.h"
#include "guest/agent.h"
#include "guest/backup_job.h"
#include "guest/guest.h"
#include "guest/hypervisor.h"
#include "guest/snapshot.h"
#include "guest/watch.h"

#define EVENT_LIMIT_MS 20000

struct fixture {
    struct hypervisor *hypervisor;
    struct guest *guest;
    struct guest_watch *watch;
    char folder[64];
    char path[80];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/test-live.XXXXXX");
    if (!mkdtemp(f->folder) || hypervisor_open("test:///default", &f->hypervisor, NULL) < 0 ||
        guest_find(f->hypervisor, "test", &f->guest, NULL) < 0 ||
        guest_watch_begin(f->guest, &f->watch, NULL) < 0)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/memory", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    guest_watch_end(f->watch);
    guest_free(f->guest);
    hypervisor_close(f->hypervisor);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

static enum guest_state state_of(const struct fixture *f)
{
    struct guest_status status;

    assert_int_equal(guest_get_status(f->guest, &status, NULL), 0);
    return status.state;
}

/* Events come on a thread of their own. */
static struct guest_watch_news wait_for_news(struct guest_watch *watch,
                                             bool (*wanted)(const struct guest_watch_news *news))
{
    uint64_t deadline_ms = units_now_ms() + EVENT_LIMIT_MS;
    struct guest_watch_news news;

    for (;;) {
        guest_watch_news(watch, &news);
        if (wanted(&news))
            return news;
        assert_true(units_now_ms() < deadline_ms);
        usleep(1000);
    }
}

static bool has_stopped(const struct guest_watch_news *news)
{
    return news->stop_us != 0;
}

static bool has_resumed(const struct guest_watch_news *news)
{
    return news->resume_us != 0;
}

static bool has_ended(const struct guest_watch_news *news)
{
    return news->ended;
}

static bool has_started(const struct guest_watch_news *news)
{
    return news->started;
}

/* ---- state ------------------------------------------------------------------------------------ */

static void suspending_and_resuming_twice_is_no_error(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(guest_suspend(f->guest, NULL), 0);
        assert_int_equal(state_of(f), GUEST_PAUSED);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(guest_resume(f->guest, NULL), 0);
        assert_int_equal(state_of(f), GUEST_RUNNING);
    }
}

static void a_guest_that_is_off_is_not_resumed(void **state)
{
    struct fixture *f = *state;
    struct err err CLEANUP_ERR = ERR_INIT;
    uint64_t stopped_ms = 0;

    assert_int_equal(guest_save(f->guest, f->path, &stopped_ms, NULL), 0);
    assert_int_equal(guest_resume(f->guest, &err), -1);
    assert_non_null(strstr(err.text, "cannot resume the guest: "));
}

/* ---- watch --------------------------------------------------------------------------------------- */

static void the_watch_notes_the_first_stop_and_the_resume_after_it(void **state)
{
    struct fixture *f = *state;
    struct guest_watch_news news;
    uint64_t stopped_ms = 0;

    guest_watch_news(f->watch, &news);
    assert_int_equal(news.stop_us, 0);
    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    news = wait_for_news(f->watch, has_stopped);
    assert_int_equal(news.resume_us, 0);
    assert_int_equal(guest_resume(f->guest, NULL), 0);
    news = wait_for_news(f->watch, has_resumed);
    assert_true(news.resume_us >= news.stop_us);
    assert_true(news.resume_us - news.stop_us < EVENT_LIMIT_MS * UINT64_C(1000));
    assert_false(news.started || news.ended || news.io_error || news.disconnected);

    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    assert_int_equal(guest_resume(f->guest, NULL), 0);
    /* Events come in order: with the last of them the others are there. */
    assert_int_equal(guest_save(f->guest, f->path, &stopped_ms, NULL), 0);
    struct guest_watch_news later = wait_for_news(f->watch, has_ended);
    assert_int_equal(later.stop_us, news.stop_us);
    assert_int_equal(later.resume_us, news.resume_us);
}

static void a_watch_that_begins_later_knows_only_what_comes_later(void **state)
{
    struct fixture *f = *state;
    struct guest_watch_news news;

    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    wait_for_news(f->watch, has_stopped);
    guest_watch_end(f->watch);
    f->watch = NULL;
    assert_int_equal(guest_watch_begin(f->guest, &f->watch, NULL), 0);
    guest_watch_news(f->watch, &news);
    assert_int_equal(news.stop_us, 0);
}

static void the_watch_notes_that_a_guest_ends_and_starts(void **state)
{
    struct fixture *f = *state;
    uint64_t stopped_ms = 0;

    assert_int_equal(guest_save(f->guest, f->path, &stopped_ms, NULL), 0);
    assert_false(wait_for_news(f->watch, has_ended).started);
    assert_int_equal(guest_start(f->guest, false, NULL), 0);
    wait_for_news(f->watch, has_started);
}

struct calls {
    struct guest_watch *watch;
    unsigned count;
    bool stop_seen;
};

/* Asks for the news, as a caller does. */
static void count_call(void *opaque)
{
    struct calls *calls = opaque;
    struct guest_watch_news news;

    guest_watch_news(calls->watch, &news);
    __atomic_store_n(&calls->stop_seen, news.stop_us != 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&calls->count, 1, __ATOMIC_SEQ_CST);
}

static void the_watch_calls_at_each_change_until_told_not_to(void **state)
{
    struct fixture *f = *state;
    struct calls calls = {.watch = f->watch};
    uint64_t deadline_ms = units_now_ms() + EVENT_LIMIT_MS;

    guest_watch_call(f->watch, count_call, &calls);
    assert_int_equal(__atomic_load_n(&calls.count, __ATOMIC_SEQ_CST), 0);
    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    while (__atomic_load_n(&calls.count, __ATOMIC_SEQ_CST) == 0) {
        assert_true(units_now_ms() < deadline_ms);
        usleep(1000);
    }
    assert_true(__atomic_load_n(&calls.stop_seen, __ATOMIC_SEQ_CST));
    guest_watch_call(f->watch, NULL, NULL);
    unsigned before = calls.count;
    assert_int_equal(guest_resume(f->guest, NULL), 0);
    wait_for_news(f->watch, has_resumed);
    assert_int_equal(calls.count, before);
    /* What has happened before it asks is news for it too. */
    guest_watch_call(f->watch, count_call, &calls);
    assert_int_equal(calls.count, before + 1);
}

/* ---- connecting again ------------------------------------------------------------------------------- */

static void guests_and_watches_survive_a_new_connection(void **state)
{
    struct fixture *f = *state;
    struct guest_watch_news news;

    assert_true(hypervisor_alive(f->hypervisor));
    for (int i = 0; i < 3; i++)
        assert_int_equal(hypervisor_reconnect(f->hypervisor, 1000, NULL), 0);
    assert_true(hypervisor_alive(f->hypervisor));
    assert_true(hypervisor_version(f->hypervisor) > 0);
    assert_string_equal(hypervisor_uri(f->hypervisor), "test:///default");
    guest_watch_news(f->watch, &news);
    assert_true(news.disconnected);
    assert_false(news.ended || news.started);
    assert_string_equal(guest_name(f->guest), "test");
    assert_int_equal(state_of(f), GUEST_RUNNING);
    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    wait_for_news(f->watch, has_stopped);
    assert_int_equal(state_of(f), GUEST_PAUSED);
}

static void a_watch_tells_once_whatever_the_number_of_connections(void **state)
{
    struct fixture *f = *state;
    struct calls calls = {.watch = f->watch};

    assert_int_equal(hypervisor_reconnect(f->hypervisor, 1000, NULL), 0);
    assert_int_equal(hypervisor_reconnect(f->hypervisor, 1000, NULL), 0);
    guest_watch_call(f->watch, count_call, &calls);
    assert_int_equal(calls.count, 1); /* that it was disconnected */
    assert_int_equal(guest_suspend(f->guest, NULL), 0);
    wait_for_news(f->watch, has_stopped);
    assert_int_equal(guest_resume(f->guest, NULL), 0);
    wait_for_news(f->watch, has_resumed);
    guest_watch_call(f->watch, NULL, NULL);
    assert_int_equal(calls.count, 3);
}

static void a_guest_that_is_gone_is_noted_and_not_found_again(void **state)
{
    struct fixture *f = *state;
    struct hypervisor *other = NULL;
    struct guest *same = NULL;
    uint64_t stopped_ms = 0;

    /* Somebody else ends the guest and removes its definition. */
    assert_int_equal(hypervisor_open("test:///default", &other, NULL), 0);
    assert_int_equal(guest_find(other, "test", &same, NULL), 0);
    assert_int_equal(guest_save(same, f->path, &stopped_ms, NULL), 0);
    wait_for_news(f->watch, has_ended);
    guest_watch_end(f->watch);
    f->watch = NULL;
    assert_int_equal(guest_watch_begin(f->guest, &f->watch, NULL), 0);
    assert_int_equal(guest_undefine(same, NULL), 0);
    assert_int_equal(hypervisor_reconnect(f->hypervisor, 1000, NULL), 0);
    assert_true(wait_for_news(f->watch, has_ended).disconnected);
    struct guest_status status;
    struct err err CLEANUP_ERR = ERR_INIT;
    assert_int_equal(guest_get_status(f->guest, &status, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    guest_free(same);
    hypervisor_close(other);
}

/* ---- what this driver has not --------------------------------------------------------------------- */

static void a_driver_without_backups_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct guest_abilities abilities = {true, true, true, true};
    struct err err CLEANUP_ERR = ERR_INIT;
    enum guest_job job = GUEST_JOB_OTHER;
    char *socket = NULL;

    assert_int_equal(guest_get_abilities(f->guest, &abilities, NULL), 0);
    assert_false(abilities.pull_backup || abilities.manual || abilities.live_trusted ||
                 abilities.agent);
    assert_int_equal(guest_get_job(f->guest, &job, &socket, NULL), 0);
    assert_int_equal(job, GUEST_JOB_NONE);
    assert_null(socket);
    assert_int_equal(guest_wait_for_job(f->guest, 0, NULL), 0);
    assert_int_equal(guest_backup_end(f->guest, "/run/no.sock", NULL), 0);
    struct guest_backup_disk disk = {.target = "vda", .scratch = f->path};
    struct guest_backup backup = {.socket = "/run/no.sock", .disks = &disk, .disk_count = 1};
    assert_int_equal(guest_backup_begin(f->guest, &backup, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    err_clear(&err);
    assert_int_equal(guest_private_folder(f->guest, &socket, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

static void a_socket_path_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[200];
    struct err err CLEANUP_ERR = ERR_INIT;

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    struct guest_backup backup = {.socket = path};
    assert_int_equal(guest_backup_begin(f->guest, &backup, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "107 bytes"));
}

static void a_snapshot_that_fails_leaves_the_guest_running(void **state)
{
    struct fixture *f = *state;
    struct guest_snapshot snapshot = {.path = f->path, .live = true};
    bool forced = false;

    assert_int_equal(guest_snapshot_memory(f->guest, &snapshot, &forced, NULL), -1);
    assert_int_equal(state_of(f), GUEST_RUNNING);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

static void a_path_that_is_not_utf8_is_not_given_to_libvirt(void **state)
{
    struct fixture *f = *state;
    struct guest_snapshot snapshot = {.path = "/tmp/vb-s\xe9rie.sav"};
    const struct guest_backup_disk disk = {.target = "vda", .scratch = "/tmp/vb-s\xe9rie.scratch"};
    const struct guest_backup backup = {.socket = "/tmp/vb.sock", .disks = &disk, .disk_count = 1};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool forced = false;

    assert_int_equal(guest_snapshot_memory(f->guest, &snapshot, &forced, &err), -1);
    assert_non_null(strstr(err.text, "not UTF-8"));
    err_clear(&err);
    assert_int_equal(guest_backup_begin(f->guest, &backup, &err), -1);
    assert_non_null(strstr(err.text, "not UTF-8"));
}

static void a_snapshot_replaces_no_file(void **state)
{
    struct fixture *f = *state;
    struct guest_snapshot snapshot = {.path = f->path};
    struct err err CLEANUP_ERR = ERR_INIT;
    bool forced = false;
    FILE *file = fopen(f->path, "we");

    assert_non_null(file);
    fclose(file);
    assert_int_equal(guest_snapshot_memory(f->guest, &snapshot, &forced, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void the_memory_of_a_guest_that_is_off_is_refused(void **state)
{
    struct fixture *f = *state;
    struct guest_snapshot snapshot = {.path = f->path};
    struct err err CLEANUP_ERR = ERR_INIT;
    uint64_t stopped_ms = 0;
    bool forced = false;

    assert_int_equal(guest_save(f->guest, f->path, &stopped_ms, NULL), 0);
    assert_int_equal(guest_snapshot_memory(f->guest, &snapshot, &forced, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

/* This driver freezes file systems, but its guest has no agent that could be late. */
static void what_was_frozen_is_thawed(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(guest_freeze(f->guest, 5, NULL), 0);
    uint64_t begin_ms = units_now_ms();
    assert_int_equal(guest_thaw(f->guest, 5, NULL), 0);
    assert_int_equal(guest_thaw(f->guest, 5, NULL), 0); /* which has nothing to do */
    assert_true(units_now_ms() - begin_ms < 1000);
}

static void a_guest_that_is_off_needs_no_thaw(void **state)
{
    struct fixture *f = *state;
    uint64_t stopped_ms = 0;

    assert_int_equal(guest_freeze(f->guest, 5, NULL), 0);
    assert_int_equal(guest_save(f->guest, f->path, &stopped_ms, NULL), 0);
    uint64_t begin_ms = units_now_ms();
    assert_int_equal(guest_thaw(f->guest, 30, NULL), 0);
    assert_true(units_now_ms() - begin_ms < 5000);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(suspending_and_resuming_twice_is_no_error),
        TEST(a_guest_that_is_off_is_not_resumed),
        TEST(the_watch_notes_the_first_stop_and_the_resume_after_it),
        TEST(a_watch_that_begins_later_knows_only_what_comes_later),
        TEST(the_watch_notes_that_a_guest_ends_and_starts),
        TEST(the_watch_calls_at_each_change_until_told_not_to),
        TEST(guests_and_watches_survive_a_new_connection),
        TEST(a_watch_tells_once_whatever_the_number_of_connections),
        TEST(a_guest_that_is_gone_is_noted_and_not_found_again),
        TEST(a_driver_without_backups_is_no_error),
        TEST(a_socket_path_that_is_too_long_is_refused),
        TEST(a_snapshot_that_fails_leaves_the_guest_running),
        TEST(a_path_that_is_not_utf8_is_not_given_to_libvirt),
        TEST(a_snapshot_replaces_no_file),
        TEST(the_memory_of_a_guest_that_is_off_is_refused),
        TEST(what_was_frozen_is_thawed),
        TEST(a_guest_that_is_off_needs_no_thaw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
