/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/buf.h"
#include "base/xml.h"

#define NS "urn:example:1"

static const char sample[] =
    "<domain type='kvm'>\n"
    "  <name>web &amp; &lt;db&gt;</name>\n"
    "  <!-- a comment -->\n"
    "  <metadata><v:x xmlns:v='" NS "'><v:state word='running'/></v:x></metadata>\n"
    "  <devices>\n"
    "    <disk device='cdrom'/>\n"
    "    <disk device='disk'><source file='/img/a&apos;b.qcow2'/></disk>\n"
    "    <interface/>\n"
    "    <disk device='lun'/>\n"
    "  </devices>\n"
    "</domain>\n";

static struct xml_doc *parse(const char *text)
{
    struct xml_doc *doc = xml_parse(text, strlen(text), NULL);

    assert_non_null(doc);
    return doc;
}

static void assert_refused(const char *text, size_t len)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_null(xml_parse(text, len, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_null(strchr(err.text, '\n'));
}

static void elements_are_found_by_path_and_namespace(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = parse(sample);
    struct xml_node *root = xml_root(doc);
    CLEANUP_FREE char *name = xml_find_text(root, "name");

    (void)state;
    assert_string_equal(xml_name(root), "domain");
    assert_null(xml_ns(root));
    assert_string_equal(xml_attr(root, "type"), "kvm");
    assert_string_equal(name, "web & <db>");
    /* the first disk has no source: the path is followed through the second */
    assert_string_equal(xml_find_attr(root, "devices/disk/source", "file"), "/img/a'b.qcow2");
    assert_null(xml_find(root, "devices/none/source"));
    assert_null(xml_find_attr(root, "devices/disk/source", "none"));
    assert_null(xml_find_text(root, "none"));

    struct xml_node *metadata = xml_find(root, "metadata");
    assert_null(xml_child(metadata, NULL, "x"));
    struct xml_node *own = xml_child(metadata, NS, "x");
    assert_non_null(own);
    assert_string_equal(xml_ns(own), NS);
    assert_true(xml_is(xml_first(own), NS, "state"));
    assert_false(xml_is(xml_first(own), "urn:example:2", "state"));
    assert_null(xml_find(metadata, "x"));
}

static void walking_passes_over_text_and_comments(void **state)
{
    static const char *const expected[] = {"name", "metadata", "x",      "state",     "devices",
                                           "disk", "disk",     "source", "interface", "disk"};
    CLEANUP(xml_freep) struct xml_doc *doc = parse(sample);
    struct xml_node *top = xml_root(doc);
    size_t count = 0;

    (void)state;
    for (struct xml_node *node = xml_walk(top, top); node; node = xml_walk(top, node)) {
        assert_true(count < sizeof(expected) / sizeof(*expected));
        assert_string_equal(xml_name(node), expected[count++]);
    }
    assert_int_equal(count, sizeof(expected) / sizeof(*expected));

    struct xml_node *disk = xml_find(top, "devices/disk");
    assert_string_equal(xml_attr(xml_next_same(disk), "device"), "disk");
    assert_string_equal(xml_attr(xml_next_same(xml_next_same(disk)), "device"), "lun");
    assert_null(xml_next_same(xml_next_same(xml_next_same(disk))));
    assert_ptr_equal(xml_parent(xml_parent(disk)), top);
    assert_null(xml_parent(top));
}

static void a_walk_stays_below_its_top(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = parse(sample);
    struct xml_node *top = xml_find(xml_root(doc), "metadata");
    size_t count = 0;

    (void)state;
    for (struct xml_node *node = xml_walk(top, top); node; node = xml_walk(top, node))
        count++;
    assert_int_equal(count, 2);
    top = xml_find(xml_root(doc), "name"); /* nothing below it */
    assert_null(xml_walk(top, top));
}

static void document_types_and_entities_are_refused(void **state)
{
    static const char *const rows[] = {
        "<!DOCTYPE domain><domain/>",
        "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x.dtd'><domain/>",
        "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><d>&x;</d>",
        "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY e '&c;&c;&c;&c;&c;&c;&c;&c;'>"
        "<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;'><!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;'>"
        "<!ENTITY h '&g;&g;&g;&g;&g;&g;&g;&g;'><!ENTITY i '&h;&h;&h;&h;&h;&h;&h;&h;'>]>"
        "<d>&i;</d>",
        "<d>&undefined;</d>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_refused(rows[i], strlen(rows[i]));
}

static void what_is_not_well_formed_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a b='1' b='2'/>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<!-- x -->",
        "<p:a/>x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_refused(rows[i], strlen(rows[i]));
}

static void deep_nesting_is_refused(void **state)
{
    CLEANUP_BUF struct buf text = {0};

    (void)state;
    for (int i = 0; i < 300000; i++)
        buf_append_str(&text, "<a>");
    for (int i = 0; i < 300000; i++)
        buf_append_str(&text, "</a>");
    assert_refused((const char *)text.data, text.len);
}

static void a_document_above_the_limit_is_refused(void **state)
{
    CLEANUP_BUF struct buf text = {0};

    (void)state;
    buf_append_str(&text, "<a>");
    memset(buf_reserve(&text, XML_MAX_SIZE), 'x', XML_MAX_SIZE - 7);
    text.len += XML_MAX_SIZE - 7;
    buf_append_str(&text, "</a>");
    assert_int_equal(text.len, XML_MAX_SIZE);
    xml_free(parse("<a/>"));
    struct xml_doc *doc = xml_parse((const char *)text.data, text.len, NULL);
    assert_non_null(doc);
    xml_free(doc);
    buf_append_str(&text, "\n");
    assert_refused((const char *)text.data, text.len);
}

static void a_document_with_bytes_behind_a_nul_is_refused(void **state)
{
    static const char text[] = "<a/>\0<b/>";

    (void)state;
    assert_refused(text, sizeof(text) - 1);
}

static void changes_come_out_in_the_text(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = parse("<d><a x='1' y='2'>old</a><b/></d>");
    struct xml_node *root = xml_root(doc);
    struct xml_node *a = xml_find(root, "a");

    (void)state;
    xml_set_attr(a, "x", "<\"&'>");
    xml_remove_attr(a, "y");
    xml_set_text(a, "a < b & c");
    xml_remove(xml_find(root, "b"));
    xml_set_attr(xml_add(root, NULL, NULL, "c"), "n", "1");
    CLEANUP_FREE char *text = xml_format(doc);
    assert_string_equal(text, "<d>\n  <a x=\"&lt;&quot;&amp;'&gt;\">a &lt; b &amp; c</a>\n"
                              "  <c n=\"1\"/>\n</d>\n");
}

static void a_changed_text_is_read_back_as_it_was_set(void **state)
{
    static const char *const rows[] = {
        "", "a&b", "]]>", "<!--", "tab\there", "gr\xc3\xbc\xc3\x9f", "&amp;", " x "};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP(xml_freep) struct xml_doc *doc = parse("<d><a/></d>");
        xml_set_text(xml_find(xml_root(doc), "a"), rows[i]);
        xml_set_attr(xml_find(xml_root(doc), "a"), "v", rows[i]);
        CLEANUP_FREE char *text = xml_format(doc);
        CLEANUP(xml_freep) struct xml_doc *again = parse(text);
        CLEANUP_FREE char *back = xml_find_text(xml_root(again), "a");
        assert_string_equal(back, rows[i]);
        assert_string_equal(xml_find_attr(xml_root(again), "a", "v"), rows[i]);
    }
}

