/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/placement.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/names.h"
#include "base/units.h"
#include "disk/image.h"
#include "guest/definition/definition.h"
#include "ops/extras.h"
#include "ops/guests/select.h"

/* ---- places ------------------------------------------------------------------------- */

static int refuse_existing_path(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) == 0)
        return err_set(err, ERR_EXISTS,
                       "%s already exists and is not overwritten; move it away, or choose another "
                       "--destination-path",
                       path);
    if (errno != ENOENT)
        return err_set_errno(err, errno, "%s: cannot stat it", path);
    return 0;
}

struct chooser {
    const char *name; /* of the guest, in the archive */
    const struct manifest *manifest;
    const struct restore_options *options;
    struct claims *claims;
    struct definition_disks disks; /* of the definition */
    struct definition_disks live;  /* of the guest as it ran; empty without its memory */
};

static void chooser_clear(struct chooser *chooser)
{
    definition_disks_clear(&chooser->disks);
    definition_disks_clear(&chooser->live);
}

/* An existing file is refused, or noted as one to be replaced. */
static int look_at_existing(const struct restore_options *options, const char *path,
                            struct placement *placement, struct err *err)
{
    return options->original_places ? placement_take_original(options, path, placement, err)
                                    : refuse_existing_path(path, err);
}

char *placement_claim(const struct placement_request *request, struct placement *placement,
                      const char *stem, const char *suffix, struct err *err)
{
    if (!placement->folder) {
        err_set(err, ERR_UNSUPPORTED,
                "'%s%s' has no original place, and no disk of the guest is a file that it could be "
                "put beside; use --destination-path, with --disk-map for each disk",
                stem, suffix);
        return NULL;
    }
    CLEANUP_FREE char *path =
        claims_free_path(request->claims, placement->folder, stem, suffix, err);
    if (!path || look_at_existing(request->options, path, placement, err) < 0)
        return NULL;
    claims_add(request->claims, path, request->name);
    return TAKE_PTR(path);
}

/* These have no meaningful base name. */
static bool was_no_file(const struct manifest_disk *disk)
{
    return strcmp(disk->type, "block") == 0 || strcmp(disk->type, "network") == 0 ||
           strncmp(disk->path, "/dev/", 5) == 0;
}

static bool is_shareable_disk(const struct chooser *chooser, const char *target)
{
    const struct definition_disk *defined = definition_find_disk(&chooser->disks, target);

    return defined && defined->shareable && !chooser->options->new_name;
}

static int choose_path(const struct chooser *chooser, struct placement *placement,
                       const struct manifest_disk *disk, char **ret, struct err *err)
{
    const char *folder = chooser->options->destination;
    const char *slash = strrchr(disk->path, '/');
    const char *base = slash ? slash + 1 : disk->path;

    if (chooser->options->original_places) {
        *ret = mem_strdup(disk->path);
        return placement_original_disk(chooser->options, chooser->manifest->domain_name, disk,
                                       placement, err);
    }
    if (!placement->renamed && !was_no_file(disk) && archive_check_name(base, NULL) == 0) {
        CLEANUP_FREE char *path = mem_printf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, base);
        if (!claims_has(chooser->claims, path)) {
            *ret = TAKE_PTR(path);
            return refuse_existing_path(*ret, err);
        }
    }
    CLEANUP_FREE char *stem = mem_printf("%s-%s", placement->name, disk->target);
    CLEANUP_FREE char *suffix = mem_printf(".%s", disk->format);
    *ret = claims_free_path(chooser->claims, folder, stem, suffix, err);
    return *ret ? refuse_existing_path(*ret, err) : -1;
}

static const char *mapped_path(const struct chooser *chooser, const char *target)
{
    for (size_t i = 0; i < chooser->options->map_count; i++) {
        const struct disk_map *map = &chooser->options->maps[i];
        if (strcmp(map->target, target) == 0 &&
            (!map->guest || strcmp(map->guest, chooser->manifest->domain_name) == 0))
            return map->path;
    }
    return NULL;
}

