/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * XML. Texts are read with libxml2, which only base/xml_flat.c uses, by this process or by another
 * (base/parser.h): without DTDs, entities or network, and with limits on size, depth and number. Every
 * document with a DOCTYPE is refused (corrupt). What is done with a document afterwards takes no library.
 *
 * A node is borrowed from its document and lives until the document is freed or the node is
 * removed. Comments are kept, processing instructions are not. `ns` is a namespace URI; NULL means "in no namespace".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/parser.h"

#define XML_MAX_SIZE ((size_t)4 << 20)

struct xml_doc;
struct xml_node;

/* A text, borrowed, and who reads it. */
struct xml_text {
    const char *text;
    size_t len;
    const struct parser *parser; /* NULL: this process */
    bool alone;                  /* as in struct parser_task */
};

/* NULL if it fails. */
struct xml_doc *xml_read(const struct xml_text *text, struct err *err);
/* By this process: the text comes from ourselves, or from libvirt. */
struct xml_doc *xml_parse(const char *text, size_t len, struct err *err);
/* A document with an empty root element (ns must be NULL-able as above). */
struct xml_doc *xml_new(const char *root_name);
struct xml_doc *xml_copy(const struct xml_doc *doc);
/* A document whose root is a deep copy of the node. */
struct xml_doc *xml_copy_node(const struct xml_node *node);
void xml_free(struct xml_doc *doc);
DEFINE_CLEANUP(struct xml_doc *, xml_freep, xml_free)

struct xml_node *xml_root(const struct xml_doc *doc);
/* The text of the document, indented, without an XML declaration; the caller frees it.
 * xml_format_node gives one element and its contents. */
char *xml_format(const struct xml_doc *doc);
char *xml_format_node(const struct xml_node *node);

/* Walking: elements only; text and comments are skipped. */
const char *xml_name(const struct xml_node *node);
const char *xml_ns(const struct xml_node *node); /* NULL if in no namespace */
struct xml_node *xml_parent(const struct xml_node *node);
struct xml_node *xml_first(const struct xml_node *node); /* first child element */
struct xml_node *xml_next(const struct xml_node *node);  /* next sibling element */
bool xml_is(const struct xml_node *node, const char *ns, const char *name);
struct xml_node *xml_child(const struct xml_node *node, const char *ns, const char *name);
/* The next sibling with the same name and namespace. */
struct xml_node *xml_next_same(const struct xml_node *node);
/* Follows a path of names in no namespace: "devices/disk" gives the first disk. */
struct xml_node *xml_find(const struct xml_node *node, const char *path);
/* The next node of a walk over the whole tree below `top`, in document order. Start with node =
 * top; NULL at the end. */
struct xml_node *xml_walk(const struct xml_node *top, struct xml_node *node);

/* Borrowed; NULL if there is no such attribute. Valid until it is changed. */
const char *xml_attr(const struct xml_node *node, const char *name);
/* The attribute of the first element at path (see xml_find); NULL if there is none. */
const char *xml_find_attr(const struct xml_node *node, const char *path, const char *name);
/* All text in an element, "" if there is none; the caller frees it. */
char *xml_text(const struct xml_node *node);
/* Like xml_text, for the element at path; NULL if there is no such element. */
char *xml_find_text(const struct xml_node *node, const char *path);
/* Calls `each` for every attribute; stops when it returns false. `value` as for xml_attr. */
void xml_each_attr(struct xml_node *node,
                   bool (*each)(void *opaque, const char *name, const char *value), void *opaque);

/* Changing. */
void xml_set_attr(struct xml_node *node, const char *name, const char *value);
void xml_remove_attr(struct xml_node *node, const char *name);
void xml_set_text(struct xml_node *node, const char *text);
/* Adds a new last child of parent; ns as above. If ns is not declared on parent or above it, it is
 * declared on the new element with `prefix`. */
struct xml_node *xml_add(struct xml_node *parent, const char *prefix, const char *ns,
                         const char *name);
/* Adds a deep copy of `node` (from any document) as the last child of parent. */
struct xml_node *xml_add_copy(struct xml_node *parent, const struct xml_node *node);
void xml_remove(struct xml_node *node);

/* True if text is UTF-8 and all of its characters are allowed in XML 1.0. */
bool xml_text_valid(const char *text);
