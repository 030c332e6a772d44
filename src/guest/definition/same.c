/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "guest/definition/internal.h"

bool definition_same_disks(const struct definition_disks *a, const struct definition_disks *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!text_same(a->disks[i].target, b->disks[i].target) ||
            !text_same(a->disks[i].path, b->disks[i].path) ||
            !text_same(a->disks[i].pool, b->disks[i].pool) ||
            !text_same(a->disks[i].volume, b->disks[i].volume))
            return false;
    return true;
}

/* ---- devices ------------------------------------------------------------------------------- */

/* The guest itself changes these: its agent comes and goes, it opens the tray of a drive. */
static bool is_volatile(const char *attr)
{
    return strcmp(attr, "state") == 0 || strcmp(attr, "tray") == 0;
}

struct attr_check {
    struct xml_node *other;
    bool same;
};

static bool compare_attr(void *opaque, const char *name, const char *value)
{
    struct attr_check *check = opaque;

    check->same = is_volatile(name) || text_same(xml_attr(check->other, name), value);
    return check->same;
}

static bool has_same_attrs(struct xml_node *a, struct xml_node *b)
{
    struct attr_check there = {b, true};
    struct attr_check back = {a, true};

    xml_each_attr(a, compare_attr, &there);
    xml_each_attr(b, compare_attr, &back);
    return there.same && back.same;
}

/* What it is, and where the guest sees it. What is behind it on the host, such as a socket or a
 * bandwidth, may change while the guest runs. */
static bool is_same_device(struct xml_node *a, struct xml_node *b)
{
    static const char *const parts[] = {"address", "mac", "model", "target"};

    if (strcmp(xml_name(a), xml_name(b)) != 0 || !has_same_attrs(a, b))
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        struct xml_node *mine = xml_child(a, NULL, parts[i]);
        struct xml_node *other = xml_child(b, NULL, parts[i]);
        if (!mine != !other || (mine && !has_same_attrs(mine, other)))
            return false;
    }
    return true;
}

/* QEMU unplugs the others itself when memory is copied, and plugs them in again. */
static struct xml_node *skip_transient(struct xml_node *device)
{
    while (device && definition_attr_is(xml_child(device, NULL, "teaming"), "type", "transient"))
        device = xml_next(device);
    return device;
}

static struct xml_node *first_device(const struct xml_doc *domain)
{
    struct xml_node *devices = xml_find(xml_root(domain), "devices");

    return skip_transient(devices ? xml_first(devices) : NULL);
}

static bool has_same_text(const struct xml_doc *a, const struct xml_doc *b, const char *path)
{
    CLEANUP_FREE char *mine = xml_find_text(xml_root(a), path);
    CLEANUP_FREE char *other = xml_find_text(xml_root(b), path);

    return text_same(mine, other);
}

bool definition_same_machine(const struct xml_doc *a, const struct xml_doc *b)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks mine = {0};
    CLEANUP_DEFINITION_DISKS struct definition_disks other = {0};
    struct xml_node *device = first_device(a);
    struct xml_node *twin = first_device(b);

    while (device && twin && is_same_device(device, twin)) {
        device = skip_transient(xml_next(device));
        twin = skip_transient(xml_next(twin));
    }
    return !device && !twin && has_same_text(a, b, "memory") && has_same_text(a, b, "vcpu") &&
           text_same(xml_find_attr(xml_root(a), "vcpu", "current"),
                     xml_find_attr(xml_root(b), "vcpu", "current")) &&
           definition_read_disks(a, &mine, NULL) == 0 &&
           definition_read_disks(b, &other, NULL) == 0 && definition_same_disks(&mine, &other);
}
