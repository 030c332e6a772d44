/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/source.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/text.h"
#include "base/units.h"
#include "guest/definition/definition.h"
#include "guest/managed_save.h"
#include "ops/guests/select.h"
#include "ops/backup/shared_disks.h"

/* ---- the XML ----------------------------------------------------------------------- */

static int parse_xml(const char *text, struct xml_doc **ret, struct err *err)
{
    struct xml_doc *doc = xml_parse(text, strlen(text), err);

    if (!doc)
        return err_prefix(err, "the XML that libvirt gave");
    manifest_strip(doc);
    *ret = doc;
    return 0;
}

static int fetch_xml(struct guest *guest, enum guest_xml_kind kind, struct xml_doc **ret,
                     struct err *err)
{
    CLEANUP_FREE char *text = NULL;

    if (guest_get_xml(guest, kind, &text, err) < 0)
        return -1;
    return parse_xml(text, ret, err);
}

/* The memory of a guest that is shut off belongs to its disks as they are now. */
static int fetch_managed_save(struct guest *guest, struct source *source, struct err *err)
{
    CLEANUP_FREE char *text = NULL;

    if (guest_managed_save(guest, &source->managed_save, &text, err) < 0)
        return err_prefix(err, "its managed-save image");
    return parse_xml(text, &source->live, err);
}

/* <memory unit='KiB'>, which libvirt always writes in KiB. */
static uint64_t memory_size(const struct xml_doc *domain)
{
    CLEANUP_FREE char *text = xml_find_text(xml_root(domain), "memory");
    uint64_t kib = 0;
    uint64_t bytes = 0;

    if (!text || units_parse_number(text, 0, UINT64_MAX / KIB, &kib, NULL) < 0 ||
        !units_mul(kib, KIB, &bytes))
        return 0;
    return bytes;
}

/* ---- what is left out ---------------------------------------------------------------- */

static const char *reason_text(enum source_why why, const struct definition_disk *disk)
{
    switch (why) {
    case SOURCE_MEDIUM:
        return disk->device;
    case SOURCE_EXCLUDED:
        return "excluded";
    case SOURCE_SNAPSHOTS:
        return "internal snapshots";
    case SOURCE_ONLY_DEFINED:
        return "only in the persistent definition, not in the running guest";
    case SOURCE_OTHER_DEFINED:
        return "the persistent definition names another source";
    }
    return "";
}

static void leave_out(struct source *source, const struct definition_disk *disk, const char *path,
                      enum source_why why)
{
    source->left_out =
        mem_resize(source->left_out, source->left_out_count + 1, sizeof(*source->left_out));
    source->left_out[source->left_out_count++] = (struct source_left_out){
        .why = why,
        .target = mem_strdup(disk->target),
        .device = mem_strdup(why == SOURCE_SNAPSHOTS ? MANIFEST_SNAPSHOTS : disk->device),
        .path = mem_strdup(path),
        .reason = mem_strdup(reason_text(why, disk)),
    };
}

/* ---- refusals -------------------------------------------------------------------------- */

static int refuse_disk(struct err *err, const char *target, const char *why)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "disk '%s': %s; leave it out with --exclude-disk %s to back up the rest", target,
                   why, target);
}

static bool is_local(const struct definition_disk *disk)
{
    static const char *const local[] = {"file", "block", "volume"};

    for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
        if (strcmp(disk->type, local[i]) == 0)
            return true;
    return false;
}

static int check_disk_place(const struct definition_disk *disk,
                            const struct source_request *request, struct err *err)
{
    bool network = strcmp(disk->type, "network") == 0;

    if (is_local(disk) || (network && request->exports))
        return 0;
    CLEANUP_FREE char *why = mem_printf(
        "it is of type '%s', not a file or block device on this host%s", disk->type,
        network ? "; it can be read while the guest runs, with --guest-memory live, pause or none"
                : "");
    return refuse_disk(err, disk->target, why);
}

