/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/plan.h"

#include <sys/stat.h>

#include "base/strings.h"
#include "ops/extras.h"
#include "ops/points/points.h"

/* The first libvirt that can compress save images with zstd. */
#define ZSTD_SINCE 11000000

/* What the event borrows. */
struct backup_planned {
    struct event_item *disks;
    struct event_item extras[EXTRAS_MAX];
    struct event_item memory;
    struct event_left_out *left_out;
    struct strings files;
};

static void backup_planned_clear(struct backup_planned *planned)
{
    free(planned->disks);
    free(planned->left_out);
    strings_clear(&planned->files);
}

static int name_file(const struct backup_plan *plan, const struct points_item *item,
                     struct backup_planned *planned, const char **ret, struct err *err)
{
    CLEANUP_ERR struct err name_err = ERR_INIT;
    char *name =
        points_item_name(plan->destination, plan->guest, item, plan->sizing->codec.type, &name_err);

    if (name_err.kind)
        return err_move(err, &name_err);
    if (name)
        strings_take(&planned->files, name);
    *ret = name;
    return 0;
}

static int plan_stored_disks(const struct backup_plan *plan, struct backup_planned *planned,
                             struct err *err)
{
    for (size_t i = 0; i < plan->source->disk_count; i++) {
        const struct source_disk *disk = &plan->source->disks[i];
        const struct points_item item = {.kind = POINTS_DISK, .target = disk->target};
        planned->disks[i] = (struct event_item){
            .target = disk->target,
            .path = disk->path,
            .format = disk->format,
            .sizes = {.image = disk->info.image_size},
        };
        if (name_file(plan, &item, planned, &planned->disks[i].file, err) < 0)
            return -1;
    }
    return 0;
}

static int plan_stored_extras(const struct backup_plan *plan, struct backup_planned *planned,
                              struct err *err)
{
    for (size_t i = 0; i < plan->source->extras.count; i++) {
        const struct extra_file *extra = &plan->source->extras.files[i];
        const struct points_item item = {.kind = POINTS_SMALL, .extra = extra->kind};
        planned->extras[i] = (struct event_item){
            .extra = extra->kind,
            .extra_name = manifest_extra_name(extra->kind),
            .path = extra->path,
        };
        if (name_file(plan, &item, planned, &planned->extras[i].file, err) < 0)
            return -1;
    }
    return 0;
}

/* Memory that was never used is not stored, so its size is the most that it can be; that of a
 * managed-save image is exact. */
static int plan_stored_memory(const struct backup_plan *plan, struct backup_planned *planned,
                              struct err *err)
{
    const struct source *source = plan->source;
    const struct points_item item = {.kind = POINTS_MEMORY};
    uint64_t most = source->memory_size;
    struct stat st;

    if (source->managed_save)
        most = stat(source->managed_save, &st) == 0 ? (uint64_t)st.st_size : 0;
    planned->memory = (struct event_item){.sizes = {.image = most}};
    return name_file(plan, &item, planned, &planned->memory.file, err);
}

int backup_plan_tell(const struct backup_plan *plan, const struct report *report, struct err *err)
{
    const struct source *source = plan->source;
    const struct sizing_plan *sizing = plan->sizing;
    bool has_memory = capture_has_memory(plan->mode) || source->managed_save;
    struct backup_planned planned CLEANUP(backup_planned_clear) = {
        .disks = mem_array(source->disk_count, sizeof(*planned.disks)),
        .left_out = mem_array(source->left_out_count, sizeof(*planned.left_out)),
    };
    struct event event = {.kind = EVENT_BACKUP_PLAN, .guest = plan->guest};

    if (plan_stored_disks(plan, &planned, err) < 0 ||
        (has_memory && plan_stored_memory(plan, &planned, err) < 0) ||
        plan_stored_extras(plan, &planned, err) < 0)
        return -1;
    for (size_t i = 0; i < source->left_out_count; i++)
        planned.left_out[i] = (struct event_left_out){.target = source->left_out[i].target,
                                                      .reason = source->left_out[i].reason};
    event.backup_plan = (struct event_backup_plan){
        .destination = plan->destination->path,
        .state = source->status.state_text,
        .mode = plan->mode,
        .has_live = source->live != NULL,
        .image_size = source->image_size,
        .disks = {planned.disks, source->disk_count},
        .extras = {planned.extras, source->extras.count},
        .memory = has_memory ? &planned.memory : NULL,
        .memory_at_most = !source->managed_save,
        .memory_only_here =
            has_memory && sizing->codec.type == CODEC_ZSTD && plan->libvirt < ZSTD_SINCE,
        .left_out = planned.left_out,
        .left_out_count = source->left_out_count,
        .chunk_size = sizing->chunk_size,
        .children = {sizing->child_memory, sizing->children_allowed, sizing->children},
    };
    codec_format(&sizing->codec, event.backup_plan.compression);
    report_event(report, &event);
    return 0;
}
