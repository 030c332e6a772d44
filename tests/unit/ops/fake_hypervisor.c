/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_hypervisor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Completed here, as guest/ does for libvirt. */
struct hypervisor {
    int unused;
};
struct guest {
    struct fake_guest *fake;
};

static struct fake *fake;
static struct hypervisor the_hypervisor;

struct fake *fake_reset(void)
{
    if (!fake)
        fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *fake = (struct fake){.alive = true};
    return fake;
}

void fake_arm(enum fake_fault fault, unsigned at)
{
    fake->fault = fault;
    fake->fault_at = at;
    fake->steps = 0;
}

void fake_cut(void)
{
    for (size_t i = 0; i < FAKE_GUESTS; i++)
        fake->guests[i].active = fake->guests[i].paused = false;
}

bool fake_reached(void)
{
    return fake->steps >= fake->fault_at;
}

struct fake_guest *fake_find(const char *uuid)
{
    for (size_t i = 0; i < FAKE_GUESTS; i++)
        if (strcmp(fake->guests[i].uuid, uuid) == 0)
            return &fake->guests[i];
    return NULL;
}

struct fake_guest *fake_add(const char *uuid)
{
    struct fake_guest *guest = fake_find("");

    *guest = (struct fake_guest){.persistent = true};
    (void)snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
    return guest;
}

/* ---- steps ------------------------------------------------------------------------------- */

int fake_step(struct err *err)
{
    unsigned step = ++fake->steps;
    bool now = step == fake->fault_at;

    if (now && fake->fault == FAKE_DIE_BEFORE)
        _exit(FAKE_DEATH);
    if (now && (fake->fault == FAKE_LOSE || fake->fault == FAKE_SILENT))
        fake->alive = false;
    if (now && fake->fault == FAKE_SILENT) {
        err_set(err, ERR_TRANSIENT, "step %u is not answered", step);
        if (err)
            err->errnum = ETIMEDOUT;
        return -1;
    }
    if (!fake->alive || (now && fake->fault == FAKE_FAIL) ||
        (step >= fake->fault_at && fake->fault == FAKE_FAIL_ON))
        return err_set(err, ERR_IO, "step %u fails", step);
    return 0;
}

int fake_done(void)
{
    if (fake->steps == fake->fault_at && fake->fault == FAKE_DIE_AFTER)
        _exit(FAKE_DEATH);
    return 0;
}

/* ---- the calls ---------------------------------------------------------------------------- */

static int fake_open(const char *uri, struct hypervisor **ret, struct err *err)
{
    (void)uri;
    fake->alive = true;
    if (fake_step(err) < 0)
        return -1;
    *ret = &the_hypervisor;
    return fake_done();
}

static void fake_close(struct hypervisor *hypervisor)
{
    (void)hypervisor;
}

static bool fake_alive(struct hypervisor *hypervisor)
{
    (void)hypervisor;
    return fake->alive;
}

static int fake_reconnect(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err)
{
    (void)hypervisor;
    (void)timeout_ms;
    fake->alive = true;
    return fake_step(err) < 0 ? -1 : fake_done();
}

struct guest *fake_handle(struct fake_guest *found)
{
    struct guest *guest = mem_alloc(sizeof(*guest));

    guest->fake = found;
    return guest;
}

static int fake_find_uuid(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                          struct err *err)
{
    struct fake_guest *found = fake_find(uuid);

    (void)hypervisor;
    if (fake_step(err) < 0)
        return -1;
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "no guest %s", uuid);
    *ret = fake_handle(found);
    return fake_done();
}

static void fake_free(struct guest *guest)
{
    free(guest);
}

static int fake_get_status(struct guest *guest, struct guest_status *ret, struct err *err)
{
    const struct fake_guest *found = guest->fake;

    if (fake_step(err) < 0)
        return -1;
    *ret = (struct guest_status){
        .state = !found->active  ? GUEST_SHUT_OFF
                 : found->paused ? GUEST_PAUSED
                                 : GUEST_RUNNING,
        .state_text = !found->active  ? "shut off"
                      : found->paused ? "paused"
                                      : "running",
        .booted = found->booted,
        .resumed = !found->booted && !found->unpaused,
        .io_error = found->io_error,
        .persistent = found->persistent,
        .autostart = found->autostart,
    };
    return fake_done();
}

