/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "ops/points/repository_results.h"
#include "ops/results.h"
#include "repository/repository.h"

#define UUID "01010101-0101-0101-0101-010101010101"
#define OTHER "02020202-0202-0202-0202-020202020202"
#define WEB_FILE "guest-" UUID ".json"

static char place[64];

/* The state directory of these tests, whoever runs them. */
int __wrap_state_dir_open(int *ret_fd, struct err *err);
int __wrap_state_dir_look(void);

int __wrap_state_dir_open(int *ret_fd, struct err *err)
{
    return io_open_dir(place, ret_fd, err);
}

int __wrap_state_dir_look(void)
{
    int fd = -1;

    return io_open_dir(place, &fd, NULL) < 0 ? -1 : fd;
}

static int make_place(void **state)
{
    (void)state;
    snprintf(place, sizeof(place), "/tmp/results-test.XXXXXX");
    return mkdtemp(place) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_place(void **state)
{
    (void)state;
    return nftw(place, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct run_result a_result(int64_t ended_s)
{
    return (struct run_result){.job = "nightly",
                               .guest = "web",
                               .uuid = UUID,
                               .verb = "backup",
                               .host = "one",
                               .started_s = ended_s - 60,
                               .ended_s = ended_s,
                               .status = 1,
                               .read = 17,
                               .stored = 5,
                               .reason = "guest 'web': disk 'vda' is gone"};
}

static void add(const struct run_result *result)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (results_add(result, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

static struct results read_results(void)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct results results = {0};

    if (results_read(&results, &err) < 0)
        fail_msg("%s", err.text);
    return results;
}

static void put_file(const char *name, const char *text)
{
    CLEANUP_FREE char *path = mem_printf("%s/results/%s", place, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, text, strlen(text), NULL), 0);
    close(fd);
}

static bool has_file(const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/results/%s", place, name);

    return access(path, F_OK) == 0;
}

static size_t count_files(void)
{
    CLEANUP_FREE char *path = mem_printf("%s/results", place);
    struct dirent *entry;
    size_t count = 0;
    DIR *dir = opendir(path);

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void without_a_folder_there_is_nothing(void **state)
{
    (void)state;
    CLEANUP_RESULTS struct results results = read_results();
    assert_int_equal(results.count, 0);
}

static void a_result_is_kept_as_it_was(void **state)
{
    const struct run_result job = {
        .job = "odd/name", .verb = "collect", .host = "one", .started_s = 1, .ended_s = 2};
    struct run_result guest = a_result(1000);

    (void)state;
    guest.point = "0198aabbccddeeff00112233445566ef";
    add(&guest);
    add(&job);
    assert_true(has_file(WEB_FILE));
    assert_true(has_file("job-odd%2fname.json"));
    assert_int_equal(count_files(), 2);
    CLEANUP_RESULTS struct results results = read_results();
    assert_int_equal(results.count, 2);
    assert_string_equal(results.all[0].job, "odd/name");
    assert_null(results.all[0].guest);
    assert_null(results.all[0].reason);
    assert_string_equal(results.all[1].guest, "web");
    assert_string_equal(results.all[1].uuid, UUID);
    assert_string_equal(results.all[1].point, guest.point);
    assert_string_equal(results.all[1].reason, guest.reason);
    assert_int_equal(results.all[1].started_s, 940);
    assert_int_equal(results.all[1].ended_s, 1000);
    assert_int_equal(results.all[1].status, 1);
    assert_int_equal(results.all[1].read, 17);
    assert_int_equal(results.all[1].stored, 5);
}

static void only_the_newest_stay(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= RESULTS_KEPT + 5; i++) {
        const struct run_result result = a_result(1000 + i);
        add(&result);
    }
    CLEANUP_RESULTS struct results results = read_results();
    assert_int_equal(results.count, RESULTS_KEPT);
    assert_int_equal(results.all[0].ended_s, 1006);
    assert_int_equal(results.all[RESULTS_KEPT - 1].ended_s, 1000 + RESULTS_KEPT + 5);
}

static void a_damaged_file_is_set_aside_and_stops_nobody(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"format\":1}",
                                        "{\"format\":1,\"results\":[{}]}",
                                        "{\"format\":1,\"results\":[{\"verb\":\"backup\"}]}"};
    const struct run_result result = a_result(1000);
    struct run_result other = a_result(900);

    (void)state;
    other.uuid = OTHER;
    add(&other);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        put_file(WEB_FILE, texts[i]);
        CLEANUP_RESULTS struct results before = read_results();
        assert_int_equal(before.count, 1);
        add(&result);
        assert_true(has_file(WEB_FILE ".damaged"));
        CLEANUP_RESULTS struct results after = read_results();
        assert_int_equal(after.count, 2);
        assert_int_equal(after.all[1].ended_s, 1000);
    }
}

/* Whoever goes back to an earlier version loses nothing. */
static void a_file_of_a_later_version_is_left_alone(void **state)
{
    const struct run_result first = a_result(1000), second = a_result(1001);
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    add(&first);
    put_file(WEB_FILE, "{\"format\":2}");
    assert_int_equal(results_add(&second, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, WEB_FILE));
    assert_non_null(strstr(err.text, "later version"));
    assert_false(has_file(WEB_FILE ".damaged"));
}

static void what_a_dead_process_left_goes(void **state)
{
    const struct run_result result = a_result(1000);

    (void)state;
    add(&result);
    put_file("." WEB_FILE ".4194000.new", "{");
    add(&result);
    assert_int_equal(count_files(), 1);
}

/* Each of them adds results of its own; none is lost. */
static void processes_do_not_lose_each_others_results(void **state)
{
    enum { PROCESSES = 6, EACH = 5 };
    pid_t pids[PROCESSES];

    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] > 0)
            continue;
        for (int j = 0; j < EACH; j++) {
            const struct run_result result = a_result(1000 + i * EACH + j);
            if (results_add(&result, NULL, NULL, NULL) < 0)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    CLEANUP_RESULTS struct results results = read_results();
    assert_int_equal(results.count, PROCESSES * EACH);
    for (size_t i = 0; i < results.count; i++)
        assert_int_equal(results.all[i].ended_s, 1000 + i);
}

