/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rules are those that libvirt's QEMU driver checks before every save, as far as the XML shows.
 * QEMU has more, which libvirt asks it about.
 */
#include "base/array.h"
#include "guest/definition/definition.h"

#include <string.h>

#include "guest/definition/internal.h"

/* QEMU unplugs such a device itself before it saves. */
static bool teams_up(const struct xml_node *device)
{
    return definition_attr_is(xml_child(device, NULL, "teaming"), "type", "transient");
}

static char *check_hostdev(const struct xml_node *hostdev)
{
    const char *type = xml_attr(hostdev, "type");

    if (definition_attr_is(hostdev, "mode", "capabilities"))
        return mem_strdup("a host device (mode 'capabilities')");
    if (!type || strcmp(type, "usb") == 0 || (strcmp(type, "pci") == 0 && teams_up(hostdev)))
        return NULL;
    return mem_printf("a host device (type '%s')", type);
}

static char *check_interface(const struct xml_node *interface)
{
    if (definition_attr_is(interface, "type", "hostdev") && !teams_up(interface))
        return mem_strdup("a network interface of type 'hostdev'");
    if (definition_attr_is(interface, "type", "vdpa"))
        return mem_strdup("a network interface of type 'vdpa'");
    return NULL;
}

static char *check_filesystem(const struct xml_node *filesystem)
{
    const char *mount = xml_find_attr(filesystem, "target", "dir");

    if (!definition_attr_is(xml_child(filesystem, NULL, "driver"), "type", "virtiofs"))
        return NULL;
    return mem_printf("the virtiofs file system '%s'", mount ? mount : "");
}

static char *check_shmem(const struct xml_node *shmem)
{
    const char *name = xml_attr(shmem, "name");

    if (!definition_attr_is(xml_child(shmem, NULL, "model"), "type", "ivshmem") &&
        definition_attr_is(shmem, "role", "master"))
        return NULL;
    return mem_printf("the shared memory device '%s'", name ? name : "");
}

static char *check_transient_disk(const struct xml_node *disk)
{
    const char *target = xml_find_attr(disk, "target", "dev");

    if (!xml_child(disk, NULL, "transient"))
        return NULL;
    return mem_printf("the transient disk '%s'", target ? target : "");
}

static bool has_tsc_frequency(const struct xml_node *domain)
{
    for (const struct xml_node *timer = xml_find(domain, "clock/timer"); timer;
         timer = xml_next_same(timer))
        if (definition_attr_is(timer, "name", "tsc") && xml_attr(timer, "frequency"))
            return true;
    return false;
}

static char *check_cpu_feature(const struct xml_node *feature)
{
    if (!definition_attr_is(feature, "name", "invtsc") ||
        definition_attr_is(feature, "policy", "disable") ||
        definition_attr_is(feature, "policy", "forbid") ||
        has_tsc_frequency(xml_parent(xml_parent(feature))))
        return NULL;
    return mem_strdup("the CPU feature 'invtsc' without a TSC frequency");
}

char *definition_unmigratable(const struct xml_doc *domain)
{
    static const struct {
        const char *path;
        char *(*check)(const struct xml_node *node);
    } checks[] = {
        {"devices/hostdev", check_hostdev},       {"devices/interface", check_interface},
        {"devices/filesystem", check_filesystem}, {"devices/shmem", check_shmem},
        {"devices/disk", check_transient_disk},   {"cpu/feature", check_cpu_feature},
    };

    for (size_t i = 0; i < ARRAY_COUNT(checks); i++)
        for (const struct xml_node *node = xml_find(xml_root(domain), checks[i].path); node;
             node = xml_next_same(node)) {
            char *found = checks[i].check(node);
            if (found)
                return found;
        }
    return NULL;
}
