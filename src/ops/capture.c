/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/units.h"

/* What QEMU's stream holds beside the guest's memory: devices, video memory. */
#define DEVICE_STATE_ROOM (UINT64_C(64) << 20)

static int check_room(const struct source *source, struct archive_writer *archive, struct err *err)
{
    uint64_t needed = 0;
    uint64_t room = 0;
    char needed_text[UNITS_TEXT_SIZE];
    char room_text[UNITS_TEXT_SIZE];

    if (archive_writer_free_space(archive, &room, err) < 0)
        return -1;
    if (units_add(source->memory_size, DEVICE_STATE_ROOM, &needed) && needed <= room)
        return 0;
    return err_set(err, ERR_NO_SPACE,
                   "%s has %s free, and the guest's memory image may take %s; make room, or choose "
                   "another destination",
                   archive_writer_path(archive), units_format_size(room, room_text),
                   units_format_size(needed, needed_text));
}

/* libvirt runs elsewhere, as somebody else, perhaps in another mount namespace:
 * an empty file shows whether it can reach the place. */
static int check_access(struct hypervisor *hypervisor, const char *path, struct err *err)
{
    bool can = false;
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create", path);
    close(fd);
    int asked = hypervisor_can_open(hypervisor, path, &can, err);
    (void)unlink(path);
    if (asked < 0)
        return -1;
    if (!can)
        return err_set(err, ERR_DENIED,
                       "libvirt cannot open files in the folder of %s; choose a destination that "
                       "libvirt's service can see and enter",
                       path);
    return 0;
}

int capture_begin(struct hypervisor *hypervisor, struct guest *guest, const struct source *source,
                  struct archive_writer *archive, struct backup_set *set, struct capture *ret,
                  struct err *err)
{
    struct capture capture = {
        .hypervisor = hypervisor,
        .set = set,
        .uuid = guest_uuid(guest),
        .name = guest_name(guest),
        .sav_path = backup_set_scratch_path(set, "memory"),
        .persistent = source->status.persistent,
        .running = source->status.state == GUEST_RUNNING,
    };

    if (check_room(source, archive, err) < 0 || check_access(hypervisor, capture.sav_path, err) < 0)
        return -1;
    capture.live_xml = xml_format(source->live);
    if (guest_save(guest, capture.sav_path, &capture.stopped_ms, err) < 0) {
        capture_clear(&capture);
        (void)unlink(backup_set_scratch_path(set, "memory"));
        return err_prefix(err, "cannot save its memory");
    }
    capture.down = true;
    *ret = capture;
    return 0;
}

/* Is the guest still down, as the save left it? A transient one is gone. */
static int check_down(const struct capture *capture, struct err *err)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_ERR struct err find_err = ERR_INIT;
    struct guest_status status;

    if (guest_find_uuid(capture->hypervisor, capture->uuid, &guest, &find_err) < 0)
        return find_err.kind == ERR_NOT_FOUND ? 0 : err_move(err, &find_err);
    if (guest_get_status(guest, &status, err) < 0)
        return -1;
    if (status.state != GUEST_SHUT_OFF)
        return err_set(err, ERR_BUSY,
                       "somebody has started it (it is %s), so its saved memory was not restored "
                       "over it",
                       status.state_text);
    return 0;
}

/* The save image under a name that no clean-up takes for a left-over. */
static char *keep_image(const struct capture *capture)
{
    const char *slash = strrchr(capture->sav_path, '/');
    char *kept = mem_printf("%.*s/%s.rescue.sav", (int)(slash - capture->sav_path),
                            capture->sav_path, capture->name);

    if (rename(capture->sav_path, kept) < 0) {
        free(kept);
        backup_set_keep_scratch(capture->set, capture->sav_path);
        return mem_strdup(capture->sav_path);
    }
    return kept;
}

int capture_end(struct capture *capture, struct err *err)
{
    if (!capture->down)
        return 0;
    capture->down = false;
    if (check_down(capture, err) == 0 &&
        guest_restore(capture->hypervisor, capture->sav_path, capture->live_xml, capture->running,
                      err) == 0) {
        capture->downtime_ms = units_now_ms() - capture->stopped_ms;
        return 0;
    }
    capture->stranded = true;
    CLEANUP_FREE char *kept = keep_image(capture);
    err_prefix(err, "could not be put back into its former state");
    return err_append(err, "its memory is kept in %s: `virsh restore %s` resumes it", kept, kept);
}

void capture_clear(struct capture *capture)
{
    free(capture->live_xml);
    capture->live_xml = NULL;
}