static int check_size(const char *device, const struct manifest_disk *disk, struct err *err)
{
    struct disk_info info = {0};
    char has[UNITS_TEXT_SIZE];
    char needs[UNITS_TEXT_SIZE];

    if (disk_inspect(device, "raw", &info, err) < 0)
        return -1;
    uint64_t size = info.image_size;
    disk_info_clear(&info);
    if (size >= disk->stored.image.raw_size)
        return 0;
    return err_set(err, ERR_NO_SPACE,
                   "%s has only %s (%" PRIu64 " bytes), but the disk needs %s (%" PRIu64 " bytes)",
                   device, units_format_size(size, has), size,
                   units_format_size(disk->stored.image.raw_size, needs),
                   disk->stored.image.raw_size);
}

static int place_mapped(const struct chooser *chooser, const char *path,
                        struct placement *placement, struct placed_disk *placed, struct err *err)
{
    struct stat st;

    if (*path != '/')
        return err_set(err, ERR_USAGE, "--disk-map: '%s' is not an absolute path", path);
    placed->path = mem_strdup(path);
    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        placed->block_device = true;
        placed->format = "raw";
        return check_size(path, placed->disk, err);
    }
    if (strncmp(path, "/dev/", 5) == 0)
        return err_set(err, ERR_NOT_FOUND, "--disk-map: %s is not a block device on this host",
                       path);
    return look_at_existing(chooser->options, path, placement, err);
}

/* A shareable disk that another guest of this run has already restored. */
static bool find_shared(const struct chooser *chooser, struct placement *placement,
                        struct placed_disk *placed)
{
    bool same = false;
    const struct claim *claim =
        is_shareable_disk(chooser, placed->disk->target)
            ? claims_find_shared(chooser->claims, chooser->name, placed->disk, &same)
            : NULL;

    if (claim && !same && !placement->unlike)
        placement->unlike = mem_strdup(placed->disk->target);
    if (!same)
        return false;
    placed->path = mem_strdup(claim->path);
    placed->shared = true;
    return true;
}

static int choose_disk_place(const struct chooser *chooser, struct placement *placement,
                             struct placed_disk *placed, struct err *err)
{
    const char *map = mapped_path(chooser, placed->disk->target);

    if (!map && find_shared(chooser, placement, placed))
        return 0;
    if ((map ? place_mapped(chooser, map, placement, placed, err)
             : choose_path(chooser, placement, placed->disk, &placed->path, err)) < 0)
        return -1;
    if (claims_has(chooser->claims, placed->path))
        return err_set(err, ERR_USAGE, "%s is meant for two disks", placed->path);
    if (is_shareable_disk(chooser, placed->disk->target) && !placed->block_device)
        claims_add_shareable(chooser->claims, placed->path, chooser->name, placed->disk);
    else
        claims_add(chooser->claims, placed->path, chooser->name);
    return 0;
}

static int place_disk(const struct chooser *chooser, struct placement *placement,
                      const struct manifest_disk *disk, struct err *err)
{
    struct placed_disk placed = {.disk = disk, .format = disk->format};

    if (choose_disk_place(chooser, placement, &placed, err) < 0) {
        free(placed.path);
        return err_prefix(err, "disk '%s'", disk->target);
    }
    placement->disks =
        mem_resize(placement->disks, placement->disk_count + 1, sizeof(*placement->disks));
    placement->disks[placement->disk_count++] = placed;
    return 0;
}

/* ---- disks that are not in the backup ------------------------------------------------- */

static bool is_left_out(const struct manifest *manifest, const char *target)
{
    for (size_t i = 0; i < manifest->left_out_count; i++)
        if (strcmp(manifest->left_out[i].target, target) == 0)
            return true;
    return false;
}

static int place_left_out(const struct chooser *chooser, struct placement *placement,
                          const struct definition_disk *disk, struct err *err)
{
    struct placed_left_out left_out = {.target = disk->target};
    const char *map = mapped_path(chooser, disk->target);
    struct stat st;

    if (!map && chooser->options->keep_left_out)
        return 0;
    if (map && *map != '/')
        return err_set(err, ERR_USAGE, "--disk-map: '%s' is not an absolute path", map);
    if (map && stat(map, &st) < 0)
        return err_set_errno(err, errno,
                             "--disk-map: disk '%s' is not in the backup, and %s cannot be used "
                             "for it",
                             disk->target, map);
    if (map && !S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, "--disk-map: %s is neither a file nor a block device", map);
    left_out.path = mem_strdup(map);
    left_out.block_device = map && S_ISBLK(st.st_mode);
    left_out.format = mem_strdup(disk->format ? disk->format : "raw");
    for (size_t i = 0; i < chooser->manifest->left_out_count; i++)
        if (strcmp(chooser->manifest->left_out[i].target, disk->target) == 0)
            left_out.target = chooser->manifest->left_out[i].target;
    placement->left_out =
        mem_resize(placement->left_out, placement->left_out_count + 1, sizeof(left_out));
    placement->left_out[placement->left_out_count++] = left_out;
    /* A disk that only the definition has is not in the memory. */
    placement->memory_dropped =
        placement->memory_dropped || (!map && definition_find_disk(&chooser->live, disk->target));
    return 0;
}