static int fake_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err)
{
    (void)guest;
    (void)timeout_ms;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static void (*on_backup_end)(void);

void fake_on_backup_end(void (*call)(void))
{
    on_backup_end = call;
}

static int fake_backup_end(struct guest *guest, const char *socket, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    if (on_backup_end)
        on_backup_end();
    if (strcmp(guest->fake->socket, socket) == 0)
        guest->fake->socket[0] = '\0';
    return fake_done();
}

static int fake_thaw(struct guest *guest, unsigned timeout_s, struct err *err)
{
    (void)timeout_s;
    if (fake_step(err) < 0)
        return -1;
    guest->fake->frozen = false;
    return fake_done();
}

static int fake_resume(struct guest *guest, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    guest->fake->damaged = guest->fake->damaged || !guest->fake->active;
    guest->fake->paused = guest->fake->io_error = false;
    guest->fake->ran_on = guest->fake->restored > 0;
    return fake_done();
}

/* The image's file must be there, and the guest must not. */
static int fake_restore(struct hypervisor *hypervisor, const char *path, const char *xml,
                        bool running, struct err *err)
{
    struct fake_guest *guest = NULL;

    (void)hypervisor;
    if (fake_step(err) < 0)
        return -1;
    if (fake->refuse_restore && fake->opened[0])
        (void)!truncate(fake->opened, 1);
    if (fake->refuse_restore)
        return err_set(err, ERR_IO, "%s: internal error: no room for its memory", path);
    if (access(path, R_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: no such file", path);
    for (size_t i = 0; i < FAKE_GUESTS; i++)
        if (fake->guests[i].uuid[0] && strstr(xml, fake->guests[i].uuid))
            guest = &fake->guests[i];
    if (!guest || guest->active)
        return err_set(err, ERR_IO, "%s: is active, or nobody", path);
    guest->active = true;
    guest->damaged = guest->damaged || guest->ran_on;
    guest->ran_on = running;
    guest->paused = !running;
    guest->booted = guest->unpaused = false;
    guest->restored++;
    (void)snprintf(guest->restored_xml, FAKE_TEXT, "%s", xml);
    return fake_done();
}

static int fake_define(struct hypervisor *hypervisor, const char *xml, struct guest **ret,
                       struct err *err)
{
    const char *uuid = strchr(xml, '#');
    struct fake_guest *guest = NULL;

    (void)hypervisor;
    if (fake_step(err) < 0)
        return -1;
    guest = fake_find(uuid + 1);
    if (!guest)
        guest = fake_add(uuid + 1);
    (void)snprintf(guest->xml, sizeof(guest->xml), "%s", xml);
    *ret = fake_handle(guest);
    return fake_done();
}

static int fake_undefine(struct guest *guest, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    *guest->fake = (struct fake_guest){0};
    return fake_done();
}

static int fake_set_autostart(struct guest *guest, bool autostart, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    guest->fake->autostart = autostart;
    return fake_done();
}

/* The XML of one is "PARENT/NAME": its parent must be there. One that is there already stays. */
static int add_point(char list[FAKE_TEXT], const char *xml, bool current, struct err *err)
{
    const char *name = strchr(xml, '/') + 1;
    CLEANUP_FREE char *parent = mem_strndup(xml, (size_t)(name - 1 - xml));

    if (strstr(list, name))
        return 0;
    if (!strstr(list, parent))
        return err_set(err, ERR_NOT_FOUND, "%s: has no parent", xml);
    size_t len = strlen(list);
    (void)snprintf(list + len, FAKE_TEXT - len, " %s%s", current ? "*" : "", name);
    return 0;
}

static int fake_put_points_back(struct guest *guest, const struct guest_points *points,
                                struct err *err)
{
    for (size_t i = 0; i < points->snapshots.count; i++) {
        const char *xml = points->snapshots.items[i];
        bool current = points->current && strcmp(strchr(xml, '/') + 1, points->current) == 0;
        if (fake_step(err) < 0 || add_point(guest->fake->snapshots, xml, current, err) < 0)
            return -1;
        fake_done();
    }
    for (size_t i = 0; i < points->checkpoints.count; i++) {
        if (fake_step(err) < 0 ||
            add_point(guest->fake->checkpoints, points->checkpoints.items[i], false, err) < 0)
            return -1;
        fake_done();
    }
    return 0;
}

static int fake_checkpoint_delete(struct guest *guest, const struct guest_checkpoint *checkpoint,
                                  bool *ret_off, struct err *err)
{
    struct fake_guest *fake_guest = guest->fake;

    if (fake_step(err) < 0)
        return -1;
    *ret_off = !fake_guest->active;
    if (strcmp(fake_guest->record, checkpoint->name) == 0)
        fake_guest->record[0] = '\0';
    if (fake_guest->active && strcmp(fake_guest->bitmap, checkpoint->name) == 0 &&
        strings_has(checkpoint->targets, "vda"))
        fake_guest->bitmap[0] = '\0';
    return fake_done();
}

static int fake_bitmap_remove(const char *path, const char *name, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    for (size_t i = 0; i < FAKE_GUESTS; i++) {
        struct fake_guest *guest = &fake->guests[i];
        char *found = strcmp(guest->former, name) == 0 ? guest->former : guest->bitmap;
        if (strcmp(found, name) != 0)
            continue;
        if (fake->start_in_between)
            guest->active = guest->booted = true;
        if (guest->active)
            return err_set(err, ERR_BUSY, "%s: is in use", path);
        found[0] = '\0';
    }
    return fake_done();
}

struct hypervisor *fake_connection(void)
{
    return &the_hypervisor;
}

struct fake_guest *fake_of(struct guest *guest)
{
    return guest->fake;
}

const struct undo_calls fake_calls = {
    .open = fake_open,
    .close = fake_close,
    .alive = fake_alive,
    .reconnect = fake_reconnect,
    .find_uuid = fake_find_uuid,
    .free = fake_free,
    .get_status = fake_get_status,
    .wait_for_job = fake_wait_for_job,
    .backup_end = fake_backup_end,
    .thaw = fake_thaw,
    .resume = fake_resume,
    .restore = fake_restore,
    .define = fake_define,
    .undefine = fake_undefine,
    .set_autostart = fake_set_autostart,
    .put_points_back = fake_put_points_back,
    .checkpoint_delete = fake_checkpoint_delete,
    .bitmap_remove = fake_bitmap_remove,
};
