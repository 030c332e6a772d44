/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/job.h"

#include "base/shell.h"
#include "base/units.h"
#include "ops/backup_sizes.h"
#include "ops/extras.h"
#include "ops/findings.h"

void restore_measure(struct restore_job *job)
{
    const struct placement *placement = &job->placement;
    const struct manifest *manifest = job->manifest;
    const struct manifest_extra *nvram = extras_in_manifest(manifest, EXTRA_NVRAM);
    const struct manifest_extra *tpm = extras_in_manifest(manifest, EXTRA_TPM);
    struct sizes one;

    for (size_t i = 0; i < placement->disk_count; i++) {
        if (placement->disks[i].shared)
            continue;
        one = backup_sizes_of(job->backup, &placement->disks[i].disk->stored);
        sizes_add(&job->sizes, &one);
    }
    job->volume = job->sizes.image;
    if (placement->nvram && nvram) {
        one = backup_sizes_of(job->backup, &nvram->stored);
        sizes_add(&job->sizes, &one);
    }
    if (placement->tpm && tpm) {
        one = backup_sizes_of(job->backup, &tpm->stored);
        sizes_add(&job->sizes, &one);
    }
    if (placement->memory) {
        one = backup_sizes_of(job->backup, manifest->memory);
        sizes_add(&job->sizes, &one);
        job->volume += one.image;
    }
}

/* ---- the plan --------------------------------------------------------------------- */

static void tell_findings(struct restore_job *job, struct buf *text, struct json *fields)
{
    if (job->findings.count)
        buf_append_str(text, "\n  its definition reaches beyond the guest's own files:");
    for (size_t i = 0; i < job->findings.count; i++)
        buf_printf(text, "\n    %s", job->findings.all[i].text);
    json_set(fields, "findings", findings_json(&job->findings));
}

/* The children that take the most memory: those for one disk or another, or for the memory. */
static int plan_children(const struct restore_job *job, struct sizing_plan *ret, struct err *err)
{
    const struct placement *placement = &job->placement;
    const struct children_options *options = &job->run->options->children;
    struct sizing_plan most = {0};

    for (size_t i = 0; i <= placement->disk_count; i++) {
        const struct manifest_stored *stored =
            i < placement->disk_count ? &placement->disks[i].disk->stored : job->manifest->memory;
        struct sizing_plan plan = {0};
        if (i < placement->disk_count ? placement->disks[i].shared : !placement->memory)
            continue;
        if (children_plan(options, &stored->codec, true, stored->image.chunk_size, 0, &plan, err) <
            0)
            return -1;
        if (plan.child_memory * plan.children > most.child_memory * most.children)
            most = plan;
    }
    *ret = most;
    return 0;
}

/* The stored file and its sizes. */
static void tell_stored(const struct restore_job *job, const struct manifest_stored *stored,
                        struct buf *text, struct json *object)
{
    const struct sizes sizes = backup_sizes_of(job->backup, stored);
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];

    buf_printf(text, ", %s from %s, which takes %s", units_format_size(sizes.image, image),
               stored->file.name, units_format_size(sizes.usage, usage));
    json_set_str(object, "file", stored->file.name);
    sizes_describe(&sizes, object);
}

static void tell_replaced(const struct restore_job *job, const char *path, struct buf *text,
                          struct json *object)
{
    bool replaces = placement_replaces(&job->placement, path);

    if (replaces)
        buf_append_str(text, ", replaces the file there");
    json_set_bool(object, "replaces", replaces);
}

static void tell_planned_disks(const struct restore_job *job, struct buf *text, struct json *fields)
{
    struct json *disks = json_new_array();

    for (size_t i = 0; i < job->placement.disk_count; i++) {
        const struct placed_disk *placed = &job->placement.disks[i];
        struct json *entry = json_new_object();
        buf_printf(text, "\n  %s: %s, %s", placed->disk->target, placed->path, placed->format);
        json_set_str(entry, "target", placed->disk->target);
        json_set_str(entry, "path", placed->path);
        json_set_str(entry, "format", placed->format);
        json_set_bool(entry, "shared", placed->shared);
        tell_stored(job, &placed->disk->stored, text, entry);
        tell_replaced(job, placed->path, text, entry);
        if (placed->shared)
            buf_append_str(text, ", shared with another guest");
        json_add(disks, entry);
    }
    json_set(fields, "disks", disks);
}

