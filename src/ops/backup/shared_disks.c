/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/shared_disks.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "guest/definition/definition.h"

static bool any_shareable(const struct source *source)
{
    for (size_t i = 0; i < source->disk_count; i++)
        if (source->disks[i].shareable)
            return true;
    return false;
}

/* A network disk has no file to compare: compare its address instead. */
static bool is_same_place(const struct source_disk *disk, const char *path, bool local)
{
    struct stat mine;
    struct stat other;

    if (disk->local != local || !disk->path)
        return false;
    if (strcmp(disk->path, path) == 0)
        return true;
    if (!local || stat(disk->path, &mine) < 0 || stat(path, &other) < 0)
        return false;
    if (S_ISBLK(mine.st_mode) && S_ISBLK(other.st_mode))
        return mine.st_rdev == other.st_rdev;
    return mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}

static const struct source_disk *find_shared_disk(struct hypervisor *hypervisor,
                                                  const struct source *source,
                                                  const struct definition_disk *other)
{
    CLEANUP_HYPERVISOR_VOLUME struct hypervisor_volume volume = {0};

    if (other->readonly || strcmp(other->device, "cdrom") == 0)
        return NULL;
    if (other->pool && hypervisor_volume(hypervisor, other->pool, other->volume, &volume, NULL) < 0)
        return NULL;
    const char *path = other->pool ? volume.path : other->path;
    for (size_t i = 0; path && i < source->disk_count; i++)
        if (source->disks[i].shareable &&
            is_same_place(&source->disks[i], path, strcmp(other->type, "network") != 0))
            return &source->disks[i];
    return NULL;
}

static int check_neighbour(struct hypervisor *hypervisor, struct guest *neighbour,
                           const struct source *source, struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    CLEANUP_ERR struct err look_err = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    struct guest_status status;

    if (guest_get_status(neighbour, &status, &look_err) == 0 && status.state == GUEST_SHUT_OFF)
        return 0;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;
    if (look_err.text || guest_get_xml(neighbour, GUEST_XML_LIVE, &text, &look_err) < 0 ||
        !(doc = xml_parse(text, strlen(text), &look_err)) ||
        definition_read_disks(doc, &disks, &look_err) < 0) {
        /* It has ended in the meantime, or its XML is odd: neither is a reason to skip this
         * guest. */
        log_detail("guest '%s': its disks cannot be compared: %s", guest_name(neighbour),
                   look_err.text);
        return 0;
    }
    for (size_t i = 0; i < disks.count; i++) {
        const struct source_disk *shared = find_shared_disk(hypervisor, source, &disks.disks[i]);
        if (shared)
            return err_set(err, ERR_UNSUPPORTED,
                           "disk '%s' is shareable and in use by guest '%s', which is %s; shut "
                           "that guest down, or leave the disk out with --exclude-disk %s",
                           shared->target, guest_name(neighbour), status.state_text,
                           shared->target);
    }
    return 0;
}

int shared_disks_check(struct hypervisor *hypervisor, const struct guest *guest,
                       const struct source *source, struct err *err)
{
    struct guest **guests = NULL;
    size_t count = 0;
    int result = 0;

    if (!any_shareable(source))
        return 0;
    if (hypervisor_list(hypervisor, &guests, &count, err) < 0)
        return -1;
    for (size_t i = 0; result == 0 && i < count; i++)
        if (strcmp(guest_uuid(guests[i]), guest_uuid(guest)) != 0)
            result = check_neighbour(hypervisor, guests[i], source, err);
    guest_list_free(guests, count);
    return result;
}
