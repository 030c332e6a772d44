/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/scratch_watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/units.h"

#define SCRATCH_LOOK_MS 100
/* Must still have room for at least a tenth of a second of a guest's writes. */
#define LOW_WATER_MIN (8 * MIB)
#define NEEDED_MIN (64 * MIB)
#define NEEDED_MAX (4 * GIB)

struct scratch_watch {
    struct scratch_watch_request request;
    char *folder; /* owned */
    uint64_t low_water;
    int folder_fd;
    int wake_fd; /* written when there is news, and at the end */
    pthread_t thread;
    pthread_mutex_t mutex; /* protects everything below, and the opening and closing of readers */
    struct disk_reader *reader;
    bool ending;
    bool given_up;
    struct err why;
};

uint64_t scratch_watch_needed(uint64_t image_size)
{
    /* A guest overwrites a few percent of its disks while they are read. */
    uint64_t needed = image_size / 20;

    if (needed > NEEDED_MAX)
        return NEEDED_MAX;
    return needed < NEEDED_MIN ? NEEDED_MIN : needed;
}

/* ---- giving up ------------------------------------------------------------------------ */

static void resume_if_stopped(struct scratch_watch *watch, struct guest *guest)
{
    struct guest_status status;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!watch->request.was_running || guest_get_status(guest, &status, &err) < 0 ||
        !status.io_error)
        return;
    if (guest_resume(guest, &err) < 0)
        log_warn_guest(guest_name(guest), "cannot resume it: %s", err.text);
}

static void end_backup(struct scratch_watch *watch)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    /* Whatever fails here is done, and reported, by the run's own undo. */
    if (guest_find_uuid(watch->request.hypervisor, watch->request.uuid, &guest, &err) < 0 ||
        guest_backup_end(guest, watch->request.socket, &err) < 0) {
        log_detail("the backup job could not be ended yet: %s", err.text);
        if (!guest)
            return;
    }
    resume_if_stopped(watch, guest);
}

/* Call with the mutex held. */
static void give_up(struct scratch_watch *watch)
{
    watch->given_up = true;
    if (watch->reader)
        disk_reader_cut(watch->reader);
    end_backup(watch);
}

/* ---- looking ---------------------------------------------------------------------------- */

static void look_at_room(struct scratch_watch *watch)
{
    struct guest_watch_news news;
    uint64_t room = UINT64_MAX;
    char text[UNITS_TEXT_SIZE];

    guest_watch_news(watch->request.watch, &news);
    if (news.io_error) {
        err_set(&watch->why, ERR_NO_SPACE,
                "the guest had an I/O error while it was being backed up, probably because %s had "
                "no room for the scratch files; name a folder with more room with --scratch-path",
                watch->request.folder);
        give_up(watch);
    } else if (io_free_space(watch->folder_fd, &room, NULL) == 0 && room < watch->low_water) {
        err_set(&watch->why, ERR_NO_SPACE,
                "the guest wrote so much during the backup that %s, where the scratch files are, "
                "has only %s left; name a folder with more room with --scratch-path",
                watch->request.folder, units_format_size(room, text));
        give_up(watch);
    }
}

static void *watch_room(void *opaque)
{
    struct scratch_watch *watch = opaque;
    struct pollfd wake = {.fd = watch->wake_fd, .events = POLLIN};
    bool over = false;

    while (!over) {
        uint64_t count;
        if (poll(&wake, 1, SCRATCH_LOOK_MS) > 0)
            (void)!read(watch->wake_fd, &count, sizeof(count));
        pthread_mutex_lock(&watch->mutex);
        if (!watch->ending && !watch->given_up)
            look_at_room(watch);
        over = watch->ending || watch->given_up;
        pthread_mutex_unlock(&watch->mutex);
    }
    return NULL;
}

static void on_news(void *opaque)
{
    const struct scratch_watch *watch = opaque;

    (void)!write(watch->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* ---- begin and end ------------------------------------------------------------------------ */

static void free_watch(struct scratch_watch *watch)
{
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    if (watch->folder_fd >= 0)
        close(watch->folder_fd);
    pthread_mutex_destroy(&watch->mutex);
    err_clear(&watch->why);
    free(watch->folder);
    free(watch);
}

static int start_watch(struct scratch_watch *watch, struct err *err)
{
    uint64_t room = 0;

    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->wake_fd < 0)
        return err_set_errno(err, errno, "cannot create an eventfd");
    if (io_open_dir(watch->request.folder, &watch->folder_fd, err) < 0 ||
        io_free_space(watch->folder_fd, &room, err) < 0)
        return err_prefix(err, "%s", watch->request.folder);
    watch->low_water = room / 10 < LOW_WATER_MIN ? LOW_WATER_MIN : room / 10;
    if (watch->low_water > GIB)
        watch->low_water = GIB;
    if (thread_start(&watch->thread, watch_room, watch, "the room of scratch files", err) < 0)
        return -1;
    guest_watch_call(watch->request.watch, on_news, watch);
    return 0;
}

int scratch_watch_begin(const struct scratch_watch_request *request, struct scratch_watch **ret,
                        struct err *err)
{
    struct scratch_watch *watch = mem_alloc(sizeof(*watch));

    watch->request = *request;
    watch->folder = mem_strdup(request->folder);
    watch->request.folder = watch->folder;
    watch->folder_fd = -1;
    pthread_mutex_init(&watch->mutex, NULL);
    if (start_watch(watch, err) < 0) {
        free_watch(watch);
        return -1;
    }
    *ret = watch;
    return 0;
}

void scratch_watch_lock(struct scratch_watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
}

void scratch_watch_unlock(struct scratch_watch *watch)
{
    pthread_mutex_unlock(&watch->mutex);
}

void scratch_watch_set_reader(struct scratch_watch *watch, struct disk_reader *reader)
{
    watch->reader = reader;
}

int scratch_watch_check(struct scratch_watch *watch, struct err *err)
{
    int result = 0;

    pthread_mutex_lock(&watch->mutex);
    if (watch->given_up)
        result = err_set(err, watch->why.kind, "%s", watch->why.text);
    pthread_mutex_unlock(&watch->mutex);
    return result;
}

void scratch_watch_end(struct scratch_watch *watch)
{
    if (!watch)
        return;
    guest_watch_call(watch->request.watch, NULL, NULL);
    pthread_mutex_lock(&watch->mutex);
    watch->ending = true;
    pthread_mutex_unlock(&watch->mutex);
    on_news(watch);
    pthread_join(watch->thread, NULL);
    free_watch(watch);
}