static void a_namespace_is_declared_once(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_new("d");
    struct xml_node *own = xml_add(xml_root(doc), "v", NS, "x");

    (void)state;
    xml_add(own, "v", NS, "y");
    CLEANUP_FREE char *text = xml_format(doc);
    assert_string_equal(text, "<d>\n  <v:x xmlns:v=\"" NS "\">\n    <v:y/>\n  </v:x>\n</d>\n");
}

static void copies_are_independent(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = parse("<d><a x='1'><b/></a></d>");
    CLEANUP(xml_freep) struct xml_doc *copy = xml_copy(doc);
    CLEANUP(xml_freep) struct xml_doc *other = xml_new("o");

    (void)state;
    struct xml_node *added = xml_add_copy(xml_root(other), xml_find(xml_root(doc), "a"));
    xml_set_attr(xml_find(xml_root(doc), "a"), "x", "2");
    assert_string_equal(xml_find_attr(xml_root(copy), "a", "x"), "1");
    assert_string_equal(xml_attr(added, "x"), "1");
    assert_non_null(xml_find(xml_root(other), "a/b"));
    CLEANUP_FREE char *text = xml_format_node(added);
    assert_string_equal(text, "<a x=\"1\">\n  <b/>\n</a>\n");
}

static bool rename_path(void *opaque, const char *name, const char *value)
{
    if (strcmp(value, "/old") == 0)
        xml_set_attr(opaque, name, "/new");
    return strcmp(name, "stop") != 0;
}

static void attributes_can_be_changed_while_they_are_walked(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc = parse("<d a='/old' b='/other' c='/old' stop='' e='/old'/>");
    struct xml_node *root = xml_root(doc);

    (void)state;
    xml_each_attr(root, rename_path, root);
    assert_string_equal(xml_attr(root, "a"), "/new");
    assert_string_equal(xml_attr(root, "b"), "/other");
    assert_string_equal(xml_attr(root, "c"), "/new");
    assert_string_equal(xml_attr(root, "e"), "/old");
}

static void text_that_xml_can_not_carry_is_known(void **state)
{
    (void)state;
    assert_true(xml_text_valid("gr\xc3\xbc\xc3\x9f \t\r\n"));
    assert_true(xml_text_valid(""));
    assert_false(xml_text_valid("a\x01z"));
    assert_false(xml_text_valid("\xff"));
    assert_false(xml_text_valid("\xc3"));
    assert_false(xml_text_valid("\xef\xbf\xbe"));
    assert_false(xml_text_valid("\xed\xa0\x80"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_found_by_path_and_namespace),
        cmocka_unit_test(walking_passes_over_text_and_comments),
        cmocka_unit_test(a_walk_stays_below_its_top),
        cmocka_unit_test(document_types_and_entities_are_refused),
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_document_above_the_limit_is_refused),
        cmocka_unit_test(a_document_with_bytes_behind_a_nul_is_refused),
        cmocka_unit_test(changes_come_out_in_the_text),
        cmocka_unit_test(a_changed_text_is_read_back_as_it_was_set),
        cmocka_unit_test(a_namespace_is_declared_once),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(attributes_can_be_changed_while_they_are_walked),
        cmocka_unit_test(text_that_xml_can_not_carry_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
