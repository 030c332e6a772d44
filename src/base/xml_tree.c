/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml_tree.h"

#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "base/xml_flat.h"

#define NS_XML "http://www.w3.org/XML/1998/namespace"
#define NS_XMLNS "http://www.w3.org/2000/xmlns/"
#define BLOCK_SIZE ((size_t)16 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct xml_block {
    struct xml_block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

struct xml_doc *xml_tree_new(void)
{
    return mem_alloc(sizeof(struct xml_doc));
}

void xml_tree_free(struct xml_doc *doc)
{
    for (struct xml_block *block = doc->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(doc);
}

/* Zeroed; lives as long as the document. */
static void *get_memory(struct xml_doc *doc, size_t size)
{
    struct xml_block *block = doc->blocks;

    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = mem_alloc(sizeof(*block) + room);
        block->size = room;
        block->next = doc->blocks;
        doc->blocks = block;
    }
    void *got = (uint8_t *)block->data + block->used;
    block->used += size;
    return got;
}

const char *xml_tree_text(struct xml_doc *doc, const char *text, size_t len)
{
    char *copy = get_memory(doc, len + 1);

    memcpy(copy, text, len);
    return copy;
}

struct xml_node *xml_tree_add(struct xml_doc *doc, struct xml_node *parent, enum xml_kind kind)
{
    struct xml_node *node = get_memory(doc, sizeof(*node));

    node->kind = kind;
    node->doc = doc;
    node->parent = parent;
    if (!parent) {
        doc->root = node;
        return node;
    }
    node->previous = parent->last;
    *(parent->last ? &parent->last->next : &parent->first) = node;
    parent->last = node;
    return node;
}

const char *xml_tree_resolve(const struct xml_node *node, const char *prefix)
{
    for (; node; node = node->parent)
        for (const struct xml_declared *one = node->declared; one; one = one->next)
            if (strcmp(one->prefix, prefix) == 0)
                return one->uri;
    return !*prefix ? "" : strcmp(prefix, "xml") == 0 ? NS_XML : NULL;
}

void xml_tree_declare(struct xml_node *node, const char *prefix, const char *uri)
{
    struct xml_declared *one = get_memory(node->doc, sizeof(*one));
    struct xml_declared **end = &node->declared;

    *one = (struct xml_declared){.prefix = prefix, .uri = uri};
    while (*end)
        end = &(*end)->next;
    *end = one;
}

struct xml_attr *xml_tree_add_attr(struct xml_node *node, const char *prefix, const char *name,
                                   const char *value)
{
    struct xml_attr *attr = get_memory(node->doc, sizeof(*attr));
    struct xml_attr **end = &node->attrs;

    *attr = (struct xml_attr){.prefix = prefix, .name = name, .value = value};
    while (*end)
        end = &(*end)->next;
    *end = attr;
    return attr;
}

/* ---- what is a name ------------------------------------------------------------------- */

/* NameStartChar and NameChar of XML 1.0, above ASCII. */
static const struct {
    uint32_t first, last;
    bool starts;
} name_ranges[] = {
    {0xb7, 0xb7, false},    {0xc0, 0xd6, true},     {0xd8, 0xf6, true},
    {0xf8, 0x2ff, true},    {0x300, 0x36f, false},  {0x370, 0x37d, true},
    {0x37f, 0x1fff, true},  {0x200c, 0x200d, true}, {0x203f, 0x2040, false},
    {0x2070, 0x218f, true}, {0x2c00, 0x2fef, true}, {0x3001, 0xd7ff, true},
    {0xf900, 0xfdcf, true}, {0xfdf0, 0xfffd, true}, {0x10000, 0xeffff, true},
};

static bool is_of_name(uint32_t code, bool at_start)
{
    if (code < 0x80) {
        if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || code == '_')
            return true;
        return !at_start && ((code >= '0' && code <= '9') || code == '-' || code == '.');
    }
    for (size_t i = 0; i < ARRAY_COUNT(name_ranges); i++)
        if (code >= name_ranges[i].first && code <= name_ranges[i].last)
            return name_ranges[i].starts || !at_start;
    return false;
}

