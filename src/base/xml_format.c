/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml_tree.h"

#include <string.h>

#include "base/buf.h"

/* What would be something else if it were read again: in an attribute, white space becomes spaces. */
static const char *escape_of(char c, bool in_attr)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '\r':
        return "&#13;";
    case '"':
        return in_attr ? "&quot;" : NULL;
    case '\n':
        return in_attr ? "&#10;" : NULL;
    case '\t':
        return in_attr ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

static void put_escaped(struct buf *ret, const char *text, bool in_attr)
{
    const char *start = text;

    for (; *text; text++) {
        const char *escape = escape_of(*text, in_attr);
        if (!escape)
            continue;
        buf_append(ret, start, (size_t)(text - start));
        buf_append_str(ret, escape);
        start = text + 1;
    }
    buf_append_str(ret, start);
}

static void put_name(struct buf *ret, const char *prefix, const char *name)
{
    if (*prefix)
        buf_printf(ret, "%s:", prefix);
    buf_append_str(ret, name);
}

static void put_value(struct buf *ret, const char *value)
{
    buf_append_str(ret, "=\"");
    put_escaped(ret, value, true);
    buf_append_str(ret, "\"");
}

static void put_start(struct buf *ret, const struct xml_node *node)
{
    buf_append_str(ret, "<");
    put_name(ret, node->prefix, node->name);
    for (const struct xml_declared *one = node->declared; one; one = one->next) {
        buf_append_str(ret, *one->prefix ? " xmlns:" : " xmlns");
        buf_append_str(ret, one->prefix);
        put_value(ret, one->uri);
    }
    for (const struct xml_attr *attr = node->attrs; attr; attr = attr->next) {
        buf_append_str(ret, " ");
        put_name(ret, attr->prefix, attr->name);
        put_value(ret, attr->value);
    }
    buf_append_str(ret, node->first ? ">" : "/>");
}

static void put_line(struct buf *ret, unsigned depth)
{
    buf_append_str(ret, "\n");
    for (unsigned i = 0; i < depth; i++)
        buf_append_str(ret, "  ");
}

static bool has_text(const struct xml_node *node)
{
    for (const struct xml_node *child = node->first; child; child = child->next)
        if (child->kind == XML_TEXT)
            return true;
    return false;
}

static void put_node(struct buf *ret, const struct xml_node *node, unsigned depth, bool indented);

/* White space may be added only where no text is. */
static void put_children(struct buf *ret, const struct xml_node *node, unsigned depth,
                         bool indented)
{
    indented = indented && !has_text(node);
    for (const struct xml_node *child = node->first; child; child = child->next) {
        if (indented)
            put_line(ret, depth + 1);
        put_node(ret, child, depth + 1, indented);
    }
    if (indented)
        put_line(ret, depth);
}

/* As deep as elements are nested: no deeper than XML_MAX_DEPTH and what we add. */
static void put_node(struct buf *ret, const struct xml_node *node, unsigned depth, bool indented)
{
    if (node->kind == XML_TEXT)
        return put_escaped(ret, node->text, false);
    if (node->kind == XML_COMMENT)
        return buf_printf(ret, "<!--%s-->", node->text);
    put_start(ret, node);
    if (!node->first)
        return;
    put_children(ret, node, depth, indented);
    buf_append_str(ret, "</");
    put_name(ret, node->prefix, node->name);
    buf_append_str(ret, ">");
}

char *xml_format_node(const struct xml_node *node)
{
    struct buf text = {0};

    put_node(&text, node, 0, true);
    buf_append_str(&text, "\n");
    return buf_take_str(&text);
}

char *xml_format(const struct xml_doc *doc)
{
    return xml_format_node(doc->root);
}
