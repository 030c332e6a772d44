/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Command lines of the verbs that keep a repository.
 */
#include "unit.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/verb.h"

/* Text as it would be typed, with '|' between arguments. */
static int read_line(const struct verb *verb, const char *line, struct arguments *arguments,
                     struct err *err)
{
    static char buffer[512];
    const char *args[32];
    size_t count = 0;
    bool help = false;

    snprintf(buffer, sizeof(buffer), "%s", line);
    for (char *next = buffer; next && *line;) {
        char *bar = strchr(next, '|');
        if (bar)
            *bar = '\0';
        args[count++] = next;
        next = bar ? bar + 1 : NULL;
    }
    args[count] = NULL;
    *arguments = (struct arguments){0};
    if (verb->prepare && verb->prepare(arguments, err) < 0)
        return -1;
    return options_read(&verb->options, args, arguments, &help, err);
}

static void a_policy_is_read(void **state)
{
    struct arguments arguments;

    (void)state;
    assert_int_equal(read_line(&prune_verb,
                               "--repository|/r|--keep-last=1|--keep-hourly=2|--keep-daily|3|"
                               "--keep-weekly=4|--keep-monthly=5|--keep-yearly=6|--keep-within=2w|"
                               "--keep-tag=a,b|--keep-tag|c|--newest-within|1d|--time-zone=UTC|"
                               "--verified-only|--force|--dry-run",
                               &arguments, NULL),
                     0);
    for (size_t i = 0; i < RETENTION_PERIODIC; i++)
        assert_int_equal(arguments.policy.keep[i], i + 1);
    assert_int_equal(arguments.policy.within_ms, INT64_C(14) * 86400 * 1000);
    assert_int_equal(arguments.newest_within_ms, 86400 * 1000);
    assert_int_equal(arguments.keep_tags.count, 3);
    assert_string_equal(arguments.keep_tags.items[2], "c");
    assert_string_equal(arguments.repository, "/r");
    assert_string_equal(arguments.time_zone, "UTC");
    assert_true(arguments.force && arguments.verified_only && arguments.dry_run &&
                !arguments.simulated.given);
    options_clear(&prune_verb.options, &arguments);
}

static void a_simulation_is_read(void **state)
{
    static const struct {
        const char *text;
        unsigned per_10k;
    } changes[] = {{"1%", 100}, {"0.25%", 25}, {"0.05%", 5}, {"2.5%", 250}, {"100%", 10000}};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct arguments arguments;
        CLEANUP_FREE char *line =
            mem_printf("--simulate|daily 22:00|--for|2y|--stored=1.5G|--change|%s|--keep-last=3",
                       changes[i].text);
        assert_int_equal(read_line(&prune_verb, line, &arguments, NULL), 0);
        assert_true(arguments.simulated.given);
        assert_int_equal(arguments.simulated.schedule.minutes[0], 22 * 60);
        assert_int_equal(arguments.simulated_ms, UINT64_C(63072000000));
        assert_int_equal(arguments.stored, 3 * GIB / 2);
        assert_int_equal(arguments.change_per_10k, changes[i].per_10k);
        options_clear(&prune_verb.options, &arguments);
    }
}

static void a_collection_has_its_defaults(void **state)
{
    struct arguments arguments;

    (void)state;
    assert_int_equal(read_line(&collect_verb, "--repository=/r", &arguments, NULL), 0);
    assert_int_equal(arguments.collect.trash_age_ms, INT64_C(7) * 86400 * 1000);
    assert_int_equal(arguments.collect.silence_ms, 86400 * 1000);
    assert_false(arguments.collect.wait || arguments.collect.alone || arguments.collect.nfs_ok);
    assert_int_equal(read_line(&collect_verb,
                               "--repository=/r|--trash-age=0|--silence=2h|--wait|--alone|--nfs-ok",
                               &arguments, NULL),
                     0);
    assert_int_equal(arguments.collect.trash_age_ms, 0);
    assert_int_equal(arguments.collect.silence_ms, 7200 * 1000);
    assert_true(arguments.collect.wait && arguments.collect.alone && arguments.collect.nfs_ok);
}

static void points_are_words(void **state)
{
    struct arguments arguments;

    (void)state;
    assert_int_equal(read_line(&tag_verb,
                               "web@latest|--add|a,b|db,old@0198f3a2|--repository=/r|--remove=c",
                               &arguments, NULL),
                     0);
    assert_int_equal(arguments.words.count, 2);
    assert_string_equal(arguments.words.items[1], "db,old@0198f3a2");
    assert_int_equal(arguments.add_tags.count, 2);
    assert_int_equal(arguments.remove_tags.count, 1);
    options_clear(&tag_verb.options, &arguments);
}

static void ignore_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

#define TAGS_16 "a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,b0,b1,b2,b3,b4,b5"
#define TAGS_17 "c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,d0,d1,d2,d3,d4,d5,d6"

