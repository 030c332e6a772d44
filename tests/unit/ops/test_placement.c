/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "guest/definition/definition.h"

static const char domain[] =
    "<domain type='qemu'><name>web</name>"
    "<uuid>11111111-2222-4333-8444-555555555555</uuid><memory unit='KiB'>65536</memory>"
    "<metadata><note:n xmlns:note='urn:note'>/old/one/disk.qcow2</note:n></metadata>"
    "<os><type arch='x86_64' machine='pc'>hvm</type><nvram>/old/web_VARS.fd</nvram></os>"
    "<devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/old/one/disk.qcow2'/><target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
    "<source file='/old/two/disk.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
    "<disk type='block' device='disk'><driver name='qemu' type='raw'/>"
    "<source dev='/dev/loop7'/><target dev='vdc' bus='virtio'/></disk>"
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>"
    "</interface>"
    "</devices></domain>";

static int setup(void **state)
{
    return placement_fixture_setup(state, domain);
}

static struct restore_options options_of(const struct fixture *fixture)
{
    return (struct restore_options){.destination = fixture->folder};
}

static void base_names_are_kept_where_they_are_free(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_int_equal(placement.disk_count, 3);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_place(fixture, placement.disks[1].path, "web-vdb.raw"); /* the name is taken by vda */
    assert_place(fixture, placement.disks[2].path, "web-vdc.raw"); /* was a block device */
    assert_place(fixture, placement.nvram, "web_VARS.fd");
    assert_null(placement.memory);
    assert_null(placement.xml);
}

/* Neither a target nor a format chooses a folder, nor what a second try makes of them. */
static void a_part_of_a_name_that_leads_out_of_the_destination_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    struct manifest_disk *disk = &fixture->manifest->disks[2]; /* a block device: it gets a name */
    char **const parts[] = {&disk->target, &disk->format};

    for (size_t i = 0; i < 2; i++) {
        CLEANUP_PLACEMENT struct placement placement = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_FREE char *good = *parts[i];
        CLEANUP_FREE char *away = mem_printf("%s/web-..", fixture->folder);
        assert_int_equal(mkdir(away, 0700), 0);
        *parts[i] = mem_strdup("../x");
        assert_int_equal(place(fixture, &options, &placement, &err), -1);
        assert_non_null(strstr(err.text, "contains a '/'"));
        free(*parts[i]);
        *parts[i] = TAKE_PTR(good);
        assert_int_equal(rmdir(away), 0);
        claims_clear(&fixture->claims);
    }
}

static void an_existing_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *path = mem_printf("%s/web-vdc.raw", fixture->folder);

    close(open(path, O_CREAT | O_WRONLY, 0600));
    int result = place(fixture, &options, &placement, &err);
    unlink(path);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "disk 'vdc'"));
}

static void every_path_is_rewritten_where_it_stands(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        placement_rewrite(&placement, fixture->manifest, fixture->manifest->definition, NULL);
    assert_non_null(doc);
    CLEANUP_FREE char *text = xml_format(doc);
    assert_null(strstr(text, "/old/"));
    assert_null(strstr(text, "/dev/loop7"));
    CLEANUP_FREE char *note = mem_printf(">%s/disk.qcow2<", fixture->folder);
    assert_non_null(strstr(text, note)); /* the metadata of others follows too */
}

static void a_new_name_brings_new_identity_and_file_names(void **state)
{
    struct fixture *fixture = *state;
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.new_name = "web2";
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[0].path, "web2-vda.qcow2");
    assert_place(fixture, placement.nvram, "web2_VARS.fd");
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        placement_rewrite(&placement, fixture->manifest, fixture->manifest->definition, NULL);
    assert_non_null(doc);
    CLEANUP_FREE char *name = definition_name(doc);
    CLEANUP_FREE char *uuid = definition_uuid(doc);
    assert_string_equal(name, "web2");
    assert_string_not_equal(uuid, fixture->manifest->domain_uuid);
    assert_string_not_equal(xml_find_attr(xml_root(doc), "devices/interface/mac", "address"),
                            "52:54:00:00:00:01");
}

static void only_the_disks_asked_for_are_placed(void **state)
{
    struct fixture *fixture = *state;
    const char *const wanted[] = {"vdb"};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.disks = (struct name_list){wanted, 1};
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_int_equal(placement.disk_count, 1);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_null(placement.nvram);
}

