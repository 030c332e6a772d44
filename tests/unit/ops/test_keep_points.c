/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points as users name them.
 */
#include "keep_world.h"

#include <string.h>

#include "base/array.h"
#include "ops/keep/meant.h"
#include "ops/points/points.h"
#include "ops/verbs.h"
#include "repository/keep/marks.h"
#include "repository/stored_unpack.h"

/* ---- words ------------------------------------------------------------------------------------------ */

static void a_word_means_one_point(void **state)
{
    static const struct planted points[] = {
        {2, "web", SESSION("1111", REST), 1000, 0},
        {2, "web", SESSION("2222", REST), 2000, 0},
        {2, "web", SESSION("3333", REST), 3000, FLAG_PARTIAL},
        {4, "db,old", SESSION("4444", REST), 1000, 0},
        /* taken earlier than the newest own one */
        {4, "db,old", SESSION("5555", REST), 500, FLAG_DERIVED},
        {6, "copied", SESSION("6666", REST), 1000, 0},
        {6, "copied", SESSION("7777", REST), 1500, FLAG_DERIVED},
    };
    static const struct planted trashed = {2, "web", SESSION("2323", REST), 2500, 0};
    static const struct planted removed = {2, "web", SESSION("9999", REST), 0, 0};
    static const struct {
        const char *word;
        bool trashed;
        const char *digits; /* NULL: refused */
        enum err_kind kind;
        const char *text; /* in the error */
    } words[] = {
        {SESSION("1111", ""), false, "1111", 0, NULL},
        {SESSION("1111", REST), false, "1111", 0, NULL},
        {SESSION("2323", ""), false, "2323", 0, NULL},
        {"web@latest", false, "2222", 0, NULL},
        {"web@latest", true, "2323", 0, NULL},
        {"02020202-0202-0202-0202-020202020202@latest", false, "2222", 0, NULL},
        {"db,old@latest", false, "4444", 0, NULL},
        {"copied@latest", false, "7777", 0, NULL},
        {"web@1970-01-01 00:00:01Z", false, "1111", 0, NULL},
        {"web@1970-01-01 00:00:02Z", true, "2323", 0, NULL},
        {"web@1970-01-02", false, "2222", 0, NULL},
        {"web@1970-01-01 00:00:00Z", false, NULL, ERR_NOT_FOUND, "there is no point"},
        {"1970-01-02", false, NULL, ERR_USAGE, "GUEST@TIME"},
        {"web@" SESSION("11", ""), false, "1111", 0, NULL},
        {SESSION("", ""), false, NULL, ERR_USAGE, "means several points: " SESSION("1111", REST)},
        {"web@" SESSION("", ""), false, NULL, ERR_USAGE, "write more digits"},
        {"web@" SESSION("4444", ""), false, NULL, ERR_NOT_FOUND, "there is no point"},
        {SESSION("9999", ""), false, NULL, ERR_NOT_FOUND, "any more: it was removed"},
        {SESSION("8888", ""), false, NULL, ERR_NOT_FOUND, "list shows what is there"},
        {"wbe@latest", false, NULL, ERR_NOT_FOUND, "there is no point 'wbe@latest'"},
        {"copied@latest", true, NULL, ERR_NOT_FOUND, "in the trash"},
        {"web", false, NULL, ERR_USAGE, "does not name a point"},
        {"0198000", false, NULL, ERR_USAGE, "8 or more digits"},
        {SESSION("111G", ""), false, NULL, ERR_USAGE, "does not name a point"},
        {SESSION("1111", REST) "0", false, NULL, ERR_USAGE, "does not name a point"},
        {"@latest", false, NULL, ERR_USAGE, "does not name a point"},
        {"web@", false, NULL, ERR_USAGE, "does not name a point"},
        {"web@newest", false, NULL, ERR_USAGE, "does not name a point"},
    };
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP_MEANT_VIEW struct meant_view view = {0};

    (void)state;
    keep_world_begin(&world);
    for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++)
        keep_world_plant(&world, &points[i]);
    struct point_id in_trash = keep_world_plant(&world, &trashed);
    keep_world_trash(&world, &in_trash);
    keep_world_plant_tombstone(&world, &removed);
    assert_int_equal(meant_open(&(struct meant_place){world.folder.path, NULL, NULL}, &view, NULL),
                     0);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        CLEANUP_MEANT_POINT struct meant_point found = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        char id[ID_TEXT_SIZE];
        int status = meant_find(&view, words[i].word, words[i].trashed, &found, &err);
        if (words[i].digits) {
            if (status < 0)
                fail_msg("%s: %s", words[i].word, err.text);
            assert_memory_equal(id_text(&found.id.session, id) + 12, words[i].digits, 4);
            assert_int_equal(found.trashed, strcmp(words[i].digits, "2323") == 0);
            assert_non_null(found.guest);
            continue;
        }
        assert_fails(status, &err, words[i].kind);
        if (!strstr(err.text, words[i].text))
            fail_msg("%s: %s", words[i].word, err.text);
    }
}

