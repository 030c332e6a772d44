/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/in_use.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "disk/image.h"
#include "guest/definition/definition.h"
#include "guest/guest.h"

struct in_use_look {
    const struct in_use_query *query;
    struct stat *stats; /* of each place; st_mode 0: nothing is there */
    bool any_replaced;
    struct guest *guest; /* that is looked at */
    bool own;
    bool active;
};

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode))
        return S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The place that the path leads to; NULL: none of them. */
static const struct in_use_place *find_used_place(const struct in_use_look *look, const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return NULL;
    for (size_t i = 0; i < look->query->count; i++)
        if (look->stats[i].st_mode && is_same_file(&look->stats[i], &st))
            return &look->query->places[i];
    return NULL;
}

char *in_use_disk_path(struct hypervisor *hypervisor, const struct definition_disk *disk)
{
    CLEANUP_HYPERVISOR_VOLUME struct hypervisor_volume volume = {0};

    if (!disk->pool)
        return mem_strdup(disk->path);
    (void)hypervisor_volume(hypervisor, disk->pool, disk->volume, &volume, NULL);
    return TAKE_PTR(volume.path);
}

static int check_disk(const struct in_use_look *look, const char *path, bool shareable,
                      struct err *err)
{
    const struct in_use_place *place = find_used_place(look, path);

    if (!place || look->own || (place->shareable && shareable && !look->active))
        return 0;
    return err_set(err, ERR_BUSY, "%s is a disk of guest '%s'; choose another one", place->path,
                   guest_name(look->guest));
}

/* What lies on top of a replaced file is worth nothing from then on. */
static int check_chain(const struct in_use_look *look, const struct definition_disk *disk,
                       const char *path, struct err *err)
{
    const struct in_use_query *query = look->query;
    CLEANUP_DISK_INFO struct disk_info info = {0};
    CLEANUP_ERR struct err inspect_err = ERR_INIT;

    if (!path || *path != '/' || !disk->format || strcmp(disk->format, "raw") == 0)
        return 0;
    if (disk_inspect(path, disk->format, &info, &inspect_err) < 0) {
        log_detail("guest '%s': cannot tell the backing files of disk '%s': %s",
                   guest_name(look->guest), disk->target, inspect_err.text);
        return 0;
    }
    for (size_t i = 1; i < info.chain_length; i++) {
        const struct in_use_place *place = find_used_place(look, info.chain_paths[i]);
        if (!place || !place->replaced)
            continue;
        if (!look->own)
            return err_set(err, ERR_BUSY, "%s is a backing file of disk '%s' of guest '%s'",
                           place->path, disk->target, guest_name(look->guest));
        if (query->report)
            report_warning(
                query->report, query->name,
                &(struct warning){WARNING_BASE_REPLACED, .path = place->path, .other_path = path});
    }
    return 0;
}

static int check_domain(const struct in_use_look *look, const struct xml_doc *domain,
                        struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    const char *format = NULL;
    CLEANUP_FREE char *nvram = definition_nvram(domain, &format);
    const struct in_use_place *place = find_used_place(look, nvram);

    if (place && !look->own)
        return err_set(err, ERR_BUSY, "%s is the NVRAM of guest '%s'", place->path,
                       guest_name(look->guest));
    if (definition_read_disks(domain, &disks, NULL) < 0)
        return 0;
    for (size_t i = 0; i < disks.count; i++) {
        const struct definition_disk *disk = &disks.disks[i];
        CLEANUP_FREE char *path = in_use_disk_path(look->query->hypervisor, disk);
        if (check_disk(look, path, disk->shareable, err) < 0 ||
            (look->any_replaced && check_chain(look, disk, path, err) < 0))
            return -1;
    }
    return 0;
}

static int check_guest_disks(struct in_use_look *look, struct err *err)
{
    static const enum guest_xml_kind kinds[] = {GUEST_XML_PERSISTENT, GUEST_XML_LIVE};
    const char *own = look->query->own_uuid;
    struct guest_status status;

    look->own = own && strcmp(guest_uuid(look->guest), own) == 0;
    look->active =
        guest_get_status(look->guest, &status, NULL) < 0 || status.state != GUEST_SHUT_OFF;
    for (size_t i = 0; i < (look->active ? 2 : 1); i++) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP(xml_freep) struct xml_doc *doc = NULL;
        if (guest_get_xml(look->guest, kinds[i], &text, NULL) < 0)
            continue;
        doc = xml_parse(text, strlen(text), NULL);
        if (doc && check_domain(look, doc, err) < 0)
            return -1;
    }
    return 0;
}

int in_use_check(const struct in_use_query *query, struct err *err)
{
    CLEANUP_FREE struct stat *stats = mem_array(query->count + 1, sizeof(*stats));
    struct in_use_look look = {.query = query, .stats = stats};
    struct guest **guests = NULL;
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < query->count; i++) {
        if (stat(query->places[i].path, &stats[i]) < 0)
            stats[i] = (struct stat){0};
        else if (query->places[i].replaced)
            look.any_replaced = true;
    }
    if (hypervisor_list(query->hypervisor, &guests, &count, err) < 0)
        return -1;
    for (size_t i = 0; result == 0 && i < count; i++) {
        look.guest = guests[i];
        result = check_guest_disks(&look, err);
    }
    guest_list_free(guests, count);
    for (size_t i = 0; result == 0 && i < query->count; i++)
        if (query->places[i].replaced && stats[i].st_mode)
            result = disk_check_unused(query->places[i].path, err);
    return result;
}
