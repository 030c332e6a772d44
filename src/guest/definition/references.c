/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/references.h"

#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "guest/definition/internal.h"

/* Takes ownership of use. */
static void add_reference(struct references *references, enum reference_kind kind, const char *name,
                          char *use_text)
{
    CLEANUP_FREE char *use = use_text;

    definition_reference_add(references, kind, name, NULL, use);
}

static bool is_path(enum reference_kind kind)
{
    return kind >= REF_FILE && kind <= REF_SOCKET;
}

void definition_reference_add(struct references *references, enum reference_kind kind,
                              const char *name, const char *volume, const char *use)
{
    if (!name || *name == '\0' || (is_path(kind) && *name != '/') ||
        references->count >= DEFINITION_MAX_REFERENCES)
        return;
    /* libvirt makes its own folders. */
    if (kind == REF_PARENT && strstr(name, "/libvirt/qemu/"))
        return;
    for (size_t i = 0; i < references->count; i++) {
        const struct reference *other = &references->all[i];
        if (other->kind == kind && strcmp(other->name, name) == 0 &&
            text_same(other->volume, volume) && strcmp(other->use, use) == 0)
            return;
    }
    references->all = mem_resize(references->all, references->count + 1, sizeof(*references->all));
    references->all[references->count++] = (struct reference){
        .kind = kind,
        .name = mem_strdup(name),
        .volume = mem_strdup(volume),
        .use = mem_strdup(use),
    };
}

/* ---- places that hold a name or path as it is ------------------------------------------- */

struct place {
    const char *path;
    const char *type; /* the required type of the parent; NULL: any */
    const char *attr; /* NULL: the element's text */
    enum reference_kind kind;
    const char *use;
};

/* Character devices, disks and host devices are looked at below. */
static const struct place reference_places[] = {
    {"os/kernel", NULL, NULL, REF_FILE, "kernel"},
    {"os/initrd", NULL, NULL, REF_FILE, "initrd"},
    {"os/dtb", NULL, NULL, REF_FILE, "dtb"},
    {"os/loader", NULL, NULL, REF_FILE, "loader"},
    {"os/nvram", NULL, "template", REF_TEMPLATE, "nvram template"},
    {"os/nvram", NULL, NULL, REF_PARENT, "nvram"},
    {"os/nvram/source", NULL, "file", REF_PARENT, "nvram"},
    {"os/acpi/table", NULL, NULL, REF_FILE, "acpi table"},
    {"sysinfo/entry", NULL, "file", REF_FILE, "fw_cfg"},
    {"blkiotune/device/path", NULL, NULL, REF_FILE, "blkiotune"},
    {"devices/emulator", NULL, NULL, REF_FILE, "emulator"},
    {"devices/interface/rom", NULL, "file", REF_FILE, "interface's ROM"},
    {"devices/interface/script", NULL, "path", REF_FILE, "interface's script"},
    {"devices/interface/downscript", NULL, "path", REF_FILE, "interface's script"},
    {"devices/interface/backend", NULL, "tap", REF_FILE, "interface"},
    {"devices/interface/backend", NULL, "vhost", REF_FILE, "interface"},
    {"devices/interface/backend", NULL, "logFile", REF_PARENT, "interface's log"},
    {"devices/interface/source", "network", "network", REF_NETWORK, "interface"},
    {"devices/interface/source", "bridge", "bridge", REF_INTERFACE, "interface"},
    {"devices/interface/source", "user", "dev", REF_INTERFACE, "interface"},
    {"devices/interface/source", "vdpa", "dev", REF_FILE, "interface"},
    {"devices/interface/filterref", NULL, "filter", REF_NWFILTER, "interface"},
    {"devices/hostdev/rom", NULL, "file", REF_FILE, "hostdev's ROM"},
    {"devices/filesystem/source", NULL, "socket", REF_SOCKET, "filesystem"},
    {"devices/filesystem/source", NULL, "dir", REF_FOLDER, "filesystem"},
    {"devices/filesystem/source", NULL, "file", REF_FILE, "filesystem"},
    {"devices/filesystem/source", NULL, "dev", REF_FILE, "filesystem"},
    {"devices/filesystem/binary", NULL, "path", REF_FILE, "filesystem's program"},
    {"devices/video/model/acceleration", NULL, "rendernode", REF_FILE, "video"},
    {"devices/graphics", NULL, "socket", REF_PARENT, "graphics"},
    {"devices/graphics/listen", NULL, "socket", REF_PARENT, "graphics"},
    {"devices/graphics/gl", NULL, "rendernode", REF_FILE, "graphics"},
    {"devices/input/source", NULL, "dev", REF_FILE, "input"},
    {"devices/input/source", NULL, "evdev", REF_FILE, "input"},
    {"devices/memory/source/path", NULL, NULL, REF_FILE, "memory"},
    {"devices/shmem/server", NULL, "path", REF_SOCKET, "shmem"},
    {"devices/rng/backend", NULL, NULL, REF_FILE, "rng"},
    {"devices/audio", NULL, "path", REF_PARENT, "audio"},
    {"devices/pstore/path", NULL, NULL, REF_PARENT, "pstore"},
    {"devices/smartcard/database", NULL, NULL, REF_FOLDER, "smartcard"},
    {"devices/lease/target", NULL, "path", REF_FILE, "lease"},
    {"devices/tpm/backend/device", NULL, "path", REF_FILE, "tpm"},
    {"devices/tpm/backend/source", "external", "path", REF_SOCKET, "tpm"},
    {"devices/tpm/backend/encryption", NULL, "secret", REF_SECRET_UUID, "tpm"},
};