/* Sessions rise whatever the clock says; when the data was taken does not. */
static void a_word_means_the_same_point_to_all(void **state)
{
    static const struct planted points[] = {
        /* the clock was ahead, once */
        {2, "web", SESSION("1111", REST), 8000, 0},
        {2, "web", SESSION("2222", REST), 2000, 0},
        {2, "web", SESSION("3333", REST), 4000, 0},
        /* and behind */
        {2, "web", SESSION("4444", REST), 3000, 0},
        {4, "moved", SESSION("5555", REST), 8000, FLAG_DERIVED},
        {4, "moved", SESSION("6666", REST), 2000, 0},
        {4, "moved", SESSION("7777", REST), 1000, FLAG_DERIVED},
        {4, "moved", SESSION("8888", REST), 2000, FLAG_DERIVED},
    };
    static const struct {
        const char *guest, *word, *digits;
    } words[] = {
        {"web", "latest", "4444"},
        {"web", "1970-01-01 00:00:10Z", "4444"},
        {"web", "1970-01-01 00:00:04Z", "4444"},
        {"web", "1970-01-01 00:00:02Z", "2222"},
        {"moved", "latest", "8888"},
        {"moved", "1970-01-01 00:00:10Z", "8888"},
        {"moved", "1970-01-01 00:00:01Z", "7777"},
    };
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP_MEANT_VIEW struct meant_view view = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;

    (void)state;
    store = keep_world_of(&world, points, sizeof(points) / sizeof(*points));
    assert_int_equal(meant_open(&(struct meant_place){world.folder.path, NULL, NULL}, &view, NULL),
                     0);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        CLEANUP_FREE char *both = mem_printf("%s@%s", words[i].guest, words[i].word);
        CLEANUP_MEANT_POINT struct meant_point meant = {0};
        CLEANUP_FREE char *found = NULL;
        char id[ID_TEXT_SIZE];
        assert_int_equal(points_find(store, words[i].guest, words[i].word, &found, NULL), 0);
        if (memcmp(found + 12, words[i].digits, 4) != 0)
            fail_msg("to restore %s: %s", both, found);
        assert_int_equal(meant_find(&view, both, false, &meant, NULL), 0);
        if (memcmp(id_text(&meant.id.session, id) + 12, words[i].digits, 4) != 0)
            fail_msg("to hold %s: %s", both, id);
    }
}

/* ---- backups that were not completed ------------------------------------------------------------------ */

