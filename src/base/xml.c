/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "base/xml_flat.h"
#include "base/xml_tree.h"

/* ---- documents --------------------------------------------------------------------------- */

struct xml_doc *xml_read(const struct xml_text *text, struct err *err)
{
    const struct parser_task task = {xml_flatten, text->text, text->len, XML_FLAT_MAX(text->len),
                                     text->alone};
    CLEANUP_BUF struct buf flat = {0};

    if (text->len > XML_MAX_SIZE) {
        err_set(err, ERR_CORRUPT, "is larger than the limit of %zu bytes", XML_MAX_SIZE);
        return NULL;
    }
    return parser_run(text->parser, &task, &flat, err) < 0
               ? NULL
               : xml_tree_read(flat.data, flat.len, err);
}

struct xml_doc *xml_parse(const char *text, size_t len, struct err *err)
{
    return xml_read(&(struct xml_text){.text = text, .len = len}, err);
}

static struct xml_node *new_element(struct xml_doc *doc, struct xml_node *parent, const char *name)
{
    struct xml_node *node = xml_tree_add(doc, parent, XML_ELEMENT);

    node->name = xml_tree_text(doc, name, strlen(name));
    node->prefix = "";
    return node;
}

struct xml_doc *xml_new(const char *root_name)
{
    struct xml_doc *doc = xml_tree_new();

    new_element(doc, NULL, root_name);
    return doc;
}

void xml_free(struct xml_doc *doc)
{
    if (doc)
        xml_tree_free(doc);
}

struct xml_node *xml_root(const struct xml_doc *doc)
{
    return doc->root;
}

/* ---- copies ----------------------------------------------------------------------------------- */

static const char *copy_text(struct xml_doc *doc, const char *text)
{
    return text ? xml_tree_text(doc, text, strlen(text)) : NULL;
}

/* What the prefix stands for where the copy comes from, it has to stand for there. */
static void declare_again(struct xml_node *copy, const char *prefix, const char *uri)
{
    const char *here = xml_tree_resolve(copy, prefix);

    if (!uri || (here && strcmp(here, uri) == 0))
        return;
    xml_tree_declare(copy, copy_text(copy->doc, prefix), copy_text(copy->doc, uri));
}

static void copy_element(struct xml_node *copy, const struct xml_node *node)
{
    struct xml_doc *doc = copy->doc;

    copy->prefix = copy_text(doc, node->prefix);
    copy->name = copy_text(doc, node->name);
    for (const struct xml_declared *one = node->declared; one; one = one->next)
        xml_tree_declare(copy, copy_text(doc, one->prefix), copy_text(doc, one->uri));
    declare_again(copy, node->prefix, xml_tree_resolve(node, node->prefix));
    for (const struct xml_attr *attr = node->attrs; attr; attr = attr->next) {
        if (*attr->prefix)
            declare_again(copy, attr->prefix, xml_tree_resolve(node, attr->prefix));
        xml_tree_add_attr(copy, copy_text(doc, attr->prefix), copy_text(doc, attr->name),
                          copy_text(doc, attr->value));
    }
    copy->ns = copy_text(doc, node->ns);
}

/* As deep as elements are nested. */
static struct xml_node *copy_tree(struct xml_doc *doc, struct xml_node *parent,
                                  const struct xml_node *node)
{
    struct xml_node *copy = xml_tree_add(doc, parent, node->kind);

    if (node->kind == XML_ELEMENT)
        copy_element(copy, node);
    copy->text = copy_text(doc, node->text);
    for (const struct xml_node *child = node->first; child; child = child->next)
        copy_tree(doc, copy, child);
    return copy;
}

struct xml_doc *xml_copy_node(const struct xml_node *node)
{
    struct xml_doc *copy = xml_tree_new();

    copy_tree(copy, NULL, node);
    return copy;
}

struct xml_doc *xml_copy(const struct xml_doc *doc)
{
    return xml_copy_node(doc->root);
}

/* ---- walking ----------------------------------------------------------------------------------- */

static struct xml_node *element_from(struct xml_node *node)
{
    while (node && node->kind != XML_ELEMENT)
        node = node->next;
    return node;
}

const char *xml_name(const struct xml_node *node)
{
    return node->name;
}

const char *xml_ns(const struct xml_node *node)
{
    return node->ns;
}

struct xml_node *xml_parent(const struct xml_node *node)
{
    return node->parent;
}

struct xml_node *xml_first(const struct xml_node *node)
{
    return element_from(node->first);
}

struct xml_node *xml_next(const struct xml_node *node)
{
    return element_from(node->next);
}

bool xml_is(const struct xml_node *node, const char *ns, const char *name)
{
    const char *own = xml_ns(node);

    if (strcmp(xml_name(node), name) != 0)
        return false;
    return ns ? own && strcmp(own, ns) == 0 : !own;
}

struct xml_node *xml_child(const struct xml_node *node, const char *ns, const char *name)
{
    for (struct xml_node *child = xml_first(node); child; child = xml_next(child))
        if (xml_is(child, ns, name))
            return child;
    return NULL;
}

