/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tree of base/xml.h: its nodes, and where they are kept. Only for the files base/xml*.
 *
 * Of each tree the text can be made that a parser makes the same tree of: each prefix is declared, and
 * stands for the namespace that its element or attribute has.
 */
#pragma once

#include "base/xml.h"

/* Nodes and texts of a document are kept in blocks, and freed with it. */
struct xml_block;

struct xml_doc {
    struct xml_block *blocks; /* owned */
    struct xml_node *root;
};

struct xml_attr {
    struct xml_attr *next;
    const char *prefix; /* "": it has none */
    const char *name;
    const char *value;
};

/* xmlns:PREFIX="URI". "" for URI: the default namespace ends here. */
struct xml_declared {
    struct xml_declared *next;
    const char *prefix; /* "": the default namespace */
    const char *uri;
};

enum xml_kind {
    XML_ELEMENT,
    XML_TEXT,
    XML_COMMENT,
};

struct xml_node {
    enum xml_kind kind;
    struct xml_doc *doc;
    struct xml_node *parent; /* NULL: the root */
    struct xml_node *first;
    struct xml_node *last;
    struct xml_node *next;
    struct xml_node *previous;
    const char *text;              /* of a text or a comment */
    const char *prefix;            /* of an element, as all below; "": it has no prefix */
    const char *name;              /* with a prefix in it if that is not declared */
    const char *ns;                /* NULL: it is in no namespace */
    struct xml_declared *declared; /* in the order of the text, as attrs */
    struct xml_attr *attrs;
};

/* Elements are nested as deeply as libxml2 allows. A document may have so many elements, attributes,
 * texts and comments, each of which takes memory beside that of its text; an element so many
 * attributes; and so many prefixes are declared in one place. */
#define XML_MAX_DEPTH 257u
#define XML_MAX_NODES 262144u
#define XML_MAX_ATTRS 256u
#define XML_MAX_DECLARED 256u

struct xml_doc *xml_tree_new(void);
void xml_tree_free(struct xml_doc *doc);
/* A copy that lives as long as the document. */
const char *xml_tree_text(struct xml_doc *doc, const char *text, size_t len);
/* Without a parent it becomes the root. */
struct xml_node *xml_tree_add(struct xml_doc *doc, struct xml_node *parent, enum xml_kind kind);
/* For what the prefix stands at the node; "": for no namespace, NULL: it is not declared. */
const char *xml_tree_resolve(const struct xml_node *node, const char *prefix);
/* Adds a declaration to the node; the texts live as long as the document. */
void xml_tree_declare(struct xml_node *node, const char *prefix, const char *uri);
struct xml_attr *xml_tree_add_attr(struct xml_node *node, const char *prefix, const char *name,
                                   const char *value);

/* The tree that the records of base/xml_flat.h describe. NULL, err set (corrupt): they describe none. */
struct xml_doc *xml_tree_read(const void *flat, size_t len, struct err *err);
