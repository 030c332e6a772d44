/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is done with guests, against libvirt's test driver, which runs in this
 * process. Cancelling a save needs QEMU and is an integration test.
 */
#include "sample.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"
#include "guest/guest.h"
#include "guest/guest_points.h"

#define NODE "test://" SAMPLES "/node.xml"
#define RUNNING_NAME "b \"two\", 100%s"
#define RUNNING_UUID "00000000-0000-4000-8000-000000000002"

#define NEW_UUID "00000000-0000-4000-8000-0000000000ff"
#define NEW_XML                                                                                    \
    "<domain type='test'><name>new</name><uuid>" NEW_UUID                                          \
    "</uuid><memory>8192</memory><os><type>hvm</type></os></domain>"

static int open_node(void **state)
{
    return hypervisor_open(NODE, (struct hypervisor **)state, NULL);
}

static int close_node(void **state)
{
    hypervisor_close(*state);
    return 0;
}

static struct guest *find(void **state, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct guest *guest = NULL;

    if (guest_find(*state, name, &guest, &err) < 0)
        fail_msg("%s", err.text);
    return guest;
}

static struct guest_status status_of(struct guest *guest)
{
    struct guest_status status = {0};

    assert_int_equal(guest_get_status(guest, &status, NULL), 0);
    return status;
}

/* A path for a save image, in a folder of its own. */
static char *make_folder(char folder[static 64])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, 64, "%.40s/test-guest-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    return mem_printf("%s/memory.sav", folder);
}

/* ---- finding and looking ----------------------------------------------------------------------- */

static void guests_are_found_by_name_and_uuid(void **state)
{
    CLEANUP(guest_freep) struct guest *by_name = find(state, RUNNING_NAME);
    CLEANUP(guest_freep) struct guest *by_uuid = NULL;

    assert_string_equal(guest_name(by_name), RUNNING_NAME);
    assert_string_equal(guest_uuid(by_name), RUNNING_UUID);
    assert_int_equal(guest_find_uuid(*state, RUNNING_UUID, &by_uuid, NULL), 0);
    assert_string_equal(guest_name(by_uuid), RUNNING_NAME);
}