static void tell_planned_file(const struct restore_job *job, enum manifest_extra_kind kind,
                              const char *path, struct buf *text, struct json *array)
{
    const struct manifest_extra *extra = extras_in_manifest(job->manifest, kind);
    struct json *entry = NULL;

    if (!path || !extra)
        return;
    entry = json_new_object();
    buf_printf(text, "\n  %s: %s", extras_kind_text(kind), path);
    json_set_str(entry, "kind", manifest_extra_name(kind));
    json_set_str(entry, "path", path);
    tell_stored(job, &extra->stored, text, entry);
    tell_replaced(job, path, text, entry);
    json_add(array, entry);
}

static void tell_planned_rest(const struct restore_job *job, struct buf *text, struct json *fields)
{
    const struct placement *placement = &job->placement;
    struct json *extras = json_new_array();

    tell_planned_file(job, EXTRA_NVRAM, placement->nvram, text, extras);
    tell_planned_file(job, EXTRA_TPM, placement->tpm, text, extras);
    json_set(fields, "extras", extras);
    if (placement->memory) {
        struct json *memory = json_new_object();
        buf_printf(text, "\n  memory: %s", placement->memory);
        json_set_str(memory, "path", placement->memory);
        tell_stored(job, job->manifest->memory, text, memory);
        tell_replaced(job, placement->memory, text, memory);
        json_set(fields, "memory", memory);
    }
}

/* A disk that is not in the backup, and where it comes from here: nowhere, the place that --disk-map
 * gives, or the place where it was. */
static void tell_planned_left_out(const struct restore_job *job, struct buf *text,
                                  struct json *fields)
{
    const struct placement *placement = &job->placement;
    struct json *array = json_new_array();

    for (size_t i = 0; i < placement->left_out_count; i++) {
        const struct placed_left_out *disk = &placement->left_out[i];
        struct json *entry = json_new_object();
        buf_printf(text, "\n  %s: not in the backup, %s%s", disk->target,
                   disk->path ? "is " : "left out", disk->path ? disk->path : "");
        json_set_str(entry, "target", disk->target);
        json_set_str(entry, "path", disk->path);
        json_add(array, entry);
    }
    json_set(fields, "left-out", array);
}

int restore_tell_plan(struct restore_job *job, struct err *err)
{
    const struct placement *placement = &job->placement;
    const struct restore_options *options = job->run->options;
    CLEANUP_BUF struct buf text = {0};
    struct json *fields = NULL;
    struct sizing_plan sizing;
    char size[2][UNITS_TEXT_SIZE];

    if (plan_children(job, &sizing, err) < 0)
        return -1;
    fields = json_new_object();
    json_set_str(fields, "guest", placement->name);
    json_set_str(fields, "backup-of", job->manifest->domain_name);
    json_set_str(fields, "source", points_place(job->backup));
    if (options->destination)
        json_set_str(fields, "destination", options->destination);
    json_set_bool(fields, "defined", options->disks.count == 0);
    buf_printf(&text, "guest '%s': would be restored%s%s: %s from %s", job->manifest->domain_name,
               placement->renamed ? " as " : "", placement->renamed ? placement->name : "",
               units_format_size(job->sizes.image, size[0]),
               units_format_size(job->sizes.usage, size[1]));
    sizes_describe(&job->sizes, fields);
    tell_planned_disks(job, &text, fields);
    tell_planned_rest(job, &text, fields);
    tell_planned_left_out(job, &text, fields);
    tell_findings(job, &text, fields);
    buf_printf(&text, "\n  memory per child %s, children used %u: %s together",
               units_format_size(sizing.child_memory, size[0]), sizing.children,
               units_format_size(sizing.child_memory * sizing.children, size[1]));
    json_set_u64(fields, "memory-per-child", sizing.child_memory);
    json_set_u64(fields, "children", sizing.children);
    json_set_u64(fields, "children-memory", sizing.child_memory * sizing.children);
    CLEANUP_FREE char *line = buf_take_str(&text);
    report_event(job->run->report, "plan", fields, "%s", line);
    return 0;
}

