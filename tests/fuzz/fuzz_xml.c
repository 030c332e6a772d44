/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a parser that was taken over may say of XML: the tree that is made of it is the one that
 * somebody else makes of its text.
 */
#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/xml_tree.h"

static bool add_attr(void *opaque, const char *name, const char *value)
{
    buf_printf(opaque, " %s=%s", name, value);
    return true;
}

static char *describe(const struct xml_doc *doc)
{
    struct buf text = {0};

    for (struct xml_node *node = xml_root(doc); node; node = xml_walk(xml_root(doc), node)) {
        const char *ns = xml_ns(node);
        buf_printf(&text, "%s{%s}%s", xml_parent(node) ? xml_name(xml_parent(node)) : "",
                   ns ? ns : "", xml_name(node));
        xml_each_attr(node, add_attr, &text);
        buf_append_str(&text, "\n");
    }
    return buf_take_str(&text);
}

static void check_same(const struct xml_doc *doc)
{
    CLEANUP_FREE char *text = xml_format(doc);
    CLEANUP(xml_freep) struct xml_doc *again = xml_parse(text, strlen(text), NULL);
    CLEANUP_FREE char *first = describe(doc);

    FUZZ_CHECK(again);
    CLEANUP_FREE char *second = describe(again);
    FUZZ_CHECK(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_tree_read(data, size, NULL);

    if (!doc)
        return 0;
    check_same(doc);
    CLEANUP(xml_freep) struct xml_doc *other = xml_parse("<a xmlns='d'/>", 14, NULL);
    xml_add_copy(xml_root(other), xml_root(doc));
    check_same(other);
    return 0;
}
