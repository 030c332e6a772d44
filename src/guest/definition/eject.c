/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Drops media that are not in a backup.
 */
#include "base/array.h"
#include "guest/definition/check.h"

#include <string.h>

#include "guest/definition/internal.h"
#include "guest/definition/rows.h"

struct medium {
    const struct definition_host *host;
    struct xml_node *source;
    bool fits;
};

static bool medium_attr(void *opaque, const char *name, const char *value)
{
    static const char *const places[][2] = {
        {"file", "disk"}, {"dev", "disk"}, {"volume", "volume"}};
    struct medium *medium = opaque;

    for (size_t i = 0; i < ARRAY_COUNT(places); i++)
        if (strcmp(name, places[i][0]) == 0)
            medium->fits = medium->fits && definition_value_check(places[i][1], medium->host,
                                                                  medium->source, value);
    return true;
}

static bool medium_fits(const struct definition_host *host, struct xml_node *disk,
                        struct xml_node *source)
{
    static const char *const types[] = {"file", "block", "volume"};
    struct medium medium = {.host = host, .source = source};

    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        medium.fits = medium.fits || definition_attr_is(disk, "type", types[i]);
    if (xml_first(source))
        return false;
    xml_each_attr(source, medium_attr, &medium);
    return medium.fits;
}

static void medium_eject(struct xml_node *disk)
{
    static const char *const of_source[] = {"source",     "backingStore", "mirror",
                                            "encryption", "auth",         "driver"};

    for (size_t i = 0; i < ARRAY_COUNT(of_source); i++) {
        struct xml_node *child = xml_child(disk, NULL, of_source[i]);
        if (child)
            xml_remove(child);
    }
    xml_set_attr(disk, "type", "file");
}

void definition_eject_media(struct xml_doc *domain, const struct definition_host *host,
                            struct strings *ret_targets)
{
    for (struct xml_node *disk = xml_find(xml_root(domain), "devices/disk"); disk;
         disk = xml_next_same(disk)) {
        struct xml_node *source = xml_child(disk, NULL, "source");
        struct xml_node *target = xml_child(disk, NULL, "target");
        const char *dev = target ? xml_attr(target, "dev") : NULL;
        if (!source || !dev ||
            (!definition_attr_is(disk, "device", "cdrom") &&
             !definition_attr_is(disk, "device", "floppy")))
            continue;
        if (medium_fits(host, disk, source))
            continue;
        medium_eject(disk);
        if (!strings_has(ret_targets, dev))
            strings_add(ret_targets, dev);
    }
}
