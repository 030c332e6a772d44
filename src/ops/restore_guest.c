/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/image.h"
#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"
#include "disk/attributes.h"
#include "guest/definition.h"
#include "ops/extras.h"
#include "ops/memory.h"
#include "ops/placement.h"
#include "ops/target.h"
#include "ops/transfer.h"

struct job {
    struct restore_run *run;
    const char *name; /* in the archive */
    struct manifest *manifest;
    struct placement placement;
    struct target target;
    char **made; /* files to be removed when the restore fails */
    size_t made_count;
    uint64_t started_ms;
};

static void job_clear(struct job *job)
{
    for (size_t i = 0; i < job->made_count; i++)
        free(job->made[i]);
    free(job->made);
    placement_clear(&job->placement);
    target_clear(&job->target);
    manifest_free(job->manifest);
}

static void note_made(struct job *job, const char *path)
{
    job->made = mem_resize(job->made, job->made_count + 1, sizeof(*job->made));
    job->made[job->made_count++] = mem_strdup(path);
}

static void remove_made(struct job *job)
{
    for (size_t i = 0; i < job->made_count; i++)
        (void)unlink(job->made[i]);
}

/* ---- room ------------------------------------------------------------------------------- */

/* The least that the files will take: compressed images don't tell how much of
 * what is in them is zeros. */
static int add_needed(struct job *job, const struct manifest_stored *stored, uint64_t *needed,
                      struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;
    uint64_t bytes = stored->size;

    if (archive_reader_open_file(job->run->archive, stored, &fd, err) < 0)
        return err_prefix(err, "%s/%s", archive_reader_path(job->run->archive), stored->name);
    if (stored->codec.type == CODEC_NONE && fstat(fd, &st) == 0)
        bytes = (uint64_t)st.st_blocks * 512;
    if (!units_add(*needed, bytes, needed))
        return err_set(err, ERR_CORRUPT, "the sizes in the manifest are impossible");
    return 0;
}

static int check_room(struct job *job, struct err *err)
{
    const char *folder = job->run->options->destination;
    CLEANUP_CLOSE int dir = -1;
    uint64_t needed = 0;
    uint64_t room = 0;
    char needed_text[UNITS_TEXT_SIZE];
    char room_text[UNITS_TEXT_SIZE];

    for (size_t i = 0; i < job->placement.disk_count; i++)
        if (!job->placement.disks[i].block_device &&
            add_needed(job, &job->placement.disks[i].disk->stored, &needed, err) < 0)
            return -1;
    if (job->placement.memory && add_needed(job, job->manifest->memory, &needed, err) < 0)
        return -1;
    /* In a dry run the folder may not be there yet. */
    if (io_open_dir(folder, &dir, NULL) < 0)
        return 0;
    if (io_free_space(dir, &room, err) < 0)
        return err_prefix(err, "%s", folder);
    if (needed > room)
        return err_set(err, ERR_NO_SPACE, "%s has %s free, and at least %s is needed", folder,
                       units_format_size(room, room_text), units_format_size(needed, needed_text));
    return 0;
}

/* ---- disks --------------------------------------------------------------------------------- */

static int put_back_owner(struct job *job, const char *path, const struct manifest_owner *owner,
                          struct err *err)
{
    const struct attributes attributes = {
        .uid = owner->uid,
        .gid = owner->gid,
        .user = owner->user,
        .group = owner->group,
        .mode = owner->mode,
        .selinux = owner->selinux,
    };
    bool partial = false;

    if (!owner->known)
        return 0;
    if (attributes_apply(path, &attributes, &partial, err) < 0)
        return -1;
    if (partial && !job->run->owner_said) {
        job->run->owner_said = true;
        report_warning(job->run->report, job->name,
                       "owner, group or SELinux context could not be put back without privilege; "
                       "the files belong to you");
    }
    return 0;
}