/* How many bytes of the text are a name without a colon. */
static size_t name_length(const char *text)
{
    size_t len = 0;

    for (size_t step; text[len]; len += step) {
        uint32_t code = 0;
        if ((step = utf8_decode(text + len, &code)) == 0 || !is_of_name(code, len == 0))
            break;
    }
    return len;
}

static bool is_name(const char *text)
{
    size_t len = name_length(text);

    return len > 0 && !text[len];
}

/* ---- reading --------------------------------------------------------------------------- */

struct tree_reader {
    struct reader flat;
    struct xml_doc *doc;
    struct xml_node *at; /* the element that is open; NULL: the root is to come, or was closed */
    unsigned depth;      /* of elements that are open, */
    unsigned declared;   /* and of declarations in them */
    unsigned attrs;      /* of that element */
    unsigned count;      /* of nodes and attributes */
    bool may_declare;    /* it has nothing but declarations so far */
    bool may_have_attrs; /* nor anything but these and attributes */
};

/* NULL: they are no text of XML. */
static const char *read_flat_text(struct tree_reader *reader)
{
    size_t len = reader_be32(&reader->flat);
    const char *text = (const char *)reader_bytes(&reader->flat, len + 1);

    if (!text || memchr(text, '\0', len + 1) != text + len || !xml_text_valid(text))
        return NULL;
    return xml_tree_text(reader->doc, text, len);
}

/* "" if there is no prefix; NULL: that cannot be one. */
static const char *read_prefix(struct tree_reader *reader)
{
    const char *prefix = read_flat_text(reader);

    return prefix && (!*prefix || is_name(prefix)) ? prefix : NULL;
}

/* A name with a prefix in it has one that is not declared: else the text of the tree would have
 * another name in this place. */
static bool is_name_at(const struct xml_node *node, const char *prefix, const char *name)
{
    size_t len = name_length(name);

    if (is_name(name))
        return !*prefix || xml_tree_resolve(node, prefix);
    if (*prefix || len == 0 || name[len] != ':' || !is_name(name + len + 1))
        return false;
    CLEANUP_FREE char *undeclared = mem_strndup(name, len);
    return strcmp(undeclared, "xmlns") != 0 && !xml_tree_resolve(node, undeclared);
}

static bool read_open(struct tree_reader *reader)
{
    if (reader->depth == XML_MAX_DEPTH || (!reader->at && reader->doc->root))
        return false;
    struct xml_node *node = xml_tree_add(reader->doc, reader->at, XML_ELEMENT);
    node->prefix = read_prefix(reader);
    node->name = node->prefix ? read_flat_text(reader) : NULL;
    reader->at = node;
    reader->depth++;
    reader->attrs = 0;
    reader->may_declare = reader->may_have_attrs = true;
    return node->name;
}

static bool is_declared_here(const struct xml_node *node, const char *prefix)
{
    for (const struct xml_declared *one = node->declared; one; one = one->next)
        if (strcmp(one->prefix, prefix) == 0)
            return true;
    return false;
}

/* A parser knows these two without a declaration, and takes no other. Of an ampersand in a URI
 * libxml2 makes something else, each time that it is read. */
static bool is_reserved_ns(const char *prefix, const char *uri)
{
    return strcmp(prefix, "xml") == 0 || strcmp(prefix, "xmlns") == 0 || strcmp(uri, NS_XML) == 0 ||
           strcmp(uri, NS_XMLNS) == 0 || strchr(uri, '&');
}

static bool read_declare(struct tree_reader *reader)
{
    const char *prefix = read_prefix(reader);
    const char *uri = prefix ? read_flat_text(reader) : NULL;

    if (!uri || reader->declared == XML_MAX_DECLARED || is_declared_here(reader->at, prefix) ||
        is_reserved_ns(prefix, uri) || (*prefix && !*uri))
        return false;
    xml_tree_declare(reader->at, prefix, uri);
    reader->declared++;
    return true;
}

