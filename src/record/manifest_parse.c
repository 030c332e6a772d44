/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "record/manifest.h"
#include "record/manifest_check.h"
#include "record/manifest_fields.h"
#include "base/array.h"
#include "base/units.h"

#define FORMATS_READ "2 and 3"

/* ---- whose file it is --------------------------------------------------------- */

/* A manifest of ours that was damaged anywhere still has one of these marks; XML
 * of somebody else has none. */
static bool has_trace(const char *text, size_t len)
{
    static const char base[] = MANIFEST_NS_BASE;
    static const char tag[] = "<" MANIFEST_PREFIX ":backup ";

    return memmem(text, len, base, sizeof(base) - 1) || memmem(text, len, tag, sizeof(tag) - 1);
}

/* Our element, of whatever version; NULL if there is no such element. */
static struct xml_node *find_backup(const struct xml_doc *doc)
{
    struct xml_node *metadata = xml_child(xml_root(doc), NULL, "metadata");

    for (struct xml_node *node = metadata ? xml_first(metadata) : NULL; node;
         node = xml_next(node)) {
        const char *ns = xml_ns(node);
        if (ns && strncmp(ns, MANIFEST_NS_BASE, strlen(MANIFEST_NS_BASE)) == 0)
            return node;
    }
    return NULL;
}

/* Every version there has been, and why this program cannot read it; NULL: it can. */
static const struct format {
    unsigned version;
    const char *refusal;
} formats[] = {
    /* Other digests of chunks: SHA-256 of all of their bytes. */
    {1, "was made by an early virt-backup: format version 1; this one reads " FORMATS_READ
        " (virt-backup-archive(5) says how to bring its guest back by hand)"},
    {2, NULL},
    {MANIFEST_FORMAT_VERSION, NULL},
};

static int refuse_newer(const char *what, const char *is, const char *read, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "was made by a newer virt-backup: %s %s; this one reads %s", what, is, read);
}

static int check_version(const struct xml_node *backup, unsigned *ret, struct err *err)
{
    const char *text = xml_attr(backup, "format");
    const char *ns = xml_ns(backup);
    uint64_t version = 0;

    if (strcmp(ns, MANIFEST_NS) != 0 &&
        units_parse_number(ns + strlen(MANIFEST_NS_BASE), 1, UINT32_MAX, &version, NULL) == 0)
        return refuse_newer("its namespace is", ns, MANIFEST_NS, err);
    if (strcmp(ns, MANIFEST_NS) != 0 || !text ||
        units_parse_number(text, 1, UINT32_MAX, &version, NULL) < 0)
        return err_set(err, ERR_CORRUPT, "is damaged: it names no format version");
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        if (formats[i].version != version)
            continue;
        *ret = (unsigned)version;
        return formats[i].refusal ? err_set(err, ERR_UNSUPPORTED, "%s", formats[i].refusal) : 0;
    }
    return refuse_newer("format version", text, FORMATS_READ, err);
}

static int check_digest(const char *text, size_t len, struct manifest_places *ret, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];

    if (manifest_check_places(text, len, ret, err) < 0)
        return -1;
    if (ret->digest_len == 0)
        return err_set(err, ERR_CORRUPT, "its own SHA-256 is not 64 digits long");
    manifest_check_digest(text, len, ret, hex);
    if (memcmp(hex, text + ret->digest, ret->digest_len) != 0)
        return err_set(err, ERR_CORRUPT, "it is not what was written: its SHA-256 differs");
    return 0;
}

/* The attribute that was read must be what was left out of what is sealed. */
static int take_seal(const char *text, size_t len, const struct manifest_places *places,
                     struct seal *seal, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];

    if (!seal->there)
        return 0;
    digest_to_hex(seal->mac, hex);
    if (places->seal_len == 0 || memcmp(hex, text + places->seal, places->seal_len) != 0)
        return err_set(err, ERR_CORRUPT, "its seal is not in its place");
    manifest_check_sealed(text, len, places, seal->digest);
    return 0;
}

/* ---- elements ----------------------------------------------------------------- */

/* The elements come in one order, so reading is a walk with one look ahead. */
struct element_walk {
    struct xml_node *next; /* the sibling to be read next; NULL: there are no more */
    unsigned version;      /* of the format */
};

static struct element_walk walk_inside(const struct element_walk *walk, const struct xml_node *node)
{
    return (struct element_walk){xml_first(node), walk->version};
}

static bool is_at(const struct element_walk *walk, const struct manifest_element *element)
{
    return walk->next && xml_is(walk->next, MANIFEST_NS, element->name);
}

/* Reads the next element, which must be this element, and goes on to its next sibling.
 * Returns the element; NULL on failure. */
static struct xml_node *take_element(struct element_walk *walk,
                                     const struct manifest_element *element, void *object,
                                     struct err *err)
{
    struct xml_node *node = walk->next;

    if (!is_at(walk, element)) {
        err_set(err, ERR_CORRUPT, "the manifest has %s%s%s where <%s> must be", node ? "<" : "",
                node ? xml_name(node) : "nothing", node ? ">" : "", element->name);
        return NULL;
    }
    walk->next = xml_next(node);
    return manifest_fields_read(node, element, walk->version, object, err) < 0 ? NULL : node;
}

static int check_end(const struct element_walk *walk, struct err *err)
{
    if (walk->next)
        return err_set(err, ERR_CORRUPT, "the manifest has an unknown element <%s>",
                       xml_name(walk->next));
    return 0;
}

/* An element that has no elements in it. */
static int take_leaf(struct element_walk *walk, const struct manifest_element *element,
                     void *object, struct err *err)
{
    struct xml_node *node = take_element(walk, element, object, err);

    if (!node)
        return -1;
    struct element_walk inner = walk_inside(walk, node);
    return check_end(&inner, err);
}

