/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"
#include "guest/definition/definition.h"
#include "ops/memory.h"
#include "ops/undo/recover.h"
#include "ops/restore/job.h"
#include "ops/undo/undo.h"

#define DAEMON_BACK_MS 60000u

static void restore_job_clear(struct restore_job *job)
{
    restore_outputs_clear(&job->outputs);
    placement_clear(&job->placement);
    xml_free(job->definition);
    xml_free(job->live);
    definition_findings_clear(&job->findings);
    strings_clear(&job->ejected);
    if (job->replaced_lock)
        guest_lock_leave(job->replaced_lock, job->run->state_fd, guest_uuid(job->target.replaced));
    lock_file_release(job->replaced_lock);
    target_clear(&job->target);
    points_close(job->backup);
    intent_clear(&job->intent);
    staging_close(job->staging);
    lock_file_release(job->lock);
}

/* Of the guest, or of its disks. */
static bool takes_place(const struct restore_options *options)
{
    return options->disks.count == 0 || options->original_places;
}

/* A restore that does not take the guest's own place need not wait for a run that works on the
 * guest. */
static int begin_intent(struct restore_job *job, struct err *err)
{
    struct restore_run *run = job->run;
    struct intent *intent = &job->intent;
    const char *new_name = run->options->new_name;

    if (!new_name && takes_place(run->options))
        intent->uuid = mem_strdup(job->manifest->domain_uuid);
    else if (definition_random_uuid(&intent->uuid, err) < 0)
        return -1;
    intent_sign(intent, INTENT_RESTORE);
    intent->name = mem_strdup(new_name ? new_name : job->manifest->domain_name);
    if (run->hypervisor)
        intent->uri = mem_strdup(hypervisor_uri(run->hypervisor));
    if (guest_lock_take(run->state_fd, intent->uuid, run->options->wait_ms, &job->lock, err) < 0) {
        run->busy = err && err->kind == ERR_BUSY;
        return -1;
    }
    if (recover_check(run->state_fd, intent->uuid, &run->told, err) == 0)
        return 0;
    /* The existing journal is not ours to remove. */
    guest_lock_leave(job->lock, run->state_fd, intent->uuid);
    lock_file_release(TAKE_PTR(job->lock));
    run->stranded = true;
    return -1;
}

/* ---- where its memory goes ----------------------------------------------------------------- */

static bool is_started(const struct restore_job *job)
{
    return job->run->options->allow_autorun && job->manifest->state != STATE_SHUT_OFF;
}

/* libvirt opens the image that it starts a guest from by path, as root. Others who can change the
 * destination could substitute another image, so in that case it is in the staging folder as long
 * as it is needed. */
static int stage_memory(struct restore_job *job, struct err *err)
{
    const struct restore_options *options = job->run->options;
    CLEANUP_FREE char *destination = NULL;

    if (!job->placement.memory || !is_started(job) ||
        staging_check_hands(job->placement.folder, (uid_t)-1, &destination, NULL) == 0)
        return 0;
    CLEANUP_FREE char *usual = hypervisor_staging_folder(job->run->hypervisor);
    const struct staging_request request = {
        .path = options->staging_path,
        .usual = usual,
        .uuid = job->manifest->domain_uuid,
        .needed = job->manifest->memory->image.raw_size,
    };
    if (staging_open(&request, &job->staging, err) < 0)
        return err_prefix(err, "memory");
    free(job->placement.memory);
    job->placement.memory = mem_strdup(staging_memory_path(job->staging));
    return 0;
}

/* ---- the guest --------------------------------------------------------------------------------- */

/* Nobody else can change the folders around it, so its name is enough to remove it again. */
static int make_staging(struct restore_job *job, struct err *err)
{
    intent_add_file(&job->intent, staging_folder(job->staging), NULL);
    return restore_note(job, err) < 0 ? -1 : staging_make(job->staging, err);
}