static void another_host_sees_it_in_the_repository(void **state)
{
    CLEANUP_FREE char *url = mem_printf("%s/repository", place);
    CLEANUP(repository_closep) struct repository *repository = NULL;
    const struct points_place repository_place = {.path = url, .is_repository = true};
    const struct run_result result = a_result(1000);
    CLEANUP_RESULTS struct results results = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(repository_create(url, REPOSITORY_SCOPE, &repository, NULL), 0);
    assert_int_equal(results_add(&result, url, NULL, &err), 0);
    assert_int_equal(points_repository_results(&repository_place, &results, &err), 0);
    assert_int_equal(results.count, 1);
    assert_string_equal(results.all[0].uuid, UUID);
    assert_string_equal(results.all[0].guest, "web");
    assert_string_equal(results.all[0].job, "nightly");
    assert_string_equal(results.all[0].reason, result.reason);
    assert_int_equal(results.all[0].ended_s, 1000);
}

static void one_place_gets_it_though_the_other_fails(void **state)
{
    CLEANUP_FREE char *url = mem_printf("%s/repository", place);
    CLEANUP_FREE char *in_the_way = mem_printf("%s/results", place);
    CLEANUP(repository_closep) struct repository *repository = NULL;
    const struct points_place repository_place = {.path = url, .is_repository = true};
    const struct run_result result = a_result(1000);
    CLEANUP_RESULTS struct results results = {0};
    CLEANUP_ERR struct err none = ERR_INIT, blocked = ERR_INIT;

    (void)state;
    assert_int_equal(results_add(&result, url, NULL, &none), -1);
    assert_non_null(strstr(none.text, "repository"));
    CLEANUP_RESULTS struct results here = read_results();
    assert_int_equal(here.count, 1);

    assert_int_equal(remove_place(NULL), 0);
    assert_int_equal(mkdir(place, 0700), 0);
    assert_int_equal(repository_create(url, REPOSITORY_SCOPE, &repository, NULL), 0);
    assert_int_equal(symlink("/nonexistent", in_the_way), 0);
    assert_int_equal(results_add(&result, url, NULL, &blocked), -1);
    assert_int_equal(points_repository_results(&repository_place, &results, NULL), 0);
    assert_int_equal(results.count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_folder_there_is_nothing),
        TEST(a_result_is_kept_as_it_was),
        TEST(only_the_newest_stay),
        TEST(a_damaged_file_is_set_aside_and_stops_nobody),
        TEST(a_file_of_a_later_version_is_left_alone),
        TEST(what_a_dead_process_left_goes),
        TEST(processes_do_not_lose_each_others_results),
        TEST(another_host_sees_it_in_the_repository),
        TEST(one_place_gets_it_though_the_other_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
