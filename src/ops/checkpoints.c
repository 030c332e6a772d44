/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verb checkpoints. What backups have left with a guest is in two places: libvirt's records, and
 * the bitmaps in images. Those of a guest that is off are looked for in its images, too, whether or not
 * libvirt has a record; while it runs only QEMU knows what is in them.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/text.h"
#include "disk/bitmap.h"
#include "guest/checkpoint.h"
#include "guest/definition/definition.h"
#include "ops/events/report.h"
#include "ops/guests/select.h"
#include "ops/point_notes.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/recover.h"
#include "ops/undo/state_dir.h"
#include "ops/verbs.h"

struct checkpoints_run {
    const struct checkpoints_options *options;
    const struct report *report;
    struct outcome *outcome;
    struct hypervisor *hypervisor;
    int state_fd;        /* -1: nothing is removed */
    struct strings told; /* see ops/undo/recover.h */
};

/* Of one guest. */
struct checkpoints_found {
    struct strings names;
    struct strings targets; /* of disks that may have bitmaps, ... */
    struct strings images;  /* ... and their files */
};

static void checkpoints_run_clear(struct checkpoints_run *run)
{
    hypervisor_close(run->hypervisor);
    if (run->state_fd >= 0)
        close(run->state_fd);
    strings_clear(&run->told);
}

static void checkpoints_found_clear(struct checkpoints_found *found)
{
    strings_clear(&found->names);
    strings_clear(&found->targets);
    strings_clear(&found->images);
}

static int find_images(struct guest *guest, bool off, struct checkpoints_found *found,
                       struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (guest_get_xml(guest, off ? GUEST_XML_PERSISTENT : GUEST_XML_LIVE, &text, err) < 0 ||
        !(doc = xml_parse(text, strlen(text), err)) || definition_read_disks(doc, &disks, err) < 0)
        return -1;
    for (size_t i = 0; i < disks.count; i++) {
        const struct definition_disk *disk = &disks.disks[i];
        if (!text_same(disk->format, "qcow2") || !text_same(disk->device, "disk"))
            continue;
        strings_add(&found->targets, disk->target);
        if (text_same(disk->type, "file") && disk->path)
            strings_add(&found->images, disk->path);
    }
    return 0;
}

static int find_bitmaps(struct checkpoints_found *found, struct err *err)
{
    for (size_t i = 0; i < found->images.count; i++) {
        CLEANUP_STRINGS struct strings bitmaps = {0};
        if (disk_bitmap_list(found->images.items[i], &bitmaps, err) < 0)
            return -1;
        for (size_t j = 0; j < bitmaps.count; j++)
            if (guest_checkpoint_is_ours(bitmaps.items[j], NULL) &&
                !strings_has(&found->names, bitmaps.items[j]))
                strings_add(&found->names, bitmaps.items[j]);
    }
    return 0;
}

/* Of a guest that is off, libvirt's record goes last, since it leads to bitmaps that stay. */
static int remove_found_checkpoint(struct guest *guest, bool off, const char *name,
                                   const struct checkpoints_found *found, struct err *err)
{
    const struct guest_checkpoint checkpoint = {name, &found->targets};
    bool ended = false;

    for (size_t i = 0; off && i < found->images.count; i++)
        if (disk_bitmap_remove(found->images.items[i], name, err) < 0)
            return -1;
    if (guest_checkpoint_delete(guest, &checkpoint, &ended, err) < 0)
        return -1;
    for (size_t i = 0; ended && !off && i < found->images.count; i++)
        if (disk_bitmap_remove(found->images.items[i], name, err) < 0)
            return -1;
    return 0;
}

