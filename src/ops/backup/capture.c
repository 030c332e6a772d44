/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/capture.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "base/out.h"
#include "base/quit.h"
#include "base/stop.h"
#include "base/units.h"
#include "ops/backup/capture_check.h"
#include "ops/backup/capture_checkpoint.h"
#include "ops/backup/capture_job.h"
#include "ops/undo/undo.h"

#define FREEZE_LIMIT_S 30
#define TAKEN_LIMIT_MS (UINT64_C(120) * 1000)
#define LATE_NEWS_MS 2000
#define LATE_NEWS_POLL_MS 20

/* ---- the intent ------------------------------------------------------------------------------ */

static void fill_intent(struct capture *capture)
{
    const struct capture_request *request = &capture->request;
    const struct source *source = request->source;
    struct intent *intent = &capture->intent;

    intent_sign(intent, INTENT_BACKUP);
    intent->uri = mem_strdup(request->uri);
    intent->uuid = mem_strdup(request->uuid);
    intent->name = mem_strdup(request->name);
    intent->persistent = source->status.persistent;
    intent->was_running = source->status.state == GUEST_RUNNING;
    if (request->archive)
        intent->archive = realpath(request->archive, NULL);
    if (capture_has_memory(request->mode)) {
        intent->memory = mem_strdup(staging_memory_path(request->staging));
        intent->live_xml = xml_format(source->live);
    }
}

/* Checks whether we were stopped for so long that the guardian has let the guest go. If so, nothing
 * more is done to it except undoing. */
static int check_taken(void *opaque, struct err *err)
{
    struct capture *capture = opaque;

    if (!capture->taken && stop_was_continued())
        capture->taken = intent_is_taken(capture->request.state_fd, capture->intent.uuid);
    if (!capture->taken)
        return 0;
    return err_set(err, ERR_IO,
                   "the guest was let go because this run had been stopped while holding it; start "
                   "the backup again");
}

static int note_intent(struct capture *capture, struct err *err)
{
    if (check_taken(capture, err) < 0)
        return -1;
    if (intent_write(capture->request.state_fd, &capture->intent, err) < 0)
        return -1;
    /* We may just have replaced a journal that was taken over. */
    capture->taken = capture->taken || stop_was_continued();
    return check_taken(capture, err);
}

static int at_instant(const struct capture_request *request, struct err *err)
{
    return request->at_instant(request->opaque, err);
}

/* ---- the methods ----------------------------------------------------------------------------- */

/* The journal names the image, and so leads to its folder too. */
static int make_place(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;

    return staging_make(request->staging, err) < 0 ? -1 : capture_check_access(request, err);
}

/* Before the images are read: what is written meanwhile, by a guest that is started, is noted once too
 * often rather than once too little. */
static int record_images(struct capture *capture, struct err *err)
{
    if (capture_settle_images(&capture->request, err) < 0 ||
        capture_name_checkpoint(capture, err) < 0)
        return -1;
    if (!capture->intent.checkpoint)
        return 0;
    return note_intent(capture, err) < 0 ? -1 : capture_add_bitmaps(capture, err);
}

/* What is written to them from now on, while the guest is down, was written by a guest that somebody has
 * started. Disks that guests share may be written to by others. */
static int note_disks(struct capture *capture, struct err *err)
{
    const struct source *source = capture->request.source;

    for (size_t i = 0; i < source->disk_count; i++) {
        const struct source_disk *disk = &source->disks[i];
        if (disk->local && disk->path && !disk->shareable && !disk->readonly)
            intent_add_disk(&capture->intent, disk->path);
    }
    return note_intent(capture, err);
}

/* libvirt has written the image, but has not flushed its head, which marks it as complete. From
 * here on it must survive a power cut. */
static int begin_save(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    uint64_t stopped_ms = 0;

    if (make_place(capture, err) < 0)
        return -1;
    if (!capture->intent.persistent && at_instant(request, err) < 0)
        return -1;
    capture->intent.saved = true;
    if (note_intent(capture, err) < 0)
        return -1;
    if (request->calls->save(request->guest, capture->intent.memory, &stopped_ms, err) < 0)
        return err_prefix(err, "cannot save its memory");
    capture->stopped_ms = stopped_ms;
    if (staging_flush(capture->intent.memory, err) < 0)
        return err_prefix(err, "its memory image");
    log_detail("guest '%s': its memory image is flushed", capture->intent.name);
    if (capture_check_saved(capture, err) < 0)
        return -1;
    if (record_images(capture, err) < 0 || note_disks(capture, err) < 0)
        return -1;
    return at_instant(request, err);
}

