/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "cli/lists.h"
#include "cli/options.h"

struct fields {
    bool json;
    const char *path;
    uint64_t size;
    unsigned number;
    struct strings names;
    struct strings others;
    struct strings list;
    struct strings words;
    struct lists_maps maps;
    int parsed;
};

static int parse_yes(const char *text, void *ret_field, struct err *err)
{
    if (strcmp(text, "yes") != 0)
        return err_set(err, ERR_USAGE, "'%s' is not yes", text);
    *(int *)ret_field = 1;
    return 0;
}

#define FIELD(member) .offset = offsetof(struct fields, member)
static const struct options_row rows[] = {
    {"destination-path", OPTION_TEXT, "PATH", "help", FIELD(path)},
    {"json", OPTION_FLAG, NULL, "help", FIELD(json)},
    {"memory-limit", OPTION_SIZE, "SIZE", "help", FIELD(size)},
    {"children", OPTION_NUMBER, "N", "help", FIELD(number)},
    {"domain-names", OPTION_NAMES, "NAMES", "help", FIELD(names)},
    {"exclude-domains", OPTION_NAMES, "NAMES", "help", FIELD(others)},
    {"keep-tag", OPTION_LIST, "TAGS", "help", FIELD(list)},
    {"disk-map", OPTION_MAPS, "DISK=PATH", "help", FIELD(maps)},
    {"answer", OPTION_PARSED, "ANSWER", "help", FIELD(parsed), .parse = parse_yes},
};
static const struct options_table table = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)};
static const struct options_row points = {NULL,   OPTION_LIST,  "POINT...",
                                          "help", FIELD(words), .required = true};
static const struct options_table table_of_points = {rows, sizeof(rows) / sizeof(*rows), &points};

/* Text as it would be typed, with '|' between arguments. */
static int read_line_of(const struct options_table *verb, const char *line, struct fields *fields,
                        bool *ret_help, struct err *err)
{
    static char buffer[512];
    const char *args[32];
    size_t count = 0;

    snprintf(buffer, sizeof(buffer), "%s", line);
    for (char *next = buffer; next && *line;) {
        char *bar = strchr(next, '|');
        if (bar)
            *bar = '\0';
        args[count++] = next;
        next = bar ? bar + 1 : NULL;
    }
    args[count] = NULL;
    *fields = (struct fields){0};
    return options_read(verb, args, fields, ret_help, err);
}

static int read_line(const char *line, struct fields *fields, bool *ret_help, struct err *err)
{
    return read_line_of(&table, line, fields, ret_help, err);
}

/* The names one after the other, each in brackets. */
static void join(const struct strings *list, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (size_t i = 0; i < list->count; i++)
        used += (size_t)snprintf(text + used, size - used, "[%s]", list->items[i]);
}