static void add_place_reference(struct references *references, const struct xml_node *node,
                                const struct place *place)
{
    CLEANUP_FREE char *text = place->attr ? NULL : xml_text(node);

    if (place->type && !definition_attr_is(xml_parent(node), "type", place->type))
        return;
    add_reference(references, place->kind, place->attr ? xml_attr(node, place->attr) : text,
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
            add_place_reference(references, child, place);
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
        add_reference(references, REF_SECRET_UUID, xml_attr(node, "uuid"), mem_strdup(use));
        add_reference(references, REF_SECRET_USAGE, xml_attr(node, "usage"), mem_strdup(use));
    }
}

/* A drive that may be empty is not among what a start needs. */
static bool is_optional_source(const struct xml_node *source)
{
    return definition_attr_is(source, "startupPolicy", "optional");
}

/* One layer of a disk: <disk> itself, a <backingStore> in it, or where a layer keeps its data. The
 * parser bounds the depth. */
static void add_layer(struct references *references, const struct xml_node *layer, const char *use)
{
    const struct xml_node *source = layer ? xml_child(layer, NULL, "source") : NULL;

    if (!source || is_optional_source(source))
        return;
    add_layer(references, xml_child(source, NULL, "dataStore"), use);
    if (definition_attr_is(layer, "type", "volume"))
        definition_reference_add(references, REF_POOL, xml_attr(source, "pool"),
                                 xml_attr(source, "volume"), use);
    definition_reference_add(references, REF_FILE, xml_attr(source, "file"), NULL, use);
    definition_reference_add(references, REF_FILE, xml_attr(source, "dev"), NULL, use);
    definition_reference_add(references, REF_FOLDER, xml_attr(source, "dir"), NULL, use);
    definition_reference_add(references, REF_FILE, xml_find_attr(source, "config", "file"), NULL,
                             use);
    for (const struct xml_node *host = xml_child(source, NULL, "host"); host;
         host = xml_next_same(host))
        definition_reference_add(references, REF_SOCKET, xml_attr(host, "socket"), NULL, use);
    if (definition_attr_is(layer, "type", "vhostuser"))
        definition_line_add(references, source, "unix", use);
    definition_line_add(references, xml_find(source, "reservations/source"), "unix", use);
}

/* With a network, the bridge or device is the network's own affair. */
static void add_interface(struct references *references, const struct xml_node *device)
{
    const struct xml_node *source = xml_child(device, NULL, "source");
    const struct xml_node *target = xml_child(device, NULL, "target");

    if (definition_attr_is(device, "type", "direct") && source && !xml_attr(source, "network"))
        definition_reference_add(references, REF_INTERFACE, xml_attr(source, "dev"), NULL,
                                 "interface");
    if (definition_attr_is(device, "type", "vhostuser"))
        definition_line_add(references, source, "unix", "interface");
    if (definition_attr_is(device, "type", "ethernet") &&
        definition_attr_is(target, "managed", "no"))
        definition_reference_add(references, REF_INTERFACE, xml_attr(target, "dev"), NULL,
                                 "interface");
}

/* ---- host devices -------------------------------------------------------------------------- */

static const char *without_0x(const char *number)
{
    return strncmp(number, "0x", 2) == 0 ? number + 2 : number;
}

static char *join_attrs(const struct xml_node *node, const char *start, const char *const names[4],
                        const char *const between[4])
{
    char *text = mem_strdup(start);

    for (size_t i = 0; i < 4 && names[i]; i++) {
        const char *value = xml_attr(node, names[i]);
        CLEANUP_FREE char *before = text;
        text = mem_printf("%s%s%s", before, between[i], value ? without_0x(value) : "?");
    }
    return text;
}

