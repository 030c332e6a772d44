/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/placement.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "guest/definition/definition.h"
#include "ops/extras.h"
#include "ops/select.h"

/* ---- places ------------------------------------------------------------------------- */

int placement_refuse_existing(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) == 0)
        return err_set(err, ERR_EXISTS,
                       "%s exists already and is not overwritten; move it away, or choose another "
                       "--destination-path",
                       path);
    if (errno != ENOENT)
        return err_set_errno(err, errno, "%s: cannot look at it", path);
    return 0;
}

static char *in_folder(const char *folder, const char *name)
{
    return mem_printf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
}

static bool taken(const struct placement *placement, const char *path)
{
    for (size_t i = 0; i < placement->disk_count; i++)
        if (strcmp(placement->disks[i].path, path) == 0)
            return true;
    return false;
}

/* Such have no base name that tells anything. */
static bool was_no_file(const struct manifest_disk *disk)
{
    return strcmp(disk->type, "block") == 0 || strcmp(disk->type, "network") == 0 ||
           strncmp(disk->path, "/dev/", 5) == 0;
}

static int choose_path(const struct placement *placement, const struct manifest_disk *disk,
                       const char *folder, char **ret, struct err *err)
{
    const char *slash = strrchr(disk->path, '/');
    const char *base = slash ? slash + 1 : disk->path;

    if (!placement->renamed && !was_no_file(disk) && archive_check_name(base, NULL) == 0) {
        CLEANUP_FREE char *path = in_folder(folder, base);
        if (!taken(placement, path)) {
            *ret = TAKE_PTR(path);
            return 0;
        }
    }
    CLEANUP_FREE char *name = mem_printf("%s-%s.%s", placement->name, disk->target, disk->format);
    if (archive_check_name(name, err) < 0)
        return -1;
    *ret = in_folder(folder, name);
    return 0;
}

static const char *mapped(const struct restore_options *options, const char *target)
{
    for (size_t i = 0; i < options->map_count; i++)
        if (strcmp(options->maps[i].target, target) == 0)
            return options->maps[i].path;
    return NULL;
}

static int place_mapped(const char *path, struct placed_disk *placed, struct err *err)
{
    struct stat st;

    if (*path != '/')
        return err_set(err, ERR_USAGE, "--disk-map: '%s' is not an absolute path", path);
    placed->path = mem_strdup(path);
    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        placed->block_device = true;
        return 0;
    }
    if (strncmp(path, "/dev/", 5) == 0)
        return err_set(err, ERR_NOT_FOUND, "--disk-map: %s is not a block device of this host",
                       path);
    return placement_refuse_existing(path, err);
}

static int place_disk(struct placement *placement, const struct manifest_disk *disk,
                      const struct restore_options *options, struct err *err)
{
    struct placed_disk placed = {.disk = disk};
    const char *map = mapped(options, disk->target);
    int result = map ? place_mapped(map, &placed, err)
                     : choose_path(placement, disk, options->destination, &placed.path, err);

    if (result == 0 && !map)
        result = placement_refuse_existing(placed.path, err);
    if (result == 0 && taken(placement, placed.path))
        result = err_set(err, ERR_USAGE, "%s is meant for two disks", placed.path);
    if (result < 0) {
        free(placed.path);
        return err_prefix(err, "disk '%s'", disk->target);
    }
    placement->disks =
        mem_resize(placement->disks, placement->disk_count + 1, sizeof(*placement->disks));
    placement->disks[placement->disk_count++] = placed;
    return 0;
}

static int place_disks(struct placement *placement, const struct manifest *manifest,
                       const struct restore_options *options, struct err *err)
{
    for (size_t i = 0; i < options->disks.count; i++)
        if (!manifest_find_disk(manifest, options->disks.names[i]))
            return err_set(err, ERR_NOT_FOUND, "the backup has no disk '%s'",
                           options->disks.names[i]);
    for (size_t i = 0; i < options->map_count; i++)
        if (!manifest_find_disk(manifest, options->maps[i].target))
            return err_set(err, ERR_NOT_FOUND, "--disk-map: the backup has no disk '%s'",
                           options->maps[i].target);
    for (size_t i = 0; i < manifest->disk_count; i++) {
        const struct manifest_disk *disk = &manifest->disks[i];
        if (options->disks.count && !select_in_list(&options->disks, disk->target))
            continue;
        if (place_disk(placement, disk, options, err) < 0)
            return -1;
    }
    return 0;
}

int placement_refuse_taken(const struct placement *placement, const char *path, struct err *err)
{
    const struct {
        const char *path;
        const char *what;
    } others[] = {{placement->nvram, "the NVRAM"},
                  {placement->memory, "the memory"},
                  {placement->xml, "the guest's XML"}};

    for (size_t i = 0; i < placement->disk_count; i++)
        if (strcmp(placement->disks[i].path, path) == 0)
            return err_set(
                err, ERR_EXISTS,
                "%s is meant for disk '%s'; give that disk another place with --disk-map", path,
                placement->disks[i].disk->target);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (others[i].path && strcmp(others[i].path, path) == 0)
            return err_set(err, ERR_EXISTS, "%s is meant for %s", path, others[i].what);
    return placement_refuse_existing(path, err);
}

