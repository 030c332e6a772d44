/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where jobs are, and files that are refused because others can change them.
 */
#include "unit.h"

#include "base/cleanup.h"
#include "cli/job_file.h"

#define GOOD "repository = /r\n"

/* Jobs are in its folder jobs.d, old files beside that. */
struct world {
    struct scratch *scratch;
    struct scratch jobs;
    struct job_places places;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    void *scratch = NULL;

    if (scratch_setup(&scratch) < 0)
        return -1;
    world->scratch = scratch;
    snprintf(world->jobs.path, sizeof(world->jobs.path), "%.200s/jobs.d", world->scratch->path);
    if (mkdir(world->jobs.path, 0755) < 0)
        return -1;
    world->jobs.fd = open(world->jobs.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    world->places =
        (struct job_places){mem_strdup(world->jobs.path), mem_strdup(world->scratch->path)};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"night.conf", "day.conf", "old.conf", "note.txt",
                                        "link.conf"};
    void *scratch = world->scratch;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        (void)unlinkat(world->jobs.fd, names[i], 0);
    close(world->jobs.fd);
    rmdir(world->jobs.path);
    job_places_clear(&world->places);
    free(world);
    return scratch_teardown(&scratch);
}

/* The error, or "NAME: REPOSITORY". The caller frees. */
static char *read_job(const struct world *world, const char *word)
{
    CLEANUP_JOB struct job job = {0};
    struct err err = ERR_INIT;

    if (job_file_load(&world->places, word, &(struct options_given){0}, &job, &err) < 0)
        return err.text;
    return mem_printf("%s%s: %s", job.old ? "old " : "", job.name,
                      job_find(&job, "repository")->text);
}

static void expect_job(const struct world *world, const char *word, const char *expected)
{
    CLEANUP_FREE char *text = read_job(world, word);

    assert_string_equal(text, expected);
}

static void expect_refusal(const struct world *world, const char *word, const char *part)
{
    CLEANUP_FREE char *text = read_job(world, word);

    assert_text_has(text, part);
}

static void jobs_are_found_by_name_and_by_path(void **state)
{
    const struct world *world = *state;
    CLEANUP_FREE char *path = mem_printf("%s/night.conf", world->jobs.path);
    CLEANUP_FREE char *note = mem_printf("%s/note.txt", world->jobs.path);
    CLEANUP_STRINGS struct strings names = {0};

    scratch_write(&world->jobs, "night.conf", GOOD);
    scratch_write(&world->jobs, "day.conf", GOOD);
    scratch_write(&world->jobs, "note.txt", "no job");
    scratch_write(world->scratch, "night.conf", "REPOSITORY=/old\n");
    scratch_write(world->scratch, "old.conf", "REPOSITORY=/old\n");
    expect_job(world, "night", "night: /r");
    expect_job(world, path, "night: /r");
    expect_job(world, "old", "old old: /old");
    expect_refusal(world, note, "note.txt: the name of a job file ends with .conf");
    assert_int_equal(job_file_names(&world->places, &names, NULL), 0);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "day");
    assert_string_equal(names.items[1], "night");
    assert_string_equal(names.items[2], "old");
}

static void a_name_without_a_file_is_refused_loudly(void **state)
{
    const struct world *world = *state;
    CLEANUP_FREE char *nearest =
        mem_printf("there is no job 'nihgt': neither %s/nihgt.conf nor %s/nihgt.conf exists; did "
                   "you mean 'night'?",
                   world->jobs.path, world->scratch->path);
    CLEANUP_FREE char *none =
        mem_printf("there is no job 'x': neither %s/x.conf nor %s/x.conf exists; "
                   "virt-backup-job(5) says how to write one",
                   world->jobs.path, world->scratch->path);

    scratch_write(&world->jobs, "night.conf", GOOD);
    expect_job(world, "nihgt", nearest);
    expect_job(world, "x", none);
    expect_refusal(world, "", "there is no job ''");
    expect_refusal(world, "/nowhere/night.conf", "/nowhere/night.conf: No such file or directory");
}

static void what_others_can_change_is_refused(void **state)
{
    const struct world *world = *state;

    scratch_write(&world->jobs, "night.conf", GOOD);
    for (mode_t bit = S_IWOTH; bit <= S_IWGRP; bit = bit << 3) {
        assert_int_equal(fchmodat(world->jobs.fd, "night.conf", 0644 | bit, 0), 0);
        expect_refusal(world, "night", "can change it (mode 06");
        expect_refusal(world, "night", "; run: chmod go-w ");
        assert_int_equal(fchmodat(world->jobs.fd, "night.conf", 0644, 0), 0);
        fchmod(world->jobs.fd, 0755 | bit);
        expect_refusal(world, "night", "folder ");
        expect_refusal(world, "night", "jobs.d: others");
        fchmod(world->jobs.fd, 0755);
    }
    /* Others cannot replace it there. */
    fchmod(world->jobs.fd, 01777);
    expect_job(world, "night", "night: /r");
    fchmod(world->jobs.fd, 0755);
    if (geteuid() != 0)
        return;
    assert_int_equal(fchownat(world->jobs.fd, "night.conf", 12345, 0, 0), 0);
    expect_refusal(world, "night", "it belongs to user 12345, who could have commands run as root");
    expect_refusal(world, "night", "; run: chown root ");
}

/* A link of ours to a file in a folder of others. */
static void a_link_is_as_safe_as_where_it_leads(void **state)
{
    const struct world *world = *state;
    CLEANUP_FREE char *target = mem_printf("%s/night.conf", world->scratch->path);

    scratch_write(world->scratch, "night.conf", GOOD);
    assert_int_equal(symlinkat(target, world->jobs.fd, "link.conf"), 0);
    expect_job(world, "link", "link: /r");
    fchmod(world->scratch->fd, 0777);
    expect_refusal(world, "link", "folder ");
    fchmod(world->scratch->fd, 0700);
}

static void what_is_no_file_is_refused(void **state)
{
    const struct world *world = *state;
    CLEANUP_FREE char *large = malloc(JOB_FILE_MAX + 2);

    assert_int_equal(mkfifoat(world->jobs.fd, "night.conf", 0600), 0);
    expect_refusal(world, "night", "it is not a regular file");
    memset(large, '#', JOB_FILE_MAX + 1);
    large[JOB_FILE_MAX + 1] = '\0';
    scratch_write(&world->jobs, "day.conf", large);
    expect_refusal(world, "day", "it has more than 1048576 bytes, so it is not a job");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_found_by_name_and_by_path), TEST(a_name_without_a_file_is_refused_loudly),
        TEST(what_others_can_change_is_refused),  TEST(a_link_is_as_safe_as_where_it_leads),
        TEST(what_is_no_file_is_refused),
    };

    return cmocka_run_group_tests_name("cli job places", tests, NULL, NULL);
}