static int write_disk(struct job *job, const struct placed_disk *placed, struct image_reader *image,
                      const char *stored_path, struct disk_writer *writer, struct err *err)
{
    const struct manifest_stored *stored = &placed->disk->stored;
    struct transfer transfer = {
        .report = job->run->report,
        .guest = job->name,
        .what = placed->disk->target,
        .stored_path = stored_path,
    };

    if (children_pool(&job->run->children, &stored->codec, stored->chunk_size, 0, &transfer.pool,
                      err) < 0 ||
        transfer_disk_out(&transfer, image, stored, writer, err) < 0)
        return -1;
    return disk_writer_finish(writer, err);
}

static int create_disk(const struct placed_disk *placed, struct disk_writer **ret, struct err *err)
{
    const struct manifest_disk *disk = placed->disk;
    CLEANUP_FREE struct disk_option *options = mem_array(disk->option_count, sizeof(*options));
    const struct disk_target target = {
        .path = placed->path,
        .format = disk->format,
        .options = options,
        .option_count = disk->option_count,
        .image_size = disk->stored.raw_size,
        .block_device = placed->block_device,
    };

    for (size_t i = 0; i < disk->option_count; i++)
        options[i] = (struct disk_option){disk->options[i].name, disk->options[i].value};
    return disk_writer_create(&target, ret, err);
}

static int restore_disk(struct job *job, const struct placed_disk *placed, struct err *err)
{
    CLEANUP(disk_writer_freep) struct disk_writer *writer = NULL;
    CLEANUP(image_reader_freep) struct image_reader *image = NULL;
    CLEANUP_CLOSE int fd = -1;
    const struct manifest_stored *stored = &placed->disk->stored;
    CLEANUP_FREE char *path =
        mem_printf("%s/%s", archive_reader_path(job->run->archive), stored->name);
    char size[UNITS_TEXT_SIZE];

    if (archive_reader_open_file(job->run->archive, stored, &fd, err) < 0 ||
        image_reader_new(fd, stored, 0, &image, err) < 0)
        return err_prefix(err, "%s", path);
    if (create_disk(placed, &writer, err) < 0 ||
        write_disk(job, placed, image, path, writer, err) < 0)
        return -1;
    if (!placed->block_device) {
        note_made(job, placed->path);
        if (put_back_owner(job, placed->path, &placed->disk->owner, err) < 0)
            return -1;
    }
    struct json *fields = json_new_object();
    json_set_str(fields, "guest", job->name);
    json_set_str(fields, "disk", placed->disk->target);
    json_set_str(fields, "path", placed->path);
    json_set_str(fields, "format", placed->disk->format);
    json_set_u64(fields, "image-size", stored->raw_size);
    report_event(job->run->report, "disk-done", fields, "guest '%s': %s: %s restored as %s (%s)",
                 job->name, placed->disk->target, units_format_size(stored->raw_size, size),
                 placed->path, placed->disk->format);
    return 0;
}

static int restore_nvram(struct job *job, struct err *err)
{
    for (size_t i = 0; i < job->manifest->extra_count; i++) {
        const struct manifest_extra *extra = &job->manifest->extras[i];
        if (strcmp(extra->kind, "nvram") != 0)
            continue;
        if (extras_restore(job->run->archive, extra, job->placement.nvram, err) < 0)
            return -1;
        note_made(job, job->placement.nvram);
        return put_back_owner(job, job->placement.nvram, &extra->owner, err);
    }
    return 0;
}

static int restore_files(struct job *job, struct err *err)
{
    for (size_t i = 0; i < job->placement.disk_count; i++) {
        const struct placed_disk *placed = &job->placement.disks[i];
        if (quit_check(err) < 0)
            return -1;
        if (restore_disk(job, placed, err) < 0)
            return err_prefix(err, "disk '%s'", placed->disk->target);
    }
    if (job->placement.nvram && restore_nvram(job, err) < 0)
        return err_prefix(err, "NVRAM");
    return 0;
}

/* ---- the guest --------------------------------------------------------------------------------- */