struct xml_node *xml_next_same(const struct xml_node *node)
{
    for (struct xml_node *next = xml_next(node); next; next = xml_next(next))
        if (xml_is(next, xml_ns(node), xml_name(node)))
            return next;
    return NULL;
}

struct xml_node *xml_find(const struct xml_node *node, const char *path)
{
    size_t len = strcspn(path, "/");
    CLEANUP_FREE char *name = mem_strndup(path, len);

    for (struct xml_node *child = xml_child(node, NULL, name); child;
         child = xml_next_same(child)) {
        struct xml_node *found = path[len] ? xml_find(child, path + len + 1) : child;
        if (found)
            return found;
    }
    return NULL;
}

struct xml_node *xml_walk(const struct xml_node *top, struct xml_node *node)
{
    struct xml_node *next = xml_first(node);

    while (!next && node != top) {
        next = xml_next(node);
        node = next ? next : xml_parent(node);
    }
    return next;
}

/* ---- attributes and texts ------------------------------------------------------------------------ */

static struct xml_attr *find_attr(const struct xml_node *node, const char *name)
{
    struct xml_attr *attr = node->attrs;

    while (attr && strcmp(attr->name, name) != 0)
        attr = attr->next;
    return attr;
}

const char *xml_attr(const struct xml_node *node, const char *name)
{
    const struct xml_attr *attr = find_attr(node, name);

    return attr ? attr->value : NULL;
}

const char *xml_find_attr(const struct xml_node *node, const char *path, const char *name)
{
    const struct xml_node *found = xml_find(node, path);

    return found ? xml_attr(found, name) : NULL;
}

static void gather_text(const struct xml_node *node, struct buf *ret)
{
    if (node->kind == XML_TEXT)
        buf_append_str(ret, node->text);
    for (const struct xml_node *child = node->first; child; child = child->next)
        gather_text(child, ret);
}

char *xml_text(const struct xml_node *node)
{
    struct buf text = {0};

    gather_text(node, &text);
    return buf_take_str(&text);
}

char *xml_find_text(const struct xml_node *node, const char *path)
{
    const struct xml_node *found = xml_find(node, path);

    return found ? xml_text(found) : NULL;
}

void xml_each_attr(struct xml_node *node,
                   bool (*each)(void *opaque, const char *name, const char *value), void *opaque)
{
    const struct xml_attr *next = NULL;

    for (const struct xml_attr *attr = node->attrs; attr; attr = next) {
        next = attr->next; /* `each` may set or remove this one */
        if (!each(opaque, attr->name, attr->value))
            return;
    }
}

/* ---- changing -------------------------------------------------------------------------------------- */

void xml_set_attr(struct xml_node *node, const char *name, const char *value)
{
    struct xml_attr *attr = find_attr(node, name);

    /* One that was found without its prefix keeps that, and no second one is made. */
    if (!attr)
        attr = xml_tree_add_attr(node, "", copy_text(node->doc, name), NULL);
    attr->value = copy_text(node->doc, value);
}

void xml_remove_attr(struct xml_node *node, const char *name)
{
    struct xml_attr *const attr = find_attr(node, name);
    struct xml_attr **link = &node->attrs;

    while (*link && *link != attr)
        link = &(*link)->next;
    if (*link)
        *link = attr->next;
}

void xml_set_text(struct xml_node *node, const char *text)
{
    node->first = node->last = NULL;
    if (*text)
        xml_tree_add(node->doc, node, XML_TEXT)->text = copy_text(node->doc, text);
}

/* A prefix that stands for this namespace at the node; NULL if there is no such prefix. */
static const char *find_prefix(const struct xml_node *node, const char *ns)
{
    for (const struct xml_node *above = node; above; above = above->parent)
        for (const struct xml_declared *one = above->declared; one; one = one->next)
            if (strcmp(one->uri, ns) == 0 && strcmp(xml_tree_resolve(node, one->prefix), ns) == 0)
                return one->prefix;
    return NULL;
}

struct xml_node *xml_add(struct xml_node *parent, const char *prefix, const char *ns,
                         const char *name)
{
    const char *known = ns ? find_prefix(parent, ns) : "";
    struct xml_node *node = new_element(parent->doc, parent, name);

    node->prefix = known ? known : copy_text(node->doc, prefix);
    node->ns = copy_text(node->doc, ns);
    declare_again(node, node->prefix, ns ? ns : "");
    return node;
}

struct xml_node *xml_add_copy(struct xml_node *parent, const struct xml_node *node)
{
    return copy_tree(parent->doc, parent, node);
}

void xml_remove(struct xml_node *node)
{
    *(node->previous ? &node->previous->next : &node->parent->first) = node->next;
    *(node->next ? &node->next->previous : &node->parent->last) = node->previous;
}

bool xml_text_valid(const char *text)
{
    for (size_t len; *text; text += len) {
        uint32_t code = 0;
        if ((len = utf8_decode(text, &code)) == 0)
            return false;
        if ((code < ' ' && code != '\t' && code != '\n' && code != '\r') || code == 0xfffe ||
            code == 0xffff)
            return false;
    }
    return true;
}