static int copy_memory(struct capture *capture, struct err *err)
{
    const struct guest_snapshot request = {
        .path = capture->intent.memory,
        .live = capture->request.mode == CAPTURE_LIVE,
    };
    bool forced = false;

    if (capture->request.calls->snapshot_memory(capture->request.guest, &request, &forced, err) < 0)
        return err_prefix(err, "cannot capture its memory");
    if (forced)
        report_warning(capture->request.report, capture->intent.name,
                       &(struct warning){WARNING_MEMORY_FORCED});
    return 0;
}

/* The guest runs again; if the user pauses it after this, that is not ours to undo. */
static int resume_held(struct capture *capture, struct err *err)
{
    if (capture->intent.was_running &&
        capture->request.calls->undo->resume(capture->request.guest, err) < 0)
        return -1;
    capture->intent.held = false;
    return note_intent(capture, err);
}

/* Between the copy of its memory and the job nothing but its pause keeps memory and disks of one
 * instant, and anybody may end that. */
static int check_held(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    struct guest_watch_news news = {0};
    struct guest_status status = {0};

    if (request->calls->undo->get_status(request->guest, &status, err) < 0)
        return -1;
    if (capture->watch)
        guest_watch_news(capture->watch, &news);
    if (status.state == GUEST_SHUT_OFF || news.ended)
        return err_set(err, ERR_IO, "the guest ended while it was being captured");
    if (status.state != GUEST_PAUSED || news.resume_us) {
        capture->intent.held = false; /* if it is paused now, somebody else wants that */
        return err_set(err, ERR_BUSY,
                       "somebody resumed the guest before its disks were fixed, so they do not fit "
                       "its memory any more; start the backup again");
    }
    if (news.disconnected)
        return err_set(err, ERR_TRANSIENT,
                       "the connection to libvirt was lost before the disks were fixed, so the "
                       "guest may have run in the meantime; start the backup again");
    return 0;
}

static int begin_held(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    CLEANUP_FREE char *folder = NULL;

    if (make_place(capture, err) < 0 || capture_job_name(capture, &folder, err) < 0)
        return -1;
    capture->intent.held = true;
    if (note_intent(capture, err) < 0 || copy_memory(capture, err) < 0 ||
        capture_check_machine(request, err) < 0 || capture_job_begin(capture, err) < 0 ||
        check_held(capture, err) < 0 || capture_job_watch(capture, folder, err) < 0 ||
        at_instant(request, err) < 0)
        return -1;
    return resume_held(capture, err);
}

/* A guest without an agent, or whose agent does not answer, is captured as if its power had failed,
 * and the manifest says so. */
static int freeze_disks(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    struct guest_abilities abilities;
    CLEANUP_ERR struct err freeze_err = ERR_INIT;

    if (request->source->status.state != GUEST_RUNNING)
        return 0; /* nothing can answer while it is paused */
    if (request->calls->get_abilities(request->guest, &abilities, err) < 0)
        return -1;
    if (!abilities.agent)
        return 0;
    capture->intent.frozen = true;
    if (note_intent(capture, err) < 0)
        return -1;
    if (request->calls->freeze(request->guest, FREEZE_LIMIT_S, &freeze_err) == 0) {
        capture->frozen = true;
        return 0;
    }
    report_warning(request->report, capture->intent.name,
                   &(struct warning){WARNING_NOT_FROZEN, .why = freeze_err.text});
    return 0;
}

static int thaw_disks(struct capture *capture, struct err *err)
{
    if (!capture->intent.frozen)
        return 0;
    capture->thaw_failed =
        capture->request.calls->undo->thaw(capture->request.guest, UNDO_THAW_LIMIT_S, err) < 0;
    if (capture->thaw_failed)
        return -1;
    capture->intent.frozen = false;
    return note_intent(capture, err);
}