static void find_nothing(struct points_store *store, const char *guest, const char *word,
                         enum err_kind kind, const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *id = NULL;

    assert_fails(points_find(store, guest, word, &id, &err), &err, kind);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void count_listed(void *opaque, const struct event *event)
{
    if (event->kind == EVENT_LISTED_POINT)
        buf_printf(opaque, "%s:%.4s%s ", event->guest, event->listed_point.entry->id + 12,
                   event->listed_point.entry->complete ? "" : "?");
}

static void expect_points(const struct keep_world *world, const struct list_options *options,
                          const char *expected)
{
    struct list_options asked = *options;
    struct outcome outcome = {0};
    struct buf listed = {0};
    const struct report report = {.opaque = &listed, .event = count_listed};

    asked.source = (struct points_place){.path = world->folder.path, .is_repository = true};
    assert_int_equal(list_run(&asked, &report, &outcome, NULL), 0);
    CLEANUP_FREE char *text = buf_take_str(&listed);
    assert_string_equal(text, expected);
    assert_int_equal(outcome.failed, 0);
}

static void a_partial_point_is_hidden_and_refused(void **state)
{
    static const struct planted points[] = {
        {2, "web", SESSION("1111", REST), 1000, 0},
        {2, "web", SESSION("3333", REST), 3000, FLAG_PARTIAL},
        {4, "new", SESSION("4444", REST), 1000, FLAG_PARTIAL},
    };
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP(points_closep) struct point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *latest = NULL;
    bool changed = false;

    (void)state;
    store = keep_world_of(&world, points, sizeof(points) / sizeof(*points));
    assert_int_equal(points_find(store, "web", "latest", &latest, NULL), 0);
    assert_memory_equal(latest + 12, "1111", 4);
    find_nothing(store, "web", SESSION("3333", ""), ERR_UNSUPPORTED, "back the guest up again");
    find_nothing(store, "new", "latest", ERR_NOT_FOUND, "no backup of it was completed yet");
    assert_fails(points_open(store, "web", SESSION("3333", REST), &point, &err), &err,
                 ERR_UNSUPPORTED);

    expect_points(&world, &(struct list_options){0}, "web:1111 ");
    expect_points(&world, &(struct list_options){.partial = true}, "new:4444? web:1111 web:3333? ");
    const struct point_id held = keep_world_id(&points[1]);
    assert_int_equal(
        marks_hold(&world.scope, &held, &(struct mark){"alpha", "to look at it"}, &changed, NULL),
        0);
    expect_points(&world, &(struct list_options){.holds = true}, "web:3333? ");
}

/* As when the process that starts the parsers was killed. */
static int no_more_points(void *opaque, const struct parser_task *task, struct buf *ret,
                          struct err *err)
{
    const unsigned *left = opaque;

    if (task->function != stored_unpack_info || *left > 0)
        return task->function(task->data, task->len, ret, err);
    return err_set(err, ERR_TRANSIENT, "the spawner process has ended");
}

static void a_run_that_can_parse_no_more_blames_no_point(void **state)
{
    static const struct planted web = {2, "web", SESSION("1111", REST), 1000, 0};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_MEANT_VIEW struct meant_view view = {0};
    CLEANUP_MEANT_POINT struct meant_point found = {0};
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    unsigned left = 1;
    const struct parser parser = {&left, no_more_points};

    (void)state;
    keep_world_begin(&world);
    keep_world_plant(&world, &web);
    const struct points_place place = {
        .path = world.folder.path, .is_repository = true, .parser = &parser};
    assert_int_equal(points_store_open(&place, &store, NULL), 0);
    assert_int_equal(points_store_guests(store, &guests, NULL), 0);
    assert_int_equal(
        meant_open(&(struct meant_place){world.folder.path, NULL, &parser}, &view, NULL), 0);
    left = 0;
    assert_fails(points_list(store, "web", &list, &err), &err, ERR_TRANSIENT);
    assert_fails(points_store_guests(store, &guests, &err), &err, ERR_TRANSIENT);
    assert_fails(meant_find(&view, "web@latest", false, &found, &err), &err, ERR_TRANSIENT);
}

static void a_guest_in_two_scopes_is_ambiguous(void **state)
{
    static const struct planted point = {2, "web", SESSION("1111", REST), 1000, 0};
    static const struct planted other = {2, "web", SESSION("2222", REST), 1000, 0};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    keep_world_begin(&world);
    keep_world_plant(&world, &point);
    assert_int_equal(repository_add_scope(world.folder.repository, "lab", NULL), 0);
    world.scope.name = "lab";
    keep_world_plant(&world, &other);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_MEANT_VIEW struct meant_view view = {0};
        CLEANUP_MEANT_POINT struct meant_point found = {0};
        assert_int_equal(
            meant_open(&(struct meant_place){world.folder.path, i ? "lab" : NULL, NULL}, &view,
                       NULL),
            0);
        if (i == 0) {
            assert_fails(meant_find(&view, "web@latest", false, &found, &err), &err, ERR_USAGE);
            assert_non_null(strstr(err.text, "or --scope"));
        } else {
            assert_int_equal(meant_find(&view, "web@latest", false, &found, NULL), 0);
            assert_string_equal(found.scope->scope.name, "lab");
        }
    }
}