static int restore_memory_file(struct restore_job *job, char **ret_xml, struct err *err)
{
    bool running = job->manifest->state == STATE_RUNNING;
    const struct memory_restore restore = {
        .children = &job->run->children,
        .report = job->run->report,
        .guest = job->name,
        .backup = job->backup,
        .path = job->placement.memory,
        .keep_state = job->manifest->state == STATE_SHUT_OFF,
        .trusted = job->run->options->trust_definition || job->seal == SEAL_FITS,
    };

    struct restore_output *output = NULL;
    CLEANUP_CLOSE int fd = -1;

    *ret_xml = xml_format(job->live);
    if (job->staging && make_staging(job, err) < 0)
        return -1;
    if (restore_output_new(job, job->placement.memory, &output, err) < 0 ||
        restore_output_create(output, &fd, err) < 0 ||
        memory_restore(&restore, fd, *ret_xml, running, err) < 0 ||
        restore_output_finish(job, output, NULL, err) < 0)
        return err_prefix(err, "memory");
    return 0;
}

static int write_xml(struct restore_job *job, const char *xml, struct err *err)
{
    struct restore_output *output = NULL;
    CLEANUP_CLOSE int fd = -1;

    if (restore_output_new(job, job->placement.xml, &output, err) < 0 ||
        restore_output_create(output, &fd, err) < 0)
        return -1;
    if (io_write(fd, xml, strlen(xml), err) < 0)
        return err_prefix(err, "%s", job->placement.xml);
    return restore_output_finish(job, output, NULL, err);
}

static int start_guest(struct restore_job *job, const char *memory_xml, const char *xml,
                       struct err *err)
{
    struct hypervisor *hypervisor = job->run->hypervisor;
    bool paused = job->manifest->state == STATE_PAUSED;

    /* It is resumed once its image is gone: see undo_restore. */
    if (job->placement.memory)
        return guest_restore(hypervisor, job->placement.memory, memory_xml, false, err);
    if (!job->placement.renamed && !job->placement.memory_dropped)
        report_warning(job->run->report, job->name, &(struct warning){WARNING_NO_MEMORY_IMAGE});
    return job->target.guest ? guest_start(job->target.guest, paused, err)
                             : guest_create(hypervisor, xml, paused, err);
}

static struct target_request target_request(const struct restore_job *job)
{
    return (struct target_request){
        .hypervisor = job->run->hypervisor,
        .placement = &job->placement,
        .manifest = job->manifest,
        .report = job->run->report,
        .replace = job->run->options->replace,
        .disks_only = job->run->options->disks.count > 0,
        .original_places = job->run->options->original_places,
    };
}

/* What is in files goes again; what is on devices has taken the place of what was there. */
static int tell_written_devices(const struct restore_job *job, struct err *err)
{
    for (size_t i = 0; i < job->placement.disk_count; i++)
        if (job->placement.disks[i].block_device)
            return err_append(err, "%s has been written to by now", job->placement.disks[i].path);
    return -1;
}

static int publish_job(struct restore_job *job, struct err *err)
{
    struct hypervisor *hypervisor = job->run->hypervisor;
    const struct target_request request = target_request(job);

    if (quit_check(err) < 0)
        return -1;
    /* Hours may have gone by, and an upgrade restarts libvirt's daemon. */
    if (hypervisor && !hypervisor_alive(hypervisor) &&
        hypervisor_reconnect(hypervisor, DAEMON_BACK_MS, err) < 0)
        return -1;
    if (hypervisor && target_check_again(&job->target, &request, err) < 0)
        return tell_written_devices(job, err);
    return restore_outputs_publish(job, err);
}

static int define_job(struct restore_job *job, const char *xml, struct err *err)
{
    CLEANUP_FREE char *uuid = definition_uuid(job->definition);

    if (!job->manifest->persistent)
        return 0;
    if (target_note(&job->target, uuid, job->placement.name, &job->intent, err) < 0 ||
        restore_note(job, err) < 0)
        return -1;
    const struct target_definition definition = {
        .hypervisor = job->run->hypervisor,
        .xml = xml,
        .intent = &job->intent,
        .autostart = job->manifest->autostart && !job->placement.renamed,
    };
    return target_define(&job->target, &definition, err);
}