static void an_unknown_guest_is_not_found(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct guest *guest = NULL;

    assert_int_equal(guest_find(*state, "n'o\"ne%", &guest, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "n'o\"ne%");
    assert_int_equal(guest_find_uuid(*state, NEW_UUID, &guest, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, NEW_UUID);
    guest_free(NULL);
}

static void every_state_has_its_name(void **state)
{
    static const struct {
        const char *name;
        enum guest_state state;
        const char *text;
        bool persistent;
        bool managed_save;
    } cases[] = {
        {RUNNING_NAME, GUEST_RUNNING, "running", true, false},
        {".a", GUEST_PAUSED, "paused", false, false},
        {"ä", GUEST_SHUT_OFF, "shut off", true, false},
        {"c", GUEST_SHUT_OFF, "shut off", true, true},
        {"d", GUEST_OTHER, "crashed", true, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(guest_freep) struct guest *guest = find(state, cases[i].name);
        struct guest_status status = status_of(guest);
        assert_int_equal(status.state, cases[i].state);
        assert_string_equal(status.state_text, cases[i].text);
        assert_int_equal(status.persistent, cases[i].persistent);
        assert_int_equal(status.managed_save, cases[i].managed_save);
        assert_false(status.autostart);
    }
}

static void the_xml_holds_passwords(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, RUNNING_NAME);
    CLEANUP_FREE char *persistent = NULL;
    CLEANUP_FREE char *live = NULL;

    assert_int_equal(guest_get_xml(guest, GUEST_XML_PERSISTENT, &persistent, NULL), 0);
    assert_int_equal(guest_get_xml(guest, GUEST_XML_LIVE, &live, NULL), 0);
    assert_non_null(strstr(persistent, "passwd='geheim'"));
    assert_non_null(strstr(live, "passwd='geheim'"));
    assert_null(strstr(persistent, " id='")); /* what only a running guest has */
}

/* ---- defining ------------------------------------------------------------------------------------ */

static void a_guest_is_defined_flagged_started_and_undefined(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP(guest_freep) struct guest *gone = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(guest_define(*state, NEW_XML, &guest, NULL), 0);
    assert_string_equal(guest_uuid(guest), NEW_UUID);
    assert_int_equal(status_of(guest).state, GUEST_SHUT_OFF);
    assert_true(status_of(guest).persistent);
    assert_int_equal(guest_set_autostart(guest, true, NULL), 0);
    assert_true(status_of(guest).autostart);
    assert_int_equal(guest_set_autostart(guest, false, NULL), 0);
    assert_false(status_of(guest).autostart);
    assert_int_equal(guest_undefine(guest, NULL), 0);
    assert_int_equal(guest_find(*state, "new", &gone, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "new");
}

static void a_name_or_uuid_of_another_guest_is_refused(void **state)
{
    static const char *const clashes[] = {
        "<domain type='test'><name>ä</name><uuid>" NEW_UUID
        "</uuid><memory>8192</memory><os><type>hvm</type></os></domain>",
        "<domain type='test'><name>new</name><uuid>" RUNNING_UUID
        "</uuid><memory>8192</memory><os><type>hvm</type></os></domain>",
    };
    CLEANUP_ERR struct err err = ERR_INIT;
    struct guest *guest = NULL;

    for (size_t i = 0; i < sizeof(clashes) / sizeof(*clashes); i++) {
        assert_int_equal(guest_define(*state, clashes[i], &guest, &err), -1);
        sample_expect(&err, ERR_EXISTS, "cannot define the guest");
    }
    assert_int_equal(guest_define(*state, "<domain", &guest, &err), -1);
    sample_expect(&err, ERR_IO, "cannot define the guest");
}

static void an_active_guest_is_not_undefined(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, RUNNING_NAME);
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(guest_undefine(guest, &err), -1);
    sample_expect(&err, ERR_BUSY, "shut it down first");
    assert_true(status_of(guest).persistent);
}

static void a_guest_with_a_managed_save_image_is_not_undefined(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, "c");
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(guest_undefine(guest, &err), -1);
    sample_expect(&err, ERR_IO, "managed save");
    assert_true(status_of(guest).managed_save);
}

/* ---- snapshots and checkpoints --------------------------------------------------------------------- */

#define SNAPSHOT(NAME, PARENT)                                                                     \
    "<domainsnapshot><name>" NAME "</name>" PARENT                                                 \
    "<creationTime>1700000000</creationTime><state>shutoff</state>" NEW_XML "</domainsnapshot>"
#define PARENT(NAME) "<parent><name>" NAME "</name></parent>"

/* By their names children come before their parents. */
static const char *const tree[] = {SNAPSHOT("z", ""), SNAPSHOT("y", PARENT("z")),
                                   SNAPSHOT("a", PARENT("y"))};

static void add_snapshots(struct guest_points *points, size_t count)
{
    for (size_t i = 0; i < count; i++)
        strings_add(&points->snapshots, tree[i]);
    points->current = mem_strdup("y");
}

static void expect_snapshots(struct guest *guest, size_t count)
{
    static const char *const names[] = {"<name>z</name>", "<name>y</name>", "<name>a</name>"};
    CLEANUP_GUEST_POINTS struct guest_points points = {0};

    assert_int_equal(guest_points_get(guest, &points, NULL), 0);
    assert_int_equal(points.snapshots.count, count);
    assert_string_equal(points.current ? points.current : "", count ? "y" : "");
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(points.snapshots.items[i], names[i]));
        if (i > 0)
            assert_non_null(strstr(strstr(points.snapshots.items[i], "<parent>"), names[i - 1]));
    }
}

/* What is there stays; what is missing is put back on it. */
static void snapshots_are_put_back_with_their_parents(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    static const size_t counts[] = {2, 3, 3};

    assert_int_equal(guest_define(*state, NEW_XML, &guest, NULL), 0);
    expect_snapshots(guest, 0);
    for (size_t i = 0; i < 3; i++) {
        CLEANUP_GUEST_POINTS struct guest_points points = {0};
        add_snapshots(&points, counts[i]);
        if (guest_points_put_back(guest, &points, &err) < 0)
            fail_msg("%s", err.text);
        expect_snapshots(guest, counts[i]);
    }
}

