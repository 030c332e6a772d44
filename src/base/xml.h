/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * XML by libxml2, which stays behind this header. Reads without DTDs, entities,
 * network, and with limits on size and depth; every document with a DOCTYPE is
 * refused (corrupt).
 *
 * A node is borrowed from its document and lives until the document is freed
 * or the node is removed. `ns` is a namespace URI; NULL means "in no namespace".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

#define XML_MAX_SIZE ((size_t)4 << 20)

struct xml_doc;
struct xml_node;

struct xml_doc *xml_parse(const char *text, size_t len, struct err *err);
/* A document with an empty root element (ns must be NULL-able as above). */
struct xml_doc *xml_new(const char *root_name);
struct xml_doc *xml_copy(const struct xml_doc *doc);
void xml_free(struct xml_doc *doc);
DEFINE_CLEANUP(struct xml_doc *, xml_freep, xml_free)

struct xml_node *xml_root(const struct xml_doc *doc);
/* The text of the document, indented, without an XML declaration; the caller
 * frees it. xml_format_node gives one element and what is in it. */
char *xml_format(const struct xml_doc *doc);
char *xml_format_node(const struct xml_node *node);

/* Walking: elements only, text and comments are passed over. */
const char *xml_name(const struct xml_node *node);
const char *xml_ns(const struct xml_node *node); /* NULL if in no namespace */
struct xml_node *xml_parent(const struct xml_node *node);
struct xml_node *xml_first(const struct xml_node *node); /* first child element */
struct xml_node *xml_next(const struct xml_node *node);  /* next sibling element */
bool xml_is(const struct xml_node *node, const char *ns, const char *name);
struct xml_node *xml_child(const struct xml_node *node, const char *ns, const char *name);
/* The next sibling of the same name and namespace. */
struct xml_node *xml_next_same(const struct xml_node *node);
/* Down a path of names in no namespace: "devices/disk" gives the first disk. */
struct xml_node *xml_find(const struct xml_node *node, const char *path);
/* Next node of a walk over the whole tree below `top`, in document order;
 * start with node = top; NULL at the end. */
struct xml_node *xml_walk(const struct xml_node *top, struct xml_node *node);

/* Borrowed; NULL if there is no such attribute. Valid until it is changed. */
const char *xml_attr(const struct xml_node *node, const char *name);
/* The attribute of the first element at path (as xml_find); NULL if there is none. */
const char *xml_find_attr(const struct xml_node *node, const char *path, const char *name);
/* The text in an element, all of it; the caller frees it; "" if there is none. */
char *xml_text(const struct xml_node *node);
/* As xml_text for the element at path; NULL if there is no such element. */
char *xml_find_text(const struct xml_node *node, const char *path);
/* Every attribute in turn; stops when `each` returns false. `value` as xml_attr. */
void xml_each_attr(struct xml_node *node,
                   bool (*each)(void *opaque, const char *name, const char *value), void *opaque);

/* Changing. */
void xml_set_attr(struct xml_node *node, const char *name, const char *value);
void xml_remove_attr(struct xml_node *node, const char *name);
void xml_set_text(struct xml_node *node, const char *text);
/* A new last child in the parent's namespace scope; ns as above: when it is not
 * declared yet on the way up, it is declared on the new element with `prefix`. */
struct xml_node *xml_add(struct xml_node *parent, const char *prefix, const char *ns,
                         const char *name);
/* A deep copy of `node` (of any document) as last child of parent. */
struct xml_node *xml_add_copy(struct xml_node *parent, const struct xml_node *node);
void xml_remove(struct xml_node *node);

/* True if text holds only characters that XML 1.0 can carry, as UTF-8. */
bool xml_text_valid(const char *text);