static int start_restored(struct restore_job *job, const char *memory_xml, const char *xml,
                          struct err *err)
{
    const struct undo_host host = {&undo_calls_libvirt, job->run->hypervisor, job->run->state_fd};
    struct intent *intent = &job->intent;

    if (job->placement.memory) {
        intent->resumed = mem_strdup(job->placement.memory);
        intent->was_running = job->manifest->state == STATE_RUNNING;
    }
    if (restore_complete(job, err) < 0)
        return -1;
    if (start_guest(job, memory_xml, xml, err) < 0) {
        /* Everything is in place: a missing network is no reason to throw days of copying away. Unless libvirt
         * may still be at it, the guest does not run from the image, whoever may have started it. */
        if (hypervisor_alive(job->run->hypervisor) && err && err->errnum != ETIMEDOUT)
            free(TAKE_PTR(intent->resumed));
        CLEANUP_FREE char *line = restore_tell_start_line(job);
        restore_tell_lacks(job);
        err_prefix(err, "restored, but could not be started");
        return err_append(err, "once that is fixed, start it with: %s", line);
    }
    return intent->resumed ? undo_restore(&host, intent, err) : 0;
}

static int bring_up(struct restore_job *job, struct err *err)
{
    CLEANUP_FREE char *memory_xml = NULL;
    CLEANUP_FREE char *xml = xml_format(job->definition);
    bool autorun = is_started(job);

    if (job->placement.memory && restore_memory_file(job, &memory_xml, err) < 0)
        return -1;
    if (job->placement.xml && write_xml(job, xml, err) < 0)
        return -1;
    if (publish_job(job, err) < 0 || define_job(job, xml, err) < 0)
        return -1;
    if (autorun ? start_restored(job, memory_xml, xml, err) < 0 : restore_complete(job, err) < 0)
        return -1;
    restore_tell_done(job, autorun);
    return 0;
}

/* ---- putting it together --------------------------------------------------------------------- */

static int open_backup(struct restore_job *job, struct err *err)
{
    if (points_open(job->run->store, job->name, job->point, &job->backup, err) < 0)
        return -1;
    job->manifest = points_manifest(job->backup);
    return 0;
}

/* From here on the guest is ours, and what we look at stays as it is. A run that we waited for may
 * have replaced the very backup that is to be restored. */
static int take_job(struct restore_job *job, struct err *err)
{
    CLEANUP_FREE char *uuid = mem_strdup(job->manifest->domain_uuid);

    if (begin_intent(job, err) < 0)
        return -1;
    if (points_is_current(job->backup))
        return 0;
    points_close(TAKE_PTR(job->backup));
    if (open_backup(job, err) < 0)
        return -1;
    if (strcasecmp(uuid, job->manifest->domain_uuid) != 0)
        return err_set(err, ERR_BUSY,
                       "its backup was replaced by that of another guest in the meantime");
    return 0;
}

/* A guest of the same name may have another UUID, and so a lock and a journal of its own. */
static int take_replaced(struct restore_job *job, struct err *err)
{
    struct restore_run *run = job->run;
    const char *uuid = job->target.replaced ? guest_uuid(job->target.replaced) : NULL;

    if (run->options->dry_run || !uuid || strcasecmp(uuid, job->intent.uuid) == 0)
        return 0;
    if (guest_lock_take(run->state_fd, uuid, run->options->wait_ms, &job->replaced_lock, err) < 0) {
        run->busy = err && err->kind == ERR_BUSY;
        return err_prefix(err, "the existing guest");
    }
    if (recover_check(run->state_fd, uuid, &run->told, err) == 0)
        return 0;
    run->stranded = true;
    return err_prefix(err, "the existing guest");
}

