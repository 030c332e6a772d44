/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/json.h"

static const char sample[] =
    "{\"virtual-size\": 1073741824, \"format\": \"qcow2\", \"dirty\": true, \"neg\": -1,"
    " \"ratio\": 0.5, \"list\": [{\"n\": 1}, {\"n\": 2}],"
    " \"format-specific\": {\"data\": {\"compat\": \"1.1\"}}}";

static void members_are_found_by_path(void **state)
{
    CLEANUP(json_freep) struct json *json = json_parse(sample, strlen(sample), NULL);
    uint64_t number = 0;

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_get_str(json, "format-specific.data.compat"), "1.1");
    assert_true(json_get_u64(json, "virtual-size", &number));
    assert_int_equal(number, 1073741824);
    assert_true(json_get_bool(json, "dirty"));
    const struct json *list = json_get(json, "list");
    assert_int_equal(json_length(list), 2);
    assert_true(json_get_u64(json_at(list, 1), "n", &number));
    assert_int_equal(number, 2);
}

static void wrong_paths_and_types_give_nothing(void **state)
{
    CLEANUP(json_freep) struct json *json = json_parse(sample, strlen(sample), NULL);
    uint64_t number = 4711;

    (void)state;
    assert_null(json_get(json, "none"));
    assert_null(json_get(json, "format.data"));
    assert_null(json_get_str(json, "virtual-size"));
    assert_null(json_get_str(json, "format-specific.none.compat"));
    assert_false(json_get_u64(json, "format", &number));
    assert_false(json_get_u64(json, "neg", &number));
    assert_false(json_get_u64(json, "ratio", &number));
    assert_false(json_get_bool(json, "format"));
    assert_int_equal(json_length(json_get(json, "format")), 0);
    assert_int_equal(json_length(NULL), 0);
    assert_null(json_at(json_get(json, "list"), 2));
    assert_int_equal(number, 4711);
}

static void what_is_no_json_is_corrupt(void **state)
{
    static const char *const rows[] = {"", "{", "{}x", "nul", "{\"a\":1,\"a\":2}", "[1,]", "\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_null(json_parse(rows[i], strlen(rows[i]), &err));
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static void deep_nesting_is_refused_and_does_not_crash(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    size_t depth = 1000000;
    char *text = malloc(depth);

    (void)state;
    memset(text, '[', depth);
    assert_null(json_parse(text, depth, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
    free(text);
}

static char *format_str(const char *value)
{
    CLEANUP(json_freep) struct json *json = json_new_object();

    json_set_str(json, "s", value);
    return json_format(json);
}

static void an_object_is_written_on_one_line_in_order(void **state)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    struct json *list = json_new_array();
    struct json *element = json_new_object();

    (void)state;
    json_set_str(json, "z", "a\nb\"c");
    json_set_u64(json, "a", 9007199254740993);
    json_set_bool(json, "b", false);
    json_set_str(json, "null", NULL);
    json_set_u64(element, "n", 1);
    json_add(list, element);
    json_set(json, "l", list);
    CLEANUP_FREE char *text = json_format(json);
    assert_string_equal(text, "{\"z\":\"a\\nb\\\"c\",\"a\":9007199254740993,\"b\":false,"
                              "\"null\":null,\"l\":[{\"n\":1}]}");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    static const struct {
        const char *value;
        const char *text;
    } rows[] = {
        {"gr\xc3\xbc\xc3\x9f", "{\"s\":\"gr\xc3\xbc\xc3\x9f\"}"},
        {"a\xff z", "{\"s\":\"a\xef\xbf\xbd z\"}"},
        {"\xc3", "{\"s\":\"\xef\xbf\xbd\"}"},                                 /* cut off */
        {"\xc0\xaf", "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd\"}"},                 /* overlong */
        {"\xed\xa0\x80", "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}"}, /* surrogate */
        {"\xf0\x9f\x90\xa7", "{\"s\":\"\xf0\x9f\x90\xa7\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_FREE char *text = format_str(rows[i].value);
        assert_string_equal(text, rows[i].text);
    }
}

static void bytes_are_read_back_as_they_were(void **state)
{
    static const char *const texts[] = {"",
                                        "/srv/web.sav",
                                        "/srv/s\xe9rie",
                                        "\xff",
                                        "\xef\xbf\xbd",
                                        "\xc3\xa9\"\\\n",
                                        "\xed\xa0\x80/\x01"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CLEANUP(json_freep) struct json *json = json_new_object();
        bool bad = false;
        json_set_bytes(json, "path", texts[i]);
        CLEANUP_FREE char *text = json_format(json);
        CLEANUP(json_freep) struct json *again = json_parse(text, strlen(text), NULL);
        assert_non_null(again);
        CLEANUP_FREE char *bytes = json_get_bytes(again, "path", &bad);
        assert_string_equal(bytes, texts[i]);
        assert_false(bad);
    }
}

static void bytes_that_are_none_are_told(void **state)
{
    static const char text[] =
        "{\"null\":null,\"number\":1,\"odd\":{\"hex\":\"abc\"},"
        "\"letters\":{\"hex\":\"xy\"},\"nul\":{\"hex\":\"6100\"},\"other\":{}}";
    CLEANUP(json_freep) struct json *json = json_parse(text, strlen(text), NULL);
    static const char *const names[] = {"number", "odd", "letters", "nul", "other"};
    bool bad = false;

    (void)state;
    assert_non_null(json);
    assert_null(json_get_bytes(json, "null", &bad));
    assert_null(json_get_bytes(json, "absent", &bad));
    assert_false(bad);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        bad = false;
        assert_null(json_get_bytes(json, names[i], &bad));
        assert_true(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_path),
        cmocka_unit_test(wrong_paths_and_types_give_nothing),
        cmocka_unit_test(what_is_no_json_is_corrupt),
        cmocka_unit_test(deep_nesting_is_refused_and_does_not_crash),
        cmocka_unit_test(an_object_is_written_on_one_line_in_order),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(bytes_are_read_back_as_they_were),
        cmocka_unit_test(bytes_that_are_none_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
