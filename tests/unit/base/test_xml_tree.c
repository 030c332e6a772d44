/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tree that is made of flat bytes, which nobody believes: what comes of it is refused, or has a
 * text that is read as the same tree.
 */
#include "unit.h"
#include "../chance.h"

#include "base/buf.h"
#include "base/xml_flat.h"
#include "base/xml_tree.h"

#define CHANGES 30000

static void put_text(struct buf *flat, const char *text)
{
    buf_put_be32(flat, (uint32_t)strlen(text));
    buf_append(flat, text, strlen(text) + 1);
}

/* One word for each record: "<p:a", "^p=uri", "@p:a=value", "'text", "!comment", ">". */
static void put_record(struct buf *flat, const char *word)
{
    CLEANUP_FREE char *copy = mem_strdup(word + 1);
    char *rest = copy;

    buf_put_u8(flat, (uint8_t)(strchr("<^@'!>", *word) - "<^@'!>" + 1));
    if (*word == '^') {
        put_text(flat, strsep(&rest, "="));
        put_text(flat, rest);
    } else if (*word == '<' || *word == '@') {
        put_text(flat, strsep(&rest, "|"));
        put_text(flat, strsep(&rest, "="));
        if (*word == '@')
            put_text(flat, rest);
    } else if (*word != '>') {
        put_text(flat, rest);
    }
}

static struct xml_doc *read_words(const char *const *words, struct err *err)
{
    CLEANUP_BUF struct buf flat = {0};

    for (; *words; words++)
        put_record(&flat, *words);
    return xml_tree_read(flat.data, flat.len, err);
}

