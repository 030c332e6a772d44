/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "undo_world.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "record/sav.h"

/* ---- files --------------------------------------------------------------------------------- */

char *path_in(const struct world *world, const char *name)
{
    return mem_printf("%s/%s", world->folder, name);
}

bool exists(const struct world *world, const char *name)
{
    CLEANUP_FREE char *path = path_in(world, name);

    return access(path, F_OK) == 0;
}

void make_file(const struct world *world, const char *name, const void *data, size_t len)
{
    CLEANUP_FREE char *path = path_in(world, name);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, data, len, NULL), 0);
}

void make_image(const struct world *world, const char *name)
{
    make_image_of(world, name, "<domain>" WEB "</domain>");
}

void make_image_of(const struct world *world, const char *name, const char *xml)
{
    CLEANUP_BUF struct buf head = {0};

    assert_int_equal(sav_format_head(xml, NULL, true, SAV_RAW, &head, NULL), 0);
    buf_append_str(&head, "the stream");
    make_file(world, name, head.data, head.len);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_clear(struct world *world)
{
    close(world->state_fd);
    nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void world_make(struct world *world)
{
    /* Flushing a journal on disk would take most of the time; a memory file system will do. */
    const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    *world = (struct world){.fake = fake_reset()};
    (void)snprintf(world->folder, sizeof(world->folder), "%s/vb-undo-XXXXXX", top);
    assert_non_null(mkdtemp(world->folder));
    CLEANUP_FREE char *state = path_in(world, "state");
    assert_int_equal(mkdir(state, 0700), 0);
    assert_int_equal(io_open_dir(state, &world->state_fd, NULL), 0);
    world->web = fake_add(WEB);
    world->web->active = true;
    world->web->booted = true;
}

/* ---- journals ------------------------------------------------------------------------------- */

void intent_begin(struct intent *intent, enum intent_kind kind)
{
    intent_sign(intent, kind);
    intent->uri = mem_strdup("fake:///");
    intent->uuid = mem_strdup(WEB);
    intent->name = mem_strdup("web");
    intent->persistent = true;
    intent->was_running = true;
}

void backup_begin(const struct world *world, struct intent *intent)
{
    intent_begin(intent, INTENT_BACKUP);
    intent->memory = path_in(world, "memory");
    intent->live_xml = mem_strdup("<domain>" WEB "</domain>");
}

static void use_job(const struct world *world, struct intent *intent)
{
    CLEANUP_FREE char *scratch = path_in(world, "scratch");

    intent->socket = path_in(world, "socket");
    (void)snprintf(world->web->socket, FAKE_TEXT, "%s", intent->socket);
    intent_add_scratch(intent, scratch);
    make_file(world, "scratch", "s", 1);
    make_file(world, "socket", "", 0);
}

void note(const struct world *world, struct intent *intent)
{
    assert_int_equal(intent_write(world->state_fd, intent, NULL), 0);
}

/* ---- what a run has left, and how it must end -------------------------------------------------- */

void saved_and_down(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.saved = true;
    make_image(world, "memory");
    world->web->active = false;
    note(world, &intent);
}

static void saved_while_paused(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.saved = true;
    intent.was_running = false;
    make_image(world, "memory");
    world->web->active = false;
    note(world, &intent);
}

static void save_not_begun(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.saved = true;
    note(world, &intent);
}

static void saved_and_back(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.saved = true;
    make_image(world, "memory");
    world->web->booted = false;
    note(world, &intent);
}

static void held_with_a_job(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.held = true;
    use_job(world, &intent);
    make_image(world, "memory");
    world->web->paused = true;
    note(world, &intent);
}

static void frozen_with_a_job(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    intent_begin(&intent, INTENT_BACKUP);
    intent.frozen = true;
    use_job(world, &intent);
    world->web->frozen = true;
    note(world, &intent);
}

static void stopped_by_full_scratch(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    use_job(world, &intent);
    world->web->paused = world->web->io_error = true;
    note(world, &intent);
}

static void let_go_before_its_memory_is_stored(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    make_image(world, "memory");
    note(world, &intent);
}

static void use_checkpoint(const struct world *world, struct intent *intent)
{
    CLEANUP_FREE char *image = path_in(world, "image");

    make_file(world, "image", "disk", 4);
    intent->checkpoint = mem_strdup(CHECKPOINT);
    strings_add(&intent->recorded, "vda");
    strings_add(&intent->checkpoint_images, image);
    (void)snprintf(world->web->record, FAKE_TEXT, CHECKPOINT);
    (void)snprintf(world->web->bitmap, FAKE_TEXT, CHECKPOINT);
}

static void held_with_a_checkpoint(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    backup_begin(world, &intent);
    intent.held = true;
    use_job(world, &intent);
    use_checkpoint(world, &intent);
    make_image(world, "memory");
    world->web->paused = true;
    note(world, &intent);
}

void checkpoint_of_a_guest_that_is_off(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    intent_begin(&intent, INTENT_BACKUP);
    use_job(world, &intent);
    use_checkpoint(world, &intent);
    world->web->active = false;
    world->web->socket[0] = '\0';
    note(world, &intent);
}

static void checkpoint_of_a_backup_that_may_be_committed(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    intent_begin(&intent, INTENT_BACKUP);
    use_checkpoint(world, &intent);
    intent.committing = true;
    note(world, &intent);
}

static void without_checkpoint(const struct world *world)
{
    assert_string_equal(world->web->record, "");
    assert_string_equal(world->web->bitmap, "");
    assert_true(exists(world, "image"));
}

static void as_it_was_without_checkpoint(const struct world *world)
{
    as_it_was(world);
    without_checkpoint(world);
}

static void off_without_checkpoint(const struct world *world)
{
    assert_false(world->web->active || world->web->damaged || exists(world, "scratch"));
    without_checkpoint(world);
}

static void as_it_was_with_checkpoint(const struct world *world)
{
    as_it_was(world);
    assert_string_equal(world->web->record, CHECKPOINT);
    assert_string_equal(world->web->bitmap, CHECKPOINT);
}

void as_it_was(const struct world *world)
{
    assert_true(world->web->active);
    assert_false(world->web->paused || world->web->frozen || world->web->damaged);
    assert_string_equal(world->web->socket, "");
    assert_true(world->web->restored <= 1);
    assert_false(exists(world, "memory") || exists(world, "scratch") || exists(world, "socket"));
}

static void paused_as_it_was(const struct world *world)
{
    assert_true(world->web->active && world->web->paused && !world->web->damaged);
    assert_false(exists(world, "memory"));
}

static void restore_begin(const struct world *world, struct intent *intent)
{
    CLEANUP_FREE char *folder = path_in(world, "made");
    CLEANUP_FREE char *disk = path_in(world, "made/vda");

    intent_begin(intent, INTENT_RESTORE);
    assert_int_equal(mkdir(folder, 0700), 0);
    make_file(world, "made/vda", "disk", 4);
    intent_add_file(intent, folder, NULL);
    intent_add_file(intent, disk, NULL);
    world->web->active = false;
}

static void files_half_made(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    restore_begin(world, &intent);
    free(TAKE_PTR(intent.uri));
    note(world, &intent);
}

static void add_points(struct intent *intent)
{
    intent->old_xml = mem_strdup("old #" WEB);
    intent->old_autostart = true;
    strings_add(&intent->old_points.snapshots, "/root");
    strings_add(&intent->old_points.snapshots, "root/child");
    strings_add(&intent->old_points.snapshots, "child/leaf");
    strings_add(&intent->old_points.checkpoints, "/first");
    strings_add(&intent->old_points.checkpoints, "first/second");
    intent->old_points.current = mem_strdup("child");
}

static void newly_defined(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    restore_begin(world, &intent);
    intent.defined = mem_strdup(NEW);
    add_points(&intent);
    fake_add(NEW);
    *world->web = (struct fake_guest){0};
    note(world, &intent);
}

static struct file_id id_of(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct file_id id = {0};

    assert_int_equal(file_id_read(fd, &id, NULL), 0);
    return id;
}

static void add_former(const struct world *world, struct intent *intent, const char *aside,
                       const char *from)
{
    CLEANUP_FREE char *moved = path_in(world, aside);
    CLEANUP_FREE char *path = path_in(world, from);

    make_file(world, aside, "old", 3);
    struct file_id id = id_of(moved);
    intent_add_former(intent, moved, path, &id);
}

/* The former file is aside, and what the restore made has its name. */
static void put_in_place_of(const struct world *world, struct intent *intent, const char *name,
                            const char *aside)
{
    CLEANUP_FREE char *path = path_in(world, name);

    add_former(world, intent, aside, name);
    make_file(world, name, "new!", 4);
    struct file_id made = id_of(path);
    intent_add_file(intent, path, &made);
}

static void replaced_in_place(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    restore_begin(world, &intent);
    intent.defined = mem_strdup(WEB);
    add_points(&intent);
    /* It died while it removed them. */
    (void)snprintf(world->web->snapshots, FAKE_TEXT, " root *child");
    intent.in_place = true;
    put_in_place_of(world, &intent, "tpm", "tpm.replaced");
    note(world, &intent);
}

/* It died in the middle: one file has been replaced, one moved aside, one not touched yet. */
static void several_replaced(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_FREE char *aside = path_in(world, "vdc.replaced");
    CLEANUP_FREE char *vdc = path_in(world, "vdc");

    restore_begin(world, &intent);
    intent.defined = mem_strdup(WEB);
    add_points(&intent);
    intent.in_place = true;
    put_in_place_of(world, &intent, "vda", "vda.replaced");
    add_former(world, &intent, "vdb.replaced", "vdb");
    make_file(world, "vdc", "old", 3);
    struct file_id id = id_of(vdc);
    intent_add_former(&intent, aside, vdc, &id);
    note(world, &intent);
}

static void started_from_its_memory(const struct world *world)
{
    CLEANUP_INTENT struct intent intent = {0};

    intent_begin(&intent, INTENT_RESTORE);
    intent.resumed = path_in(world, "memory");
    make_file(world, "tpm", "new!", 4);
    for (size_t i = 0; i < 2; i++) {
        static const char *const names[] = {"tpm.replaced", "vda.replaced"};
        add_former(world, &intent, names[i], "tpm");
    }
    intent.outdated = true;
    make_image(world, "memory");
    world->web->booted = false;
    world->web->paused = true;
    note(world, &intent);
}

static void nothing_made(const struct world *world)
{
    assert_false(exists(world, "made") || exists(world, "made/vda"));
}

static void old_one_is_back(const struct world *world)
{
    const struct fake_guest *old = fake_find(WEB);
    struct stat st;
    CLEANUP_FREE char *tpm = path_in(world, "tpm");

    nothing_made(world);
    assert_null(fake_find(NEW));
    assert_non_null(old);
    assert_string_equal(old->xml, "old #" WEB);
    assert_true(old->autostart);
    assert_string_equal(old->snapshots, " root *child leaf");
    assert_string_equal(old->checkpoints, " first second");
    assert_false(exists(world, "tpm.replaced"));
    if (stat(tpm, &st) == 0)
        assert_int_equal(st.st_size, 3);
}

static void all_files_are_the_former_ones(const struct world *world)
{
    static const char *const names[] = {"vda", "vdb", "vdc"};

    old_one_is_back(world);
    for (size_t i = 0; i < 3; i++) {
        CLEANUP_FREE char *path = path_in(world, names[i]);
        CLEANUP_FREE char *aside = mem_printf("%s.replaced", names[i]);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 3);
        assert_false(exists(world, aside));
    }
}

static void runs_from_its_memory(const struct world *world)
{
    assert_true(world->web->active && !world->web->paused);
    assert_false(exists(world, "memory") || exists(world, "tpm.replaced") ||
                 exists(world, "vda.replaced"));
    assert_true(exists(world, "tpm"));
}

const struct scenario scenarios[] = {
    {"saved and down", saved_and_down, as_it_was},
    {"saved while paused", saved_while_paused, paused_as_it_was},
    {"save not begun", save_not_begun, as_it_was},
    {"saved and back", saved_and_back, as_it_was},
    {"held with a job", held_with_a_job, as_it_was},
    {"frozen with a job", frozen_with_a_job, as_it_was},
    {"stopped by full scratch", stopped_by_full_scratch, as_it_was},
    {"let go before its memory is stored", let_go_before_its_memory_is_stored, as_it_was},
    {"held with a checkpoint", held_with_a_checkpoint, as_it_was_without_checkpoint},
    {"checkpoint of a guest that is off", checkpoint_of_a_guest_that_is_off,
     off_without_checkpoint},
    {"checkpoint of a backup that may be committed", checkpoint_of_a_backup_that_may_be_committed,
     as_it_was_with_checkpoint},
    {"files half made", files_half_made, nothing_made},
    {"newly defined", newly_defined, old_one_is_back},
    {"replaced in place", replaced_in_place, old_one_is_back},
    {"several replaced", several_replaced, all_files_are_the_former_ones},
    {"started from its memory", started_from_its_memory, runs_from_its_memory},
};
const size_t scenario_count = sizeof(scenarios) / sizeof(*scenarios);
