/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The XML of a restored guest, with the places of its files in it.
 */
#include "ops/restore/placement.h"

#include <string.h>

#include "guest/definition/definition.h"
#include "ops/extras.h"

/* True if `domain` is the definition and names a different source for this target than the one that
 * was backed up. */
static bool is_other_source(const struct manifest *manifest, const struct xml_doc *domain,
                            const char *target)
{
    if (domain != manifest->definition)
        return false;
    for (size_t i = 0; i < manifest->left_out_count; i++)
        if (strcmp(manifest->left_out[i].target, target) == 0 &&
            strcmp(manifest->left_out[i].device, MANIFEST_SNAPSHOTS) != 0)
            return true;
    return false;
}

/* All moved files: disks and NVRAM. The caller frees the array. */
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
        moves[count++] = (struct definition_move){extras_in_manifest(manifest, EXTRA_NVRAM)->path,
                                                  placement->nvram};
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
        if (definition_find_disk(&disks, target) && !is_other_source(manifest, domain, target) &&
            definition_set_disk(doc, target, placed->path, placed->block_device, placed->format,
                                err) < 0)
            return -1;
    }
    for (size_t i = 0; i < placement->left_out_count; i++) {
        const struct placed_left_out *left_out = &placement->left_out[i];
        if (!definition_find_disk(&disks, left_out->target))
            continue;
        if (!left_out->path)
            definition_remove_disk(doc, left_out->target);
        else if (definition_set_disk(doc, left_out->target, left_out->path, left_out->block_device,
                                     left_out->format, err) < 0)
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
    /* Before the disks, so that a new path is not mistaken for another disk's old one. */
    definition_replace_paths(doc, moves, count);
    if (set_disks(placement, manifest, domain, doc, err) < 0)
        return NULL;
    if (placement->nvram)
        definition_set_nvram(doc, placement->nvram);
    else if (placement->renamed) /* it was never made; the original's place is not the copy's */
        definition_forget_nvram(doc);
    if (placement->tpm || placement->tpm_source)
        definition_set_tpm_source(doc, placement->tpm_source);
    if (placement->renamed && definition_rename(doc, placement->name, placement->uuid, err) < 0)
        return NULL;
    return TAKE_PTR(doc);
}
