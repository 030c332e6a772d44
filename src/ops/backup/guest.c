/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/guest.h"

#include <sys/stat.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/backup/names.h"
#include "ops/backup/plan.h"
#include "ops/events/tally.h"
#include "ops/backup/capture.h"
#include "ops/backup/follow.h"
#include "ops/describe.h"
#include "ops/transfer/disk_chunks.h"
#include "ops/extras.h"
#include "ops/findings.h"
#include "ops/memory.h"
#include "ops/points/points.h"
#include "ops/undo/recover.h"
#include "ops/backup/source.h"
#include "ops/staging.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/state_dir.h"
#include "ops/transfer/transfer.h"

struct backup_job {
    struct backup_run *run;
    struct guest *guest;
    const char *name;
    struct source source;
    struct points_set *set;
    struct manifest *manifest;
    struct lock_file *lock;
    enum capture_mode mode;
    struct capture capture;
    struct follow follow;
    bool left;               /* a former run did not put it back */
    struct staging *staging; /* NULL: no memory is stored */
    struct codec_spec codec; /* with the dictionary size that follows from --compression-buffer */
    uint64_t chunk_size;
    struct tally tally;
};

static void abort_job_set(void *opaque)
{
    struct backup_job *job = opaque;

    points_abort(TAKE_PTR(job->set));
}

static void backup_job_clear(struct backup_job *job)
{
    capture_clear(&job->capture, abort_job_set, job);
    follow_clear(&job->follow);
    staging_close(job->staging);
    manifest_free(job->manifest);
    source_clear(&job->source);
    guest_lock_leave(job->lock, job->run->state_fd, guest_uuid(job->guest));
    lock_file_release(job->lock);
    free(job->tally.point_id);
}

/* ---- disks ------------------------------------------------------------------------ */

static int copy_image(struct backup_job *job, struct disk_reader *reader,
                      const struct source_disk *source_disk, struct manifest_stored *stored,
                      struct tally_image *ret_image, struct err *err)
{
    const char *target = source_disk->target;
    struct disk_chunks disk;
    struct transfer transfer = {
        .children = &job->run->children,
        .report = job->run->report,
        .guest = job->name,
        .what = target,
    };
    const struct points_facts facts = {
        .item = {.kind = POINTS_DISK, .target = target},
        .codec = job->codec,
        .chunk_size = job->chunk_size,
        .raw_size = disk_reader_size(reader),
    };
    struct chunk_sink sink;
    uint64_t witnesses = 0;

    if (follow_disk(&job->follow, source_disk, reader, &ret_image->increment, &witnesses, err) < 0)
        return -1;
    struct chunk_source source =
        disk_chunks_source(&disk, reader, job->chunk_size, ret_image->increment);
    if (points_create_image(job->set, &facts, &source, &sink, err) < 0)
        return -1;
    if (transfer_in(&transfer, &source, &sink, err) < 0)
        return -1;
    ret_image->read = witnesses + disk.read;
    if (points_finish_image(job->set, stored, &ret_image->usage, err) < 0)
        return -1;
    follow_keep(&job->follow, &job->capture, source_disk, facts.raw_size);
    return 0;
}

static int copy_disk(struct backup_job *job, const struct source_disk *disk, struct err *err)
{
    struct disk_reader *reader = NULL;
    struct manifest_disk *described = NULL;
    struct tally_image image = {.what = disk->target};

    if (describe_disk(job->manifest, disk, &described, err) < 0 ||
        capture_open_disk(&job->capture, disk, &reader, err) < 0)
        return err_prefix(err, "disk '%s'", disk->target);
    if (!disk->local)
        described->file_size = disk_reader_size(reader);
    int copied = copy_image(job, reader, disk, &described->stored, &image, err);
    capture_close_disk(&job->capture, reader);
    if (copied < 0)
        return err_prefix(err, "disk '%s'", disk->target);
    tally_stored(&job->tally, &described->stored, &image);
    return 0;
}

/* Called while the guest is in the state that is backed up. Small files are read at once but stored
 * later, so that the guest does not wait for the archive. */
static int read_extras(void *opaque, struct err *err)
{
    struct backup_job *job = opaque;

    return extras_read(&job->source.extras, err);
}