static void expect_refused(const char *const *words)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_null(read_words(words, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void records_make_a_tree(void **state)
{
    static const char *const words[] = {"<|a",  "^p=urn:p", "^=urn:d", "@|x=1", "@p|x=<2>",
                                        "<p|b", ">",        "<|c",     "'text", "!comment",
                                        ">",    ">",        NULL};
    CLEANUP(xml_freep) struct xml_doc *doc = read_words(words, NULL);

    (void)state;
    assert_non_null(doc);
    CLEANUP_FREE char *text = xml_format(doc);
    assert_string_equal(text, "<a xmlns:p=\"urn:p\" xmlns=\"urn:d\" x=\"1\" p:x=\"&lt;2&gt;\">\n"
                              "  <p:b/>\n  <c>text<!--comment--></c>\n</a>\n");
    assert_string_equal(xml_ns(xml_root(doc)), "urn:d");
    assert_string_equal(xml_ns(xml_first(xml_root(doc))), "urn:p");
}

static void what_has_no_text_is_refused(void **state)
{
    static const char *const rows[][8] = {
        {NULL},
        {"<|a"},
        {"<|a", ">", ">"},
        {"<|a", ">", "<|b", ">"},
        {"'x"},
        {"<|", ">"},
        {"<|a b", ">"},
        {"<|a>", ">"},
        {"<|1", ">"},
        {"<|a\xc3\x97", ">"},    /* a multiplication sign */
        {"<|a", "@|x y=1", ">"}, /* would be two attributes */
        {"<|a", "@|x=1", "@|x=2", ">"},
        {"<|a", "@|x=\x01", ">"},
        {"<|a", "@|xmlns=urn:x", ">"},
        {"<|a", "@|xmlns:p=urn:x", ">"},
        {"<|a", "@p|x=1", ">"}, /* not declared */
        {"<p|a", ">"},
        {"<p q|a", "^p q=urn:p", ">"},
        {"<p:a|b", "^p:a=urn:p", ">"},
        {"<|p:a", "^p=urn:p", ">"}, /* would be in that namespace */
        {"<|a", "^p=urn:p", "@|p:x=1", ">"},
        {"<|p:a:b", ">"},
        {"<|:a", ">"},
        {"<|a", "^p=urn:p", "^p=urn:q", ">"},
        {"<|a", "^p=", ">"},
        {"<|a", "^xml=urn:x", ">"},
        {"<|a", "^xmlns=urn:x", ">"},
        {"<|a", "^p=http://www.w3.org/XML/1998/namespace", ">"},
        {"<|a", "^=http://www.w3.org/2000/xmlns/", ">"},
        {"<|a", "^p=urn:&", ">"}, /* libxml2 gives another in its place */
        {"<|a", "@|x=1", "^p=urn:p", ">"},
        {"<|a", "'text", "@|x=1", ">"},
        {"<|a", "<|b", ">", "^p=urn:p", ">"},
        {"<|a", "!--><b/><!--", ">"},
        {"<|a", "!x-", ">"},
        {"<|a", "'\xff", ">"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        expect_refused(rows[i]);
}

static void a_text_that_is_cut_or_has_a_nul_is_refused(void **state)
{
    static const uint8_t with_nul[] = {XML_FLAT_OPEN, 0, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 0, 'b', 0,
                                       XML_FLAT_CLOSE};
    static const uint8_t without_end[] = {XML_FLAT_OPEN, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 'b',
                                          XML_FLAT_CLOSE};
    static const uint8_t longest[] = {XML_FLAT_OPEN, 0, 0, 0, 0, 0, 255, 255, 255, 255, 'a', 0};
    static const uint8_t unknown[] = {XML_FLAT_CLOSE + 1};

    (void)state;
    assert_null(xml_tree_read(with_nul, sizeof(with_nul), NULL));
    assert_null(xml_tree_read(without_end, sizeof(without_end), NULL));
    assert_null(xml_tree_read(longest, sizeof(longest), NULL));
    assert_null(xml_tree_read(unknown, sizeof(unknown), NULL));
}

/* `count` times the word in an element, which is closed `closed` times more. */
static bool is_read(const char *word, unsigned count, unsigned closed)
{
    CLEANUP_BUF struct buf flat = {0};
    unsigned depth = count < closed ? count : closed;

    put_record(&flat, "<|root");
    for (unsigned i = 0; i < count; i++) {
        CLEANUP_FREE char *one =
            strchr("^@", *word) ? mem_printf("%s%u=v", word, i) : mem_strdup(word);
        put_record(&flat, one);
        if (*word == '<' && closed == 0)
            put_record(&flat, ">");
    }
    for (unsigned i = 0; i <= depth; i++)
        put_record(&flat, ">");
    CLEANUP(xml_freep) struct xml_doc *doc = xml_tree_read(flat.data, flat.len, NULL);
    return doc;
}

static void limits_hold(void **state)
{
    (void)state;
    assert_true(is_read("<|a", XML_MAX_DEPTH - 1, XML_MAX_DEPTH));
    assert_false(is_read("<|a", XML_MAX_DEPTH, XML_MAX_DEPTH));
    assert_true(is_read("@|a", XML_MAX_ATTRS, 0));
    assert_false(is_read("@|a", XML_MAX_ATTRS + 1, 0));
    assert_true(is_read("^p", XML_MAX_DECLARED, 0));
    assert_false(is_read("^p", XML_MAX_DECLARED + 1, 0));
    assert_true(is_read("<|a", XML_MAX_NODES - 1, 0));
    assert_false(is_read("<|a", XML_MAX_NODES, 0));
}

static void declarations_are_counted_where_they_hold(void **state)
{
    CLEANUP_BUF struct buf flat = {0};

    (void)state;
    put_record(&flat, "<|a");
    for (unsigned i = 0; i < 2 * XML_MAX_DECLARED; i++) {
        put_record(&flat, "<|b");
        put_record(&flat, "^p=urn:p");
        put_record(&flat, ">");
    }
    put_record(&flat, ">");
    CLEANUP(xml_freep) struct xml_doc *doc = xml_tree_read(flat.data, flat.len, NULL);
    assert_non_null(doc);
}

/* ---- the text of a tree ------------------------------------------------------------------- */

static void expect_text(const char *given, const char *expected)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(given, strlen(given), NULL);

    assert_non_null(doc);
    CLEANUP_FREE char *text = xml_format(doc);
    assert_string_equal(text, expected);
}

static void texts_come_back(void **state)
{
    (void)state;
    expect_text("<a/>", "<a/>\n");
    expect_text("<a><b>  x </b><c> </c></a>", "<a>\n  <b>  x </b>\n  <c> </c>\n</a>\n");
    expect_text("<a>x<b><c/></b></a>", "<a>x<b><c/></b></a>\n");
    expect_text("<a><!-- x --><b/><?pi x?></a>", "<a>\n  <!-- x -->\n  <b/>\n</a>\n");
    expect_text("<a><![CDATA[<&>]]></a>", "<a>&lt;&amp;&gt;</a>\n");
    expect_text("<a b='&#9;&#10;&#13;\"&apos;'>&#13;\"</a>",
                "<a b=\"&#9;&#10;&#13;&quot;'\">&#13;\"</a>\n");
    expect_text("<a xml:lang='x' p:b='1'><p:c/></a>",
                "<a xml:lang=\"x\" p:b=\"1\">\n  <p:c/>\n</a>\n");
    expect_text("<a xmlns='urn:d'><b xmlns=''/></a>",
                "<a xmlns=\"urn:d\">\n  <b xmlns=\"\"/>\n</a>\n");
    expect_text("<gr\xc3\xbc\xc3\x9f/>", "<gr\xc3\xbc\xc3\x9f/>\n");
    expect_text("<a><p:b xmlns:p='urn:&quot;'/></a>",
                "<a>\n  <p:b xmlns:p=\"urn:&quot;\"/>\n</a>\n");
}

static void what_is_added_keeps_its_namespace(void **state)
{
    static const char given[] = "<a xmlns='urn:d' xmlns:p='urn:p'><p:b p:x='1'><c/></p:b></a>";
    CLEANUP(xml_freep) struct xml_doc *from = xml_parse(given, strlen(given), NULL);
    CLEANUP(xml_freep) struct xml_doc *to = xml_parse("<a xmlns:p='urn:q'/>", 20, NULL);
    CLEANUP(xml_freep) struct xml_doc *alone = xml_copy_node(xml_first(xml_root(from)));

    (void)state;
    xml_add_copy(xml_root(to), xml_first(xml_root(from)));
    CLEANUP_FREE char *copied = xml_format(to);
    assert_string_equal(copied, "<a xmlns:p=\"urn:q\">\n  <p:b xmlns:p=\"urn:p\" p:x=\"1\">\n"
                                "    <c xmlns=\"urn:d\"/>\n  </p:b>\n</a>\n");
    CLEANUP_FREE char *single = xml_format(alone);
    assert_string_equal(single,
                        "<p:b xmlns:p=\"urn:p\" p:x=\"1\">\n  <c xmlns=\"urn:d\"/>\n</p:b>\n");
    xml_add(xml_root(from), NULL, NULL, "e");
    xml_add(xml_root(from), "other", "urn:p", "f");
    CLEANUP_FREE char *added = xml_format(from);
    assert_string_equal(added,
                        "<a xmlns=\"urn:d\" xmlns:p=\"urn:p\">\n  <p:b p:x=\"1\">\n    <c/>\n"
                        "  </p:b>\n  <e xmlns=\"\"/>\n  <p:f/>\n</a>\n");
}

static void what_is_removed_is_gone(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse("<a><b/><c/><d/></a>", 19, NULL);
    struct xml_node *root = xml_root(doc);

    (void)state;
    xml_remove(xml_find(root, "c"));
    xml_remove(xml_find(root, "d"));
    xml_remove(xml_find(root, "b"));
    assert_null(xml_first(root));
    xml_add(root, NULL, NULL, "e");
    CLEANUP_FREE char *text = xml_format(doc);
    assert_string_equal(text, "<a>\n  <e/>\n</a>\n");
}

/* ---- whatever the flat bytes are ------------------------------------------------------------- */

static bool note_attr(void *opaque, const char *name, const char *value)
{
    buf_printf(opaque, " %s=%s", name, value);
    return true;
}

/* What somebody who looks at the tree sees of it. */
static char *describe(const struct xml_doc *doc)
{
    struct buf text = {0};

    for (struct xml_node *node = xml_root(doc); node; node = xml_walk(xml_root(doc), node)) {
        const char *ns = xml_ns(node);
        buf_printf(&text, "%s{%s}%s", xml_parent(node) ? xml_name(xml_parent(node)) : "",
                   ns ? ns : "", xml_name(node));
        xml_each_attr(node, note_attr, &text);
        buf_append_str(&text, "\n");
    }
    return buf_take_str(&text);
}

static void check_text_of(const struct buf *flat, unsigned *ret_read)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_tree_read(flat->data, flat->len, NULL);

    if (!doc)
        return;
    CLEANUP_FREE char *text = xml_format(doc);
    CLEANUP(xml_freep) struct xml_doc *again = xml_parse(text, strlen(text), NULL);
    if (!again)
        print_message("cannot be read: %s\n", text);
    assert_non_null(again);
    CLEANUP_FREE char *first = describe(doc);
    CLEANUP_FREE char *second = describe(again);
    assert_string_equal(first, second);
    ++*ret_read;
}

static void changed_bytes_are_refused_or_are_what_their_text_says(void **state)
{
    static const char given[] =
        "<a xmlns:p='urn:p' p:x='1' x='2'><p:b q:c='3'>text<!-- c --></p:b>"
        "<d xmlns='urn:d' xmlns:q='urn:q'><q:e/><r:f/><g h='&lt;&#10;'/></d></a>";
    static const uint8_t chosen[] = {0,   1,   2,   3,   4,   5,   6,   ':', '-',
                                     '<', '"', '&', ' ', 'p', 'q', 'r', 'x'};
    CLEANUP_BUF struct buf flat = {0};
    unsigned read = 0;

    (void)state;
    uint64_t chance = chance_seed();
    assert_int_equal(xml_flatten(given, strlen(given), &flat, NULL), 0);
    check_text_of(&flat, &read);
    assert_int_equal(read, 1);
    for (unsigned i = 0; i < CHANGES; i++) {
        CLEANUP_BUF struct buf changed = {0};
        buf_append(&changed, flat.data, flat.len);
        for (uint64_t n = 1 + chance_below(&chance, 3); n > 0; n--)
            changed.data[chance_below(&chance, changed.len)] =
                chosen[chance_below(&chance, sizeof(chosen))];
        check_text_of(&changed, &read);
    }
    assert_true(read > CHANGES / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_make_a_tree),
        cmocka_unit_test(what_has_no_text_is_refused),
        cmocka_unit_test(a_text_that_is_cut_or_has_a_nul_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(declarations_are_counted_where_they_hold),
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(what_is_added_keeps_its_namespace),
        cmocka_unit_test(what_is_removed_is_gone),
        cmocka_unit_test(changed_bytes_are_refused_or_are_what_their_text_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
