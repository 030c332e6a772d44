/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include <string.h>

#include "guest/definition/internal.h"

struct references {
    struct reference *all;
    size_t count;
};

/* Takes ownership of use. */
static void add(struct references *references, enum reference_kind kind, const char *name,
                char *use_text)
{
    CLEANUP_FREE char *use = use_text;

    if (!name || *name == '\0' || (kind == REF_FILE && *name != '/'))
        return;
    for (size_t i = 0; i < references->count; i++)
        if (references->all[i].kind == kind && strcmp(references->all[i].name, name) == 0 &&
            strcmp(references->all[i].use, use) == 0)
            return;
    references->all = mem_resize(references->all, references->count + 1, sizeof(*references->all));
    references->all[references->count++] =
        (struct reference){.kind = kind, .name = mem_strdup(name), .use = TAKE_PTR(use)};
}

/* ---- places that hold a name or path as it is ------------------------------------------- */

struct place {
    const char *path;
    const char *type; /* the required type of the parent; NULL: any */
    const char *attr; /* NULL: the element's text */
    enum reference_kind kind;
    const char *use;
};

/* What QEMU makes itself, such as the file of a serial line, is left out. */
static const struct place places[] = {
    {"os/kernel", NULL, NULL, REF_FILE, "kernel"},
    {"os/initrd", NULL, NULL, REF_FILE, "initrd"},
    {"os/dtb", NULL, NULL, REF_FILE, "dtb"},
    {"os/loader", NULL, NULL, REF_FILE, "loader"},
    {"os/nvram", NULL, "template", REF_FILE, "nvram template"},
    {"os/acpi/table", NULL, NULL, REF_FILE, "acpi table"},
    {"sysinfo/entry", NULL, "file", REF_FILE, "fw_cfg"},
    {"devices/emulator", NULL, NULL, REF_FILE, "emulator"},
    {"devices/interface/rom", NULL, "file", REF_FILE, "interface's ROM"},
    {"devices/interface/script", NULL, "path", REF_FILE, "interface's script"},
    {"devices/interface/downscript", NULL, "path", REF_FILE, "interface's script"},
    {"devices/hostdev/rom", NULL, "file", REF_FILE, "hostdev's ROM"},
    {"devices/filesystem/source", NULL, "socket", REF_FILE, "filesystem's socket"},
    {"devices/video/model/acceleration", NULL, "rendernode", REF_FILE, "video"},
    {"devices/interface/source", "network", "network", REF_NETWORK, "interface"},
    {"devices/interface/source", "bridge", "bridge", REF_INTERFACE, "interface"},
    {"devices/interface/source", "direct", "dev", REF_INTERFACE, "interface"},
    {"devices/interface/source", "vdpa", "dev", REF_FILE, "interface"},
    {"devices/interface/filterref", NULL, "filter", REF_NWFILTER, "interface"},
    {"devices/filesystem/source", NULL, "dir", REF_FILE, "filesystem"},
    {"devices/filesystem/source", NULL, "file", REF_FILE, "filesystem"},
    {"devices/filesystem/source", NULL, "dev", REF_FILE, "filesystem"},
    {"devices/filesystem/source", NULL, "pool", REF_POOL, "filesystem"},
    {"devices/serial/source", "dev", "path", REF_FILE, "serial"},
    {"devices/serial/source", "pipe", "path", REF_FILE, "serial"},
    {"devices/parallel/source", "dev", "path", REF_FILE, "parallel"},
    {"devices/parallel/source", "pipe", "path", REF_FILE, "parallel"},
    {"devices/console/source", "dev", "path", REF_FILE, "console"},
    {"devices/console/source", "pipe", "path", REF_FILE, "console"},
    {"devices/channel/source", "dev", "path", REF_FILE, "channel"},
    {"devices/channel/source", "pipe", "path", REF_FILE, "channel"},
    {"devices/input/source", NULL, "dev", REF_FILE, "input"},
    {"devices/input/source", NULL, "evdev", REF_FILE, "input"},
    {"devices/graphics/gl", NULL, "rendernode", REF_FILE, "graphics"},
    {"devices/memory/source/path", NULL, NULL, REF_FILE, "memory"},
    {"devices/rng/backend", NULL, NULL, REF_FILE, "rng"},
    {"devices/tpm/backend/device", NULL, "path", REF_FILE, "tpm"},
    {"devices/tpm/backend/encryption", NULL, "secret", REF_SECRET_UUID, "tpm"},
};

static void add_place(struct references *references, const struct xml_node *node,
                      const struct place *place)
{
    CLEANUP_FREE char *text = place->attr ? NULL : xml_text(node);

    if (place->type && !definition_attr_is(xml_parent(node), "type", place->type))
        return;
    add(references, place->kind, place->attr ? xml_attr(node, place->attr) : text,
        mem_strdup(place->use));
}

/* Every element at `path` below node, not only the first. */
static void add_places(struct references *references, const struct xml_node *node, const char *path,
                       const struct place *place)
{
    size_t len = strcspn(path, "/");
    CLEANUP_FREE char *name = mem_strndup(path, len);

    for (const struct xml_node *child = xml_child(node, NULL, name); child;
         child = xml_next_same(child)) {
        if (path[len])
            add_places(references, child, path + len + 1, place);
        else
            add_place(references, child, place);
    }
}

/* ---- disks ------------------------------------------------------------------------------- */

static bool is_passed_over(const char *target, const char *const *but, size_t but_count)
{
    for (size_t i = 0; i < but_count; i++)
        if (strcmp(but[i], target) == 0)
            return true;
    return false;
}

