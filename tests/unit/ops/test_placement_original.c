/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The places that files had when they were backed up.
 */
#include "placement_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char domain[] =
    "<domain type='qemu'><name>web</name>"
    "<uuid>11111111-2222-4333-8444-555555555555</uuid><memory unit='KiB'>65536</memory>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>";

static int setup(void **state)
{
    return placement_fixture_setup(state, domain);
}

static void set_path(char **path, const struct fixture *fixture, const char *name)
{
    free(*path);
    *path = mem_printf("%s/%s", fixture->folder, name);
}

/* All places but that of vdc, a block device, are in the fixture's folder. */
static struct restore_options original_options(struct fixture *fixture)
{
    set_path(&fixture->manifest->disks[0].path, fixture, "disk.qcow2");
    set_path(&fixture->manifest->disks[1].path, fixture, "two.raw");
    set_path(&fixture->manifest->extras[0].path, fixture, "web_VARS.fd");
    return (struct restore_options){.original_places = true};
}

static void each_file_gets_its_original_place(void **state)
{
    struct fixture *fixture = *state;
    struct restore_options options = original_options(fixture);
    CLEANUP_FREE char *elsewhere = mem_printf("%s/c.raw", fixture->folder);
    const struct disk_map map = {.target = "vdc", .path = elsewhere};
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.maps = &map;
    options.map_count = 1;
    fixture->manifest->persistent = false;
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_place(fixture, placement.disks[1].path, "two.raw");
    assert_place(fixture, placement.disks[2].path, "c.raw");
    assert_place(fixture, placement.nvram, "web_VARS.fd");
    assert_place(fixture, placement.xml, "web.xml"); /* beside the first disk */
    assert_int_equal(placement.replaced.count, 0);
}

static void a_block_device_has_to_be_named(void **state)
{
    struct fixture *fixture = *state;
    struct restore_options options = original_options(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    options.overwrite = true;
    assert_int_equal(place(fixture, &options, &placement, &err), -1);
    assert_non_null(strstr(err.text, "--disk-map web:vdc=/dev/loop7"));
}

static void an_original_place_is_replaced_only_with_overwrite(void **state)
{
    struct fixture *fixture = *state;
    const char *const wanted[] = {"vda"};
    struct restore_options options = original_options(fixture);
    const char *path = fixture->manifest->disks[0].path;

    options.disks = (struct name_list){wanted, 1};
    close(open(path, O_CREAT | O_WRONLY, 0600));
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        CLEANUP_PLACEMENT struct placement placement = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        options.overwrite = overwrite;
        int result = place(fixture, &options, &placement, &err);
        assert_int_equal(result, overwrite ? 0 : -1);
        assert_true(overwrite ? placement_replaces(&placement, path)
                              : strstr(err.text, path) && strstr(err.text, "--overwrite"));
        claims_clear(&fixture->claims);
    }
    unlink(path);
}

static void a_missing_folder_and_a_link_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *const wanted[] = {"vda"};
    struct restore_options options = original_options(fixture);
    CLEANUP_ERR struct err missing = ERR_INIT;
    CLEANUP_ERR struct err link = ERR_INIT;
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.disks = (struct name_list){wanted, 1};
    options.overwrite = true;
    assert_int_equal(symlink("/nowhere", fixture->manifest->disks[0].path), 0);
    int result = place(fixture, &options, &placement, &link);
    unlink(fixture->manifest->disks[0].path);
    assert_int_equal(result, -1);
    assert_non_null(strstr(link.text, "symbolic link"));
    set_path(&fixture->manifest->disks[0].path, fixture, "gone/disk.qcow2");
    assert_int_equal(place(fixture, &options, &placement, &missing), -1);
    assert_int_equal(missing.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(missing.text, "gone is missing"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, placement_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_file_gets_its_original_place),
        TEST(a_block_device_has_to_be_named),
        TEST(an_original_place_is_replaced_only_with_overwrite),
        TEST(a_missing_folder_and_a_link_are_refused),
    };

    return cmocka_run_group_tests_name("placement original", tests, NULL, NULL);
}