static int begin_disks(struct capture *capture, struct err *err)
{
    CLEANUP_FREE char *folder = NULL;

    if (capture_job_name(capture, &folder, err) < 0 || note_intent(capture, err) < 0 ||
        freeze_disks(capture, err) < 0 || capture_job_begin(capture, err) < 0 ||
        at_instant(&capture->request, err) < 0)
        return -1;
    if (thaw_disks(capture, err) < 0)
        return -1;
    return capture_job_watch(capture, folder, err);
}

static int begin_mode(struct capture *capture, struct err *err)
{
    switch (capture->request.mode) {
    case CAPTURE_OFFLINE:
        return record_images(capture, err) < 0 ? -1 : at_instant(&capture->request, err);
    case CAPTURE_SAVE:
        return begin_save(capture, err);
    case CAPTURE_PAUSE:
    case CAPTURE_LIVE:
        return begin_held(capture, err);
    case CAPTURE_DISKS:
        return begin_disks(capture, err);
    }
    return err_set(err, ERR_INTERNAL, "unknown way of capture");
}

int capture_begin(struct capture *capture, const struct capture_request *request, struct err *err)
{
    CLEANUP_ERR struct err end_err = ERR_INIT;

    if (capture_check_no_job(request, err) < 0 || capture_settle_tracks(request, err) < 0)
        return -1;
    capture->request = *request;
    capture->began = true;
    stop_hold(request->name);
    out_hold(); /* until the capture ends, the guest must not wait for whoever reads our output */
    fill_intent(capture);
    quit_set_look(check_taken, capture);
    if (note_intent(capture, err) == 0 &&
        request->calls->watch_begin(request->guest, &capture->watch, err) == 0 &&
        begin_mode(capture, err) == 0)
        return 0;
    if (capture_end(capture, &end_err) < 0 && capture->stranded)
        err_append(err, "%s", end_err.text);
    return -1;
}

const char *capture_memory(const struct capture *capture)
{
    return capture->intent.memory;
}

/* ---- the way out ------------------------------------------------------------------------------------------ */

/* While it is down, image files are locked for as long as they are read, and block devices never. */
static int check_stayed_down(struct capture *capture, const struct guest_watch_news *news,
                             struct err *err)
{
    capture->intent.started = news->started;
    if (news->started)
        return err_set(err, ERR_BUSY,
                       "the guest was started while it was down to be backed up; what was read of "
                       "its disks is discarded");
    if (news->disconnected)
        return err_set(
            err, ERR_TRANSIENT,
            "the connection to libvirt was lost while the guest was down, so it may have "
            "been started in the meantime; start the backup again");
    return 0;
}

/* Checks that everything that was read belongs to one instant. */
static int check_news(struct capture *capture, const struct guest_watch_news *news, struct err *err)
{
    struct guest_status status = {0};

    if (capture->scratch && scratch_watch_check(capture->scratch, err) < 0)
        return -1;
    if (capture_has_exports(capture->request.mode) && news->ended)
        return err_set(err, ERR_IO, "the guest ended while it was being backed up");
    if (capture->request.mode == CAPTURE_SAVE)
        return check_stayed_down(capture, news, err);
    if (capture->request.mode != CAPTURE_OFFLINE)
        return 0;
    if (capture->request.calls->undo->get_status(capture->request.guest, &status, err) < 0)
        return -1;
    if (news->started || status.state != GUEST_SHUT_OFF)
        return err_set(
            err, ERR_BUSY,
            "the guest was started while its disks were being read; what was read is discarded");
    if (news->disconnected)
        return err_set(err, ERR_TRANSIENT,
                       "the connection to libvirt was lost, so the guest may have been started in "
                       "the meantime; try again");
    return 0;
}

/* Reading may fail some time before libvirt reports that the guest has ended. */
static void wait_for_end(const struct capture *capture, struct guest_watch_news *news)
{
    uint64_t deadline_ms = units_now_ms() + LATE_NEWS_MS;

    while (!news->ended && units_now_ms() < deadline_ms && !quit_requested()) {
        poll(NULL, 0, LATE_NEWS_POLL_MS);
        guest_watch_news(capture->watch, news);
    }
}

static void measure_downtime(struct capture *capture, const struct guest_watch_news *news)
{
    if (capture->request.mode == CAPTURE_SAVE && capture->stopped_ms) {
        capture->has_downtime = true;
        capture->downtime_ms = units_now_ms() - capture->stopped_ms;
    } else if (capture_has_memory(capture->request.mode) && news->stop_us &&
               news->resume_us > news->stop_us) {
        capture->has_downtime = true;
        capture->downtime_ms = (news->resume_us - news->stop_us + 999) / 1000;
    }
}

