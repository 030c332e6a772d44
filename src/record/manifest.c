/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/manifest.h"

#include <string.h>

#include "base/array.h"

static const char *const state_names[] = {
    [STATE_RUNNING] = "running",
    [STATE_PAUSED] = "paused",
    [STATE_SHUT_OFF] = "shut off",
};

static const char *const consistency_names[] = {
    [CONSISTENCY_LIVE] = "live",
    [CONSISTENCY_PAUSE] = "pause",
    [CONSISTENCY_SAVE] = "save",
    [CONSISTENCY_FROZEN] = "frozen",
    [CONSISTENCY_CRASH] = "crash-consistent",
    [CONSISTENCY_OFFLINE] = "offline",
};
static const char *const sandbox_names[] = {
    [SANDBOX_UNKNOWN] = "",
    [SANDBOX_FULL] = "full",
    [SANDBOX_NONE] = "none",
    [SANDBOX_FOREIGN] = "foreign",
};
static const char *const extra_names[] = {[EXTRA_NVRAM] = "nvram", [EXTRA_TPM] = "tpm"};

const char *manifest_state_name(enum manifest_state state)
{
    return (size_t)state < ARRAY_COUNT(state_names) ? state_names[state] : NULL;
}

const char *manifest_consistency_name(enum manifest_consistency consistency)
{
    return (size_t)consistency < ARRAY_COUNT(consistency_names) ? consistency_names[consistency]
                                                                : NULL;
}

const char *manifest_sandbox_name(enum manifest_sandbox sandbox)
{
    return (size_t)sandbox < ARRAY_COUNT(sandbox_names) ? sandbox_names[sandbox] : NULL;
}

const char *manifest_extra_name(enum manifest_extra_kind kind)
{
    return (size_t)kind < ARRAY_COUNT(extra_names) ? extra_names[kind] : NULL;
}

static void stored_clear(struct manifest_stored *stored)
{
    free(stored->file.name);
}

static void owner_clear(struct manifest_owner *owner)
{
    free(owner->user);
    free(owner->group);
    free(owner->selinux);
}

static void disk_clear(struct manifest_disk *disk)
{
    free(disk->target);
    free(disk->type);
    free(disk->path);
    free(disk->pool);
    free(disk->volume);
    free(disk->format);
    for (size_t i = 0; i < disk->option_count; i++) {
        free(disk->options[i].name);
        free(disk->options[i].value);
    }
    free(disk->options);
    owner_clear(&disk->owner);
    stored_clear(&disk->stored);
}

static void extra_clear(struct manifest_extra *extra)
{
    free(extra->path);
    free(extra->format);
    owner_clear(&extra->owner);
    stored_clear(&extra->stored);
}

static void left_out_clear(struct manifest_left_out *left_out)
{
    free(left_out->target);
    free(left_out->device);
    free(left_out->path);
    free(left_out->reason);
}

struct manifest *manifest_new(void)
{
    return mem_alloc(sizeof(struct manifest));
}

void manifest_free(struct manifest *manifest)
{
    if (!manifest)
        return;
    for (size_t i = 0; i < manifest->disk_count; i++)
        disk_clear(&manifest->disks[i]);
    for (size_t i = 0; i < manifest->extra_count; i++)
        extra_clear(&manifest->extras[i]);
    for (size_t i = 0; i < manifest->left_out_count; i++)
        left_out_clear(&manifest->left_out[i]);
    if (manifest->memory)
        stored_clear(manifest->memory);
    free(manifest->disks);
    free(manifest->memory);
    free(manifest->extras);
    free(manifest->left_out);
    free(manifest->tool_version);
    free(manifest->time);
    free(manifest->uri);
    free(manifest->host);
    free(manifest->host_uuid);
    free(manifest->domain_name);
    free(manifest->domain_uuid);
    free(manifest->domain_type);
    xml_free(manifest->definition);
    xml_free(manifest->live);
    free(manifest);
}

/* A new zeroed element at the end of an array of *count elements. */
static void *grow_array(void *array, size_t *count, size_t size)
{
    char *grown = mem_resize(array, *count + 1, size);

    memset(grown + *count * size, 0, size);
    (*count)++;
    return grown;
}

struct manifest_disk *manifest_add_disk(struct manifest *manifest)
{
    manifest->disks = grow_array(manifest->disks, &manifest->disk_count, sizeof(*manifest->disks));
    return &manifest->disks[manifest->disk_count - 1];
}

struct manifest_option *manifest_add_option(struct manifest_disk *disk)
{
    disk->options = grow_array(disk->options, &disk->option_count, sizeof(*disk->options));
    return &disk->options[disk->option_count - 1];
}

struct manifest_extra *manifest_add_extra(struct manifest *manifest)
{
    manifest->extras =
        grow_array(manifest->extras, &manifest->extra_count, sizeof(*manifest->extras));
    return &manifest->extras[manifest->extra_count - 1];
}

struct manifest_left_out *manifest_add_left_out(struct manifest *manifest)
{
    manifest->left_out =
        grow_array(manifest->left_out, &manifest->left_out_count, sizeof(*manifest->left_out));
    return &manifest->left_out[manifest->left_out_count - 1];
}

const struct manifest_disk *manifest_find_disk(const struct manifest *manifest, const char *target)
{
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (strcmp(manifest->disks[i].target, target) == 0)
            return &manifest->disks[i];
    return NULL;
}

const struct manifest_stored *manifest_next_stored(const struct manifest *manifest, size_t *cursor)
{
    size_t index = (*cursor)++;

    if (index < manifest->disk_count)
        return &manifest->disks[index].stored;
    index -= manifest->disk_count;
    if (manifest->memory && index-- == 0)
        return manifest->memory;
    return index < manifest->extra_count ? &manifest->extras[index].stored : NULL;
}

void manifest_strip(struct xml_doc *domain)
{
    struct xml_node *metadata = xml_child(xml_root(domain), NULL, "metadata");
    struct xml_node *next = NULL;

    if (!metadata)
        return;
    for (struct xml_node *node = xml_first(metadata); node; node = next) {
        const char *ns = xml_ns(node);
        next = xml_next(node);
        if (ns && strncmp(ns, MANIFEST_NS_BASE, strlen(MANIFEST_NS_BASE)) == 0)
            xml_remove(node);
    }
    if (!xml_first(metadata))
        xml_remove(metadata);
}