void restore_warn_about_place(struct restore_job *job)
{
    const struct placement *placement = &job->placement;
    const struct report *report = job->run->report;

    for (size_t i = 0; i < placement->left_out_count; i++)
        if (!placement->left_out[i].path)
            report_warning(report, job->name,
                           "disk '%s' is not in the backup and is left out of the restored guest; "
                           "use --disk-map %s=PATH to give it another place, or --keep-left-out to "
                           "keep it where it was",
                           placement->left_out[i].target, placement->left_out[i].target);
    if (placement->memory_dropped)
        report_warning(
            report, job->name,
            "its memory is not restored: the guest can only be resumed with all of its disks");
    if (placement->unlike)
        report_warning(report, job->name,
                       "disk '%s' is shareable, but its contents differ from those in the other "
                       "guest's backup, so it is restored as a separate disk",
                       placement->unlike);
    if (placement->renamed && job->manifest->memory)
        report_warning(
            report, job->name,
            "its memory is not restored under a new name: the guest boots from its disks");
    if (placement->renamed && job->manifest->autostart)
        report_warning(report, job->name,
                       "the original guest starts with the host; this copy does not");
}

/* ---- the result ------------------------------------------------------------------- */

char *restore_tell_start_line(const struct restore_job *job)
{
    if (job->placement.memory)
        return shell_virsh("restore", job->placement.memory);
    if (job->placement.xml)
        return shell_virsh("create", job->placement.xml);
    return shell_virsh("start", job->placement.name);
}

/* "1 disk and memory: 4 GiB from 9 MiB, 0:12"; the caller frees. */
static char *describe_done(struct restore_job *job, struct json *fields)
{
    bool memory = job->placement.memory != NULL;
    uint64_t elapsed_ms = units_now_ms() - job->started_ms;
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    sizes_add(&job->run->sizes, &job->sizes);
    json_set_str(fields, "guest", job->placement.name);
    json_set_u64(fields, "disks", job->placement.disk_count);
    json_set_bool(fields, "memory", memory);
    sizes_describe(&job->sizes, fields);
    json_set_u64(fields, "elapsed-ms", elapsed_ms);
    return mem_printf("%zu disk%s%s: %s from %s, %s", job->placement.disk_count,
                      job->placement.disk_count == 1 ? "" : "s", memory ? " and memory" : "",
                      units_format_size(job->sizes.image, image),
                      units_format_size(job->sizes.usage, usage),
                      units_format_seconds(elapsed_ms / 1000, time));
}

void restore_tell_done(struct restore_job *job, bool started)
{
    struct json *fields = json_new_object();
    CLEANUP_FREE char *done = describe_done(job, fields);
    CLEANUP_FREE char *line = restore_tell_start_line(job);
    bool was_active = job->manifest->state != STATE_SHUT_OFF || job->placement.memory;
    const char *state = manifest_state_name(job->manifest->state);

    json_set_str(fields, "state", started ? state : "shut off");
    if (was_active && !started)
        json_set_str(fields, "start-with", line);
    report_event(job->run->report, "guest-done", fields, "guest '%s': restored, %s%s%s",
                 job->placement.name, done,
                 started      ? ", now "
                 : was_active ? "; it is shut off; to resume it, run: "
                              : ", shut off",
                 started      ? state
                 : was_active ? line
                              : "");
}

void restore_tell_disks_done(struct restore_job *job)
{
    struct json *fields = json_new_object();
    CLEANUP_FREE char *done = describe_done(job, fields);

    report_event(job->run->report, "guest-done", fields,
                 "guest '%s': restored, %s; no guest is defined", job->name, done);
}
