/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/job.h"

#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/quit.h"
#include "ops/backup_sizes.h"
#include "ops/extras.h"
#include "ops/transfer/disk_chunks.h"
#include "ops/transfer/transfer.h"
#include "ops/undo/undo.h"

/* ---- the journal ------------------------------------------------------------------------ */

int restore_note(struct restore_job *job, struct err *err)
{
    return intent_write(job->run->state_fd, &job->intent, err);
}

/* The restore was not completed: all of it is undone. */
static int take_back(struct intent *intent, size_t file_count, char *defined)
{
    intent->file_count = file_count;
    intent->defined = defined;
    intent->outdated = false;
    free(TAKE_PTR(intent->resumed));
    return -1;
}

void restore_tell_points(const struct restore_job *job, const struct guest_points *points,
                         enum warning_kind kind)
{
    if (points->snapshots.count || points->checkpoints.count)
        report_warning(job->run->report, job->name,
                       &(struct warning){kind, .guest = guest_name(job->target.replaced),
                                         .snapshots = points->snapshots.count,
                                         .checkpoints = points->checkpoints.count});
}

static void note_folders(struct restore_job *job)
{
    for (size_t i = 0; i < job->outputs.folder_count; i++)
        strings_add(&job->run->folders, job->outputs.folders[i]->parent);
}

int restore_complete(struct restore_job *job, struct err *err)
{
    struct intent *intent = &job->intent;
    size_t file_count = intent->file_count;
    char *defined = TAKE_PTR(intent->defined);

    intent->file_count = 0;
    intent->outdated = true;
    if ((intent_is_empty(intent) ? intent_remove(job->run->state_fd, intent->uuid, err)
                                 : restore_note(job, err)) < 0)
        return take_back(intent, file_count, defined);
    for (size_t i = 0; i < file_count; i++)
        free(intent->files[i].path);
    note_folders(job);
    if (defined)
        restore_tell_points(job, &intent->old_points, WARNING_POINTS_REMOVED);
    free(defined);
    (void)undo_outdated(intent, NULL);
    return 0;
}

/* ---- disks --------------------------------------------------------------------------------- */

static int write_disk(struct restore_job *job, const struct placed_disk *placed,
                      struct points_image *image, struct disk_writer *writer, struct err *err)
{
    const struct manifest_stored *stored = &placed->disk->stored;
    struct transfer transfer = {
        .children = &job->run->children,
        .report = job->run->report,
        .guest = job->name,
        .what = placed->disk->target,
    };
    struct disk_chunks disk;
    const struct chunk_source source = points_image_source(image);
    const struct chunk_sink sink = disk_chunks_sink(&disk, writer, stored->image.chunk_size);
    const struct codec_spec codec = points_image_codec(image);

    if (children_pool(&job->run->children, &codec, source.chunk_size, 0, err) < 0 ||
        transfer_out(&transfer, &source, &sink, &stored->image, err) < 0)
        return -1;
    return disk_writer_finish(writer, err);
}

/* output NULL: to the block device. */
static int create_disk(const struct placed_disk *placed, const struct restore_output *output,
                       struct disk_writer **ret, struct err *err)
{
    const struct manifest_disk *disk = placed->disk;
    CLEANUP_FREE struct disk_option *options = mem_array(disk->option_count, sizeof(*options));
    const struct disk_target target = {
        .path = placed->path,
        .format = placed->format,
        .options = options,
        /* options of another format are of no use */
        .option_count = placed->format == disk->format ? disk->option_count : 0,
        .image_size = disk->stored.image.raw_size,
        .block_device = placed->block_device,
        .in_folder = output != NULL,
        .folder_fd = output ? output->dir_fd : -1,
    };

    for (size_t i = 0; i < disk->option_count; i++)
        options[i] = (struct disk_option){disk->options[i].name, disk->options[i].value};
    return disk_writer_create(&target, ret, err);
}

static int restore_disk(struct restore_job *job, const struct placed_disk *placed, struct err *err)
{
    CLEANUP(disk_writer_freep) struct disk_writer *writer = NULL;
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    struct restore_output *output = NULL;
    const struct manifest_stored *stored = &placed->disk->stored;
    const struct container_indexer indexer = children_indexer(&job->run->children);
    const struct points_image_request request = {stored, &indexer, .whole = false};

    if (points_open_image(job->backup, &request, &image, err) < 0)
        return -1;
    if (!placed->block_device && restore_output_new(job, placed->path, &output, err) < 0)
        return -1;
    if (create_disk(placed, output, &writer, err) < 0 ||
        write_disk(job, placed, image, writer, err) < 0)
        return -1;
    if (output && restore_output_finish(job, output, &placed->disk->owner, err) < 0)
        return -1;
    report_event(job->run->report,
                 &(struct event){.kind = EVENT_DISK_RESTORED,
                                 .guest = job->name,
                                 .disk_restored = {.target = placed->disk->target,
                                                   .path = placed->path,
                                                   .format = placed->format,
                                                   .file = stored->file.name,
                                                   .sizes = backup_sizes_of(job->backup, stored)}});
    return 0;
}

int restore_extra(struct restore_job *job, const struct manifest_extra *extra,
                  struct restore_output *output, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (restore_output_create(output, &fd, err) < 0 ||
        extras_restore(job->backup, extra, fd, err) < 0)
        return -1;
    return restore_output_finish(job, output, &extra->owner, err);
}

static int restore_nvram(struct restore_job *job, struct err *err)
{
    const struct manifest_extra *extra = extras_in_manifest(job->manifest, EXTRA_NVRAM);
    struct restore_output *output = NULL;

    if (restore_output_new(job, job->placement.nvram, &output, err) < 0)
        return -1;
    return restore_extra(job, extra, output, err);
}

int restore_files(struct restore_job *job, struct err *err)
{
    for (size_t i = 0; i < job->placement.disk_count; i++) {
        const struct placed_disk *placed = &job->placement.disks[i];
        if (quit_check(err) < 0)
            return -1;
        if (!placed->shared && restore_disk(job, placed, err) < 0)
            return err_prefix(err, "disk '%s'", placed->disk->target);
    }
    if (job->placement.nvram && restore_nvram(job, err) < 0)
        return err_prefix(err, "NVRAM");
    if (job->placement.tpm && restore_tpm_write(job, err) < 0)
        return err_prefix(err, "TPM state");
    return 0;
}
