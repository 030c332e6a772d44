/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files that a restore has moved aside: each comes back to its own place or, when the restore is
 * complete, is removed; whatever else has their names now stays as it is.
 */
#include "ops/undo/undo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "undo_world.h"

static struct file_id id_of(const struct world *world, const char *name)
{
    CLEANUP_FREE char *path = path_in(world, name);
    CLEANUP_CLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct file_id id = {0};

    assert_int_equal(file_id_read(fd, &id, NULL), 0);
    return id;
}

static void assert_is(const struct world *world, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_FREE char *data = NULL;
    size_t len = 0;

    if (!text) {
        assert_false(exists(world, name));
        return;
    }
    assert_int_equal(io_open_dir(world->folder, &fd, NULL), 0);
    assert_int_equal(io_read_file(fd, name, 100, &data, &len, NULL), 0);
    assert_string_equal(data, text);
}

/* The file "aside", which was "disk". */
static void begin(struct world *world, struct intent *intent)
{
    CLEANUP_FREE char *aside = NULL;
    CLEANUP_FREE char *disk = NULL;

    world_make(world);
    intent_begin(intent, INTENT_RESTORE);
    free(TAKE_PTR(intent->uri));
    aside = path_in(world, "aside");
    disk = path_in(world, "disk");
    make_file(world, "aside", "former", 6);
    struct file_id id = id_of(world, "aside");
    intent_add_former(intent, aside, disk, &id);
}

static void add_made(const struct world *world, struct intent *intent, const char *name)
{
    CLEANUP_FREE char *path = path_in(world, name);

    make_file(world, name, "made", 4);
    struct file_id id = id_of(world, name);
    intent_add_file(intent, path, &id);
}

static enum undo_result undo(const struct world *world, struct intent *intent, struct err *err)
{
    note(world, intent);
    return undo_recorded(world->state_fd, WEB, &fake_calls, NULL, err);
}

#define BEGIN                                                                                      \
    struct world world CLEANUP(world_clear) = {.state_fd = -1};                                    \
    CLEANUP_INTENT struct intent intent = {0};                                                     \
    CLEANUP_ERR struct err err = ERR_INIT;                                                         \
    (void)state;                                                                                   \
    begin(&world, &intent)

static void it_comes_back_over_what_was_made(void **state)
{
    BEGIN;
    add_made(&world, &intent, "disk");
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "disk", "former");
    assert_is(&world, "aside", NULL);
}

static void it_never_comes_back_over_another_file(void **state)
{
    BEGIN;
    make_file(&world, "disk", "foreign", 7);
    for (int i = 0; i < 2; i++) {
        CLEANUP_ERR struct err stays = ERR_INIT;
        assert_int_equal(undo(&world, &intent, &stays), UNDO_STRANDED);
        assert_non_null(strstr(stays.text, "/disk cannot be moved back"));
        assert_non_null(strstr(stays.text, "/aside"));
        assert_is(&world, "disk", "foreign");
        assert_is(&world, "aside", "former");
    }
    CLEANUP_FREE char *disk = path_in(&world, "disk");
    assert_int_equal(unlink(disk), 0);
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "disk", "former");
}

static void one_that_cannot_come_back_does_not_keep_the_others(void **state)
{
    BEGIN;
    CLEANUP_FREE char *aside = path_in(&world, "aside 2");
    CLEANUP_FREE char *disk = path_in(&world, "disk 2");
    make_file(&world, "disk", "foreign", 7);
    make_file(&world, "aside 2", "second", 6);
    struct file_id id = id_of(&world, "aside 2");
    intent_add_former(&intent, aside, disk, &id);
    assert_int_equal(undo(&world, &intent, &err), UNDO_STRANDED);
    assert_is(&world, "disk 2", "second");
    assert_is(&world, "aside", "former");
}

static void another_file_under_the_name_stays_where_it_is(void **state)
{
    BEGIN;
    CLEANUP_FREE char *aside = path_in(&world, "aside");
    CLEANUP_FREE char *away = path_in(&world, "away");
    assert_int_equal(rename(aside, away), 0);
    make_file(&world, "aside", "foreign", 7);
    assert_int_equal(undo(&world, &intent, &err), UNDO_STRANDED);
    assert_is(&world, "disk", NULL);
    assert_is(&world, "aside", "foreign");
    intent.outdated = true;
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "aside", "foreign");
}

/* As a rename that is made of a link and a removal leaves it. */
static void a_file_with_both_names_keeps_its_own(void **state)
{
    BEGIN;
    CLEANUP_FREE char *aside = path_in(&world, "aside");
    CLEANUP_FREE char *disk = path_in(&world, "disk");
    assert_int_equal(link(aside, disk), 0);
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "disk", "former");
    assert_is(&world, "aside", NULL);
}

static void one_that_was_not_moved_yet_stays(void **state)
{
    BEGIN;
    CLEANUP_FREE char *aside = path_in(&world, "aside");
    CLEANUP_FREE char *disk = path_in(&world, "disk");
    assert_int_equal(rename(aside, disk), 0);
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "disk", "former");
}

static void it_is_removed_when_everything_is_in_place(void **state)
{
    BEGIN;
    make_file(&world, "disk", "restored", 8);
    intent.outdated = true;
    assert_int_equal(undo(&world, &intent, &err), UNDO_DONE);
    assert_is(&world, "disk", "restored");
    assert_is(&world, "aside", NULL);
}

static void a_journal_of_version_2_is_undone(void **state)
{
    static const char text[] = "{\"version\":2,\"kind\":\"restore\",\"pid\":1,\"pid-started\":1,"
                               "\"uuid\":\"" WEB "\",\"name\":\"web\",\"moved\":\"%s\","
                               "\"moved-from\":\"%s\"}";
    BEGIN;
    CLEANUP_FREE char *aside = path_in(&world, "aside");
    CLEANUP_FREE char *disk = path_in(&world, "disk");
    CLEANUP_FREE char *journal = mem_printf(text, aside, disk);
    make_file(&world, "disk", "made", 4);
    make_file(&world, "state/" WEB ".intent", journal, strlen(journal));
    assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, &err), UNDO_DONE);
    assert_is(&world, "disk", "former");
    assert_is(&world, "aside", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_over_what_was_made),
        cmocka_unit_test(it_never_comes_back_over_another_file),
        cmocka_unit_test(one_that_cannot_come_back_does_not_keep_the_others),
        cmocka_unit_test(another_file_under_the_name_stays_where_it_is),
        cmocka_unit_test(a_file_with_both_names_keeps_its_own),
        cmocka_unit_test(one_that_was_not_moved_yet_stays),
        cmocka_unit_test(it_is_removed_when_everything_is_in_place),
        cmocka_unit_test(a_journal_of_version_2_is_undone),
    };

    return cmocka_run_group_tests_name("undo formers", tests, NULL, NULL);
}