static void names_are_split_collected_and_ended(void **state)
{
    static const struct {
        const char *line;
        const char *names;
        const char *others;
    } lines[] = {
        {"--domain-names|web", "[web]", ""},
        {"--domain-names=web", "[web]", ""},
        {"--domain-names|web,db", "[web][db]", ""},
        {"--domain-names|web|db|mail", "[web][db][mail]", ""},
        {"--domain-names=web|db,mail", "[web][db][mail]", ""},
        {"--domain-names|web|--json|--domain-names|db", "[web][db]", ""},
        {"--domain-names|web|--exclude-domains|a|b|--json", "[web]", "[a][b]"},
        {"--domain-names|a\\,b,c\\\\d", "[a,b][c\\d]", ""},
        {"--domain-names|a\\b\\", "[a\\b\\]", ""},
        {"--domain-names=-weird", "[-weird]", ""},
        {"--domain-names=-weird|x|--domain-names=--json", "[-weird][x][--json]", ""},
        {"--domain-names|--|-weird|--json", "[-weird][--json]", ""},
        {"--domain-names|x|--|-y,z", "[x][-y][z]", ""},
        {"--domain-names|web,db,web|db", "[web][db]", ""},
        {"--domain-names|a b,100% 'c' \"d\",gr\xc3\xbc\xc3\x9f",
         "[a b][100% 'c' \"d\"][gr\xc3\xbc\xc3\x9f]", ""},
        {"--domain-names=a=b", "[a=b]", ""},
        {"--domain-names|-", "[-]", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct fields fields;
        bool help = true;
        char text[256];
        assert_int_equal(read_line(lines[i].line, &fields, &help, NULL), 0);
        assert_false(help);
        join(&fields.names, text, sizeof(text));
        assert_string_equal(text, lines[i].names);
        join(&fields.others, text, sizeof(text));
        assert_string_equal(text, lines[i].others);
        options_clear(&table, &fields);
    }
}

static void every_kind_of_value_reaches_its_field(void **state)
{
    struct fields fields;
    bool help = false;

    (void)state;
    assert_int_equal(read_line("--children=3|--json|--memory-limit|1.5G|--disk-map|vda=/dev/x|"
                               "--answer|yes|--disk-map=vdb=/a=b|--destination-path|/dst",
                               &fields, &help, NULL),
                     0);
    assert_int_equal(fields.number, 3);
    assert_true(fields.json);
    assert_int_equal(fields.size, UINT64_C(3) << 29);
    assert_int_equal(fields.parsed, 1);
    assert_string_equal(fields.path, "/dst");
    assert_int_equal(fields.maps.count, 2);
    assert_string_equal(fields.maps.maps[0].target, "vda");
    assert_string_equal(fields.maps.maps[0].path, "/dev/x");
    assert_string_equal(fields.maps.maps[1].target, "vdb");
    assert_string_equal(fields.maps.maps[1].path, "/a=b");
    options_clear(&table, &fields);
}

static void what_is_not_given_is_left_alone(void **state)
{
    static const char *const args[] = {"--json", NULL};
    struct fields fields = {.number = 7, .path = "/p"};
    bool help = true;

    (void)state;
    assert_int_equal(options_read(&table, args, &fields, &help, NULL), 0);
    assert_int_equal(fields.number, 7);
    assert_string_equal(fields.path, "/p");
    assert_false(help);
}

static void of_a_repeated_option_the_last_value_counts(void **state)
{
    struct fields fields;
    bool help = false;

    (void)state;
    assert_int_equal(read_line("--children|1|--children=2", &fields, &help, NULL), 0);
    assert_int_equal(fields.number, 2);
}

static void help_is_met_before_what_stands_behind_it(void **state)
{
    struct fields fields;
    bool help = false;

    (void)state;
    assert_int_equal(read_line("--json|--help|--nonsense", &fields, &help, NULL), 0);
    assert_true(help);
    assert_int_equal(read_line("-h", &fields, &help, NULL), 0);
    assert_true(help);
    assert_int_equal(read_line("--domain-names|--|--help", &fields, &help, NULL), 0);
    assert_false(help);
    options_clear(&table, &fields);
}

static void usage_errors_name_the_option_and_the_remedy(void **state)
{
    static const struct {
        const char *line;
        const char *text;
    } lines[] = {
        {"--jsno", "unknown option '--jsno'; did you mean '--json'?"},
        {"--destination=/x", "unknown option '--destination'; did you mean '--destination-path'?"},
        {"--zzzzzzzz", "unknown option '--zzzzzzzz'; see --help"},
        {"-j", "unknown option '-j'; options begin with two dashes"},
        {"--json=1", "option '--json' takes no value"},
        {"--json|web", "unexpected argument 'web'; guests are named with --domain-names"},
        {"web", "unexpected argument 'web'; guests are named with --domain-names"},
        {"--|web", "unexpected argument 'web'; guests are named with --domain-names"},
        {"--domain-names|a|--children|1|b",
         "unexpected argument 'b'; guests are named with --domain-names"},
        {"--destination-path",
         "option '--destination-path' needs a value: --destination-path PATH"},
        {"--destination-path|--json",
         "option '--destination-path' needs a value: --destination-path PATH"},
        {"--destination-path|-x",
         "option '--destination-path' needs a value: --destination-path PATH; one that begins with "
         "a dash is written --destination-path=-x"},
        {"--destination-path=", "option '--destination-path': its value is empty"},
        {"--domain-names", "option '--domain-names' needs a value: --domain-names NAMES"},
        {"--domain-names|--", "option '--domain-names' needs a value: --domain-names NAMES"},
        {"--domain-names=a,,b",
         "option '--domain-names': 'a,,b' contains an empty name (write a comma in "
         "a name as \\,)"},
        {"--domain-names=a|b,",
         "option '--domain-names': 'b,' contains an empty name (write a comma in "
         "a name as \\,)"},
        {"--children=0", "option '--children': '0' is not a number from 1 to 65536"},
        {"--memory-limit=0", "option '--memory-limit': must not be zero"},
        {"--memory-limit=lots",
         "option '--memory-limit': 'lots' is not a size; write it like 512K, 60MiB or 1.5G"},
        {"--answer=no", "option '--answer': 'no' is not yes"},
        {"--disk-map=vda", "option '--disk-map': 'vda' is not of the form [GUEST:]TARGET=PATH"},
        {"--disk-map==/x", "option '--disk-map': '=/x' is not of the form [GUEST:]TARGET=PATH"},
        {"--disk-map=vda=", "option '--disk-map': 'vda=' is not of the form [GUEST:]TARGET=PATH"},
        {"--disk-map=:vda=/x",
         "option '--disk-map': ':vda=/x' is not of the form [GUEST:]TARGET=PATH"},
        {"--disk-map=vda=/x|--disk-map=vda=/y", "option '--disk-map': disk 'vda' is mapped twice"},
        {"--=x", "unknown option '--'; see --help"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct fields fields;
        bool help = false;
        assert_fails(read_line(lines[i].line, &fields, &help, &err), &err, ERR_USAGE);
        assert_string_equal(err.text, lines[i].text);
        options_clear(&table, &fields);
    }
}

static void words_are_taken_as_they_are(void **state)
{
    static const struct {
        const char *line;
        const char *words;
        const char *list;
        const char *names;
    } lines[] = {
        {"web@latest|db,old@latest", "[web@latest][db,old@latest]", "", ""},
        {"--keep-tag|a,b|web@latest|--keep-tag=c", "[web@latest]", "[a][b][c]", ""},
        {"a|--domain-names|b|c|--json|d", "[a][d]", "", "[b][c]"},
        {"a|--|--json", "[a][--json]", "", ""},
        {"a|a", "[a][a]", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct fields fields;
        bool help = true;
        char text[256];
        assert_int_equal(read_line_of(&table_of_points, lines[i].line, &fields, &help, NULL), 0);
        join(&fields.words, text, sizeof(text));
        assert_string_equal(text, lines[i].words);
        join(&fields.list, text, sizeof(text));
        assert_string_equal(text, lines[i].list);
        join(&fields.names, text, sizeof(text));
        assert_string_equal(text, lines[i].names);
        options_clear(&table_of_points, &fields);
    }
}

static void required_words_are_asked_for(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct fields fields;
    bool help = false;

    (void)state;
    assert_fails(read_line_of(&table_of_points, "--json", &fields, &help, &err), &err, ERR_USAGE);
    assert_string_equal(err.text, "POINT... is missing; see --help");
}

static void a_required_option_is_asked_for(void **state)
{
    static const struct options_row required[] = {
        {"source-path", OPTION_TEXT, "PATH", "help", FIELD(path), .required = true},
        {"json", OPTION_FLAG, NULL, "help", FIELD(json)},
    };
    static const struct options_table small = {.rows = required, .count = 2};
    static const char *const without[] = {"--json", NULL};
    static const char *const with[] = {"--source-path", "/s", NULL};
    static const char *const help_only[] = {"--help", NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct fields fields = {0};
    bool help = false;

    (void)state;
    assert_fails(options_read(&small, without, &fields, &help, &err), &err, ERR_USAGE);
    assert_string_equal(err.text, "--source-path PATH is required");
    assert_int_equal(options_read(&small, with, &fields, &help, NULL), 0);
    assert_int_equal(options_read(&small, help_only, &fields, &help, NULL), 0);
    assert_true(help);
}

static int parse_perhaps(const char *text, void *ret_field, struct err *err)
{
    *(int *)ret_field = text ? 1 : 2;
    return text ? parse_yes(text, ret_field, err) : 0;
}

static void a_value_that_may_be_left_out_stands_behind_an_equals_sign(void **state)
{
    static const struct options_row optional[] = {
        {"wait", OPTION_PARSED, "TIME", "help", FIELD(parsed), .parse = parse_perhaps,
         .optional = true},
        {"json", OPTION_FLAG, NULL, "help", FIELD(json)},
    };
    static const struct options_table small = {.rows = optional, .count = 2};
    static const char *const without[] = {"--wait", "--json", NULL};
    static const char *const with[] = {"--json", "--wait=yes", NULL};
    static const char *const behind[] = {"--wait", "yes", NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct fields fields = {0};
    bool help = false;

    (void)state;
    assert_int_equal(options_read(&small, without, &fields, &help, NULL), 0);
    assert_int_equal(fields.parsed, 2);
    assert_true(fields.json);
    assert_int_equal(options_read(&small, with, &fields, &help, NULL), 0);
    assert_int_equal(fields.parsed, 1);
    assert_fails(options_read(&small, behind, &fields, &help, &err), &err, ERR_USAGE);
    assert_string_equal(err.text, "unexpected argument 'yes'; see --help");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_collected_and_ended),
        cmocka_unit_test(a_value_that_may_be_left_out_stands_behind_an_equals_sign),
        cmocka_unit_test(every_kind_of_value_reaches_its_field),
        cmocka_unit_test(what_is_not_given_is_left_alone),
        cmocka_unit_test(of_a_repeated_option_the_last_value_counts),
        cmocka_unit_test(help_is_met_before_what_stands_behind_it),
        cmocka_unit_test(usage_errors_name_the_option_and_the_remedy),
        cmocka_unit_test(a_required_option_is_asked_for),
        cmocka_unit_test(words_are_taken_as_they_are),
        cmocka_unit_test(required_words_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