/* <auth><secret usage="..."/></auth>, <encryption><secret uuid="..."/></encryption>. */
static void add_secrets(struct references *references, struct xml_node *device, const char *use)
{
    for (struct xml_node *node = xml_walk(device, device); node; node = xml_walk(device, node)) {
        if (!xml_is(node, NULL, "secret"))
            continue;
        add(references, REF_SECRET_UUID, xml_attr(node, "uuid"), mem_strdup(use));
        add(references, REF_SECRET_USAGE, xml_attr(node, "usage"), mem_strdup(use));
    }
}

static void add_disk(struct references *references, struct xml_node *disk, const char *target)
{
    const struct xml_node *source = xml_child(disk, NULL, "source");
    const char *device = xml_attr(disk, "device");
    CLEANUP_FREE char *use = mem_printf("%s %s", device ? device : "disk", target);
    static const char *const attrs[] = {"file", "dev", "dir"};

    add_secrets(references, disk, use);
    if (!source)
        return;
    if (definition_attr_is(disk, "type", "volume"))
        add(references, REF_POOL, xml_attr(source, "pool"), mem_strdup(use));
    for (size_t i = 0; i < sizeof(attrs) / sizeof(*attrs); i++)
        add(references, REF_FILE, xml_attr(source, attrs[i]), mem_strdup(use));
}

/* ---- host devices -------------------------------------------------------------------------- */

static const char *without_0x(const char *number)
{
    return strncmp(number, "0x", 2) == 0 ? number + 2 : number;
}

static char *join_attrs(const struct xml_node *node, const char *const names[4],
                        const char *const between[4])
{
    char *text = mem_strdup("");

    for (size_t i = 0; i < 4 && names[i]; i++) {
        const char *value = xml_attr(node, names[i]);
        CLEANUP_FREE char *before = text;
        text = mem_printf("%s%s%s", before, between[i], value ? without_0x(value) : "?");
    }
    return text;
}

/* "0000:01:00.0", "046d:c31c", a mediated device's UUID, an adapter's name ... */
static char *device_address(const struct xml_node *source)
{
    static const char *const pci[4] = {"domain", "bus", "slot", "function"};
    static const char *const pci_between[4] = {"", ":", ":", "."};
    static const char *const bus[4] = {"bus", "device"};
    static const char *const colon[4] = {"", ":"};
    const struct xml_node *address = xml_child(source, NULL, "address");
    const struct xml_node *vendor = xml_child(source, NULL, "vendor");
    const struct xml_node *product = xml_child(source, NULL, "product");
    const struct xml_node *adapter = xml_child(source, NULL, "adapter");
    const char *name = adapter ? xml_attr(adapter, "name") : NULL;

    if (vendor && product && xml_attr(vendor, "id") && xml_attr(product, "id"))
        return mem_printf("%s:%s", without_0x(xml_attr(vendor, "id")),
                          without_0x(xml_attr(product, "id")));
    if (name)
        return mem_strdup(name);
    if (address && xml_attr(address, "uuid"))
        return mem_strdup(xml_attr(address, "uuid"));
    if (address && xml_attr(address, "slot"))
        return join_attrs(address, pci, pci_between);
    if (address && xml_attr(address, "device"))
        return join_attrs(address, bus, colon);
    for (const struct xml_node *child = xml_first(source); child; child = xml_next(child)) {
        char *text = xml_text(child); /* mode='capabilities': <block>, <char>, <interface> */
        if (*text)
            return text;
        free(text);
    }
    name = xml_attr(source, "name") ? xml_attr(source, "name") : xml_attr(source, "wwpn");
    return mem_strdup(name ? name : "?");
}

static void add_hostdev(struct references *references, struct xml_node *device, const char *type,
                        const char *use)
{
    const struct xml_node *source = xml_child(device, NULL, "source");

    if (!source)
        return;
    CLEANUP_FREE char *address = device_address(source);
    CLEANUP_FREE char *name = mem_printf("%s %s", type ? type : "device", address);
    add(references, REF_DEVICE, name, mem_strdup(use));
    add_secrets(references, device, use);
}

static void add_device(struct references *references, struct xml_node *device,
                       const char *const *but, size_t but_count)
{
    const char *target = xml_find_attr(device, "target", "dev");

    if (xml_is(device, NULL, "hostdev"))
        add_hostdev(references, device, xml_attr(device, "type"), "hostdev");
    else if (xml_is(device, NULL, "interface") && definition_attr_is(device, "type", "hostdev"))
        add_hostdev(references, device, "pci", "interface");
    else if (xml_is(device, NULL, "disk") && target && !is_passed_over(target, but, but_count))
        add_disk(references, device, target);
}

int definition_references(const struct xml_doc *domain, const char *const *but, size_t but_count,
                          struct reference **ret, size_t *ret_count, struct err *err)
{
    struct references references = {0};
    const struct xml_node *root = xml_root(domain);

    if (!xml_is(root, NULL, "domain"))
        return err_set(err, ERR_CORRUPT, "is not a domain definition: its root element is <%s>",
                       xml_name(root));
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        add_places(&references, root, places[i].path, &places[i]);
    for (const struct xml_node *devices = xml_child(root, NULL, "devices"); devices;
         devices = xml_next_same(devices))
        for (struct xml_node *device = xml_first(devices); device; device = xml_next(device))
            add_device(&references, device, but, but_count);
    *ret = references.all;
    *ret_count = references.count;
    return 0;
}

void definition_references_free(struct reference *references, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(references[i].name);
        free(references[i].use);
    }
    free(references);
}