static void wrong_command_lines_are_refused(void **state)
{
    static const struct {
        const struct verb *verb;
        const char *line;
        const char *text;
    } rows[] = {
        {&prune_verb, "--keep-last=3", "--repository URL is required"},
        {&prune_verb, "--keep-last=0", "option '--keep-last': '0' is not a number from 1 to 65536"},
        {&prune_verb, "--keep-within=month",
         "option '--keep-within': 'month' is not a time; write it like 90s, 10m, 2h or 7d"},
        {&prune_verb, "--repository=/r|--for=2y",
         "--for, --stored and --change apply to --simulate only"},
        {&prune_verb, "--keep-tag=no/slash",
         "option '--keep-tag': 'no/slash' cannot be a tag: 1 to 64 letters, digits, '.', '_' and "
         "'-'"},
        {&backup_verb, "--repository=/r|--tag=before upgrade",
         "option '--tag': 'before upgrade' cannot be a tag: 1 to 64 letters, digits, '.', '_' and "
         "'-'"},
        {&backup_verb, "--repository=/r|--tag=" TAGS_16 "|--tag=" TAGS_17,
         "option '--tag': 33 tags are too many: a point has at most 32"},
        {&copy_verb, "--from=/a|--to=/r|--tag=a b",
         "option '--tag': 'a b' cannot be a tag: 1 to 64 letters, digits, '.', '_' and '-'"},
        {&tag_verb, "web@latest|--repository=/r|--add=x y",
         "option '--add': 'x y' cannot be a tag: 1 to 64 letters, digits, '.', '_' and '-'"},
        {&tag_verb, "web@latest|--repository=/r|--remove=x y",
         "option '--remove': 'x y' cannot be a tag: 1 to 64 letters, digits, '.', '_' and '-'"},
        {&prune_verb, "--simulate=hourly|--keep-last=3",
         "--simulate needs --for TIME, such as --for 2y"},
        {&prune_verb, "--simulate=hourly|--for=2y|--repository=/r",
         "--simulate looks at no repository"},
        {&prune_verb, "--simulate=hourly|--for=2d|--stored=1G|--keep-last=3",
         "--stored and --change are given together or not at all"},
        {&prune_verb, "--simulate=hourly|--for=2d",
         "no option says what to keep; give at least one --keep-..."},
        {&prune_verb, "--simulate=nightly|--for=2d",
         "option '--simulate': 'nightly' does not say when backups are made; write it like "
         "\"hourly\", \"daily 22:00\", \"daily 06:00,18:00\" or \"weekly sun 22:00\""},
        {&prune_verb, "--change=1",
         "option '--change': '1' is not a percentage; write it like 1% or 0.25%"},
        {&prune_verb, "--change=0.255%",
         "option '--change': '0.255%' is not a percentage; write it like 1% or 0.25%"},
        {&prune_verb, "--change=101%",
         "option '--change': '101%' is not a percentage; write it like 1% or 0.25%"},
        {&prune_verb, "--change=-1%",
         "option '--change': '-1%' is not a percentage; write it like 1% or 0.25%"},
        {&collect_verb, "--wait", "--repository URL is required"},
        {&collect_verb, "--repository=/r|--trash-age=soon",
         "option '--trash-age': 'soon' is not a time; write it like 90s, 10m, 2h or 7d"},
        {&collect_verb, "--repository=/r|--trash-age=9999999999999999",
         "option '--trash-age': '9999999999999999' is too long"},
        {&collect_verb, "--repository=/r|--silence=300000000y",
         "option '--silence': '300000000y' is too long"},
        {&prune_verb, "--repository=/r|--keep-last=1|--newest-within=9999999999999999",
         "option '--newest-within': '9999999999999999' is too long"},
        {&hold_verb, "web@latest", "--repository URL is required"},
        {&hold_verb, "--repository=/r", "POINT... is missing; see --help"},
        {&tag_verb, "--repository=/r|web@latest",
         "no tag is given; use --add TAGS or --remove TAGS"},
        {&repair_verb, "--repository=/r|01234567", "--set-aside is required"},
        {&repository_verb, "", "create URL is missing; see --help"},
        {&repository_verb, "make|/r",
         "there is no 'repository make'; write: repository create URL"},
        {&repository_verb, "create", "repository create takes one URL, the path of a folder"},
        {&repository_verb, "create|/r|/s", "repository create takes one URL, the path of a folder"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct verb_run run = {.report = {.event = ignore_event}};
        struct arguments arguments;
        int status = read_line(rows[i].verb, rows[i].line, &arguments, &err);
        if (status == 0)
            status = rows[i].verb->run(&arguments, &run, &err);
        assert_fails(status, &err, ERR_USAGE);
        assert_string_equal(err.text, rows[i].text);
        options_clear(&rows[i].verb->options, &arguments);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_read),
        cmocka_unit_test(a_simulation_is_read),
        cmocka_unit_test(a_collection_has_its_defaults),
        cmocka_unit_test(points_are_words),
        cmocka_unit_test(wrong_command_lines_are_refused),
    };

    return cmocka_run_group_tests_name("cli keep verbs", tests, NULL, NULL);
}