static int check_kind(const struct definition_disk *disk, const struct source_request *request,
                      bool active, struct err *err)
{
    if (check_disk_place(disk, request, err) < 0)
        return -1;
    if (disk->encrypted)
        return refuse_disk(
            err, disk->target,
            "it is encrypted (LUKS) with a libvirt secret, and would be stored unencrypted");
    if (disk->slice && !request->exports)
        return refuse_disk(err, disk->target, "it is only a slice of its file");
    if (disk->data_store && !request->exports)
        return refuse_disk(err, disk->target, "its data is in a separate data store");
    if (disk->transient && active)
        return refuse_disk(err, disk->target,
                           "it is transient: what the guest writes to it is discarded");
    return 0;
}

/* QEMU cannot save memory while it has these open ("does not support live migration"). */
static int check_savable(const struct source_disk *disk, struct err *err)
{
    static const char *const unsavable[] = {"vmdk", "vdi",   "vhdx",      "vpc",  "qed",
                                            "dmg",  "cloop", "parallels", "bochs"};

    for (size_t i = 0; i < sizeof(unsavable) / sizeof(*unsavable); i++)
        if (strcmp(disk->format, unsavable[i]) == 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "disk '%s' is of format %s, and QEMU cannot save the memory of a guest "
                           "with such a disk; shut the guest down, convert the disk to qcow2, or "
                           "back up the disks alone with --guest-memory none",
                           disk->target, disk->format);
    return 0;
}

/* ---- disks ------------------------------------------------------------------------------- */

static int resolve_disk(struct hypervisor *hypervisor, const struct definition_disk *disk,
                        struct source_disk *ret, struct err *err)
{
    CLEANUP_HYPERVISOR_VOLUME struct hypervisor_volume volume = {0};

    ret->target = mem_strdup(disk->target);
    ret->type = mem_strdup(disk->type);
    ret->local = is_local(disk);
    ret->shareable = disk->shareable;
    ret->readonly = disk->readonly;
    if (strcmp(disk->type, "volume") != 0) {
        ret->path = mem_strdup(disk->path);
        ret->format = mem_strdup(disk->format ? disk->format : "raw");
        return 0;
    }
    ret->pool = mem_strdup(disk->pool);
    ret->volume = mem_strdup(disk->volume);
    if (hypervisor_volume(hypervisor, disk->pool, disk->volume, &volume, err) < 0)
        return -1;
    ret->path = TAKE_PTR(volume.path);
    ret->format = disk->format ? mem_strdup(disk->format) : TAKE_PTR(volume.format);
    if (strcmp(volume.type, "file") != 0 && strcmp(volume.type, "block") != 0)
        return refuse_disk(err, disk->target,
                           "its volume is not a file or block device on this host");
    return 0;
}

static void source_disk_clear(struct source_disk *disk)
{
    free(disk->target);
    free(disk->type);
    free(disk->path);
    free(disk->pool);
    free(disk->volume);
    free(disk->format);
    disk_info_clear(&disk->info);
    *disk = (struct source_disk){0};
}

struct gathering {
    struct hypervisor *hypervisor;
    const struct source_request *request;
    const char *guest;
    const char *uuid;
    bool active;
    struct source *source;
};

static int look_at_disk(const struct gathering *gathering, const struct definition_disk *disk,
                        struct source_disk *ret, struct err *err)
{
    const struct source_request *request = gathering->request;

    if (check_kind(disk, request, gathering->active, err) < 0)
        return -1;
    if (resolve_disk(gathering->hypervisor, disk, ret, err) < 0)
        return err_prefix(err, "disk '%s'", disk->target);
    if (gathering->active && request->memory && check_savable(ret, err) < 0)
        return -1;
    if (!ret->local)
        return 0;
    if (disk_inspect(ret->path, ret->format, &ret->info, err) < 0)
        return err_prefix(err, "disk '%s'", disk->target);
    if (ret->info.encrypted)
        return refuse_disk(err, disk->target, "it is encrypted, and would be stored unencrypted");
    return 0;
}

static int add_disk(const struct gathering *gathering, const struct definition_disk *disk,
                    struct err *err)
{
    struct source_disk found CLEANUP(source_disk_clear) = {0};
    struct source *source = gathering->source;