/* "0000:01:00.0", "046d:c31c", "port 1-2.1", "scsi_host3:0:1:0", a mediated device's UUID ... */
static char *device_address(const struct xml_node *source)
{
    static const char *const pci[4] = {"domain", "bus", "slot", "function"};
    static const char *const pci_between[4] = {"", ":", ":", "."};
    static const char *const bus[4] = {"bus", "device"};
    static const char *const colon[4] = {"", ":"};
    static const char *const scsi[4] = {"bus", "target", "unit"};
    static const char *const scsi_between[4] = {":", ":", ":"};
    const struct xml_node *address = xml_child(source, NULL, "address");
    const struct xml_node *vendor = xml_child(source, NULL, "vendor");
    const struct xml_node *product = xml_child(source, NULL, "product");
    const struct xml_node *adapter = xml_child(source, NULL, "adapter");
    const char *name = adapter ? xml_attr(adapter, "name") : NULL;

    if (vendor && product && xml_attr(vendor, "id") && xml_attr(product, "id"))
        return mem_printf("%s:%s", without_0x(xml_attr(vendor, "id")),
                          without_0x(xml_attr(product, "id")));
    if (name && address)
        return join_attrs(address, name, scsi, scsi_between);
    if (name)
        return mem_strdup(name);
    if (address && xml_attr(address, "uuid"))
        return mem_strdup(xml_attr(address, "uuid"));
    if (address && xml_attr(address, "slot"))
        return join_attrs(address, "", pci, pci_between);
    if (address && xml_attr(address, "device"))
        return join_attrs(address, "", bus, colon);
    if (address && xml_attr(address, "port"))
        return mem_printf("port %s-%s", xml_attr(address, "bus") ? xml_attr(address, "bus") : "?",
                          xml_attr(address, "port"));
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

    add_secrets(references, device, use);
    if (!source || is_optional_source(source))
        return;
    CLEANUP_FREE char *address = device_address(source);
    CLEANUP_FREE char *name = mem_printf("%s %s", type ? type : "device", address);
    definition_reference_add(references, REF_DEVICE, name, NULL, use);
}

static void add_disk_references(struct references *references, struct xml_node *disk,
                                const char *target)
{
    const char *device = xml_attr(disk, "device");
    CLEANUP_FREE char *use = mem_printf("%s %s", device ? device : "disk", target);

    add_secrets(references, disk, use);
    for (const struct xml_node *layer = disk; layer; layer = xml_child(layer, NULL, "backingStore"))
        add_layer(references, layer, use);
    if (definition_attr_is(disk, "type", "nvme"))
        add_hostdev(references, disk, "pci", use);
}

/* The kernel's part of a device, which libvirt opens for QEMU under its usual name. */
static void add_vhost(struct references *references, const struct xml_node *device)
{
    const struct xml_node *driver = xml_child(device, NULL, "driver");
    const struct xml_node *backend = xml_child(device, NULL, "backend");

    if (xml_is(device, NULL, "vsock"))
        definition_reference_add(references, REF_FILE, "/dev/vhost-vsock", NULL, "vsock");
    else if (xml_is(device, NULL, "hostdev") && definition_attr_is(device, "type", "scsi_host"))
        definition_reference_add(references, REF_FILE, "/dev/vhost-scsi", NULL, "hostdev");
    /* Without the word, QEMU does it itself if the kernel cannot. */
    else if (xml_is(device, NULL, "interface") && definition_attr_is(driver, "name", "vhost") &&
             !(backend && xml_attr(backend, "vhost")))
        definition_reference_add(references, REF_FILE, "/dev/vhost-net", NULL, "interface");
}

/* Without a path, libvirt takes the host's own. */
static void add_virtiofs(struct references *references, const struct xml_node *device)
{
    const struct xml_node *source = xml_child(device, NULL, "source");
    const struct xml_node *binary = xml_child(device, NULL, "binary");

    if (definition_attr_is(xml_child(device, NULL, "driver"), "type", "virtiofs") &&
        !(source && xml_attr(source, "socket")) && !(binary && xml_attr(binary, "path")))
        definition_reference_add(references, REF_BACK_END, "virtiofsd", NULL, "filesystem");
}

static void add_device(struct references *references, struct xml_node *device,
                       const char *const *but, size_t but_count)
{
    const char *target = xml_find_attr(device, "target", "dev");

    if (xml_is(device, NULL, "hostdev"))
        add_hostdev(references, device, xml_attr(device, "type"), "hostdev");
    else if (xml_is(device, NULL, "interface") && definition_attr_is(device, "type", "hostdev"))
        add_hostdev(references, device, "pci", "interface");
    else if (xml_is(device, NULL, "interface"))
        add_interface(references, device);
    else if (xml_is(device, NULL, "filesystem") && definition_attr_is(device, "type", "volume"))
        add_layer(references, device, "filesystem");
    else if (xml_is(device, NULL, "filesystem"))
        add_virtiofs(references, device);
    else if (xml_is(device, NULL, "disk") && target && !is_passed_over(target, but, but_count))
        add_disk_references(references, device, target);
    add_vhost(references, device);
    definition_lines_add(references, device);
}

int definition_references(const struct xml_doc *domain, const char *const *but, size_t but_count,
                          struct reference **ret, size_t *ret_count, struct err *err)
{
    struct references references = {0};
    const struct xml_node *root = xml_root(domain);

    if (!xml_is(root, NULL, "domain"))
        return err_set(err, ERR_CORRUPT, "is not a domain definition: its root element is <%s>",
                       xml_name(root));
    for (size_t i = 0; i < ARRAY_COUNT(reference_places); i++)
        add_places(&references, root, reference_places[i].path, &reference_places[i]);
    definition_host_add(&references, root);
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
        free(references[i].volume);
        free(references[i].use);
    }
    free(references);
}
