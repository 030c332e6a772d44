/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/job.h"

#include "base/shell.h"
#include "base/units.h"
#include "ops/backup_sizes.h"
#include "ops/extras.h"

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

/* NULL: the store has one point of a guest, which goes by the guest's name. */
static const char *told_point(const struct restore_job *job)
{
    return points_store_has_many(job->run->store) ? points_id(job->backup) : NULL;
}

/* ---- the plan --------------------------------------------------------------------- */

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
        const struct children_task task = {
            .codec = &stored->codec, .decode = true, .chunk_size = stored->image.chunk_size};
        if (children_plan(options, &task, &plan, err) < 0)
            return -1;
        if (plan.child_memory * plan.children > most.child_memory * most.children)
            most = plan;
    }
    *ret = most;
    return 0;
}

/* What the event borrows. */
struct restore_planned {
    struct event_item *disks;
    struct event_item extras[EXTRAS_MAX];
    size_t extra_count;
    struct event_item memory;
    struct event_left_out *left_out;
};

static void restore_planned_clear(struct restore_planned *planned)
{
    free(planned->disks);
    free(planned->left_out);
}

static struct event_item plan_item(const struct restore_job *job,
                                   const struct manifest_stored *stored, const char *path)
{
    return (struct event_item){
        .path = path,
        .file = stored->file.name,
        .sizes = backup_sizes_of(job->backup, stored),
        .replaces = placement_replaces(&job->placement, path),
    };
}

static void plan_placed_disks(const struct restore_job *job, struct restore_planned *planned)
{
    const struct placement *placement = &job->placement;

    planned->disks = mem_array(placement->disk_count, sizeof(*planned->disks));
    for (size_t i = 0; i < placement->disk_count; i++) {
        const struct placed_disk *placed = &placement->disks[i];
        planned->disks[i] = plan_item(job, &placed->disk->stored, placed->path);
        planned->disks[i].target = placed->disk->target;
        planned->disks[i].format = placed->format;
        planned->disks[i].shared = placed->shared;
    }
    planned->left_out = mem_array(placement->left_out_count, sizeof(*planned->left_out));
    for (size_t i = 0; i < placement->left_out_count; i++)
        planned->left_out[i] = (struct event_left_out){.target = placement->left_out[i].target,
                                                       .path = placement->left_out[i].path};
}

static void plan_extra(const struct restore_job *job, enum manifest_extra_kind kind,
                       const char *path, struct restore_planned *planned)
{
    const struct manifest_extra *extra = extras_in_manifest(job->manifest, kind);

    if (!path || !extra)
        return;
    struct event_item item = plan_item(job, &extra->stored, path);
    item.extra = kind;
    item.extra_name = manifest_extra_name(kind);
    planned->extras[planned->extra_count++] = item;
}

int restore_tell_plan(struct restore_job *job, struct err *err)
{
    const struct placement *placement = &job->placement;
    const struct restore_options *options = job->run->options;
    struct restore_planned planned CLEANUP(restore_planned_clear) = {0};
    struct sizing_plan sizing;

    if (plan_children(job, &sizing, err) < 0)
        return -1;
    plan_placed_disks(job, &planned);
    plan_extra(job, EXTRA_NVRAM, placement->nvram, &planned);
    plan_extra(job, EXTRA_TPM, placement->tpm, &planned);
    if (placement->memory)
        planned.memory = plan_item(job, job->manifest->memory, placement->memory);
    report_event(job->run->report,
                 &(struct event){
                     .kind = EVENT_RESTORE_PLAN,
                     .guest = placement->name,
                     .point_id = told_point(job),
                     .restore_plan = {
                         .backup_of = job->manifest->domain_name,
                         .renamed = placement->renamed,
                         .source = points_place(job->backup),
                         .destination = options->destination,
                         .defined = options->disks.count == 0,
                         .sizes = job->sizes,
                         .disks = {planned.disks, placement->disk_count},
                         .extras = {planned.extras, planned.extra_count},
                         .memory = placement->memory ? &planned.memory : NULL,
                         .left_out = planned.left_out,
                         .left_out_count = placement->left_out_count,
                         .findings = &job->findings,
                         .children = {.child_memory = sizing.child_memory, .used = sizing.children},
                     }});
    return 0;
}

void restore_warn_about_place(struct restore_job *job)
{
    const struct placement *placement = &job->placement;
    const struct report *report = job->run->report;

    for (size_t i = 0; i < placement->left_out_count; i++)
        if (!placement->left_out[i].path)
            report_warning(
                report, job->name,
                &(struct warning){WARNING_DISK_LEFT_OUT, .disk = placement->left_out[i].target});
    if (placement->memory_dropped)
        report_warning(report, job->name, &(struct warning){WARNING_MEMORY_DROPPED});
    if (placement->unlike)
        report_warning(report, job->name,
                       &(struct warning){WARNING_SHARED_DIFFERS, .disk = placement->unlike});
    if (placement->renamed && job->manifest->memory)
        report_warning(report, job->name, &(struct warning){WARNING_COPY_WITHOUT_MEMORY});
    if (placement->renamed && job->manifest->autostart)
        report_warning(report, job->name, &(struct warning){WARNING_COPY_NOT_STARTED});
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

static void tell_restored(struct restore_job *job, const struct event_restored *state)
{
    const struct placement *placement = &job->placement;
    struct event event = {.kind = EVENT_RESTORED,
                          .guest = placement->name,
                          .point_id = told_point(job),
                          .restored = *state};

    sizes_add(&job->run->sizes, &job->sizes);
    event.restored.done = (struct event_done){
        .disks = placement->disk_count,
        .memory = placement->memory != NULL,
        .sizes = job->sizes,
        .elapsed_ms = units_now_ms() - job->started_ms,
    };
    report_event(job->run->report, &event);
}

void restore_tell_done(struct restore_job *job, bool started)
{
    CLEANUP_FREE char *line = restore_tell_start_line(job);
    enum manifest_state state = job->manifest->state;
    bool was_active = state != STATE_SHUT_OFF || job->placement.memory;

    tell_restored(job, &(struct event_restored){
                           .state = manifest_state_name(started ? state : STATE_SHUT_OFF),
                           .started = started,
                           .start_with = was_active && !started ? line : NULL,
                       });
}

void restore_tell_disks_done(struct restore_job *job)
{
    tell_restored(job, &(struct event_restored){.state = NULL});
}