static bool has_attr(const struct xml_node *node, const char *prefix, const char *name)
{
    for (const struct xml_attr *attr = node->attrs; attr; attr = attr->next)
        if (strcmp(attr->name, name) == 0 && strcmp(attr->prefix, prefix) == 0)
            return true;
    return false;
}

static bool read_attr(struct tree_reader *reader)
{
    const char *prefix = read_prefix(reader);
    const char *name = prefix ? read_flat_text(reader) : NULL;
    const char *value = name ? read_flat_text(reader) : NULL;

    if (!value || ++reader->attrs > XML_MAX_ATTRS || !is_name_at(reader->at, prefix, name) ||
        (!*prefix && strcmp(name, "xmlns") == 0) || has_attr(reader->at, prefix, name))
        return false;
    xml_tree_add_attr(reader->at, prefix, name, value);
    return true;
}

/* A comment ends at the first two hyphens in the text of the tree. */
static bool read_content(struct tree_reader *reader, enum xml_kind kind)
{
    const char *text = read_flat_text(reader);

    if (!text ||
        (kind == XML_COMMENT && (strstr(text, "--") || (*text && text[strlen(text) - 1] == '-'))))
        return false;
    xml_tree_add(reader->doc, reader->at, kind)->text = text;
    return true;
}

static bool read_close(struct tree_reader *reader)
{
    for (const struct xml_declared *one = reader->at->declared; one; one = one->next)
        reader->declared--;
    reader->at = reader->at->parent;
    reader->depth--;
    return true;
}

/* All declarations of the open element are there. */
static bool end_declarations(struct tree_reader *reader)
{
    struct xml_node *node = reader->at;

    reader->may_declare = false;
    const char *ns = is_name(node->name) ? xml_tree_resolve(node, node->prefix) : "";
    node->ns = ns && *ns ? ns : NULL;
    return is_name_at(node, node->prefix, node->name);
}

static bool read_flat_record(struct tree_reader *reader)
{
    enum xml_flat_kind kind = reader_u8(&reader->flat);

    if (kind != XML_FLAT_CLOSE && ++reader->count > XML_MAX_NODES)
        return false;
    if (kind != XML_FLAT_DECLARE && reader->may_declare && !end_declarations(reader))
        return false;
    if (kind != XML_FLAT_DECLARE && kind != XML_FLAT_ATTR)
        reader->may_have_attrs = false;
    if (kind == XML_FLAT_OPEN)
        return read_open(reader);
    if (!reader->at)
        return false;
    switch (kind) {
    case XML_FLAT_DECLARE:
        return reader->may_declare && read_declare(reader);
    case XML_FLAT_ATTR:
        return reader->may_have_attrs && read_attr(reader);
    case XML_FLAT_TEXT:
        return read_content(reader, XML_TEXT);
    case XML_FLAT_COMMENT:
        return read_content(reader, XML_COMMENT);
    case XML_FLAT_CLOSE:
        return read_close(reader);
    case XML_FLAT_OPEN:
        break;
    }
    return false;
}

struct xml_doc *xml_tree_read(const void *flat, size_t len, struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_tree_new();
    struct tree_reader reader = {.flat = reader_of(flat, len), .doc = doc};
    bool good = true;

    while (good && reader.flat.left > 0)
        good = read_flat_record(&reader);
    if (good && doc->root && !reader.at)
        return TAKE_PTR(doc);
    if (reader.count > XML_MAX_NODES)
        err_set(err, ERR_CORRUPT, "has more than %u elements and attributes", XML_MAX_NODES);
    else
        err_set(err, ERR_CORRUPT,
                "is not XML that is accepted: its names, attributes or namespaces");
    return NULL;
}