/* The guardian may still be working on it. A guest that it has resumed from its memory must not look as
 * if somebody else had started it. */
static void wait_for_guardian(struct capture *capture)
{
    int state_fd = capture->request.state_fd;
    struct intent *intent = &capture->intent;
    CLEANUP_INTENT struct intent noted = {0};

    intent_wait_taken(state_fd, intent->uuid, TAKEN_LIMIT_MS);
    if (intent_read(state_fd, intent->uuid, &noted, NULL) < 0)
        return;
    intent->saved = noted.saved;
    intent->held = noted.held;
    intent->started = noted.started;
}

int capture_end(struct capture *capture, struct err *err)
{
    const struct capture_calls *calls = capture->request.calls;
    struct guest_watch_news news = {0};
    CLEANUP_ERR struct err undo_err = ERR_INIT;

    if (!capture->began)
        return 0;
    capture->began = false;
    if (capture->watch)
        guest_watch_news(capture->watch, &news);
    if (capture->watch && capture->read_failed && capture_has_exports(capture->request.mode))
        wait_for_end(capture, &news);
    int result = check_taken(capture, err);
    if (result == 0)
        result = check_news(capture, &news, err);
    if (capture->taken)
        wait_for_guardian(capture);
    guardian_drop(capture->request.guardian);
    scratch_watch_end(capture->scratch);
    capture->scratch = NULL;
    /* What was already waited for long enough, its agent or libvirt, is asked only once more. */
    bool hurry = capture->thaw_failed || calls->is_stuck(capture->request.guest);
    const struct undo_host host = {
        .calls = hurry ? calls->undo_brief : calls->undo,
        .hypervisor = capture->request.hypervisor,
        .state_fd = capture->request.state_fd,
    };
    bool undo = capture->request.mode != CAPTURE_OFFLINE;
    if (undo && undo_backup(&host, &capture->intent, NULL, &undo_err) < 0) {
        capture->stranded = true;
        intent_set_trouble(&capture->intent, undo_err.text);
        if (result < 0)
            err_append(err, "%s", undo_err.text);
        else
            result = err_move(err, &undo_err);
    }
    measure_downtime(capture, &news);
    guest_watch_end(capture->watch);
    capture->watch = NULL;
    if (result == 0 && capture->intent.memory)
        result = note_intent(capture, err);
    quit_set_look(NULL, NULL);
    out_release();
    stop_release();
    return result;
}

/* The guest is as it was; what is left of the backup otherwise stays in the journal if it cannot be
 * removed. */
static void forget_rest(struct capture *capture)
{
    const struct undo_host host = {
        .calls = capture->request.calls->undo,
        .hypervisor = capture->request.hypervisor,
        .state_fd = capture->request.state_fd,
    };
    struct intent *intent = &capture->intent;
    CLEANUP_ERR struct err checkpoint_err = ERR_INIT;
    CLEANUP_ERR struct err memory_err = ERR_INIT;

    if (undo_checkpoint(&host, intent, &checkpoint_err) < 0)
        log_warn_guest(intent->name, "%s", checkpoint_err.text);
    if (undo_memory(intent, &memory_err) < 0) {
        log_warn_guest(intent->name, "%s", memory_err.text);
        intent_set_trouble(intent, memory_err.text);
    }
    if (intent->checkpoint || intent->memory)
        (void)intent_write(capture->request.state_fd, intent, NULL);
}

void capture_clear(struct capture *capture, void (*remove_rest)(void *opaque), void *opaque)
{
    int state_fd = capture->request.state_fd;

    if (capture->began)
        (void)capture_end(capture, NULL);
    if (remove_rest)
        remove_rest(opaque);
    if (!capture->intent.uuid) /* nothing was begun, and there is no state directory to look into */
        return;
    if (!capture->stranded)
        forget_rest(capture);
    /* What could not be undone stays in the journal, for recover. */
    if (intent_is_empty(&capture->intent))
        (void)intent_remove(state_fd, capture->intent.uuid, NULL);
    else if (capture->stranded)
        (void)intent_write(state_fd, &capture->intent,
                           NULL); /* the existing journal leads to the same result */
    intent_clear(&capture->intent);
}
