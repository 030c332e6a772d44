/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which guests and places status looks at, as jobs have them.
 */
#include "unit.h"

#include "base/cleanup.h"
#include "cli/status_jobs.h"

struct world {
    struct host_guests guests; /* web, db1, db2 */
    struct status_jobs jobs;
    struct outcome outcome;
};

static void ignore_event(void *opaque, const struct event *event)
{
    (void)opaque;
    assert_int_equal(event->kind, EVENT_NO_MATCH);
}

static const struct report report = {.event = ignore_event};

static int setup(void **state)
{
    static const char *const names[] = {"web", "db1", "db2"};
    struct world *world = calloc(1, sizeof(*world));

    world->guests = (struct host_guests){.count = 3,
                                         .tags = mem_array(3, sizeof(struct strings)),
                                         .disks = mem_array(3, sizeof(struct strings))};
    for (size_t i = 0; i < 3; i++) {
        strings_add(&world->guests.names, names[i]);
        strings_take(&world->guests.uuids, mem_printf("uuid of %s", names[i]));
        strings_take(&world->guests.titles, NULL);
    }
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    host_guests_clear(&world->guests);
    status_jobs_clear(&world->jobs);
    free(world);
    return 0;
}

static int add_job(struct world *world, const char *text, struct err *err)
{
    CLEANUP_JOB struct job job = {.name = mem_strdup("night"), .path = mem_strdup("/j/night.conf")};
    const struct status_jobs_request request = {.report = &report, .outcome = &world->outcome};

    if (job_file_parse(text, strlen(text), &job, err) < 0 || job_check(&job, err) < 0)
        fail_msg("%s", err->text);
    return status_jobs_add(&job, &world->guests, &request, &world->jobs, err);
}

static void expect_guests(const struct world *world, const char *first, const char *second)
{
    const struct strings *guests = &world->jobs.guests;

    assert_int_equal(guests->count, second ? 2 : 1);
    assert_string_equal(guests->items[0], first);
    if (second)
        assert_string_equal(guests->items[1], second);
}

static void only_guests_that_a_job_chooses_are_meant(void **state)
{
    struct world *world = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(add_job(world, "repository = /r\ndomain-names = web\n", &err), 0);
    expect_guests(world, "uuid of web", NULL);
    assert_int_equal(add_job(world,
                             "repository = /s\ndomain-names = web, db*\n"
                             "exclude-domains = db2\n",
                             &err),
                     0);
    expect_guests(world, "uuid of web", "uuid of db1");
    assert_int_equal(world->outcome.failed, 0);
}

static void each_place_is_there_once(void **state)
{
    static const char *const jobs[] = {
        "repository = /r\n",
        "repository = /r\nscope = default\n",
        "repository = /r\nscope = a\n",
        "destination-path = /r\n",
        "repository = /etc/\n",
        "repository = /etc/../etc\n",
    };
    struct world *world = *state;
    const struct status_jobs *found = &world->jobs;
    CLEANUP_ERR struct err err = ERR_INIT;

    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
        assert_int_equal(add_job(world, jobs[i], &err), 0);
    assert_int_equal(found->place_count, 4);
    assert_string_equal(found->places[0].path, "/r");
    assert_true(found->places[0].is_repository);
    assert_string_equal(found->places[0].scope, "default");
    assert_string_equal(found->places[1].scope, "a");
    assert_false(found->places[2].is_repository);
    assert_null(found->places[2].scope);
    assert_string_equal(found->places[3].path, "/etc/");
    assert_int_equal(found->guests.count, 3);
}

static void a_guest_that_is_nowhere_is_counted(void **state)
{
    struct world *world = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(add_job(world, "repository = /r\ndomain-names = web, mail\n", &err), 0);
    expect_guests(world, "uuid of web", NULL);
    assert_int_equal(world->outcome.failed, 1);
    assert_int_equal(add_job(world, "repository = /r\ndomain-names = mail\n", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_true(strstr(err.text, "job 'night'") && strstr(err.text, "mail"));
}

/* ---- files ---------------------------------------------------------------------------------- */

/* libvirt's test driver has one guest, "test". */
#define TEST_HOST "hypervisor-uri = test:///default\n"

static int read_jobs(struct world *world, const char *folder, const char *word, struct err *err)
{
    CLEANUP_JOB_PLACES struct job_places places = {.folder = mem_strdup(folder)};
    CLEANUP_STRINGS struct strings words = {0};
    const struct options_given given = {0};
    const struct status_jobs_request request = {&places, &words, &given, &report, &world->outcome};

    if (word)
        strings_add(&words, word);
    return status_jobs_read(&request, &world->jobs, err);
}

static void put_job(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void without_words_all_jobs_are_meant(void **state)
{
    struct world *world = *state;
    void *made = NULL;
    assert_int_equal(scratch_setup(&made), 0);
    struct scratch *scratch = made;
    CLEANUP_FREE char *first = mem_printf("%s/a.conf", scratch->path);
    CLEANUP_FREE char *second = mem_printf("%s/b.conf", scratch->path);
    CLEANUP_ERR struct err none = ERR_INIT;
    CLEANUP_ERR struct err wrong = ERR_INIT;

    assert_int_equal(read_jobs(world, scratch->path, NULL, &none), -1);
    assert_int_equal(none.kind, ERR_USAGE);
    assert_true(strstr(none.text, scratch->path) && strstr(none.text, "--repository"));
    put_job(first, TEST_HOST "repository = /r\n");
    put_job(second, TEST_HOST "repository = /s\n");
    assert_int_equal(read_jobs(world, scratch->path, "a", NULL), 0);
    assert_int_equal(world->jobs.place_count, 1);
    status_jobs_clear(&world->jobs);
    assert_int_equal(read_jobs(world, scratch->path, NULL, NULL), 0);
    assert_int_equal(world->jobs.place_count, 2);
    assert_int_equal(world->jobs.guests.count, 1);
    assert_int_equal(world->jobs.uris.count, 1);
    status_jobs_clear(&world->jobs);
    put_job(second, TEST_HOST "repositry = /s\n");
    assert_int_equal(read_jobs(world, scratch->path, NULL, &wrong), -1);
    assert_true(strstr(wrong.text, second) && strstr(wrong.text, "line 2"));
    unlink(first);
    unlink(second);
    scratch_teardown(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_guests_that_a_job_chooses_are_meant, setup, teardown),
        cmocka_unit_test_setup_teardown(each_place_is_there_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_that_is_nowhere_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(without_words_all_jobs_are_meant, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
