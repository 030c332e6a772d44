/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml.h"

#include <limits.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlsave.h>

#include "base/buf.h"
#include "base/utf8.h"

/* xmlDoc and xmlNode are cast to and from our opaque types, one to one. */
static xmlDoc *doc_of(const struct xml_doc *doc)
{
    return (xmlDoc *)(uintptr_t)doc;
}

static xmlNode *node_of(const struct xml_node *node)
{
    return (xmlNode *)(uintptr_t)node;
}

static struct xml_node *as_node(xmlNode *node)
{
    return (struct xml_node *)node;
}

static const xmlChar *as_xml_text(const char *text)
{
    return (const xmlChar *)text;
}

static int set_parse_error(const xmlParserCtxt *parser, struct err *err)
{
    CLEANUP_FREE char *text = mem_strdup(parser->lastError.message);

    if (!text)
        return err_set(err, ERR_CORRUPT, "not XML");
    text[strcspn(text, "\n")] = '\0';
    return err_set(err, ERR_CORRUPT, "not XML: line %d: %s", parser->lastError.line, text);
}

struct xml_doc *xml_parse(const char *text, size_t len, struct err *err)
{
    if (len > XML_MAX_SIZE) {
        err_set(err, ERR_CORRUPT, "is larger than the limit of %zu bytes", XML_MAX_SIZE);
        return NULL;
    }
    /* libxml2 would stop there and take what comes before it for the whole document. */
    if (memchr(text, '\0', len)) {
        err_set(err, ERR_CORRUPT, "not XML: it contains a NUL byte");
        return NULL;
    }
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser) {
        err_set(err, ERR_INTERNAL, "cannot create an XML parser");
        return NULL;
    }
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA);
    if (!doc) {
        set_parse_error(parser, err);
    } else if (doc->intSubset || doc->extSubset) {
        xmlFreeDoc(TAKE_PTR(doc));
        err_set(err, ERR_CORRUPT, "has a document type declaration, which is not accepted");
    } else if (!xmlDocGetRootElement(doc)) {
        xmlFreeDoc(TAKE_PTR(doc));
        err_set(err, ERR_CORRUPT, "not XML: it has no root element");
    }
    xmlFreeParserCtxt(parser);
    return (struct xml_doc *)doc;
}

struct xml_doc *xml_new(const char *root_name)
{
    xmlDoc *doc = xmlNewDoc(as_xml_text("1.0"));

    xmlDocSetRootElement(doc, xmlNewDocNode(doc, NULL, as_xml_text(root_name), NULL));
    return (struct xml_doc *)doc;
}

struct xml_doc *xml_copy(const struct xml_doc *doc)
{
    return (struct xml_doc *)xmlCopyDoc(doc_of(doc), 1);
}

void xml_free(struct xml_doc *doc)
{
    xmlFreeDoc(doc_of(doc));
}

struct xml_node *xml_root(const struct xml_doc *doc)
{
    return as_node(xmlDocGetRootElement(doc_of(doc)));
}

char *xml_format_node(const struct xml_node *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_FORMAT | XML_SAVE_NO_DECL);
    struct buf text = {0};

    xmlSaveTree(save, node_of(node));
    xmlSaveClose(save);
    buf_append_str(&text, (const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    buf_append_str(&text, "\n");
    return buf_take_str(&text);
}

char *xml_format(const struct xml_doc *doc)
{
    return xml_format_node(xml_root(doc));
}

const char *xml_name(const struct xml_node *node)
{
    return (const char *)node_of(node)->name;
}

const char *xml_ns(const struct xml_node *node)
{
    const xmlNs *ns = node_of(node)->ns;

    return ns ? (const char *)ns->href : NULL;
}

struct xml_node *xml_parent(const struct xml_node *node)
{
    xmlNode *parent = node_of(node)->parent;

    return parent && parent->type == XML_ELEMENT_NODE ? as_node(parent) : NULL;
}

struct xml_node *xml_first(const struct xml_node *node)
{
    return as_node(xmlFirstElementChild(node_of(node)));
}

struct xml_node *xml_next(const struct xml_node *node)
{
    return as_node(xmlNextElementSibling(node_of(node)));
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

static const char *attr_value(const xmlAttr *attr)
{
    if (!attr->children)
        return "";
    return (const char *)attr->children->content;
}

const char *xml_attr(const struct xml_node *node, const char *name)
{
    const xmlAttr *attr = xmlHasProp(node_of(node), as_xml_text(name));

    return attr ? attr_value(attr) : NULL;
}

const char *xml_find_attr(const struct xml_node *node, const char *path, const char *name)
{
    const struct xml_node *found = xml_find(node, path);

    return found ? xml_attr(found, name) : NULL;
}

char *xml_text(const struct xml_node *node)
{
    xmlChar *content = xmlNodeGetContent(node_of(node));
    char *text = mem_strdup(content ? (const char *)content : "");

    xmlFree(content);
    return text;
}

char *xml_find_text(const struct xml_node *node, const char *path)
{
    const struct xml_node *found = xml_find(node, path);

    return found ? xml_text(found) : NULL;
}

void xml_each_attr(struct xml_node *node,
                   bool (*each)(void *opaque, const char *name, const char *value), void *opaque)
{
    const xmlAttr *next = NULL;

    for (const xmlAttr *attr = node_of(node)->properties; attr; attr = next) {
        next = attr->next; /* `each` may set or remove this one */
        if (!each(opaque, (const char *)attr->name, attr_value(attr)))
            return;
    }
}

void xml_set_attr(struct xml_node *node, const char *name, const char *value)
{
    const xmlAttr *attr = xmlHasProp(node_of(node), as_xml_text(name));

    /* It was found without its prefix: it keeps that, and no second one is made. */
    xmlSetNsProp(node_of(node), attr ? attr->ns : NULL, as_xml_text(name), as_xml_text(value));
}

void xml_remove_attr(struct xml_node *node, const char *name)
{
    xmlUnsetProp(node_of(node), as_xml_text(name));
}

void xml_set_text(struct xml_node *node, const char *text)
{
    xmlNodeSetContent(node_of(node), NULL);
    xmlNodeAddContent(node_of(node), as_xml_text(text));
}

struct xml_node *xml_add(struct xml_node *parent, const char *prefix, const char *ns,
                         const char *name)
{
    xmlNode *above = node_of(parent);
    xmlNode *node = xmlNewDocNode(above->doc, NULL, as_xml_text(name), NULL);

    xmlAddChild(above, node);
    if (ns) {
        xmlNs *known = xmlSearchNsByHref(above->doc, above, as_xml_text(ns));
        xmlSetNs(node, known ? known : xmlNewNs(node, as_xml_text(ns), as_xml_text(prefix)));
    }
    return as_node(node);
}

struct xml_node *xml_add_copy(struct xml_node *parent, const struct xml_node *node)
{
    xmlNode *above = node_of(parent);
    xmlNode *copy = xmlDocCopyNode(node_of(node), above->doc, 1);

    xmlAddChild(above, copy);
    xmlReconciliateNs(above->doc, copy);
    return as_node(copy);
}

void xml_remove(struct xml_node *node)
{
    xmlUnlinkNode(node_of(node));
    xmlFreeNode(node_of(node));
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