static int take_owner(struct element_walk *walk, struct manifest_owner *owner, struct err *err)
{
    owner->known = is_at(walk, &manifest_fields_owner);
    return owner->known ? take_leaf(walk, &manifest_fields_owner, owner, err) : 0;
}

static int take_stored(struct element_walk *walk, struct manifest_stored *stored, struct err *err)
{
    if (walk->next)
        stored->place = manifest_fields_place(walk->next);
    return take_leaf(walk, manifest_fields_stored(stored->place), stored, err);
}

static int take_disk(struct element_walk *walk, struct manifest_disk *disk, struct err *err)
{
    struct xml_node *node = take_element(walk, &manifest_fields_disk, disk, err);

    if (!node)
        return -1;
    struct element_walk inner = walk_inside(walk, node);
    if (take_leaf(&inner, &manifest_fields_disk_source, disk, err) < 0 ||
        take_owner(&inner, &disk->owner, err) < 0)
        return -1;
    while (is_at(&inner, &manifest_fields_option))
        if (take_leaf(&inner, &manifest_fields_option, manifest_add_option(disk), err) < 0)
            return -1;
    return take_stored(&inner, &disk->stored, err) < 0 ? -1 : check_end(&inner, err);
}

static int take_memory_element(struct element_walk *walk, struct manifest *manifest,
                               struct err *err)
{
    struct xml_node *node = take_element(walk, &manifest_fields_memory, NULL, err);

    if (!node)
        return -1;
    struct element_walk inner = walk_inside(walk, node);
    manifest->memory = mem_alloc(sizeof(*manifest->memory));
    return take_stored(&inner, manifest->memory, err) < 0 ? -1 : check_end(&inner, err);
}

static int take_extra(struct element_walk *walk, struct manifest_extra *extra, struct err *err)
{
    struct xml_node *node = take_element(walk, &manifest_fields_extra, extra, err);

    if (!node)
        return -1;
    struct element_walk inner = walk_inside(walk, node);
    if (take_leaf(&inner, &manifest_fields_extra_source, extra, err) < 0 ||
        take_owner(&inner, &extra->owner, err) < 0)
        return -1;
    return take_stored(&inner, &extra->stored, err) < 0 ? -1 : check_end(&inner, err);
}

static int take_live(struct element_walk *walk, struct manifest *manifest, struct err *err)
{
    struct xml_node *node = take_element(walk, &manifest_fields_live, NULL, err);
    struct xml_node *domain = node ? xml_first(node) : NULL;

    if (!node)
        return -1;
    if (!domain || xml_next(domain))
        return err_set(err, ERR_CORRUPT, "the manifest's <live> must hold one domain");
    manifest->live = xml_copy_node(domain);
    return 0;
}

static int take_backup(struct xml_node *backup, unsigned version, struct manifest *manifest,
                       struct err *err)
{
    struct element_walk walk = {backup, version};
    struct xml_node *node = take_element(&walk, &manifest_fields_backup, manifest, err);

    if (!node)
        return -1;
    walk = walk_inside(&walk, node);
    if (take_leaf(&walk, &manifest_fields_hypervisor, manifest, err) < 0 ||
        take_leaf(&walk, &manifest_fields_domain, manifest, err) < 0 ||
        take_leaf(&walk, &manifest_fields_consistency, manifest, err) < 0)
        return -1;
    while (is_at(&walk, &manifest_fields_disk))
        if (take_disk(&walk, manifest_add_disk(manifest), err) < 0)
            return -1;
    if (is_at(&walk, &manifest_fields_memory) && take_memory_element(&walk, manifest, err) < 0)
        return -1;
    while (is_at(&walk, &manifest_fields_extra))
        if (take_extra(&walk, manifest_add_extra(manifest), err) < 0)
            return -1;
    while (is_at(&walk, &manifest_fields_left_out))
        if (take_leaf(&walk, &manifest_fields_left_out, manifest_add_left_out(manifest), err) < 0)
            return -1;
    if (is_at(&walk, &manifest_fields_live) && take_live(&walk, manifest, err) < 0)
        return -1;
    return check_end(&walk, err);
}

bool manifest_is_other_xml(const struct xml_text *text)
{
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;

    if (has_trace(text->text, text->len))
        return false;
    doc = xml_read(text, NULL);
    return doc && !find_backup(doc);
}

int manifest_read(const struct xml_text *whole, struct manifest **ret, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = manifest_new();
    CLEANUP(xml_freep) struct xml_doc *doc = xml_read(whole, err);
    const char *text = whole->text;
    size_t len = whole->len;
    struct manifest_places places;
    unsigned version = 0;

    if (!doc)
        return err_prefix(err, "is damaged");
    struct xml_node *backup = find_backup(doc);
    if (!backup && !has_trace(text, len))
        return err_set(err, ERR_NOT_FOUND, "is XML, but not a manifest of virt-backup");
    if (!backup)
        return err_set(err, ERR_CORRUPT, "is damaged: its <backup> element is not in its place");
    if (check_version(backup, &version, err) < 0)
        return -1;
    if (check_digest(text, len, &places, err) < 0 ||
        take_backup(backup, version, manifest, err) < 0 ||
        take_seal(text, len, &places, &manifest->seal, err) < 0)
        return err_prefix(err, "is damaged");
    manifest_strip(doc);
    manifest->definition = TAKE_PTR(doc);
    if (manifest_check(manifest, err) < 0)
        return err_prefix(err, "is damaged");
    *ret = TAKE_PTR(manifest);
    return 0;
}