static void one_that_cannot_be_put_back_does_not_keep_others_away(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_GUEST_POINTS struct guest_points points = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    strings_add(&points.snapshots, SNAPSHOT("orphan", PARENT("gone")));
    add_snapshots(&points, 3);
    assert_int_equal(guest_define(*state, NEW_XML, &guest, NULL), 0);
    assert_int_equal(guest_points_put_back(guest, &points, &err), -1);
    assert_non_null(strstr(err.text, "snapshot 'orphan': cannot put it back"));
    expect_snapshots(guest, 3);
}

/* ---- starting, saving, restoring ------------------------------------------------------------------ */

static void guests_are_started_persistent_and_transient(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, "ä");
    CLEANUP(guest_freep) struct guest *transient = NULL;

    assert_int_equal(guest_start(guest, false, NULL), 0);
    assert_int_equal(status_of(guest).state, GUEST_RUNNING);
    assert_int_equal(guest_create(*state, NEW_XML, false, NULL), 0);
    transient = find(state, "new");
    assert_int_equal(status_of(transient).state, GUEST_RUNNING);
    assert_false(status_of(transient).persistent);
}

static void a_saved_guest_is_shut_off_and_comes_back(void **state)
{
    char folder[64];
    CLEANUP_FREE char *path = make_folder(folder);
    CLEANUP(guest_freep) struct guest *guest = find(state, RUNNING_NAME);
    uint64_t before_ms = units_now_ms();
    uint64_t stopped_ms = 0;

    assert_int_equal(guest_save(guest, path, &stopped_ms, NULL), 0);
    assert_in_range(stopped_ms, before_ms, units_now_ms());
    assert_int_equal(status_of(guest).state, GUEST_SHUT_OFF);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(guest_restore(*state, path, NULL, true, NULL), 0);
    assert_int_equal(status_of(guest).state, GUEST_RUNNING);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_save_that_fails_leaves_the_guest_running(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, RUNNING_NAME);
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;

    assert_int_equal(guest_save(guest, "/nonexistent/x.sav", &stopped_ms, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "/nonexistent/x.sav");
    assert_int_equal(stopped_ms, 0);
    assert_int_equal(status_of(guest).state, GUEST_RUNNING);
}

static void a_missing_image_is_not_restored(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(guest_restore(*state, "/nonexistent/x.sav", NULL, true, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "/nonexistent/x.sav");
}

/* The last test: the signal stays. */
static void after_a_signal_no_save_is_begun(void **state)
{
    CLEANUP(guest_freep) struct guest *guest = find(state, RUNNING_NAME);
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t stopped_ms = 0;

    assert_int_equal(quit_install(NULL), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(guest_save(guest, "/nonexistent/x.sav", &stopped_ms, &err), -1);
    sample_expect(&err, ERR_CANCELLED, "SIGTERM");
    assert_int_equal(status_of(guest).state, GUEST_RUNNING);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_node, close_node)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guests_are_found_by_name_and_uuid),
        TEST(an_unknown_guest_is_not_found),
        TEST(every_state_has_its_name),
        TEST(the_xml_holds_passwords),
        TEST(a_guest_is_defined_flagged_started_and_undefined),
        TEST(a_name_or_uuid_of_another_guest_is_refused),
        TEST(an_active_guest_is_not_undefined),
        TEST(a_guest_with_a_managed_save_image_is_not_undefined),
        TEST(snapshots_are_put_back_with_their_parents),
        TEST(one_that_cannot_be_put_back_does_not_keep_others_away),
        TEST(guests_are_started_persistent_and_transient),
        TEST(a_saved_guest_is_shut_off_and_comes_back),
        TEST(a_save_that_fails_leaves_the_guest_running),
        TEST(a_missing_image_is_not_restored),
        TEST(after_a_signal_no_save_is_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