static void an_unknown_disk_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *const wanted[] = {"vdz"};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    options.disks = (struct name_list){wanted, 1};
    assert_int_equal(place(fixture, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "'vdz'"));
}

static void two_disks_are_never_mapped_to_one_file(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *path = mem_printf("%s/same.raw", fixture->folder);
    const struct disk_map maps[] = {{NULL, "vda", path}, {NULL, "vdb", path}};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    options.maps = maps;
    options.map_count = 2;
    assert_int_equal(place(fixture, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

static void a_path_in_the_manifest_never_leads_out_of_the_destination(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    free(fixture->manifest->disks[0].path);
    fixture->manifest->disks[0].path = mem_strdup("/old/..");
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[0].path, "web-vda.qcow2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, placement_fixture_teardown)

/* ---- several guests ------------------------------------------------------------------- */

static void names_are_distinct_for_all_guests_of_a_run(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement first = {0};
    CLEANUP_PLACEMENT struct placement second = {0};

    assert_int_equal(place(fixture, &options, &first, NULL), 0);
    free(fixture->manifest->domain_name);
    fixture->manifest->domain_name = mem_strdup("db");
    assert_int_equal(place_as(fixture, "db", &options, &second, NULL), 0);
    assert_place(fixture, second.disks[0].path, "db-vda.qcow2");
    assert_place(fixture, second.disks[1].path, "db-vdb.raw");
    assert_place(fixture, second.nvram, "web_VARS-2.fd");
}

static void places_of_a_guest_that_failed_are_free_again(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement first = {0};
    CLEANUP_PLACEMENT struct placement second = {0};

    assert_int_equal(place(fixture, &options, &first, NULL), 0);
    claims_release(&fixture->claims, "web");
    assert_int_equal(place_as(fixture, "db", &options, &second, NULL), 0);
    assert_place(fixture, second.disks[0].path, "disk.qcow2");
}

static void a_disk_does_not_take_the_name_of_the_memory_image(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    struct manifest_disk *disk = &fixture->manifest->disks[0];

    free(disk->path);
    disk->path = mem_strdup("/old/web.sav");
    free(fixture->manifest->disks[1].path);
    fixture->manifest->disks[1].path = mem_strdup("/old/two/web_VARS.fd");
    fixture->manifest->memory = mem_alloc(sizeof(*fixture->manifest->memory));
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_place(fixture, placement.memory, "web.sav");
    assert_place(fixture, placement.disks[0].path, "web-vda.qcow2");
    assert_place(fixture, placement.nvram, "web_VARS.fd");
    assert_place(fixture, placement.disks[1].path, "web-vdb.raw");
}

static void share_vda(struct fixture *fixture)
{
    CLEANUP_FREE char *text = xml_format(fixture->manifest->definition);
    char *at = strstr(text, "<target dev=\"vda\"");

    assert_non_null(at);
    CLEANUP_FREE char *shared = mem_printf("%.*s<shareable/>%s", (int)(at - text), text, at);
    xml_free(fixture->manifest->definition);
    fixture->manifest->definition = xml_parse(shared, strlen(shared), NULL);
    assert_non_null(fixture->manifest->definition);
}

static void a_shareable_disk_is_restored_once_if_it_is_the_same(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);

    share_vda(fixture);
    fixture->manifest->disks[0].stored.image.has_content = true;
    for (int other = 0; other < 2; other++) {
        CLEANUP_PLACEMENT struct placement first = {0};
        CLEANUP_PLACEMENT struct placement second = {0};
        fixture->manifest->disks[0].stored.image.content[0] = 0;
        assert_int_equal(place(fixture, &options, &first, NULL), 0);
        fixture->manifest->disks[0].stored.image.content[0] = (uint8_t)other;
        assert_int_equal(place_as(fixture, "db", &options, &second, NULL), 0);
        assert_int_equal(second.disks[0].shared, !other);
        assert_place(fixture, second.disks[0].path, other ? "web-vda.qcow2" : "disk.qcow2");
        assert_int_equal(second.unlike != NULL, other);
        claims_clear(&fixture->claims);
    }
}

static void a_map_for_another_guest_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    const struct disk_map maps[] = {{"db", "vda", "/other"}, {"web", "vdb", "/nowhere/here"}};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.maps = maps;
    options.map_count = 2;
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_string_equal(placement.disks[1].path, "/nowhere/here");
}

/* ---- disks that are not in the backup -------------------------------------------------- */

/* vdb is not in the backup, and there is memory. */
static void leave_vdb_out(struct fixture *fixture)
{
    struct manifest *manifest = fixture->manifest;
    struct manifest_left_out *left_out = manifest_add_left_out(manifest);

    left_out->target = mem_strdup("vdb");
    left_out->device = mem_strdup("disk");
    left_out->path = mem_strdup("/old/two/disk.qcow2");
    left_out->reason = mem_strdup("excluded");
    free(manifest->disks[1].target);
    manifest->disks[1].target = mem_strdup("vdx");
    free(manifest->disks[1].path);
    manifest->disks[1].path = mem_strdup("/old/three");
    manifest->memory = mem_alloc(sizeof(*manifest->memory));
    manifest->live = xml_copy(manifest->definition);
}

static char *rewritten(const struct fixture *fixture, const struct placement *placement)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        placement_rewrite(placement, fixture->manifest, fixture->manifest->definition, NULL);

    assert_non_null(doc);
    return xml_format(doc);
}

static void what_was_left_out_is_left_out_of_the_definition(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    leave_vdb_out(fixture);
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    CLEANUP_FREE char *text = rewritten(fixture, &placement);
    assert_null(strstr(text, "dev=\"vdb\""));
    assert_null(strstr(text, "/old/two/disk.qcow2"));
    /* The memory knows the disk. */
    assert_null(placement.memory);
    assert_true(placement.memory_dropped);
}

static void memory_that_does_not_know_a_left_out_disk_is_restored(void **state)
{
    struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    static const char live[] = "<domain type='qemu'><name>web</name><devices/></domain>";

    leave_vdb_out(fixture);
    xml_free(fixture->manifest->live);
    fixture->manifest->live = xml_parse(live, strlen(live), NULL);
    assert_non_null(fixture->manifest->live);
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    assert_non_null(placement.memory);
    assert_false(placement.memory_dropped);
}

static void what_was_left_out_is_kept_when_so_asked(void **state)
{
    struct fixture *fixture = *state;
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    leave_vdb_out(fixture);
    options.keep_left_out = true;
    assert_int_equal(place(fixture, &options, &placement, NULL), 0);
    CLEANUP_FREE char *text = rewritten(fixture, &placement);
    assert_non_null(strstr(text, "/old/two/disk.qcow2"));
    assert_non_null(placement.memory);
}

static void what_was_left_out_gets_the_place_that_it_is_given(void **state)
{
    struct fixture *fixture = *state;
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *path = mem_printf("%s/there", fixture->folder);
    const struct disk_map map = {NULL, "vdb", path};

    leave_vdb_out(fixture);
    options.maps = &map;
    options.map_count = 1;
    assert_int_equal(place(fixture, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    claims_clear(&fixture->claims);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    int result = place(fixture, &options, &placement, &err);
    unlink(path);
    assert_int_equal(result, 0);
    CLEANUP_FREE char *text = rewritten(fixture, &placement);
    assert_non_null(strstr(text, path));
    assert_null(strstr(text, "/old/two/disk.qcow2"));
    assert_non_null(placement.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_distinct_for_all_guests_of_a_run),
        TEST(places_of_a_guest_that_failed_are_free_again),
        TEST(a_disk_does_not_take_the_name_of_the_memory_image),
        TEST(a_shareable_disk_is_restored_once_if_it_is_the_same),
        TEST(a_map_for_another_guest_is_passed_over),
        TEST(what_was_left_out_is_left_out_of_the_definition),
        TEST(memory_that_does_not_know_a_left_out_disk_is_restored),
        TEST(what_was_left_out_is_kept_when_so_asked),
        TEST(what_was_left_out_gets_the_place_that_it_is_given),
        TEST(base_names_are_kept_where_they_are_free),
        TEST(a_part_of_a_name_that_leads_out_of_the_destination_is_refused),
        TEST(an_existing_file_is_refused),
        TEST(every_path_is_rewritten_where_it_stands),
        TEST(a_new_name_brings_new_identity_and_file_names),
        TEST(only_the_disks_asked_for_are_placed),
        TEST(an_unknown_disk_is_refused),
        TEST(two_disks_are_never_mapped_to_one_file),
        TEST(a_path_in_the_manifest_never_leads_out_of_the_destination),
    };

    return cmocka_run_group_tests_name("ops placement", tests, NULL, NULL);
}