    if (look_at_disk(gathering, disk, &found, err) < 0)
        return -1;
    if (!units_add(source->image_size, found.info.image_size, &source->image_size))
        return err_set(err, ERR_UNSUPPORTED, "its disks together are larger than 2^64 bytes");
    if (found.info.image_size > source->largest_image)
        source->largest_image = found.info.image_size;
    if (found.info.snapshots)
        leave_out(source, disk, found.path, SOURCE_SNAPSHOTS);
    source->disks = mem_resize(source->disks, source->disk_count + 1, sizeof(*source->disks));
    source->disks[source->disk_count++] = found;
    found = (struct source_disk){0};
    return 0;
}

static bool leaves_out(const struct source *source, const char *target)
{
    for (size_t i = 0; i < source->left_out_count; i++)
        if (strcmp(source->left_out[i].target, target) == 0 &&
            source->left_out[i].why != SOURCE_SNAPSHOTS)
            return true;
    return false;
}

static const struct source_disk *find_disk(const struct source *source, const char *target)
{
    for (size_t i = 0; i < source->disk_count; i++)
        if (strcmp(source->disks[i].target, target) == 0)
            return &source->disks[i];
    return NULL;
}

/* The target was already seen in the running guest's XML. The definition may name another source
 * for it, which takes effect at the next start. */
static void meet_again(struct source *source, const struct definition_disk *disk)
{
    const struct source_disk *known = find_disk(source, disk->target);

    if (!known || (disk->path && text_same(known->path, disk->path)) ||
        (disk->pool && text_same(known->pool, disk->pool) &&
         text_same(known->volume, disk->volume)))
        return;
    leave_out(source, disk, disk->path, SOURCE_OTHER_DEFINED);
}

