/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/array.h"
#include "guest/definition/definition.h"

#include <string.h>

#include "guest/definition/internal.h"

/* ---- a disk's source --------------------------------------------------------------------- */

static struct xml_node *find_disk_element(const struct xml_doc *domain, const char *target)
{
    struct xml_node *disk = xml_find(xml_root(domain), "devices/disk");

    while (disk && !definition_attr_is(xml_child(disk, NULL, "target"), "dev", target))
        disk = xml_next_same(disk);
    return disk;
}

static void remove_children(struct xml_node *node, const char *name)
{
    for (;;) {
        struct xml_node *child = xml_child(node, NULL, name);
        if (!child)
            return;
        xml_remove(child);
    }
}

static struct xml_node *have_child(struct xml_node *node, const char *name)
{
    struct xml_node *child = xml_child(node, NULL, name);

    return child ? child : xml_add(node, NULL, NULL, name);
}

static void set_source(struct xml_node *disk, const char *attr, const char *path)
{
    const struct xml_node *old = xml_child(disk, NULL, "source");
    const char *policy = old ? xml_attr(old, "startupPolicy") : NULL;
    CLEANUP_FREE char *kept = policy ? mem_strdup(policy) : NULL;

    remove_children(disk, "source");
    struct xml_node *source = xml_add(disk, NULL, NULL, "source");
    xml_set_attr(source, attr, path);
    if (kept)
        xml_set_attr(source, "startupPolicy", kept);
}

/* Cache, io, discard and most others apply to files and devices of any format. */
static void set_driver(struct xml_node *disk, bool block_device, const char *format)
{
    struct xml_node *driver = xml_child(disk, NULL, "driver");
    bool raw = strcmp(format, "raw") == 0;

    if (!driver) {
        driver = xml_add(disk, NULL, NULL, "driver");
        xml_set_attr(driver, "name", "qemu");
    }
    /* Xen's own drivers: phy accepts only raw devices, file and tap accept raw files. */
    if (!definition_attr_is(driver, "name", "qemu") &&
        !(raw && definition_attr_is(driver, "name", block_device ? "phy" : "file")))
        xml_set_attr(driver, "name", "qemu");
    xml_set_attr(driver, "type", format);
    if (strcmp(format, "qcow2") != 0) {
        remove_children(driver, "metadata_cache");
        xml_remove_attr(driver, "discard_no_unref");
    }
}

int definition_set_disk(struct xml_doc *domain, const char *target, const char *path,
                        bool block_device, const char *format, struct err *err)
{
    static const char *const of_old_source[] = {"backingStore", "mirror", "encryption", "auth"};
    struct xml_node *disk = find_disk_element(domain, target);

    if (!disk)
        return err_set(err, ERR_NOT_FOUND, "the definition has no disk '%s'", target);
    if (!xml_text_valid(path))
        return err_set(err, ERR_UNSUPPORTED, "%s: contains characters that XML cannot represent",
                       path);
    xml_set_attr(disk, "type", block_device ? "block" : "file");
    for (size_t i = 0; i < ARRAY_COUNT(of_old_source); i++)
        remove_children(disk, of_old_source[i]);
    set_source(disk, block_device ? "dev" : "file", path);
    set_driver(disk, block_device, format);
    /* SCSI commands can only be passed through to a device. */
    if (!block_device && definition_attr_is(disk, "device", "lun")) {
        xml_set_attr(disk, "device", "disk");
        xml_remove_attr(disk, "sgio");
        xml_remove_attr(disk, "rawio");
    }
    return 0;
}

void definition_remove_disk(struct xml_doc *domain, const char *target)
{
    struct xml_node *disk = find_disk_element(domain, target);

    if (disk)
        xml_remove(disk);
}

void definition_set_nvram(struct xml_doc *domain, const char *path)
{
    struct xml_node *nvram = have_child(have_child(xml_root(domain), "os"), "nvram");

    if (!xml_attr(nvram, "type") && !xml_child(nvram, NULL, "source")) {
        xml_set_text(nvram, path);
        return;
    }
    xml_set_attr(nvram, "type", "file");
    remove_children(nvram, "source");
    xml_set_attr(xml_add(nvram, NULL, NULL, "source"), "file", path);
}

void definition_forget_nvram(struct xml_doc *domain)
{
    struct xml_node *nvram = xml_find(xml_root(domain), "os/nvram");

    if (!nvram)
        return;
    remove_children(nvram, "source");
    xml_remove_attr(nvram, "type");
    xml_set_text(nvram, "");
    if (!xml_attr(nvram, "template"))
        xml_remove(nvram);
}
