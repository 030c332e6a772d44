/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "record/manifest.h"
#include "record/manifest_check.h"
#include "record/manifest_fields.h"

/* A new last child of parent with the object's attributes; NULL on failure. */
static struct xml_node *put(struct xml_node *parent, const struct manifest_element *element,
                            const void *object, struct err *err)
{
    struct xml_node *node = xml_add(parent, MANIFEST_PREFIX, MANIFEST_NS, element->name);

    return manifest_fields_write(node, element, object, err) < 0 ? NULL : node;
}

static int put_owner(struct xml_node *parent, const struct manifest_owner *owner, struct err *err)
{
    if (!owner->known)
        return 0;
    return put(parent, &manifest_fields_owner, owner, err) ? 0 : -1;
}

static int put_disk(struct xml_node *parent, const struct manifest_disk *disk, struct err *err)
{
    struct xml_node *node = put(parent, &manifest_fields_disk, disk, err);

    if (!node || !put(node, &manifest_fields_disk_source, disk, err) ||
        put_owner(node, &disk->owner, err) < 0)
        return -1;
    for (size_t i = 0; i < disk->option_count; i++)
        if (!put(node, &manifest_fields_option, &disk->options[i], err))
            return -1;
    return put(node, &manifest_fields_stored, &disk->stored, err) ? 0 : -1;
}

static int put_memory(struct xml_node *parent, const struct manifest_stored *memory,
                      struct err *err)
{
    struct xml_node *node = put(parent, &manifest_fields_memory, NULL, err);

    return node && put(node, &manifest_fields_stored, memory, err) ? 0 : -1;
}

static int put_extra(struct xml_node *parent, const struct manifest_extra *extra, struct err *err)
{
    struct xml_node *node = put(parent, &manifest_fields_extra, extra, err);

    if (!node || !put(node, &manifest_fields_extra_source, extra, err) ||
        put_owner(node, &extra->owner, err) < 0)
        return -1;
    return put(node, &manifest_fields_stored, &extra->stored, err) ? 0 : -1;
}

static int put_live(struct xml_node *parent, const struct xml_doc *live, struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *copy = xml_copy(live);
    struct xml_node *node = put(parent, &manifest_fields_live, NULL, err);

    if (!node)
        return -1;
    manifest_strip(copy);
    xml_add_copy(node, xml_root(copy));
    return 0;
}

static int put_backup(struct xml_node *parent, const struct manifest *manifest, struct err *err)
{
    struct xml_node *node = put(parent, &manifest_fields_backup, manifest, err);

    if (!node || !put(node, &manifest_fields_hypervisor, manifest, err) ||
        !put(node, &manifest_fields_domain, manifest, err) ||
        !put(node, &manifest_fields_consistency, manifest, err))
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
        if (!put(node, &manifest_fields_left_out, &manifest->left_out[i], err))
            return -1;
    return manifest->live ? put_live(node, manifest->live, err) : 0;
}

/* The text with its own digest's place still empty; the caller frees. */
static char *build_text(const struct manifest *manifest, struct err *err)
{
    struct manifest versioned = *manifest;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;

    if (!manifest->definition) {
        err_set(err, ERR_INTERNAL, "the manifest has no definition");
        return NULL;
    }
    versioned.format_version = MANIFEST_FORMAT_VERSION;
    doc = xml_copy(manifest->definition);
    manifest_strip(doc);
    struct xml_node *metadata = xml_child(xml_root(doc), NULL, "metadata");
    if (!metadata)
        metadata = xml_add(xml_root(doc), NULL, NULL, "metadata");
    return put_backup(metadata, &versioned, err) < 0 ? NULL : xml_format(doc);
}

int manifest_format(const struct manifest *manifest, struct buf *ret, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    CLEANUP_BUF struct buf whole = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    char hex[DIGEST_HEX_SIZE];
    size_t place = 0;

    CLEANUP_FREE char *text = build_text(manifest, err);
    if (!text)
        return -1;
    size_t len = strlen(text);
    if (len + DIGEST_HEX_SIZE > XML_MAX_SIZE)
        return err_set(err, ERR_UNSUPPORTED,
                       "the manifest would have %zu bytes, %zu are the limit for XML", len,
                       XML_MAX_SIZE);
    if (manifest_check_find_digest(text, len, &place, &why) < 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "the guest's XML holds what looks like a manifest of virt-backup; take it "
                       "out with 'virsh edit'");
    manifest_check_compute_digest(text, len, place, 0, hex);
    buf_append(&whole, text, place);
    buf_append_str(&whole, hex);
    buf_append_str(&whole, text + place);
    if (manifest_parse((const char *)whole.data, whole.len, &again, &why) < 0)
        return err_set(err, ERR_INTERNAL, "the manifest could not be read back: %s", why.text);
    buf_append(ret, whole.data, whole.len);
    return 0;
}