static int add_disks(const struct gathering *gathering, const struct xml_doc *domain,
                     struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    const struct name_list *excluded = gathering->request->exclude_disks;
    struct source *source = gathering->source;
    /* With exports only the disks of the running guest can be read. */
    bool later = domain == source->definition && gathering->active && gathering->request->exports;

    if (definition_read_disks(domain, &disks, err) < 0)
        return -1;
    for (size_t i = 0; i < disks.count; i++) {
        const struct definition_disk *disk = &disks.disks[i];
        const struct select_disk self = {gathering->guest, gathering->uuid, disk->target};
        bool medium = strcmp(disk->device, "cdrom") == 0 || strcmp(disk->device, "floppy") == 0;
        if (leaves_out(source, disk->target))
            continue;
        if (find_disk(source, disk->target))
            meet_again(source, disk);
        else if (medium)
            leave_out(source, disk, disk->path, SOURCE_MEDIUM);
        else if (select_disk_in_list(excluded, &self))
            leave_out(source, disk, disk->path, SOURCE_EXCLUDED);
        else if (later)
            leave_out(source, disk, disk->path, SOURCE_ONLY_DEFINED);
        else if (add_disk(gathering, disk, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- a destination inside a source ---------------------------------------------------------- */

/* The backing file if a file system is on a loop device, else NULL. */
static char *loop_file(dev_t device)
{
    CLEANUP_FREE char *path = mem_printf("/sys/dev/block/%u:%u/loop", major(device), minor(device));
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int dir = -1;
    size_t len = 0;

    if (io_open_dir(path, &dir, NULL) < 0 ||
        io_read_file(dir, "backing_file", 4096, &text, &len, NULL) < 0)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return TAKE_PTR(text);
}

static bool same_file(const char *path, const struct stat *other)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

/* If so, the backup would change the very disk that it reads. */
static int check_destination(const struct source_disk *disk, const char *destination,
                             const struct stat *folder, const struct stat *loop, struct err *err)
{
    for (unsigned i = 0; i < disk->info.chain_length; i++) {
        const char *path = disk->info.chain_paths[i];
        struct stat st;
        if (stat(path, &st) < 0)
            continue;
        if ((S_ISBLK(st.st_mode) && st.st_rdev == folder->st_dev) ||
            (loop && same_file(path, loop)))
            return err_set(err, ERR_USAGE,
                           "disk '%s': the destination %s is on this very disk (%s); choose "
                           "another destination",
                           disk->target, destination, path);
    }
    return 0;
}

static int check_destinations(const struct source *source, const char *destination, struct err *err)
{
    CLEANUP_FREE char *parent = mem_strdup(destination);
    struct stat folder;
    struct stat loop;

    /* The folder may not exist yet: then its parent shows which file system it will be on. */
    while (stat(parent, &folder) < 0 && strrchr(parent, '/'))
        *strrchr(parent, '/') = '\0';
    if (stat(*parent ? parent : "/", &folder) < 0)
        return 0;
    CLEANUP_FREE char *file = loop_file(folder.st_dev);
    bool on_loop = file && stat(file, &loop) == 0;
    for (size_t i = 0; i < source->disk_count; i++)
        if (check_destination(&source->disks[i], destination, &folder, on_loop ? &loop : NULL,
                              err) < 0)
            return -1;
    return 0;
}

/* ---- putting it together --------------------------------------------------------------------- */

static int check_state(const struct guest_status *status, struct err *err)
{
    if (status->state == GUEST_OTHER)
        return err_set(err, ERR_UNSUPPORTED,
                       "it is %s; it can be backed up when it is running, paused or shut off",
                       status->state_text);
    return 0;
}

static int check_memory(const struct source *source, struct err *err)
{
    CLEANUP_FREE char *device = definition_unmigratable(source->live);

    if (device)
        return err_set(
            err, ERR_UNSUPPORTED,
            "its memory cannot be saved because of %s; shut the guest down, or back up its "
            "disks alone with --guest-memory none",
            device);
    return 0;
}

static int gather_parts(struct hypervisor *hypervisor, struct guest *guest,
                        const struct source_request *request, struct source *source,
                        struct err *err)
{
    if (guest_get_status(guest, &source->status, err) < 0 ||
        check_state(&source->status, err) < 0 ||
        fetch_xml(guest, GUEST_XML_PERSISTENT, &source->definition, err) < 0)
        return -1;
    bool active = source->status.state != GUEST_SHUT_OFF;
    const struct gathering gathering = {
        .hypervisor = hypervisor,
        .request = request,
        .guest = guest_name(guest),
        .uuid = guest_uuid(guest),
        .active = active,
        .source = source,
    };
    if (active && fetch_xml(guest, GUEST_XML_LIVE, &source->live, err) < 0)
        return -1;
    if (!active && source->status.managed_save && fetch_managed_save(guest, source, err) < 0)
        return -1;
    if (active && request->memory && check_memory(source, err) < 0)
        return -1;
    if (source->live && add_disks(&gathering, source->live, err) < 0)
        return -1;
    if (add_disks(&gathering, source->definition, err) < 0 ||
        shared_disks_check(hypervisor, guest, source, err) < 0)
        return -1;
    const struct xml_doc *current = source->live ? source->live : source->definition;
    source->memory_size = active ? memory_size(current) : 0;
    if (extras_find(hypervisor, source->live, source->definition, &source->extras, err) < 0)
        return -1;
    return check_destinations(source, request->destination, err);
}

int source_gather(struct hypervisor *hypervisor, struct guest *guest,
                  const struct source_request *request, struct source *ret, struct err *err)
{
    struct source source = {0};

    if (gather_parts(hypervisor, guest, request, &source, err) < 0) {
        source_clear(&source);
        return -1;
    }
    *ret = source;
    return 0;
}

/* What QEMU's stream holds besides the guest's memory: devices, video memory. */
#define DEVICE_STATE_ROOM (64 * MIB)

uint64_t source_memory_room(const struct source *source)
{
    uint64_t room = UINT64_MAX;

    return units_add(source->memory_size, DEVICE_STATE_ROOM, &room) ? room : UINT64_MAX;
}

void source_clear(struct source *source)
{
    for (size_t i = 0; i < source->disk_count; i++)
        source_disk_clear(&source->disks[i]);
    for (size_t i = 0; i < source->left_out_count; i++) {
        free(source->left_out[i].target);
        free(source->left_out[i].device);
        free(source->left_out[i].path);
        free(source->left_out[i].reason);
    }
    free(source->disks);
    free(source->left_out);
    extras_clear(&source->extras);
    free(source->managed_save);
    xml_free(source->definition);
    xml_free(source->live);
    *source = (struct source){0};
}
