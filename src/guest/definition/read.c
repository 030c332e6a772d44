/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include <ctype.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "guest/definition/internal.h"

bool definition_attr_is(const struct xml_node *node, const char *name, const char *wanted)
{
    const char *value = node ? xml_attr(node, name) : NULL;

    return value && strcmp(value, wanted) == 0;
}

static char *dup_attr(const struct xml_node *node, const char *name)
{
    const char *value = node ? xml_attr(node, name) : NULL;

    return value && *value ? mem_strdup(value) : NULL;
}

static bool has_child(const struct xml_node *node, const char *name)
{
    return node && xml_child(node, NULL, name);
}

/* "nbd://a:10809,b/name": for people, not for programs. */
static char *network_path(const struct xml_node *source)
{
    struct buf text CLEANUP_BUF = {0};
    const char *protocol = xml_attr(source, "protocol");
    const char *name = xml_attr(source, "name");
    const char *between = "";

    buf_printf(&text, "%s://", protocol ? protocol : "network");
    for (const struct xml_node *host = xml_child(source, NULL, "host"); host;
         host = xml_next_same(host)) {
        const char *port = xml_attr(host, "port");
        const char *where = xml_attr(host, "name");
        if (!where)
            where = xml_attr(host, "socket");
        buf_printf(&text, "%s%s%s%s", between, where ? where : "", port ? ":" : "",
                   port ? port : "");
        between = ",";
    }
    if (name)
        buf_printf(&text, "/%s", name);
    return buf_take_str(&text);
}

/* The path of a <source> of this type; NULL if it names none. */
static char *source_path(const struct xml_node *source, const char *type)
{
    static const struct {
        const char *type;
        const char *attr;
    } attrs[] = {{"file", "file"},      {"block", "dev"},     {"dir", "dir"},
                 {"vhostuser", "path"}, {"vhostvdpa", "dev"}, {"nvme", "namespace"}};

    if (!source)
        return NULL;
    if (strcmp(type, "network") == 0)
        return network_path(source);
    for (size_t i = 0; i < ARRAY_COUNT(attrs); i++)
        if (strcmp(type, attrs[i].type) == 0)
            return dup_attr(source, attrs[i].attr);
    return NULL;
}

static struct definition_disk read_disk(const struct xml_node *disk)
{
    const struct xml_node *source = xml_child(disk, NULL, "source");
    const char *device = xml_attr(disk, "device");
    const char *type = xml_attr(disk, "type");

    if (!type)
        type = "file";
    return (struct definition_disk){
        .target = mem_strdup(xml_find_attr(disk, "target", "dev")),
        .device = mem_strdup(device ? device : "disk"),
        .type = mem_strdup(type),
        .path = source_path(source, type),
        .pool = strcmp(type, "volume") == 0 ? dup_attr(source, "pool") : NULL,
        .volume = strcmp(type, "volume") == 0 ? dup_attr(source, "volume") : NULL,
        .format = dup_attr(xml_child(disk, NULL, "driver"), "type"),
        .readonly = has_child(disk, "readonly"),
        .shareable = has_child(disk, "shareable"),
        .transient = has_child(disk, "transient"),
        .encrypted = has_child(disk, "encryption") || has_child(source, "encryption"),
        .slice = has_child(source, "slices"),
        .data_store = has_child(source, "dataStore"),
        .backed = xml_find(disk, "backingStore/source") != NULL,
    };
}

/* Targets become part of file names. */
static bool target_is_fit(const char *target)
{
    if (*target == '\0' || *target == '.')
        return false;
    for (const char *c = target; *c; c++)
        if (*c == '/' || !isgraph((unsigned char)*c))
            return false;
    return true;
}

static int check_target(const struct definition_disks *before, const struct xml_node *disk,
                        struct err *err)
{
    const char *target = xml_find_attr(disk, "target", "dev");

    if (!target)
        return err_set(err, ERR_CORRUPT, "has a disk without a target");
    if (!target_is_fit(target))
        return err_set(err, ERR_CORRUPT, "has a disk with the invalid target '%s'", target);
    if (definition_find_disk(before, target))
        return err_set(err, ERR_CORRUPT, "has two disks with the target '%s'", target);
    return 0;
}

int definition_read_disks(const struct xml_doc *domain, struct definition_disks *ret,
                          struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks found = {0};

    if (!xml_is(xml_root(domain), NULL, "domain"))
        return err_set(err, ERR_CORRUPT, "is not a domain definition: its root element is <%s>",
                       xml_name(xml_root(domain)));
    for (const struct xml_node *disk = xml_find(xml_root(domain), "devices/disk"); disk;
         disk = xml_next_same(disk)) {
        if (found.count == DEFINITION_MAX_DISKS)
            return err_set(err, ERR_CORRUPT, "has more than %zu disks", DEFINITION_MAX_DISKS);
        if (check_target(&found, disk, err) < 0)
            return -1;
        found.disks = mem_resize(found.disks, found.count + 1, sizeof(*found.disks));
        found.disks[found.count++] = read_disk(disk);
    }
    *ret = found;
    found = (struct definition_disks){0};
    return 0;
}

const struct definition_disk *definition_find_disk(const struct definition_disks *disks,
                                                   const char *target)
{
    for (size_t i = 0; i < disks->count; i++)
        if (strcmp(disks->disks[i].target, target) == 0)
            return &disks->disks[i];
    return NULL;
}

void definition_disks_clear(struct definition_disks *disks)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct definition_disk *disk = &disks->disks[i];
        free(disk->target);
        free(disk->device);
        free(disk->type);
        free(disk->path);
        free(disk->pool);
        free(disk->volume);
        free(disk->format);
    }
    free(disks->disks);
    *disks = (struct definition_disks){0};
}

char *definition_name(const struct xml_doc *domain)
{
    return xml_find_text(xml_root(domain), "name");
}

char *definition_uuid(const struct xml_doc *domain)
{
    char *uuid = xml_find_text(xml_root(domain), "uuid");

    for (char *c = uuid; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return uuid;
}

const char *definition_type(const struct xml_doc *domain)
{
    return xml_attr(xml_root(domain), "type");
}

/* Old form: the path is the text of <nvram>. New form (libvirt 8.5): type and <source>, as for a
 * disk. */
char *definition_nvram(const struct xml_doc *domain, const char **ret_format)
{
    const struct xml_node *nvram = xml_find(xml_root(domain), "os/nvram");

    if (!nvram)
        return NULL;
    const struct xml_node *source = xml_child(nvram, NULL, "source");
    const char *type = xml_attr(nvram, "type");
    char *path = NULL;
    if (!source)
        path = xml_text(nvram);
    else if (definition_attr_is(nvram, "type", "volume"))
        path = mem_printf("%s/%s", xml_attr(source, "pool") ? xml_attr(source, "pool") : "",
                          xml_attr(source, "volume") ? xml_attr(source, "volume") : "");
    else
        path = source_path(source, type ? type : "file");
    if (path && *path == '\0') {
        free(path);
        return NULL;
    }
    *ret_format = definition_attr_is(nvram, "format", "qcow2") ? "qcow2" : "raw";
    return path;
}