/* Copies everything that needs the guest to be held. */
static int copy_held(struct backup_job *job, struct err *err)
{
    const struct source *source = &job->source;

    for (size_t i = 0; i < source->disk_count; i++)
        if (quit_check(err) < 0 || copy_disk(job, &source->disks[i], err) < 0)
            return -1;
    return extras_store(&source->extras, job->set, job->manifest, err);
}

/* ---- the guest held and let go -------------------------------------------------------- */

static enum manifest_consistency consistency_of(const struct capture *capture)
{
    switch (capture->request.mode) {
    case CAPTURE_OFFLINE:
        return CONSISTENCY_OFFLINE;
    case CAPTURE_SAVE:
        return CONSISTENCY_SAVE;
    case CAPTURE_PAUSE:
        return CONSISTENCY_PAUSE;
    case CAPTURE_LIVE:
        return CONSISTENCY_LIVE;
    case CAPTURE_DISKS:
        break;
    }
    return capture->frozen ? CONSISTENCY_FROZEN : CONSISTENCY_CRASH;
}

/* Its memory takes what it takes, which is known once it is captured. */
static void tell_volume(const struct backup_job *job)
{
    const char *image = capture_memory(&job->capture);
    uint64_t memory = capture_has_memory(job->mode) ? job->source.memory_size : 0;
    uint64_t volume = 0;
    struct stat st;

    if (!image)
        image = job->source.managed_save;
    if (image && stat(image, &st) == 0)
        memory = (uint64_t)st.st_size;
    if (units_add(job->source.image_size, memory, &volume))
        course_volume(&job->run->course, volume);
}

static int copy_captured(struct backup_job *job, struct err *err)
{
    struct backup_run *run = job->run;
    struct capture *capture = &job->capture;
    CLEANUP_ERR struct err end_err = ERR_INIT;
    const struct follow_request follow = {
        .source = &job->source,
        .set = job->set,
        .report = run->report,
        .guest = job->name,
        .uuid = guest_uuid(job->guest),
        .host = hypervisor_host(run->hypervisor),
        .state_fd = run->state_fd,
        .full_read = run->options->full_read,
    };

    follow_begin(&job->follow, &follow);
    const struct capture_request request = {
        .calls = &capture_calls_libvirt,
        .hypervisor = run->hypervisor,
        .guest = job->guest,
        .uri = hypervisor_uri(run->hypervisor),
        .uuid = guest_uuid(job->guest),
        .name = job->name,
        .source = &job->source,
        .archive =
            run->options->destination.is_repository ? NULL : points_writer_place(run->writer),
        .staging = job->staging,
        .report = run->report,
        .guardian = run->options->guardian,
        .mode = job->mode,
        .scratch_path = run->options->scratch_path,
        .owner = job->follow.owner,
        .tracks = job->follow.tracks,
        .state_fd = run->state_fd,
        .at_instant = read_extras,
        .opaque = job,
    };

    if (capture_begin(capture, &request, err) < 0)
        return -1;
    follow_settle(&job->follow);
    tell_volume(job);
    int copied = copy_held(job, err);
    capture->read_failed = copied < 0 && err->kind == ERR_IO;
    int ended = capture_end(capture, &end_err);
    /* The reason for giving up also explains why reading failed. */
    if (ended < 0 && copied < 0 && end_err.kind != ERR_NONE) {
        if (!capture->taken) /* then it is what came of that */
            err_append(&end_err, "%s", err->text);
        return err_move(err, &end_err);
    }
    if (ended < 0)
        return err_move(err, &end_err);
    if (copied < 0)
        return -1;
    job->manifest->consistency = consistency_of(capture);
    job->manifest->has_downtime = capture->has_downtime;
    job->manifest->downtime_ms = capture->downtime_ms;
    return 0;
}

static uint64_t largest_part(const struct source *source)
{
    return source->memory_size > source->largest_image ? source->memory_size
                                                       : source->largest_image;
}

/* Of disks of which the store has most already, little is left to compress, so that can take longer:
 * a day's changes become 2 parts in a hundred smaller (bench). Memory is always new. */
static int start_children(struct backup_job *job, bool memory, struct err *err)
{
    const struct backup_options *options = job->run->options;
    struct codec_spec codec = options->codec;

    codec.thorough = !memory && (points_set_base(job->set) || options->like);
    return children_pool(&job->run->children, &codec, job->chunk_size,
                         units_div_up(largest_part(&job->source), job->chunk_size), err);
}

