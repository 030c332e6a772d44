/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml_flat.h"

#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/xml.h"

static int set_parse_error(const xmlParserCtxt *parser, struct err *err)
{
    CLEANUP_FREE char *text = mem_strdup(parser->lastError.message);

    if (!text)
        return err_set(err, ERR_CORRUPT, "not XML");
    text[strcspn(text, "\n")] = '\0';
    return err_set(err, ERR_CORRUPT, "not XML: line %d: %s", parser->lastError.line, text);
}

/* NULL if it fails. */
static xmlDoc *parse_text(const void *text, size_t len, struct err *err)
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
    return doc;
}

/* ---- flat bytes --------------------------------------------------------------------- */

static void put_flat_text(struct buf *ret, const xmlChar *text)
{
    const char *bytes = text ? (const char *)text : "";
    size_t len = strlen(bytes);

    buf_put_be32(ret, (uint32_t)len);
    buf_append(ret, bytes, len + 1);
}

static const xmlChar *prefix_of(const xmlNs *ns)
{
    return ns ? ns->prefix : NULL;
}

static void put_attribute(struct buf *ret, const xmlAttr *attr)
{
    buf_put_u8(ret, XML_FLAT_ATTR);
    put_flat_text(ret, prefix_of(attr->ns));
    put_flat_text(ret, attr->name);
    put_flat_text(ret, attr->children ? attr->children->content : NULL);
}

static void put_open(struct buf *ret, const xmlNode *node)
{
    buf_put_u8(ret, XML_FLAT_OPEN);
    put_flat_text(ret, prefix_of(node->ns));
    put_flat_text(ret, node->name);
    for (const xmlNs *ns = node->nsDef; ns; ns = ns->next) {
        buf_put_u8(ret, XML_FLAT_DECLARE);
        put_flat_text(ret, ns->prefix);
        put_flat_text(ret, ns->href);
    }
    for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
        put_attribute(ret, attr);
}

static void put_content(struct buf *ret, enum xml_flat_kind kind, const xmlNode *node)
{
    if (!node->content || !*node->content)
        return;
    buf_put_u8(ret, (uint8_t)kind);
    put_flat_text(ret, node->content);
}

static void put_flat_node(struct buf *ret, const xmlNode *node)
{
    if (node->type == XML_ELEMENT_NODE)
        put_open(ret, node);
    else if (node->type == XML_TEXT_NODE)
        put_content(ret, XML_FLAT_TEXT, node);
    else if (node->type == XML_COMMENT_NODE)
        put_content(ret, XML_FLAT_COMMENT, node);
}

static void put_close(struct buf *ret, const xmlNode *node)
{
    if (node->type == XML_ELEMENT_NODE)
        buf_put_u8(ret, XML_FLAT_CLOSE);
}

static void put_tree(struct buf *ret, const xmlNode *root)
{
    const xmlNode *node = root;

    for (;;) {
        put_flat_node(ret, node);
        if (node->type == XML_ELEMENT_NODE && node->children) {
            node = node->children;
            continue;
        }
        for (; node != root && !node->next; node = node->parent)
            put_close(ret, node);
        put_close(ret, node);
        if (node == root)
            return;
        node = node->next;
    }
}

int xml_flatten(const void *data, size_t len, struct buf *ret, struct err *err)
{
    xmlDoc *doc = parse_text(data, len, err);

    if (!doc)
        return -1;
    put_tree(ret, xmlDocGetRootElement(doc));
    xmlFreeDoc(doc);
    return 0;
}