/* With two backups of one guest under two names, the second must not replace the first. */
static int claim_uuid(struct restore_job *job, struct err *err)
{
    CLEANUP_FREE char *uuid = mem_printf("UUID %s", job->manifest->domain_uuid);

    if (!takes_place(job->run->options) || job->run->options->new_name)
        return 0;
    if (claims_has(&job->run->claims, uuid))
        return err_set(err, ERR_EXISTS,
                       "another guest of this restore has the same %s; restore one of them "
                       "separately, with --new-name",
                       uuid);
    claims_add(&job->run->claims, uuid, job->name);
    return 0;
}

/* Before anything is written, too: what cannot be read could not be put back. */
static int check_points(const struct restore_job *job, struct err *err)
{
    CLEANUP_GUEST_POINTS struct guest_points points = {0};

    if (!job->target.replaced || !job->manifest->persistent)
        return 0;
    if (guest_points_get(job->target.replaced, &points, err) < 0)
        return -1;
    if (job->run->options->dry_run)
        restore_tell_points(job, &points, WARNING_POINTS_WOULD_BE_REMOVED);
    return 0;
}

static int restore_from_backup(struct restore_job *job, struct err *err)
{
    struct restore_run *run = job->run;
    const struct restore_options *options = run->options;

    if (open_backup(job, err) < 0 || (!options->dry_run && take_job(job, err) < 0))
        return -1;
    if (options->new_name) /* messages use the name that it gets */
        job->name = options->new_name;
    const struct placement_request placed = {job->name, job->manifest, options, &run->claims};
    if (claim_uuid(job, err) < 0 || placement_make(&placed, &job->placement, err) < 0)
        return -1;
    job->seal = seal_check(&job->manifest->seal, run->key);
    if (run->hypervisor) {
        const struct target_request request = target_request(job);
        if (target_check(&job->target, &request, err) < 0 || take_replaced(job, err) < 0)
            return -1;
    }
    if (restore_tpm_place(job, err) < 0)
        return -1;
    restore_check_places(job);
    if ((!options->disks.count && restore_check_guest(job, err) < 0) ||
        restore_check_room(job, err) < 0)
        return -1;
    restore_measure(job);
    if (options->dry_run && restore_tell_plan(job, err) < 0)
        return -1;
    if (!options->disks.count)
        restore_warn_about_place(job);
    if (restore_check_findings(job, err) < 0)
        return -1;
    if (!options->disks.count) {
        restore_tell_lacks(job);
        CLEANUP_FREE char *xml = xml_format(job->definition);
        if (hypervisor_check_domain(run->hypervisor, xml, err) < 0 || check_points(job, err) < 0)
            return -1;
    }
    if (options->dry_run)
        return 0;
    course_volume(&run->course, job->volume);
    if (stage_memory(job, err) < 0 || restore_files(job, err) < 0)
        return -1;
    if (!options->disks.count)
        return bring_up(job, err);
    if (publish_job(job, err) < 0 || restore_complete(job, err) < 0)
        return -1;
    restore_tell_disks_done(job);
    return 0;
}

int restore_guest(struct restore_run *run, const char *name, const char *point, struct err *err)
{
    struct restore_job job CLEANUP(restore_job_clear) = {
        .run = run,
        .name = name,
        .point = point,
        .started_ms = units_now_ms(),
    };
    const struct undo_host host = {&undo_calls_libvirt, run->hypervisor, run->state_fd};
    CLEANUP_ERR struct err undo_err = ERR_INIT;

    int result = restore_from_backup(&job, err);
    if (result < 0) {
        claims_release(&run->claims, name);
        children_end(&run->children); /* a pool cannot be used again in the middle of an image */
        if (job.lock && undo_restore(&host, &job.intent, &undo_err) < 0)
            err_append(err, "%s", undo_err.text);
    }
    /* What could not be undone stays in the journal, for recover. */
    if (job.lock && intent_is_empty(&job.intent)) {
        (void)intent_remove(run->state_fd, job.intent.uuid, NULL);
    } else if (job.lock) {
        run->stranded = true;
        intent_set_trouble(&job.intent, undo_err.text);
        (void)intent_write(run->state_fd, &job.intent, NULL);
        guest_lock_leave(job.lock, run->state_fd, job.intent.uuid);
    }
    return result;
}
