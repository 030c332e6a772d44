/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "record/manifest.h"
#include "record/manifest_check.h"
#include "record/manifest_fields.h"

/* A new last child of parent with the object's attributes; NULL on failure. */
static struct xml_node *put_element(struct xml_node *parent, const struct manifest_element *element,
                                    const void *object, struct err *err)
{
    struct xml_node *node = xml_add(parent, MANIFEST_PREFIX, MANIFEST_NS, element->name);

    return manifest_fields_write(node, element, object, err) < 0 ? NULL : node;
}

static int put_owner(struct xml_node *parent, const struct manifest_owner *owner, struct err *err)
{
    if (!owner->known)
        return 0;
    return put_element(parent, &manifest_fields_owner, owner, err) ? 0 : -1;
}

static int put_place(struct xml_node *parent, const struct manifest_stored *stored, struct err *err)
{
    return put_element(parent, manifest_fields_stored(stored->place), stored, err) ? 0 : -1;
}

static int put_disk(struct xml_node *parent, const struct manifest_disk *disk, struct err *err)
{
    struct xml_node *node = put_element(parent, &manifest_fields_disk, disk, err);

    if (!node || !put_element(node, &manifest_fields_disk_source, disk, err) ||
        put_owner(node, &disk->owner, err) < 0)
        return -1;
    for (size_t i = 0; i < disk->option_count; i++)
        if (!put_element(node, &manifest_fields_option, &disk->options[i], err))
            return -1;
    return put_place(node, &disk->stored, err);
}

static int put_memory(struct xml_node *parent, const struct manifest_stored *memory,
                      struct err *err)
{
    struct xml_node *node = put_element(parent, &manifest_fields_memory, NULL, err);

    return node ? put_place(node, memory, err) : -1;
}

static int put_extra(struct xml_node *parent, const struct manifest_extra *extra, struct err *err)
{
    struct xml_node *node = put_element(parent, &manifest_fields_extra, extra, err);

    if (!node || !put_element(node, &manifest_fields_extra_source, extra, err) ||
        put_owner(node, &extra->owner, err) < 0)
        return -1;
    return put_place(node, &extra->stored, err);
}

static int put_live(struct xml_node *parent, const struct xml_doc *live, struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *copy = xml_copy(live);
    struct xml_node *node = put_element(parent, &manifest_fields_live, NULL, err);

    if (!node)
        return -1;
    manifest_strip(copy);
    xml_add_copy(node, xml_root(copy));
    return 0;
}

static int put_backup(struct xml_node *parent, const struct manifest *manifest, struct err *err)
{
    struct xml_node *node = put_element(parent, &manifest_fields_backup, manifest, err);

    if (!node || !put_element(node, &manifest_fields_hypervisor, manifest, err) ||
        !put_element(node, &manifest_fields_domain, manifest, err) ||
        !put_element(node, &manifest_fields_consistency, manifest, err))
        return -1;
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (put_disk(node, &manifest->disks[i], err) < 0)
            return -1;
    if (manifest->memory && put_memory(node, manifest->memory, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest->extra_count; i++)
        if (put_extra(node, &manifest->extras[i], err) < 0)
            return -1;
    for (size_t i = 0; i < manifest->left_out_count; i++)
        if (!put_element(node, &manifest_fields_left_out, &manifest->left_out[i], err))
            return -1;
    return manifest->live ? put_live(node, manifest->live, err) : 0;
}

/* The text with the places of digest and seal still empty; the caller frees. */
static char *build_text(const struct manifest *manifest, struct err *err)
{
    struct manifest versioned = *manifest;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;

    if (!manifest->definition) {
        err_set(err, ERR_INTERNAL, "the manifest has no definition");
        return NULL;
    }
    versioned.format_version = MANIFEST_FORMAT_VERSION;
    versioned.seal = (struct seal){.there = manifest->seal_key != NULL};
    if (manifest->seal_key)
        seal_key_id(manifest->seal_key, versioned.seal.key);
    doc = xml_copy(manifest->definition);
    manifest_strip(doc);
    struct xml_node *metadata = xml_child(xml_root(doc), NULL, "metadata");
    if (!metadata)
        metadata = xml_add(xml_root(doc), NULL, NULL, "metadata");
    return put_backup(metadata, &versioned, err) < 0 ? NULL : xml_format(doc);
}

/* The text with 64 digits at the offset; the caller frees. */
static char *insert_digits(const char *text, size_t offset, const char *hex)
{
    return mem_printf("%.*s%s%s", (int)offset, text, hex, text + offset);
}

static char *insert_seal(const char *text, const struct seal_key *key)
{
    struct manifest_places places;
    uint8_t mac[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    if (!key || manifest_check_places(text, strlen(text), &places, NULL) < 0)
        return mem_strdup(text);
    manifest_check_sealed(text, strlen(text), &places, mac);
    seal_make(key, mac, mac);
    digest_to_hex(mac, hex);
    return insert_digits(text, places.seal, hex);
}

int manifest_format(const struct manifest *manifest, const struct parser *parser, struct buf *ret,
                    struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    CLEANUP_ERR struct err why = ERR_INIT;
    struct manifest_places places;
    char hex[DIGEST_HEX_SIZE];

    CLEANUP_FREE char *text = build_text(manifest, err);
    if (!text)
        return -1;
    size_t len = strlen(text);
    if (len + 2 * DIGEST_HEX_SIZE > XML_MAX_SIZE)
        return err_set(err, ERR_UNSUPPORTED,
                       "the manifest would have %zu bytes, and the limit is %zu", len,
                       XML_MAX_SIZE);
    CLEANUP_FREE char *sealed = insert_seal(text, manifest->seal_key);
    if (manifest_check_places(sealed, strlen(sealed), &places, &why) < 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "the guest's XML contains what looks like a virt-backup manifest; remove it "
                       "with virsh edit");
    manifest_check_digest(sealed, strlen(sealed), &places, hex);
    CLEANUP_FREE char *whole = insert_digits(sealed, places.digest, hex);
    const struct xml_text written = {whole, strlen(whole), parser, false};
    if (manifest_read(&written, &again, &why) < 0)
        return err_set(err, ERR_INTERNAL, "the manifest could not be read back: %s", why.text);
    buf_append(ret, whole, strlen(whole));
    return 0;
}