/* CD-ROM and floppy drives stay, with or without a medium. */
static int place_all_left_out(const struct chooser *chooser, struct placement *placement,
                              struct err *err)
{
    for (size_t i = 0; i < chooser->disks.count; i++) {
        const struct definition_disk *disk = &chooser->disks.disks[i];
        bool is_disk = strcmp(disk->device, "disk") == 0 || strcmp(disk->device, "lun") == 0;
        if (is_disk && is_left_out(chooser->manifest, disk->target) &&
            !manifest_find_disk(chooser->manifest, disk->target) &&
            place_left_out(chooser, placement, disk, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- putting it together -------------------------------------------------------------- */

static int check_names(const struct chooser *chooser, struct err *err)
{
    const struct restore_options *options = chooser->options;
    const struct manifest *manifest = chooser->manifest;
    size_t meant = 0;

    for (size_t i = 0; i < manifest->disk_count; i++)
        meant += select_target_in_list(&options->disks, manifest->disks[i].target, manifest);
    if (options->disks.count && meant == 0)
        return err_set(err, ERR_NOT_FOUND, "the backup has no disk '%s'", options->disks.names[0]);
    for (size_t i = 0; i < options->map_count; i++) {
        const struct disk_map *map = &options->maps[i];
        if ((!map->guest || strcmp(map->guest, chooser->manifest->domain_name) == 0) &&
            !manifest_find_disk(manifest, map->target) &&
            (options->disks.count || !is_left_out(manifest, map->target)))
            return err_set(err, ERR_NOT_FOUND, "--disk-map: the backup has no disk '%s'",
                           map->target);
    }
    return 0;
}

static int place_disks(const struct chooser *chooser, struct placement *placement, struct err *err)
{
    const struct restore_options *options = chooser->options;

    for (size_t i = 0; i < chooser->manifest->disk_count; i++) {
        const struct manifest_disk *disk = &chooser->manifest->disks[i];
        if (options->disks.count &&
            !select_target_in_list(&options->disks, disk->target, chooser->manifest))
            continue;
        if (place_disk(chooser, placement, disk, err) < 0)
            return -1;
    }
    return 0;
}

static char *claim_path(const struct chooser *chooser, struct placement *placement,
                        const char *stem, const char *suffix, struct err *err)
{
    const struct placement_request request = {chooser->name, chooser->manifest, chooser->options,
                                              chooser->claims};

    return placement_claim(&request, placement, stem, suffix, err);
}

static int place_original_nvram(const struct chooser *chooser, struct placement *placement,
                                const char *path, struct err *err)
{
    if (claims_has(chooser->claims, path))
        return err_set(err, ERR_EXISTS, "%s is the NVRAM of two guests", path);
    if (placement_take_original(chooser->options, path, placement, err) < 0)
        return -1;
    claims_add(chooser->claims, path, chooser->name);
    placement->nvram = mem_strdup(path);
    return 0;
}

static int place_nvram(const struct chooser *chooser, struct placement *placement, struct err *err)
{
    const struct manifest_extra *extra = extras_in_manifest(chooser->manifest, EXTRA_NVRAM);

    if (!extra)
        return 0;
    if (chooser->options->original_places)
        return place_original_nvram(chooser, placement, extra->path, err) < 0
                   ? err_prefix(err, "NVRAM")
                   : 0;
    const char *slash = strrchr(extra->path, '/');
    const char *base = slash ? slash + 1 : extra->path;
    if (archive_check_name(base, err) < 0)
        return err_prefix(err, "NVRAM");
    const char *dot = strrchr(base, '.');
    CLEANUP_FREE char *stem = placement->renamed
                                  ? mem_printf("%s_VARS", placement->name)
                                  : mem_strndup(base, dot ? (size_t)(dot - base) : strlen(base));
    placement->nvram = claim_path(chooser, placement, stem,
                                  placement->renamed ? ".fd"
                                  : dot              ? dot
                                                     : "",
                                  err);
    return placement->nvram ? 0 : err_prefix(err, "NVRAM");
}

static int place_memory(const struct chooser *chooser, struct placement *placement, struct err *err)
{
    const struct manifest *manifest = chooser->manifest;

    if (manifest->memory && !placement->renamed && !placement->memory_dropped) {
        placement->memory = claim_path(chooser, placement, placement->name, ".sav", err);
        return placement->memory ? 0 : -1;
    }
    if (!manifest->persistent && !chooser->options->allow_autorun) {
        placement->xml = claim_path(chooser, placement, placement->name, ".xml", err);
        return placement->xml ? 0 : -1;
    }
    return 0;
}

/* The folder for what has no original place. */
static char *folder_beside(const struct placement *placement)
{
    const char *path = placement->nvram;

    for (size_t i = placement->disk_count; i > 0; i--)
        if (!placement->disks[i - 1].block_device)
            path = placement->disks[i - 1].path;
    if (!path)
        return NULL;
    const char *slash = strrchr(path, '/');
    return mem_strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

static int place_originals(const struct chooser *chooser, struct placement *placement,
                           struct err *err)
{
    if (place_nvram(chooser, placement, err) < 0 || place_disks(chooser, placement, err) < 0)
        return -1;
    placement->folder = folder_beside(placement);
    return place_memory(chooser, placement, err);
}

/* Files with names of their own come before disks, which have another name to fall back on. */
static int place_all(const struct chooser *chooser, struct placement *placement, struct err *err)
{
    const struct manifest *manifest = chooser->manifest;
    const struct restore_options *options = chooser->options;

    placement->renamed = options->new_name != NULL;
    placement->name = mem_strdup(placement->renamed ? options->new_name : manifest->domain_name);
    if (archive_check_name(placement->name, err) < 0)
        return err_prefix(err, "the guest's name");
    if (!placement->renamed)
        placement->uuid = definition_uuid(manifest->definition);
    else if (definition_random_uuid(&placement->uuid, err) < 0)
        return -1;
    if (check_names(chooser, err) < 0)
        return -1;
    if (options->disks.count)
        return place_disks(chooser, placement, err);
    if (place_all_left_out(chooser, placement, err) < 0)
        return -1;
    placement->memory_dropped = placement->memory_dropped && manifest->memory;
    if (options->original_places)
        return place_originals(chooser, placement, err);
    placement->folder = mem_strdup(options->destination);
    if (place_memory(chooser, placement, err) < 0)
        return -1;
    return place_nvram(chooser, placement, err) < 0 ? -1 : place_disks(chooser, placement, err);
}

int placement_make(const struct placement_request *request, struct placement *ret, struct err *err)
{
    const struct manifest *manifest = request->manifest;
    struct placement placement = {0};
    struct chooser chooser CLEANUP(chooser_clear) = {.name = request->name,
                                                     .manifest = manifest,
                                                     .options = request->options,
                                                     .claims = request->claims};

    if (definition_read_disks(manifest->definition, &chooser.disks, err) < 0 ||
        (manifest->live && definition_read_disks(manifest->live, &chooser.live, err) < 0))
        return -1;
    if (place_all(&chooser, &placement, err) < 0) {
        placement_clear(&placement);
        return -1;
    }
    *ret = placement;
    return 0;
}

void placement_clear(struct placement *placement)
{
    for (size_t i = 0; i < placement->disk_count; i++)
        free(placement->disks[i].path);
    free(placement->disks);
    for (size_t i = 0; i < placement->left_out_count; i++) {
        free(placement->left_out[i].path);
        free(placement->left_out[i].format);
    }
    free(placement->left_out);
    free(placement->unlike);
    free(placement->name);
    free(placement->folder);
    strings_clear(&placement->replaced);
    free(placement->uuid);
    free(placement->nvram);
    free(placement->tpm);
    free(placement->tpm_source);
    free(placement->memory);
    free(placement->xml);
    *placement = (struct placement){0};
}