static int restore_memory_file(struct job *job, char **ret_xml, struct err *err)
{
    bool running = job->manifest->state == STATE_RUNNING;
    const struct memory_restore restore = {
        .children = &job->run->children,
        .report = job->run->report,
        .guest = job->name,
        .archive = job->run->archive,
        .stored = job->manifest->memory,
    };

    if (!job->manifest->live)
        return err_set(err, ERR_CORRUPT, "the manifest has memory but no XML to resume it with");
    CLEANUP(xml_freep)
    struct xml_doc *live =
        placement_rewrite(&job->placement, job->manifest, job->manifest->live, err);
    if (!live)
        return -1;
    *ret_xml = xml_format(live);
    if (memory_restore(&restore, job->placement.memory, *ret_xml, running, err) < 0)
        return err_prefix(err, "memory");
    note_made(job, job->placement.memory);
    return 0;
}

static int write_xml(struct job *job, const char *xml, struct err *err)
{
    const char *path = job->placement.xml;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create", path);
    note_made(job, path);
    if (io_write(fd, xml, strlen(xml), err) < 0 || io_sync(fd, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

/* What starts the guest by hand, for a shell; the caller frees. */
static char *start_line(const struct job *job)
{
    if (job->placement.memory)
        return mem_printf("virsh restore '%s'", job->placement.memory);
    if (job->placement.xml)
        return mem_printf("virsh create '%s'", job->placement.xml);
    return mem_printf("virsh start '%s'", job->placement.name);
}

static int start_guest(struct job *job, const char *memory_xml, const char *xml, struct err *err)
{
    struct hypervisor *hypervisor = job->run->hypervisor;
    bool paused = job->manifest->state == STATE_PAUSED;

    if (job->placement.memory) {
        if (guest_restore(hypervisor, job->placement.memory, memory_xml, !paused, err) < 0)
            return -1;
        (void)unlink(job->placement.memory);
        return 0;
    }
    if (!job->placement.renamed)
        report_warning(job->run->report, job->name,
                       "the backup holds no memory of it: it boots anew");
    return job->target.guest ? guest_start(job->target.guest, paused, err)
                             : guest_create(hypervisor, xml, paused, err);
}

static void note_done(struct job *job, bool started)
{
    struct json *fields = json_new_object();
    CLEANUP_FREE char *line = start_line(job);
    bool was_active = job->manifest->state != STATE_SHUT_OFF;
    const char *state = manifest_state_name(job->manifest->state);
    char time[UNITS_TEXT_SIZE];
    uint64_t elapsed_ms = units_now_ms() - job->started_ms;

    json_set_str(fields, "guest", job->placement.name);
    json_set_u64(fields, "disks", job->placement.disk_count);
    json_set_str(fields, "state", started ? state : "shut off");
    json_set_u64(fields, "elapsed-ms", elapsed_ms);
    if (was_active && !started)
        json_set_str(fields, "start-with", line);
    report_event(job->run->report, "guest-done", fields, "guest '%s': restored, %zu disk%s, %s%s%s",
                 job->placement.name, job->placement.disk_count,
                 job->placement.disk_count == 1 ? "" : "s",
                 units_format_seconds(elapsed_ms / 1000, time),
                 started      ? ", now "
                 : was_active ? "; it is shut off, this goes on with it: "
                              : ", shut off",
                 started      ? state
                 : was_active ? line
                              : "");
}

static int bring_up(struct job *job, const char *xml, struct err *err)
{
    CLEANUP_FREE char *memory_xml = NULL;
    bool start = job->run->options->allow_autorun && job->manifest->state != STATE_SHUT_OFF;

    if (job->placement.memory && restore_memory_file(job, &memory_xml, err) < 0)
        return -1;
    if (job->placement.xml && write_xml(job, xml, err) < 0)
        return -1;
    if (quit_check(err) < 0)
        return -1;
    if (job->manifest->persistent &&
        target_define(&job->target, job->run->hypervisor, xml, job->manifest->autostart, err) < 0)
        return -1;
    if (start && start_guest(job, memory_xml, xml, err) < 0) {
        /* All is there: days of copying are not thrown away for a missing network. */
        job->made_count = 0;
        target_keep(&job->target);
        CLEANUP_FREE char *line = start_line(job);
        err_prefix(err, "it is restored, but could not be started");
        return err_append(err, "when that is mended, `%s` starts it", line);
    }
    note_done(job, start);
    return 0;
}

static int restore_definition(struct job *job, struct err *err)
{
    CLEANUP(xml_freep)
    struct xml_doc *definition =
        placement_rewrite(&job->placement, job->manifest, job->manifest->definition, err);

    if (!definition)
        return -1;
    CLEANUP_FREE char *xml = xml_format(definition);
    if (job->placement.renamed && job->manifest->memory)
        report_warning(job->run->report, job->name,
                       "its memory is not restored under a new name: it boots anew");
    if (bring_up(job, xml, err) < 0)
        return -1;
    target_list_missing(job->run->hypervisor, job->run->report, job->placement.name, definition,
                        job->manifest);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void tell_plan(struct job *job)
{
    CLEANUP_BUF struct buf text = {0};
    struct json *fields = json_new_object();
    struct json *disks = json_new_array();
    char size[UNITS_TEXT_SIZE];

    buf_printf(&text, "guest '%s': would be restored%s%s", job->name,
               job->placement.renamed ? " as " : "",
               job->placement.renamed ? job->placement.name : "");
    for (size_t i = 0; i < job->placement.disk_count; i++) {
        const struct placed_disk *placed = &job->placement.disks[i];
        struct json *entry = json_new_object();
        buf_printf(&text, "\n  %s: %s, %s, %s", placed->disk->target, placed->path,
                   placed->disk->format, units_format_size(placed->disk->stored.raw_size, size));
        json_set_str(entry, "target", placed->disk->target);
        json_set_str(entry, "path", placed->path);
        json_add(disks, entry);
    }
    if (job->placement.nvram)
        buf_printf(&text, "\n  NVRAM: %s", job->placement.nvram);
    if (job->placement.memory)
        buf_printf(&text, "\n  memory: %s, %s", job->placement.memory,
                   units_format_size(job->manifest->memory->raw_size, size));
    json_set_str(fields, "guest", job->name);
    json_set_str(fields, "name", job->placement.name);
    json_set(fields, "disks", disks);
    CLEANUP_FREE char *line = buf_take_str(&text);
    report_event(job->run->report, "plan", fields, "%s", line);
}

static void note_disks_done(struct job *job)
{
    struct json *fields = json_new_object();

    json_set_str(fields, "guest", job->name);
    json_set_u64(fields, "disks", job->placement.disk_count);
    report_event(job->run->report, "guest-done", fields,
                 "guest '%s': %zu disk%s restored, no guest defined", job->name,
                 job->placement.disk_count, job->placement.disk_count == 1 ? "" : "s");
}

static int restore(struct job *job, struct err *err)
{
    struct restore_run *run = job->run;
    const struct restore_options *options = run->options;

    if (archive_reader_manifest(run->archive, job->name, &job->manifest, err) < 0 ||
        placement_make(job->manifest, options, &job->placement, err) < 0)
        return -1;
    if (run->hypervisor && target_check(&job->target, run->hypervisor, &job->placement,
                                        job->manifest, options->replace, err) < 0)
        return -1;
    if (check_room(job, err) < 0)
        return -1;
    if (options->dry_run) {
        tell_plan(job);
        return 0;
    }
    if (restore_files(job, err) < 0)
        return -1;
    if (!options->disks.count)
        return restore_definition(job, err);
    note_disks_done(job);
    return 0;
}

int restore_guest(struct restore_run *run, const char *name, struct err *err)
{
    struct job job CLEANUP(job_clear) = {
        .run = run,
        .name = name,
        .started_ms = units_now_ms(),
    };
    CLEANUP_ERR struct err undo_err = ERR_INIT;

    if (restore(&job, err) == 0)
        return 0;
    children_end(&run->children); /* a pool in mid-image can't be used again */
    if (target_undo(&job.target, run->hypervisor, &undo_err) < 0)
        err_append(err, "%s", undo_err.text);
    remove_made(&job);
    return -1;
}