static int store_memory(struct backup_job *job, struct err *err)
{
    const char *image = capture_memory(&job->capture);
    const struct memory_store store = {
        .children = &job->run->children,
        .report = job->run->report,
        .guest = job->name,
        .staging = job->staging,
        .set = job->set,
        .codec = job->codec,
        .chunk_size = job->chunk_size,
        .keep_state = job->source.managed_save != NULL,
        .running = job->source.status.state == GUEST_RUNNING,
    };
    struct tally_image stored = {.what = "memory"};

    if (!image)
        image = job->source.managed_save;
    if (!image)
        return 0;
    if (start_children(job, true, err) < 0)
        return -1;
    job->manifest->live = xml_copy(job->source.live);
    job->manifest->memory = mem_alloc(sizeof(*job->manifest->memory));
    if (memory_store(&store, image, job->manifest->memory, &stored.usage, err) < 0)
        return err_prefix(err, "memory");
    stored.read = job->manifest->memory->image.raw_size;
    tally_stored(&job->tally, job->manifest->memory, &stored);
    return 0;
}

/* ---- putting it together -------------------------------------------------------------- */

static void warn_about_left_out(struct backup_job *job)
{
    static const enum warning_kind kinds[] = {
        [SOURCE_SNAPSHOTS] = WARNING_SNAPSHOTS_LEFT_OUT,
        [SOURCE_OTHER_DEFINED] = WARNING_OTHER_SOURCE,
        [SOURCE_ONLY_DEFINED] = WARNING_DISK_NOT_RUNNING,
    };

    for (size_t i = 0; i < job->source.left_out_count; i++) {
        const struct source_left_out *left_out = &job->source.left_out[i];
        if (left_out->why != SOURCE_MEDIUM && left_out->why != SOURCE_EXCLUDED)
            report_warning(job->run->report, job->name,
                           &(struct warning){kinds[left_out->why], .disk = left_out->target,
                                             .why = left_out->reason});
    }
}

static void warn_about_images(const struct backup_job *job)
{
    for (size_t i = 0; i < job->source.disk_count; i++) {
        const struct source_disk *disk = &job->source.disks[i];
        if (disk->info.marked_corrupt)
            report_warning(job->run->report, job->name,
                           &(struct warning){WARNING_MARKED_CORRUPT, .disk = disk->target});
        if (disk->info.unwritable)
            report_warning(job->run->report, job->name,
                           &(struct warning){WARNING_FORMAT_UNWRITABLE, .disk = disk->target,
                                             .format = disk->format});
    }
}

/* With a seal, that concerns only a restore on another host: no warning for every night. */
static void tell_findings(const struct backup_job *job)
{
    struct definition_findings findings CLEANUP_FINDINGS = {0};

    findings_of_backup(job->manifest, &findings);
    if (findings.count == 0)
        return;
    if (!job->run->key) {
        report_warning(job->run->report, job->name,
                       &(struct warning){WARNING_NEEDS_TRUST, .findings = &findings});
        return;
    }
    CLEANUP_FREE char *line = findings_line(&findings, "virt-backup list --json lists");
    log_detail("guest '%s': restoring it on another host needs --trust-definition: %s", job->name,
               line);
}

static int plan_job(struct backup_job *job, struct sizing_plan *ret, struct err *err)
{
    const struct backup_options *options = job->run->options;

    if (children_plan_images(&options->children, &options->destination, &options->codec,
                             largest_part(&job->source), ret, err) < 0)
        return -1;
    job->codec = ret->codec;
    job->chunk_size = ret->chunk_size;
    return 0;
}

static int gather_job(struct backup_job *job, struct err *err)
{
    const struct backup_options *options = job->run->options;
    struct guest_status status;
    bool unsafe = false;

    if (guest_get_status(job->guest, &status, err) < 0 ||
        capture_choose(job->guest, &status, options->guest_memory, &job->mode, &unsafe, err) < 0)
        return -1;
    if (unsafe)
        report_warning(job->run->report, job->name, &(struct warning){WARNING_MEMORY_UNSAFE});
    const struct source_request request = {
        .memory = capture_has_memory(job->mode),
        .exports = capture_has_exports(job->mode),
        .exclude_disks = &options->exclude_disks,
        .destination = options->destination.path,
    };

    if (source_gather(job->run->hypervisor, job->guest, &request, &job->source, err) < 0 ||
        capture_check_choice(job->mode, &job->source.status, err) < 0)
        return -1;
    warn_about_left_out(job);
    warn_about_images(job);
    return 0;
}

