/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/plan.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "base/units.h"
#include "ops/extras.h"
#include "ops/points.h"

/* The first libvirt that can compress save images with zstd. */
#define ZSTD_SINCE 11000000

static const char *mode_text(enum capture_mode mode)
{
    static const char *const texts[] = {
        [CAPTURE_OFFLINE] = "none; the guest is shut off",
        [CAPTURE_SAVE] = "save; the guest is down while its disks are read",
        [CAPTURE_PAUSE] = "pause; the guest is stopped while its memory is copied",
        [CAPTURE_LIVE] = "live; the guest is stopped for a moment",
        [CAPTURE_DISKS] = "none; the disks are read while the guest runs",
    };

    return texts[mode];
}

static const char *mode_word(enum capture_mode mode)
{
    static const char *const words[] = {
        [CAPTURE_OFFLINE] = "offline", [CAPTURE_SAVE] = "save",  [CAPTURE_PAUSE] = "pause",
        [CAPTURE_LIVE] = "live",       [CAPTURE_DISKS] = "none",
    };

    return words[mode];
}

/* Adds the file that it would be stored in, to both. */
static int describe_file(const struct backup_plan *plan, const struct points_item *item,
                         struct buf *text, struct json *object, struct err *err)
{
    CLEANUP_FREE char *name =
        points_item_name(plan->destination, plan->guest, item, plan->sizing->codec.type, err);

    if (!name)
        return -1;
    buf_printf(text, " -> %s", name);
    json_set_str(object, "file", name);
    return 0;
}

static int describe_disks(const struct backup_plan *plan, struct buf *text, struct json *array,
                          struct err *err)
{
    for (size_t i = 0; i < plan->source->disk_count; i++) {
        const struct source_disk *disk = &plan->source->disks[i];
        struct json *entry = json_new_object();
        char size[UNITS_TEXT_SIZE];
        json_add(array, entry);
        buf_printf(text, "\n  %s: %s, %s, %s", disk->target, disk->path, disk->format,
                   units_format_size(disk->info.image_size, size));
        json_set_str(entry, "target", disk->target);
        json_set_str(entry, "path", disk->path);
        json_set_str(entry, "format", disk->format);
        json_set_u64(entry, "image-size", disk->info.image_size);
        const struct points_item item = {.kind = POINTS_DISK, .target = disk->target};
        if (describe_file(plan, &item, text, entry, err) < 0)
            return -1;
    }
    return 0;
}

static int describe_extras(const struct backup_plan *plan, struct buf *text, struct json *array,
                           struct err *err)
{
    for (size_t i = 0; i < plan->source->extras.count; i++) {
        const struct extra_file *extra = &plan->source->extras.files[i];
        struct json *entry = json_new_object();
        json_add(array, entry);
        buf_printf(text, "\n  %s: %s", extras_kind_text(extra->kind), extra->path);
        json_set_str(entry, "kind", manifest_extra_name(extra->kind));
        json_set_str(entry, "path", extra->path);
        const struct points_item item = {.kind = POINTS_SMALL, .extra = extra->kind};
        if (describe_file(plan, &item, text, entry, err) < 0)
            return -1;
    }
    return 0;
}

/* Memory that was never used is not stored, so its size is the most that it can be; that of a
 * managed-save image is exact. */
static int describe_memory(const struct backup_plan *plan, struct buf *text, struct json *fields,
                           struct err *err)
{
    const struct source *source = plan->source;
    struct json *memory = json_new_object();
    uint64_t most = source->memory_size;
    char size[UNITS_TEXT_SIZE];
    struct stat st;

    if (source->managed_save)
        most = stat(source->managed_save, &st) == 0 ? (uint64_t)st.st_size : 0;
    json_set(fields, "memory", memory);
    buf_printf(text, "\n  memory: %s%s", source->managed_save ? "" : "at most ",
               units_format_size(most, size));
    json_set_u64(memory, "image-size", most);
    const struct points_item item = {.kind = POINTS_MEMORY};
    return describe_file(plan, &item, text, memory, err);
}

static struct json *describe_left_out(const struct source *source)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < source->left_out_count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "target", source->left_out[i].target);
        json_set_str(entry, "reason", source->left_out[i].reason);
        json_add(array, entry);
    }
    return array;
}

int backup_plan_tell(const struct backup_plan *plan, const struct report *report, struct err *err)
{
    const struct source *source = plan->source;
    const struct sizing_plan *sizing = plan->sizing;
    CLEANUP_BUF struct buf text = {0};
    CLEANUP(json_freep) struct json *fields = json_new_object();
    struct json *disks = json_new_array();
    struct json *extras = json_new_array();
    bool has_memory = capture_has_memory(plan->mode) || source->managed_save;
    char codec[CODEC_TEXT_SIZE];
    char size[3][UNITS_TEXT_SIZE];

    codec_format(&sizing->codec, codec);
    buf_printf(&text, "guest '%s' (%s): %zu disk%s, %s, to %s", plan->guest,
               source->status.state_text, source->disk_count, source->disk_count == 1 ? "" : "s",
               units_format_size(source->image_size, size[0]), plan->destination);
    if (source->live)
        buf_printf(&text, "; memory: %s", mode_text(plan->mode));
    json_set_str(fields, "guest", plan->guest);
    json_set_str(fields, "destination", plan->destination);
    json_set_str(fields, "state", source->status.state_text);
    json_set_str(fields, "method", mode_word(plan->mode));
    json_set_u64(fields, "image-size", source->image_size);
    json_set(fields, "disks", disks);
    json_set(fields, "extras", extras);
    if (describe_disks(plan, &text, disks, err) < 0 ||
        (has_memory && describe_memory(plan, &text, fields, err) < 0) ||
        describe_extras(plan, &text, extras, err) < 0)
        return -1;
    for (size_t i = 0; i < source->left_out_count; i++)
        buf_printf(&text, "\n  %s: left out (%s)", source->left_out[i].target,
                   source->left_out[i].reason);
    buf_printf(&text,
               "\n  compression %s, chunk size %s, memory per child %s, children allowed by memory "
               "%" PRIu64 ", children used %u: %s together",
               codec, units_format_size(sizing->chunk_size, size[0]),
               units_format_size(sizing->child_memory, size[1]), sizing->children_allowed,
               sizing->children,
               units_format_size(sizing->child_memory * sizing->children, size[2]));
    if (has_memory && sizing->codec.type == CODEC_ZSTD && plan->libvirt < ZSTD_SINCE)
        buf_printf(&text, "\n  its memory can only be restored with virt-backup: virsh restore "
                          "reads zstd since libvirt 11");
    json_set(fields, "left-out", describe_left_out(source));
    json_set_str(fields, "compression", codec);
    json_set_u64(fields, "chunk-size", sizing->chunk_size);
    json_set_u64(fields, "memory-per-child", sizing->child_memory);
    json_set_u64(fields, "children-allowed", sizing->children_allowed);
    json_set_u64(fields, "children", sizing->children);
    json_set_u64(fields, "children-memory", sizing->child_memory * sizing->children);
    CLEANUP_FREE char *line = buf_take_str(&text);
    report_event(report, "plan", TAKE_PTR(fields), "%s", line);
    return 0;
}
