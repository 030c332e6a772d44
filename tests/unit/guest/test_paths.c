/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Paths of restored files, wherever they stand.
 */
#include "sample.h"

#include <string.h>

static void check(const char *value, const struct definition_move *moves, size_t count,
                  const char *wanted)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse("<domain><a><b/></a><c/></domain>");
    struct xml_node *attr = xml_find(xml_root(doc), "a/b");
    struct xml_node *text = xml_find(xml_root(doc), "c");

    xml_set_attr(attr, "value", value);
    xml_set_text(text, value);
    definition_replace_paths(doc, moves, count);
    CLEANUP_FREE char *found = xml_text(text);
    assert_string_equal(xml_attr(attr, "value"), wanted);
    assert_string_equal(found, wanted);
}

static void check_one(const char *value, const char *wanted)
{
    static const struct definition_move move = {"/img/a.qcow2", "/new/b.qcow2"};

    check(value, &move, 1, wanted);
}

static void a_path_that_is_the_whole_value_is_replaced(void **state)
{
    (void)state;
    check_one("/img/a.qcow2", "/new/b.qcow2");
}

static void a_path_in_qemus_options_is_replaced(void **state)
{
    (void)state;
    check_one("file=/img/a.qcow2", "file=/new/b.qcow2");
    check_one("file=/img/a.qcow2,format=qcow2", "file=/new/b.qcow2,format=qcow2");
    check_one("if=none,file.filename=/img/a.qcow2,id=x", "if=none,file.filename=/new/b.qcow2,id=x");
    check_one("file=file:/img/a.qcow2,id=x", "file=file:/new/b.qcow2,id=x");
    check_one("a=/img/a.qcow2,b=/img/a.qcow2", "a=/new/b.qcow2,b=/new/b.qcow2");
}

static void a_path_in_json_is_replaced(void **state)
{
    (void)state;
    check_one("{\"driver\":\"file\",\"filename\":\"/img/a.qcow2\"}",
              "{\"driver\":\"file\",\"filename\":\"/new/b.qcow2\"}");
}

static void a_path_that_is_part_of_another_one_stays(void **state)
{
    static const char *const values[] = {
        "/img/a.qcow2.old",       "/x/img/a.qcow2",          "/img/a.qcow2/b",
        "file=/img/a.qcow2.old",  "file=/x/img/a.qcow2",     "file=/img/a.qcow2,,b",
        "\"/img/a.qcow2.old\"",   "/img/a.qcow2,b.iso",      "/img/a.qcow2 b.iso",
        "see /img/a.qcow2",       "file=/img/a.qcow2 b.iso", "web:/img/a.qcow2",
        "web=file/img/a.qcow2,c",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        check_one(values[i], values[i]);
}

static void commas_are_doubled_in_options_only(void **state)
{
    static const struct definition_move there = {"/a,b", "/c"};
    static const struct definition_move back = {"/c", "/a,b"};

    (void)state;
    check("/a,b", &there, 1, "/c");
    check("file=/a,,b,id=x", &there, 1, "file=/c,id=x");
    check("file=/a,b,id=x", &there, 1, "file=/a,b,id=x"); /* that is the file /a */
    check("/c", &back, 1, "/a,b");
    check("file=/c,id=x", &back, 1, "file=/a,,b,id=x");
    check("{\"file\":\"/c\"}", &back, 1, "{\"file\":\"/a,b\"}");
}

static void quotes_are_escaped_in_json_only(void **state)
{
    static const struct definition_move there = {"/a\"\\b", "/c"};
    static const struct definition_move back = {"/c", "/a\"\\b"};

    (void)state;
    check("{\"file\":\"/a\\\"\\\\b\"}", &there, 1, "{\"file\":\"/c\"}");
    check("{\"file\":\"/c\"}", &back, 1, "{\"file\":\"/a\\\"\\\\b\"}");
    check("file=/c", &back, 1, "file=/a\"\\b");
}

static void files_can_change_places(void **state)
{
    static const struct definition_move moves[] = {{"/a", "/b"}, {"/b", "/c"}, {"/c", "/a"}};

    (void)state;
    check("/a", moves, 3, "/b");
    check("/b", moves, 3, "/c");
    check("/c", moves, 3, "/a");
    check("x=/a,y=/b,z=/c", moves, 3, "x=/b,y=/c,z=/a");
}

static void empty_values_and_no_moves_change_nothing(void **state)
{
    static const struct definition_move empty = {"", "/x"};

    (void)state;
    check("", &empty, 1, "");
    check("=\"\"", &empty, 1, "=\"\"");
    check("/img/a.qcow2", NULL, 0, "/img/a.qcow2");
}

static void every_place_of_a_definition_is_found(void **state)
{
    static const struct definition_move move = {"/img/web.qcow2", "/new/w&m.qcow2"};
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");

    (void)state;
    /* metadata: an attribute and a text; the disk; qemu:arg */
    definition_replace_paths(doc, &move, 1);
    CLEANUP_FREE char *text = xml_format(doc);
    assert_non_null(strstr(text, "image=\"/new/w&amp;m.qcow2\""));
    assert_non_null(strstr(text, "<note:path>/new/w&amp;m.qcow2</note:path>"));
    assert_non_null(strstr(text, "<note:path>/img/web.qcow2.old</note:path>"));
    assert_non_null(strstr(text, "value=\"file=/new/w&amp;m.qcow2,format=qcow2,if=none\""));
    assert_string_equal(xml_find_attr(sample_disk(doc, "vda"), "source", "file"), "/new/w&m.qcow2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_is_the_whole_value_is_replaced),
        cmocka_unit_test(a_path_in_qemus_options_is_replaced),
        cmocka_unit_test(a_path_in_json_is_replaced),
        cmocka_unit_test(a_path_that_is_part_of_another_one_stays),
        cmocka_unit_test(commas_are_doubled_in_options_only),
        cmocka_unit_test(quotes_are_escaped_in_json_only),
        cmocka_unit_test(files_can_change_places),
        cmocka_unit_test(empty_values_and_no_moves_change_nothing),
        cmocka_unit_test(every_place_of_a_definition_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
