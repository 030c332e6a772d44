/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Collections of a folder in which something is not what its name says: what hides a point, a session or a
 * hold must not be taken for nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../folder_store.h"
#include "keep_world.h"

/* A guest with a point, one with a point that is held and in the trash, and one that is being backed up. */
enum { KEPT = 1, HELD, BUSY };

static struct point_id point_of(unsigned guest)
{
    return keep_world_point(guest, guest);
}

struct odd_world {
    char *path; /* owned */
    struct keep_world world;
};

static void odd_world_end(struct odd_world *odd)
{
    keep_world_end(&odd->world);
    assert_int_equal(nftw(odd->path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(odd->path);
}
#define CLEANUP_ODD_WORLD CLEANUP(odd_world_end)

static void odd_world_begin(struct odd_world *odd)
{
    const struct point_id kept = point_of(KEPT), held = point_of(HELD), busy = point_of(BUSY);
    const struct mark mark = {.by = "alpha", .reason = "test"};
    struct repository *repository = NULL;
    bool made = false;

    odd->path = folder_new();
    assert_int_equal(repository_create(odd->path, REPOSITORY_SCOPE, &repository, NULL), 0);
    keep_world_begin_with(&odd->world, repository);
    keep_world_put(&odd->world, &kept, NULL);
    keep_world_put(&odd->world, &held, NULL);
    assert_int_equal(marks_trash(&odd->world.scope, &held, &mark, &made, NULL), 0);
    CLEANUP_FREE char *hold = objects_name(&odd->world.scope, NAME_HOLD, &held, 0);
    keep_world_put_object(&odd->world, hold, "{}");
    keep_world_put_packs(&odd->world, &busy);
}

static char *path_of(const struct odd_world *odd, enum name_kind kind, unsigned guest)
{
    const struct point_id point = point_of(guest);
    CLEANUP_FREE char *name = objects_name(&odd->world.scope, kind, &point, 0);

    return mem_printf("%s/%s", odd->path, name);
}

static bool has_pack(const struct odd_world *odd, unsigned guest)
{
    CLEANUP_FREE char *path = path_of(odd, NAME_PACK, guest);

    return access(path, F_OK) == 0;
}

/* With sessions that are silent, unless they are to be waited for. */
static int collect(struct odd_world *odd, bool wait, struct err *err)
{
    struct collect_settings settings = keep_world_settings(&odd->world);
    const struct collect_events events = {keep_world_pass_event, NULL};
    struct collect_result result = {0};

    settings.silence_ms = wait ? 3600000 : 0;
    if (collect_run(odd->world.repository, &settings, &events, &result, err) < 0)
        return -1;
    return collect_run(odd->world.repository, &settings, &events, &result, err);
}

/* ---- what lies there instead ------------------------------------------------------------------- */

static void move_away(const struct odd_world *odd, const char *path)
{
    CLEANUP_FREE char *moved = mem_printf("%s/moved", odd->path);

    assert_int_equal(rename(path, moved), 0);
}

static void put_file(const struct odd_world *odd, const char *path)
{
    move_away(odd, path);
    assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
}

static void put_link(const struct odd_world *odd, const char *path)
{
    move_away(odd, path);
    assert_int_equal(symlink("../../../moved", path), 0);
}

static void put_folder(const struct odd_world *odd, const char *path)
{
    move_away(odd, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_aside(const struct odd_world *odd, const char *path)
{
    CLEANUP_FREE char *aside = mem_printf("%s.old", path);

    (void)odd;
    assert_int_equal(rename(path, aside), 0);
}

static void put_by_name(const struct odd_world *odd, const char *path)
{
    CLEANUP_FREE char *named = mem_printf("%.*s/web", (int)(strrchr(path, '/') - path), path);

    (void)odd;
    assert_int_equal(rename(path, named), 0);
}

static const struct {
    enum name_kind kind;
    unsigned guest;
    int up; /* levels above the object */
    void (*put)(const struct odd_world *odd, const char *path);
} cases[] = {
    {NAME_SLOT, KEPT, 0, put_link},       {NAME_SLOT, KEPT, 0, put_folder},
    {NAME_SLOT, KEPT, 1, put_link},       {NAME_SLOT, KEPT, 1, put_file},
    {NAME_HOLD, HELD, 0, put_link},       {NAME_HOLD, HELD, 0, put_folder},
    {NAME_HOLD, HELD, 1, put_link},       {NAME_HOLD, HELD, 1, put_file},
    {NAME_HOLD, HELD, 2, put_link},       {NAME_HOLD, HELD, 2, put_file},
    {NAME_SESSION, BUSY, 0, put_link},    {NAME_SESSION, BUSY, 0, put_folder},
    {NAME_SESSION, BUSY, 1, put_link},    {NAME_SESSION, BUSY, 1, put_file},
    {NAME_SLOT, KEPT, 1, put_aside},      {NAME_SLOT, KEPT, 1, put_by_name},
    {NAME_HOLD, HELD, 1, put_aside},      {NAME_HOLD, HELD, 2, put_aside},
    {NAME_HOLD, HELD, 2, put_by_name},    {NAME_SESSION, BUSY, 1, put_aside},
    {NAME_SESSION, BUSY, 1, put_by_name},
};

static void nothing_is_removed_whatever_hides_an_object(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP_ODD_WORLD struct odd_world odd = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        odd_world_begin(&odd);
        CLEANUP_FREE char *path = path_of(&odd, cases[i].kind, cases[i].guest);
        for (int up = 0; up < cases[i].up; up++)
            *strrchr(path, '/') = '\0';
        cases[i].put(&odd, path);
        int rc = collect(&odd, cases[i].kind == NAME_SESSION, &err);
        for (unsigned guest = KEPT; guest <= BUSY; guest++)
            if (!has_pack(&odd, guest) && (guest != BUSY || cases[i].kind == NAME_SESSION))
                fail_msg("case %zu: the packs of guest %u are gone", i, guest);
        /* Whoever is not shown what was there is told. */
        if (cases[i].up > 0) {
            assert_int_equal(rc, -1);
            assert_int_equal(err.kind, ERR_CORRUPT);
            *strrchr(path, '/') = '\0'; /* the folder of what was renamed */
            assert_non_null(strstr(err.text, path));
        }
    }
}

/* What is in the place of a point stops collections until it is set aside; then it goes. */
static void what_is_in_the_place_of_a_point_can_be_set_aside(void **state)
{
    void (*const puts[])(const struct odd_world *odd, const char *path) = {put_link, put_folder};
    const struct mark mark = {.by = "alpha", .reason = "test"};
    const struct point_id kept = point_of(KEPT);

    (void)state;
    for (size_t i = 0; i < sizeof(puts) / sizeof(*puts); i++) {
        CLEANUP_ODD_WORLD struct odd_world odd = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        enum slot_kind kind = SLOT_POINT;
        struct stat st;
        odd_world_begin(&odd);
        CLEANUP_FREE char *path = path_of(&odd, NAME_SLOT, KEPT);
        CLEANUP_FREE char *copy = NULL;
        puts[i](&odd, path);
        assert_int_equal(collect(&odd, false, &err), -1);
        if (marks_set_aside(&odd.world.scope, &kept, &mark, &copy, &err) < 0)
            fail_msg("%s", err.text);
        assert_null(copy);
        if (collect(&odd, false, &err) < 0)
            fail_msg("%s", err.text);
        assert_false(has_pack(&odd, KEPT));
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(objects_slot_kind(&odd.world.scope, &kept, &kind, NULL), 0);
        assert_int_equal(kind, SLOT_REMOVED);
    }
}

static void a_folder_with_something_in_it_stays(void **state)
{
    const struct mark mark = {.by = "alpha", .reason = "test"};
    const struct point_id kept = point_of(KEPT);
    CLEANUP_ODD_WORLD struct odd_world odd = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *copy = NULL;

    (void)state;
    odd_world_begin(&odd);
    CLEANUP_FREE char *path = path_of(&odd, NAME_SLOT, KEPT);
    CLEANUP_FREE char *inside = mem_printf("%s/file", path);
    put_folder(&odd, path);
    assert_int_equal(mknod(inside, S_IFREG | 0600, 0), 0);
    if (marks_set_aside(&odd.world.scope, &kept, &mark, &copy, &err) < 0)
        fail_msg("%s", err.text);
    (void)collect(&odd, false, &err);
    assert_int_equal(access(inside, F_OK), 0);
    assert_int_equal(unlink(inside), 0);
    if (collect(&odd, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(has_pack(&odd, KEPT));
}

/* Names are counted before anything is collected; no more is asked of them then than later. */
static void a_limit_of_memory_changes_nothing(void **state)
{
    static const uint64_t limits[] = {0, UINT64_C(1) << 30};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        CLEANUP_ODD_WORLD struct odd_world odd = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        const struct collect_events events = {keep_world_pass_event, NULL};
        struct collect_result result = {0};
        odd_world_begin(&odd);
        struct collect_settings settings = keep_world_settings(&odd.world);
        settings.memory_limit = limits[i];
        CLEANUP_FREE char *path = path_of(&odd, NAME_PACK, KEPT);
        *strrchr(path, '/') = '\0';
        put_file(&odd, path);
        if (collect_run(odd.world.repository, &settings, &events, &result, &err) < 0)
            fail_msg("limit %zu: %s", i, err.text);
    }
}

/* As some file servers make them in each folder. */
static void folders_of_others_are_passed_over(void **state)
{
    CLEANUP_ODD_WORLD struct odd_world odd = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    odd_world_begin(&odd);
    CLEANUP_FREE char *slot = path_of(&odd, NAME_SLOT, KEPT);
    CLEANUP_FREE char *folder = mem_printf("%.*s/@eaDir", (int)(strrchr(slot, '/') - slot), slot);
    CLEANUP_FREE char *file = mem_printf("%s/%s@SynoEAStream", folder, strrchr(slot, '/') + 1);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mknod(file, S_IFREG | 0600, 0), 0);
    if (collect(&odd, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(has_pack(&odd, KEPT) && has_pack(&odd, HELD) && !has_pack(&odd, BUSY));
}

static void with_nothing_odd_the_same_are_removed(void **state)
{
    CLEANUP_ODD_WORLD struct odd_world odd = {0};
    const struct point_id kept = point_of(KEPT);
    const struct mark mark = {.by = "alpha", .reason = "test"};
    bool made = false;

    (void)state;
    odd_world_begin(&odd);
    assert_int_equal(collect(&odd, false, NULL), 0);
    assert_true(has_pack(&odd, KEPT) && has_pack(&odd, HELD) && !has_pack(&odd, BUSY));
    CLEANUP_FREE char *hold = path_of(&odd, NAME_HOLD, HELD);
    assert_int_equal(unlink(hold), 0);
    assert_int_equal(marks_trash(&odd.world.scope, &kept, &mark, &made, NULL), 0);
    assert_int_equal(collect(&odd, false, NULL), 0);
    assert_true(!has_pack(&odd, KEPT) && !has_pack(&odd, HELD));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_removed_whatever_hides_an_object),
        cmocka_unit_test(a_limit_of_memory_changes_nothing),
        cmocka_unit_test(what_is_in_the_place_of_a_point_can_be_set_aside),
        cmocka_unit_test(a_folder_with_something_in_it_stays),
        cmocka_unit_test(folders_of_others_are_passed_over),
        cmocka_unit_test(with_nothing_odd_the_same_are_removed),
    };

    return cmocka_run_group_tests_name("repository collect odd", tests, NULL, NULL);
}