static int open_staging(struct backup_job *job, struct err *err)
{
    const struct backup_options *options = job->run->options;
    bool captured = capture_has_memory(job->mode);
    CLEANUP_FREE char *usual = hypervisor_staging_folder(job->run->hypervisor);
    struct staging_request request = {
        .path = options->staging_path,
        .usual = usual,
        .destination = options->destination.path,
        .uuid = guest_uuid(job->guest),
    };

    if (!captured && !job->source.managed_save)
        return 0;
    request.needed = captured ? source_memory_room(&job->source) : 0;
    return staging_open(&request, &job->staging, err);
}

static int lock_guest(struct backup_job *job, struct err *err)
{
    struct backup_run *run = job->run;

    if (guest_lock_take(run->state_fd, guest_uuid(job->guest), run->options->wait_ms, &job->lock,
                        err) < 0) {
        run->busy = err && err->kind == ERR_BUSY;
        return -1;
    }
    job->left = recover_check(run->state_fd, guest_uuid(job->guest), &run->told, err) < 0;
    return job->left ? -1 : 0;
}

static int try_names(struct backup_job *job, struct err *err)
{
    return backup_names_try(job->set, &job->source,
                            capture_has_memory(job->mode) || job->source.managed_save,
                            job->run->options->codec.type, err);
}

static int back_up(struct backup_job *job, struct err *err)
{
    struct backup_run *run = job->run;
    struct sizing_plan sizing;

    /* Take both locks first: then what we look at stays as it is, however long the locks took. */
    if (lock_guest(job, err) < 0 || backup_names_begin(job->run, job->guest, &job->set, err) < 0 ||
        gather_job(job, err) < 0 || plan_job(job, &sizing, err) < 0 || try_names(job, err) < 0)
        return -1;
    if (start_children(job, false, err) < 0)
        return -1;
    job->manifest = describe_guest(run->hypervisor, job->guest, &job->source);
    job->manifest->seal_key = run->key;
    job->manifest->sandbox = run->options->children.foreign      ? SANDBOX_FOREIGN
                             : run->options->children.no_sandbox ? SANDBOX_NONE
                                                                 : SANDBOX_FULL;
    tell_volume(job);
    if (open_staging(job, err) < 0 || copy_captured(job, err) < 0 || store_memory(job, err) < 0 ||
        quit_check(err) < 0)
        return -1;
    if (capture_commit_begin(&job->capture, err) < 0)
        return -1;
    const char *id = points_set_id(job->set);
    job->tally.point_id = id ? mem_strdup(id) : NULL;
    int committed = points_commit(TAKE_PTR(job->set), job->manifest, err);
    capture_commit_end(&job->capture, committed == 0);
    if (committed < 0)
        return -1;
    follow_note(&job->follow, job->tally.point_id);
    tally_done(&job->tally, job->manifest);
    tell_findings(job);
    return 0;
}

int backup_guest(struct backup_run *run, struct guest *guest, bool *ret_stranded, struct err *err)
{
    struct backup_job job CLEANUP(backup_job_clear) = {
        .run = run,
        .guest = guest,
        .name = guest_name(guest),
        .tally = {.report = run->report, .guest = guest_name(guest), .started_ms = units_now_ms()},
    };

    int result = back_up(&job, err);
    if (result == 0)
        sizes_add(&run->sizes, &job.tally.sizes);
    *ret_stranded = job.capture.stranded || job.left;
    /* The next guest may need more children, and a pool cannot be used again in the middle of an
     * image. */
    children_end(&run->children);
    return result;
}

/* ---- dry run ------------------------------------------------------------------------------ */

int backup_plan_guest(struct backup_run *run, struct guest *guest, struct err *err)
{
    struct backup_job job CLEANUP(backup_job_clear) = {
        .run = run, .guest = guest, .name = guest_name(guest)};
    struct sizing_plan sizing;

    if (gather_job(&job, err) < 0 || plan_job(&job, &sizing, err) < 0)
        return -1;
    const struct backup_plan told = {
        .guest = job.name,
        .destination = &run->options->destination,
        .source = &job.source,
        .mode = job.mode,
        .sizing = &sizing,
        .libvirt = hypervisor_version(run->hypervisor),
    };
    return backup_plan_tell(&told, run->report, err);
}