/* What is left of the newest point has the length of a tombstone. */
static void the_latest_is_not_silently_an_older_one(void **state)
{
    static const struct planted point = {2, "web", SESSION("1111", REST), 1000, 0};
    static const struct planted newer = {2, "web", SESSION("2222", REST), 2000, 0};
    /* the last is after its session began, and before its bytes were changed */
    static const char *const words[] = {"latest", "2200-01-01", "2025-12-31"};
    static const char *const older[] = {"2025-01-01", "1970-01-02"};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP_MEANT_VIEW struct meant_view view = {0};
    CLEANUP_MEANT_POINT struct meant_point meant = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *found = NULL;
    uint8_t rest[SLOT_TOMBSTONE_SIZE] = "VBPOINT1";

    (void)state;
    keep_world_begin(&world);
    keep_world_plant(&world, &point);
    const struct point_id id = keep_world_id(&newer);
    keep_world_plant_bytes(&world, &id, rest, sizeof(rest));
    const struct points_place place = {.path = world.folder.path, .is_repository = true};
    assert_int_equal(points_store_open(&place, &store, NULL), 0);
    assert_int_equal(points_store_guests(store, &guests, NULL), 0);
    assert_int_equal(points_list(store, "web", &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_non_null(list.all[1].problem);
    assert_int_equal(meant_open(&(struct meant_place){world.folder.path, NULL, NULL}, &view, NULL),
                     0);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        CLEANUP_FREE char *word = mem_printf("web@%s", words[i]);
        assert_fails(points_find(store, "web", words[i], &found, &err), &err, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "for an older point, give its id"));
        err_clear(&err);
        assert_fails(meant_find(&view, word, false, &meant, &err), &err, ERR_CORRUPT);
        err_clear(&err);
    }
    for (size_t i = 0; i < ARRAY_COUNT(older); i++) {
        CLEANUP_FREE char *word = mem_printf("web@%s", older[i]);
        CLEANUP_MEANT_POINT struct meant_point one = {0};
        CLEANUP_FREE char *good = NULL;
        assert_int_equal(points_find(store, "web", older[i], &good, NULL), 0);
        assert_int_equal(meant_find(&view, word, false, &one, NULL), 0);
        assert_memory_equal(good + 12, "1111", 4);
    }
    assert_int_equal(points_find(store, "web", SESSION("1111", ""), &found, NULL), 0);
    assert_int_equal(meant_find(&view, SESSION("2222", ""), false, &meant, NULL), 0);
}

/* To say that it is not there would mean that it was removed. */
static void a_point_without_a_manifest_of_ours_is_damaged(void **state)
{
    static const struct planted planted = {2, "web", SESSION("1111", REST), 1000, 0};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP(points_closep) struct point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    keep_world_begin(&world);
    keep_world_plant(&world, &planted); /* its manifest is <domain/> */
    const struct points_place place = {.path = world.folder.path, .is_repository = true};
    assert_int_equal(points_store_open(&place, &store, NULL), 0);
    assert_fails(points_open(store, "web", NULL, &point, &err), &err, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "its manifest: is XML, but not a manifest of virt-backup"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_means_one_point),
        cmocka_unit_test(a_word_means_the_same_point_to_all),
        cmocka_unit_test(a_partial_point_is_hidden_and_refused),
        cmocka_unit_test(a_run_that_can_parse_no_more_blames_no_point),
        cmocka_unit_test(a_guest_in_two_scopes_is_ambiguous),
        cmocka_unit_test(the_latest_is_not_silently_an_older_one),
        cmocka_unit_test(a_point_without_a_manifest_of_ours_is_damaged),
    };

    return cmocka_run_group_tests_name("ops keep points", tests, NULL, NULL);
}
