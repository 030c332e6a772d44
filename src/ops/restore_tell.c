/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore_job.h"

#include "base/shell.h"
#include "base/units.h"
#include "ops/backup_sizes.h"
#include "ops/extras.h"

void restore_measure(struct restore_job *job)
{
    const struct placement *placement = &job->placement;
    const struct manifest *manifest = job->manifest;
    const struct manifest_extra *nvram = extras_in_manifest(manifest, "nvram");
    const struct manifest_extra *tpm = extras_in_manifest(manifest, "tpm");
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
    struct json *findings = json_new_array();

    if (job->findings.count)
        buf_append_str(text, "\n  its definition reaches beyond the guest's own files:");
    for (size_t i = 0; i < job->findings.count; i++) {
        struct json *entry = json_new_object();
        buf_printf(text, "\n    %s", job->findings.texts[i]);
        json_set_str(entry, "what", job->findings.texts[i]);
        json_add(findings, entry);
    }
    json_set(fields, "findings", findings);
}

void restore_tell_plan(struct restore_job *job)
{
    CLEANUP_BUF struct buf text = {0};
    struct json *fields = json_new_object();
    struct json *disks = json_new_array();
    char size[UNITS_TEXT_SIZE];

    buf_printf(&text, "guest '%s': would be restored%s%s", job->manifest->domain_name,
               job->placement.renamed ? " as " : "",
               job->placement.renamed ? job->placement.name : "");
    for (size_t i = 0; i < job->placement.disk_count; i++) {
        const struct placed_disk *placed = &job->placement.disks[i];
        struct json *entry = json_new_object();
        buf_printf(&text, "\n  %s: %s, %s, %s", placed->disk->target, placed->path, placed->format,
                   units_format_size(placed->disk->stored.image.raw_size, size));
        if (placed->shared)
            buf_append_str(&text, ", shared with another guest");
        json_set_str(entry, "target", placed->disk->target);
        json_set_str(entry, "path", placed->path);
        json_add(disks, entry);
    }
    if (job->placement.nvram)
        buf_printf(&text, "\n  NVRAM: %s", job->placement.nvram);
    if (job->placement.tpm)
        buf_printf(&text, "\n  TPM state: %s%s", job->placement.tpm,
                   job->placement.tpm_moved ? " (replaced)" : "");
    if (job->placement.memory)
        buf_printf(&text, "\n  memory: %s, %s", job->placement.memory,
                   units_format_size(job->manifest->memory->image.raw_size, size));
    tell_findings(job, &text, fields);
    json_set_str(fields, "guest", job->name);
    json_set_str(fields, "backup-of", job->manifest->domain_name);
    json_set_str(fields, "name", job->placement.name);
    json_set(fields, "disks", disks);
    CLEANUP_FREE char *line = buf_take_str(&text);
    report_event(job->run->report, "plan", fields, "%s", line);
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