static int place_nvram(struct placement *placement, const struct manifest *manifest,
                       const char *folder, struct err *err)
{
    const struct manifest_extra *extra = extras_in_manifest(manifest, "nvram");

    if (!extra)
        return 0;
    const char *slash = strrchr(extra->path, '/');
    CLEANUP_FREE char *name = placement->renamed ? mem_printf("%s_VARS.fd", placement->name)
                                                 : mem_strdup(slash ? slash + 1 : extra->path);
    if (archive_check_name(name, err) < 0)
        return err_prefix(err, "NVRAM");
    CLEANUP_FREE char *path = in_folder(folder, name);
    if (taken(placement, path)) {
        /* As a disk gets another name whose own is taken. */
        CLEANUP_FREE char *other = mem_printf("%s-nvram.fd", placement->name);
        free(path);
        path = in_folder(folder, other);
    }
    if (placement_refuse_taken(placement, path, err) < 0)
        return err_prefix(err, "NVRAM");
    placement->nvram = TAKE_PTR(path);
    return 0;
}

static int place_named(const struct placement *placement, const char *folder, const char *suffix,
                       char **ret, struct err *err)
{
    CLEANUP_FREE char *name = mem_printf("%s%s", placement->name, suffix);

    if (archive_check_name(name, err) < 0)
        return -1;
    CLEANUP_FREE char *path = in_folder(folder, name);
    if (placement_refuse_taken(placement, path, err) < 0)
        return -1;
    *ret = TAKE_PTR(path);
    return 0;
}

static int place_all(struct placement *placement, const struct manifest *manifest,
                     const struct restore_options *options, struct err *err)
{
    const char *folder = options->destination;

    placement->renamed = options->new_name != NULL;
    placement->name = mem_strdup(placement->renamed ? options->new_name : manifest->domain_name);
    if (archive_check_name(placement->name, err) < 0)
        return err_prefix(err, "the guest's name");
    if (!placement->renamed)
        placement->uuid = definition_uuid(manifest->definition);
    else if (definition_random_uuid(&placement->uuid, err) < 0)
        return -1;
    if (place_disks(placement, manifest, options, err) < 0)
        return -1;
    if (options->disks.count)
        return 0;
    if (place_nvram(placement, manifest, folder, err) < 0)
        return -1;
    if (manifest->memory && !placement->renamed)
        return place_named(placement, folder, ".sav", &placement->memory, err);
    if (!manifest->persistent && !options->allow_autorun)
        return place_named(placement, folder, ".xml", &placement->xml, err);
    return 0;
}

int placement_make(const struct manifest *manifest, const struct restore_options *options,
                   struct placement *ret, struct err *err)
{
    struct placement placement = {0};

    if (place_all(&placement, manifest, options, err) < 0) {
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
    free(placement->name);
    free(placement->uuid);
    free(placement->nvram);
    free(placement->tpm);
    free(placement->tpm_moved);
    free(placement->tpm_source);
    free(placement->memory);
    free(placement->xml);
    *placement = (struct placement){0};
}

/* ---- XML --------------------------------------------------------------------------------- */

/* True if `domain` is the definition, and it names another source for this target
 * than the one that was backed up. */
static bool is_other_source(const struct manifest *manifest, const struct xml_doc *domain,
                            const char *target)
{
    if (domain != manifest->definition)
        return false;
    for (size_t i = 0; i < manifest->left_out_count; i++)
        if (strcmp(manifest->left_out[i].target, target) == 0 &&
            strcmp(manifest->left_out[i].device, "snapshots") != 0)
            return true;
    return false;
}

static bool has_disk(const struct definition_disks *disks, const char *target)
{
    for (size_t i = 0; i < disks->count; i++)
        if (strcmp(disks->disks[i].target, target) == 0)
            return true;
    return false;
}

/* All moved files, disks and NVRAM; the caller frees the array. */
static struct definition_move *list_moves(const struct placement *placement,
                                          const struct manifest *manifest, size_t *ret_count)
{
    struct definition_move *moves =
        mem_array(placement->disk_count + manifest->extra_count, sizeof(*moves));
    size_t count = 0;

    for (size_t i = 0; i < placement->disk_count; i++)
        moves[count++] =
            (struct definition_move){placement->disks[i].disk->path, placement->disks[i].path};
    if (placement->nvram)
        moves[count++] =
            (struct definition_move){extras_in_manifest(manifest, "nvram")->path, placement->nvram};
    *ret_count = count;
    return moves;
}

static int set_disks(const struct placement *placement, const struct manifest *manifest,
                     const struct xml_doc *domain, struct xml_doc *doc, struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (definition_read_disks(doc, &disks, err) < 0)
        return -1;
    for (size_t i = 0; i < placement->disk_count; i++) {
        const struct placed_disk *placed = &placement->disks[i];
        const char *target = placed->disk->target;
        if (has_disk(&disks, target) && !is_other_source(manifest, domain, target) &&
            definition_set_disk(doc, target, placed->path, placed->block_device,
                                placed->disk->format, err) < 0)
            return -1;
    }
    return 0;
}

struct xml_doc *placement_rewrite(const struct placement *placement,
                                  const struct manifest *manifest, const struct xml_doc *domain,
                                  struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_copy(domain);
    CLEANUP_FREE struct definition_move *moves = NULL;
    size_t count = 0;

    manifest_strip(doc);
    moves = list_moves(placement, manifest, &count);
    /* Before the disks: a new path must not be taken for another disk's old one. */
    definition_replace_paths(doc, moves, count);
    if (set_disks(placement, manifest, domain, doc, err) < 0)
        return NULL;
    if (placement->nvram)
        definition_set_nvram(doc, placement->nvram);
    if (placement->tpm || placement->tpm_source)
        definition_set_tpm_source(doc, placement->tpm_source);
    if (placement->renamed && definition_rename(doc, placement->name, placement->uuid, err) < 0)
        return NULL;
    return TAKE_PTR(doc);
}