/* One that cannot be removed does not keep the others; the first failure is told. */
static int handle_names(const struct checkpoints_run *run, struct guest *guest, bool off,
                        const struct checkpoints_found *found, struct err *err)
{
    CLEANUP_ERR struct err first = ERR_INIT;

    for (size_t i = 0; i < found->names.count; i++) {
        const char *name = found->names.items[i];
        CLEANUP_ERR struct err remove_err = ERR_INIT;
        if (run->options->remove && quit_check(err) < 0)
            return -1;
        if (run->options->remove &&
            remove_found_checkpoint(guest, off, name, found, &remove_err) < 0) {
            if (first.kind == ERR_NONE)
                err_move(&first, &remove_err);
            if (first.errnum == ETIMEDOUT)
                break;
            continue;
        }
        report_event(run->report, &(struct event){.kind = EVENT_CHECKPOINT,
                                                  .guest = guest_name(guest),
                                                  .checkpoint = {name, run->options->remove}});
    }
    return first.kind == ERR_NONE ? 0 : err_move(err, &first);
}

static int take_checkpoints(struct checkpoints_run *run, struct guest *guest, struct err *err)
{
    CLEANUP(checkpoints_found_clear) struct checkpoints_found found = {0};
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    struct guest_status status;

    /* A backup that is under way has one of its own. */
    if (run->options->remove &&
        (guest_lock_take(run->state_fd, guest_uuid(guest), run->options->wait_ms, &lock, err) < 0 ||
         recover_check(run->state_fd, guest_uuid(guest), &run->told, err) < 0))
        return -1;
    if (guest_get_status(guest, &status, err) < 0 ||
        guest_checkpoint_list(guest, NULL, &found.names, err) < 0)
        return -1;
    bool off = status.state == GUEST_SHUT_OFF;
    if (find_images(guest, off, &found, err) < 0 || (off && find_bitmaps(&found, err) < 0) ||
        handle_names(run, guest, off, &found, err) < 0)
        return -1;
    if (run->options->remove)
        point_notes_remove(run->state_fd, guest_uuid(guest));
    return 0;
}

static int choose_and_take(struct checkpoints_run *run, struct guest **list, size_t count,
                           struct err *err)
{
    CLEANUP_FREE const char **names = mem_array(count + 1, sizeof(*names));
    CLEANUP_FREE const char **uuids = mem_array(count + 1, sizeof(*uuids));
    CLEANUP_FREE bool *chosen = mem_array(count + 1, sizeof(*chosen));
    const struct select_request request = {
        .names = names,
        .uuids = uuids,
        .count = count,
        .wanted = &run->options->domains,
        .option = run->options->remove ? "--remove" : NULL,
        .where = "the hypervisor",
        .report = run->report,
        .outcome = run->outcome,
    };

    for (size_t i = 0; i < count; i++) {
        names[i] = guest_name(list[i]);
        uuids[i] = guest_uuid(list[i]);
    }
    if (select_names(&request, chosen, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!chosen[i])
            continue;
        if (quit_check(err) < 0)
            return -1;
        if (take_checkpoints(run, list[i], &guest_err) == 0) {
            run->outcome->good++;
            continue;
        }
        run->outcome->busy += guest_err.kind == ERR_BUSY;
        err_prefix(&guest_err, "guest '%s'", names[i]);
        report_failure(run->report, run->outcome, names[i], &guest_err);
    }
    return 0;
}

int checkpoints_run(const struct checkpoints_options *options, const struct report *report,
                    struct outcome *ret_outcome, struct err *err)
{
    CLEANUP(checkpoints_run_clear)
    struct checkpoints_run run = {
        .options = options, .report = report, .outcome = ret_outcome, .state_fd = -1};
    struct guest **list = NULL;
    size_t count = 0;

    if (hypervisor_open(options->uri, &run.hypervisor, err) < 0 ||
        (options->remove && state_dir_open(&run.state_fd, err) < 0) ||
        hypervisor_list(run.hypervisor, &list, &count, err) < 0)
        return -1;
    int result = choose_and_take(&run, list, count, err);
    guest_list_free(list, count);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    return result;
}
