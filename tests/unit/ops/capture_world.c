/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

#define OWNER "0123456789abcdef"
#define FORMER "vb-" OWNER "-ffeeddccbbaa99887766554433221100"
#define IMAGE "web.qcow2"
#define XML_OF(path, more)                                                                         \
    "<domain><uuid>" WEB "</uuid><devices><disk type='file' device='disk'>"                        \
    "<source file='" path "'/><target dev='vda'/></disk>" more "</devices></domain>"
#define XML XML_OF("/img/web", "")

/* ---- the calls ---------------------------------------------------------------------------------- */

static const struct world *the_world;

static int fake_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket,
                        struct err *err)
{
    (void)guest;
    *ret = GUEST_JOB_NONE;
    *ret_socket = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static bool plugged; /* see struct backup */

static int fake_get_xml(struct guest *guest, enum guest_xml_kind kind, char **ret, struct err *err)
{
    (void)guest;
    assert_int_equal(kind, GUEST_XML_LIVE);
    if (fake_step(err) < 0)
        return -1;
    *ret = mem_strdup(plugged ? XML_OF("/img/web", "<rng/>") : XML);
    return fake_done();
}

static int fake_can_open(struct hypervisor *hypervisor, const char *path, bool *ret,
                         struct err *err)
{
    (void)hypervisor;
    *ret = access(path, R_OK) == 0;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_private_folder(struct guest *guest, char **ret, struct err *err)
{
    (void)guest;
    if (fake_step(err) < 0)
        return -1;
    *ret = path_in(the_world, "private");
    return fake_done();
}

static int fake_get_abilities(struct guest *guest, struct guest_abilities *ret, struct err *err)
{
    (void)guest;
    *ret = (struct guest_abilities){.agent = true};
    return fake_step(err) < 0 ? -1 : fake_done();
}

static bool fake_is_stuck(const struct guest *guest)
{
    (void)guest;
    return false;
}

static int fake_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err)
{
    (void)guest;
    *ret = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_scratch_begin(const struct scratch_watch_request *request,
                              struct scratch_watch **ret, struct err *err)
{
    (void)request;
    *ret = NULL;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_freeze(struct guest *guest, unsigned timeout_s, struct err *err)
{
    (void)timeout_s;
    if (fake_step(err) < 0)
        return -1;
    fake_of(guest)->frozen = true;
    return fake_done();
}

static bool lost_late, untold, ends_late, resumed, overlay; /* see struct backup */

static void write_image(const char *path)
{
    make_image_of(the_world, "image", overlay ? XML_OF("/img/overlay", "") : XML);
    CLEANUP_FREE char *from = path_in(the_world, "image");
    assert_int_equal(rename(from, path), 0);
}

static int fake_save(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
                     struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    write_image(path);
    fake_of(guest)->active = false;
    *ret_downtime_start_ms = 1;
    return fake_done();
}

static int fake_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                                bool *ret_forced, struct err *err)
{
    if (fake_step(err) < 0)
        return -1;
    write_image(snapshot->path);
    fake_of(guest)->paused = true;
    *ret_forced = false;
    return fake_done();
}

static int fake_backup_begin(struct guest *guest, const struct guest_backup *backup,
                             struct err *err)
{
    if (lost_late && backup->disks[0].since)
        return err_set(err, ERR_NOT_FOUND, "the bitmap cannot be used");
    if (fake_step(err) < 0)
        return -1;
    if (resumed)
        fake_of(guest)->paused = false;
    (void)snprintf(fake_of(guest)->socket, FAKE_TEXT, "%s", backup->socket);
    for (size_t i = 0; i < backup->disk_count; i++)
        close(open(backup->disks[i].scratch, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (backup->checkpoint) {
        assert_true(backup->disks[0].record);
        assert_null(backup->disks[0].since); /* it is broken */
        (void)snprintf(fake_of(guest)->record, FAKE_TEXT, "%s", backup->checkpoint);
        (void)snprintf(fake_of(guest)->bitmap, FAKE_TEXT, "%s", backup->checkpoint);
    }
    return fake_done();
}

static int fake_is_safe(struct guest *guest, bool *ret_safe, struct err *err)
{
    (void)guest;
    *ret_safe = true;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_validate(struct guest *guest, const struct guest_checkpoint *checkpoint,
                         enum guest_checkpoint_state *ret_states, struct err *err)
{
    (void)guest;
    assert_string_equal(checkpoint->name, FORMER);
    assert_string_equal(checkpoint->targets->items[0], "vda");
    if (untold)
        return err_set(err, ERR_UNSUPPORTED, "this hypervisor has no checkpoints");
    *ret_states = lost_late ? GUEST_CHECKPOINT_FOUND : GUEST_CHECKPOINT_BROKEN;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_record(struct guest *guest, const struct guest_checkpoint *checkpoint,
                       struct err *err)
{
    assert_string_equal(checkpoint->targets->items[0], "vda");
    if (fake_step(err) < 0)
        return -1;
    (void)snprintf(fake_of(guest)->record, FAKE_TEXT, "%s", checkpoint->name);
    return fake_done();
}

static int fake_bitmap_look(const char *path, const char *name, enum disk_bitmap_state *ret,
                            struct err *err)
{
    assert_non_null(strstr(path, "/" IMAGE));
    assert_string_equal(name, FORMER);
    *ret = DISK_BITMAP_SOUND;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static int fake_bitmap_list(const char *path, struct strings *ret, struct err *err)
{
    assert_non_null(strstr(path, "/" IMAGE));
    if (fake_step(err) < 0)
        return -1;
    strings_add(ret, "of-somebody-else");
    strings_add(ret, the_world->web->former);
    strings_add(ret, the_world->web->bitmap);
    return fake_done();
}

static int fake_bitmap_add(const char *path, const char *name, struct err *err)
{
    struct fake_guest *web = the_world->web;

    assert_non_null(strstr(path, "/" IMAGE));
    assert_false(web->active);
    if (fake_step(err) < 0)
        return -1;
    (void)snprintf(web->bitmap, FAKE_TEXT, "%s", name);
    return fake_done();
}

static int fake_list(struct guest *guest, const char *owner, struct strings *names, struct err *err)
{
    assert_string_equal(owner, OWNER);
    if (fake_step(err) < 0)
        return -1;
    strings_add(names, FORMER);
    strings_add(names, fake_of(guest)->record);
    return fake_done();
}

static const struct capture_calls calls = {
    .undo = &fake_calls,
    .undo_brief = &fake_calls,
    .get_job = fake_get_job,
    .get_xml = fake_get_xml,
    .can_open = fake_can_open,
    .private_folder = fake_private_folder,
    .get_abilities = fake_get_abilities,
    .is_stuck = fake_is_stuck,
    .watch_begin = fake_watch_begin,
    .scratch_begin = fake_scratch_begin,
    .freeze = fake_freeze,
    .save = fake_save,
    .snapshot_memory = fake_snapshot_memory,
    .is_safe = fake_is_safe,
    .validate = fake_validate,
    .record = fake_record,
    .bitmap_look = fake_bitmap_look,
    .bitmap_list = fake_bitmap_list,
    .bitmap_add = fake_bitmap_add,
    .list = fake_list,
    .backup_begin = fake_backup_begin,
};

/* ---- a backup that captures ------------------------------------------------------------------------ */

static int at_instant(void *opaque, struct err *err)
{
    (void)opaque;
    return fake_step(err) < 0 ? -1 : fake_done();
}

static void on_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

static bool is_off(const struct capture_way *way)
{
    return way->mode == CAPTURE_OFFLINE;
}

static void check_state(const struct backup *backup)
{
    const struct fake_guest *web = backup->world->web;

    assert_int_equal(web->active, !is_off(backup->way));
    assert_int_equal(web->active && web->paused, !backup->way->running && !is_off(backup->way));
}

/* Called when the guest is back, and its journal still there. */
static void remove_rest(void *opaque)
{
    struct backup *backup = opaque;

    backup->rest_removed = true;
    if (!backup->captured)
        return;
    check_state(backup);
    assert_true(intent_exists(backup->world->state_fd, WEB));
}

static int commit(const struct world *world, struct capture *capture, struct err *err)
{
    if (capture_commit_begin(capture, err) < 0)
        return -1;
    world->fake->committing = true;
    int result = fake_step(err);
    world->fake->committed = result == 0;
    if (result == 0)
        fake_done();
    bool active = world->web->active;
    world->web->active = active && !ends_late;
    capture_commit_end(capture, result == 0);
    world->web->active = active;
    return result;
}

int back_up(struct backup *backup, bool *ret_stranded, struct err *err)
{
    const struct world *world = backup->world;
    char target[] = "vda";
    CLEANUP_FREE char *path = path_in(world, IMAGE);
    char format[] = "qcow2";
    struct source_disk disk = {.target = target, .path = path, .format = format, .local = true};
    struct capture_track track = {.record = true, .since = FORMER};
    CLEANUP(xml_freep) struct xml_doc *live = xml_parse(XML, strlen(XML), NULL);
    const struct source source = {
        .status = {.state = is_off(backup->way)    ? GUEST_SHUT_OFF
                            : backup->way->running ? GUEST_RUNNING
                                                   : GUEST_PAUSED,
                   .persistent = true},
        .live = live,
        .disks = &disk,
        .disk_count = 1,
    };
    const struct report report = {.event = on_event};
    CLEANUP_FREE char *usual = path_in(world, "staging");
    struct staging *staging = NULL;
    const struct staging_request staged = {
        .usual = usual, .destination = world->folder, .uuid = WEB};
    struct capture capture = {0};

    assert_non_null(live);
    lost_late = backup->late;
    untold = backup->untold;
    ends_late = backup->ends;
    resumed = backup->resumed;
    overlay = backup->overlay;
    plugged = backup->plugged;
    if (capture_has_memory(backup->way->mode))
        assert_int_equal(staging_open(&staged, &staging, NULL), 0);
    struct guest *guest = fake_handle(world->web);
    const struct capture_request request = {
        .calls = &calls,
        .hypervisor = fake_connection(),
        .guest = guest,
        .uri = "fake:///",
        .uuid = WEB,
        .name = "web",
        .source = &source,
        .archive = world->folder,
        .staging = staging,
        .report = &report,
        .mode = backup->way->mode,
        .state_fd = world->state_fd,
        .at_instant = at_instant,
        .owner = backup->way->checkpoint ? OWNER : NULL,
        .tracks = backup->way->checkpoint ? &track : NULL,
    };
    int result = capture_begin(&capture, &request, err);
    if (result == 0 && request.tracks) /* libvirt finds it broken, and an image sound */
        assert_string_equal(track.since ? track.since : "", is_off(backup->way) ? FORMER : "");
    if (result == 0 && backup->in_middle)
        backup->in_middle(world);
    if (result == 0)
        result = capture_end(&capture, err);
    backup->captured = result == 0;
    if (result == 0 && backup->way->checkpoint == COMMITTED)
        result = commit(world, &capture, err);
    *ret_stranded = capture.stranded;
    capture_clear(&capture, remove_rest, backup);
    staging_close(staging);
    fake_calls.free(guest);
    return result;
}

const struct capture_way capture_ways[] = {
    {"save", CAPTURE_SAVE, true, WITHOUT_CHECKPOINT},
    {"save, paused", CAPTURE_SAVE, false, WITHOUT_CHECKPOINT},
    {"pause", CAPTURE_PAUSE, true, WITHOUT_CHECKPOINT},
    {"live", CAPTURE_LIVE, true, WITHOUT_CHECKPOINT},
    {"live, paused", CAPTURE_LIVE, false, WITHOUT_CHECKPOINT},
    {"disks", CAPTURE_DISKS, true, WITHOUT_CHECKPOINT},
    {"pause, with a checkpoint", CAPTURE_PAUSE, true, NOT_COMMITTED},
    {"live, paused, with a checkpoint", CAPTURE_LIVE, false, COMMITTED},
    {"disks, with a checkpoint", CAPTURE_DISKS, true, COMMITTED},
    {"save, with a checkpoint", CAPTURE_SAVE, true, COMMITTED},
    {"save, with a checkpoint for nothing", CAPTURE_SAVE, true, NOT_COMMITTED},
    {"off", CAPTURE_OFFLINE, false, WITHOUT_CHECKPOINT},
    {"off, with a checkpoint", CAPTURE_OFFLINE, false, COMMITTED},
    {"off, with a checkpoint for nothing", CAPTURE_OFFLINE, false, NOT_COMMITTED},
};
const size_t capture_way_count = sizeof(capture_ways) / sizeof(*capture_ways);

void prepare(struct world *world, size_t way, struct backup *ret)
{
    world_make(world);
    the_world = world;
    CLEANUP_FREE char *folder = path_in(world, "private");
    assert_int_equal(mkdir(folder, 0700), 0);
    make_image(world, IMAGE);
    world->web->active = !is_off(&capture_ways[way]);
    world->web->paused = world->web->active && !capture_ways[way].running;
    (void)snprintf(world->web->former, FAKE_TEXT, "%s", FORMER);
    *ret = (struct backup){.world = world, .way = &capture_ways[way]};
}

/* If the process died while it committed, nobody here knows whether it had. */
static void check_checkpoint(const struct backup *backup)
{
    const struct fake_guest *web = backup->world->web;
    const struct fake *fake = backup->world->fake;

    /* Of images that nobody uses the bitmaps do. */
    bool may_lack = !capture_has_exports(backup->way->mode);
    if (!may_lack || web->record[0])
        assert_string_equal(web->record, web->bitmap);
    /* An image that could not be given one is read whole next time. */
    if (fake->committed && (web->bitmap[0] || !may_lack))
        assert_true(guest_checkpoint_is_ours(web->bitmap, OWNER));
    else if (!fake->committing && !fake->committed)
        assert_string_equal(web->bitmap, "");
}

void check_as_it_was(const struct backup *backup)
{
    const struct fake_guest *web = backup->world->web;
    CLEANUP_FREE char *private_folder = path_in(backup->world, "private");
    CLEANUP_FREE char *staging = path_in(backup->world, "staging/vb-" WEB);

    check_state(backup);
    assert_false(web->frozen || web->damaged || web->socket[0]);
    assert_true(web->restored <= 1);
    assert_int_equal(rmdir(private_folder), 0); /* it is empty */
    assert_int_equal(access(staging, F_OK), -1);
    assert_false(intent_exists(backup->world->state_fd, WEB));
    check_checkpoint(backup);
}

int back_up_apart(struct backup *backup)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        bool stranded = false;
        log_set_level(LOG_QUIET);
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        int result = back_up(backup, &stranded, NULL);
        _exit(stranded ? 2 : result < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
