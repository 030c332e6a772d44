/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/placement.h"

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

struct fixture {
    char folder[64];
    struct manifest *manifest;
};

static void add_disk(struct manifest *manifest, const char *target, const char *type,
                     const char *path, const char *format)
{
    struct manifest_disk *disk = manifest_add_disk(manifest);

    disk->target = mem_strdup(target);
    disk->type = mem_strdup(type);
    disk->path = mem_strdup(path);
    disk->format = mem_strdup(format);
}

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    struct manifest *manifest = manifest_new();

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/vb-placement-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    manifest->domain_name = mem_strdup("web");
    manifest->domain_uuid = mem_strdup("11111111-2222-4333-8444-555555555555");
    manifest->persistent = true;
    manifest->definition = xml_parse(domain, strlen(domain), NULL);
    add_disk(manifest, "vda", "file", "/old/one/disk.qcow2", "qcow2");
    add_disk(manifest, "vdb", "file", "/old/two/disk.qcow2", "raw");
    add_disk(manifest, "vdc", "block", "/dev/loop7", "raw");
    struct manifest_extra *extra = manifest_add_extra(manifest);
    extra->kind = mem_strdup("nvram");
    extra->path = mem_strdup("/old/web_VARS.fd");
    fixture->manifest = manifest;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    manifest_free(fixture->manifest);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static struct restore_options options_of(const struct fixture *fixture)
{
    return (struct restore_options){.destination = fixture->folder};
}

static void assert_place(const struct fixture *fixture, const char *path, const char *name)
{
    CLEANUP_FREE char *wanted = mem_printf("%s/%s", fixture->folder, name);

    assert_string_equal(path, wanted);
}

static void base_names_are_kept_where_they_are_free(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
    assert_int_equal(placement.disk_count, 3);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_place(fixture, placement.disks[1].path, "web-vdb.raw"); /* the name is taken by vda */
    assert_place(fixture, placement.disks[2].path, "web-vdc.raw"); /* was a block device */
    assert_place(fixture, placement.nvram, "web_VARS.fd");
    assert_null(placement.memory);
    assert_null(placement.xml);
}

static void rename_disk(const struct fixture *fixture, size_t index, const char *path)
{
    free(fixture->manifest->disks[index].path);
    fixture->manifest->disks[index].path = mem_strdup(path);
}

static void the_nvram_gives_way_to_a_disk_of_its_name(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_PLACEMENT struct placement refused = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    rename_disk(fixture, 1, "/old/web_VARS.fd");
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[1].path, "web_VARS.fd");
    assert_place(fixture, placement.nvram, "web-nvram.fd");
    rename_disk(fixture, 0, "/old/web-nvram.fd");
    assert_int_equal(placement_make(fixture->manifest, &options, &refused, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.text, "NVRAM: "));
    assert_non_null(strstr(err.text, "web-nvram.fd is meant for disk 'vda'"));
}

static void a_disk_in_the_place_of_another_file_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_PLACEMENT struct placement with_xml = {0};
    CLEANUP_PLACEMENT struct placement good = {0};
    CLEANUP_FREE char *nvram = mem_printf("%s/web_VARS.fd", fixture->folder);
    CLEANUP_ERR struct err err = ERR_INIT;

    rename_disk(fixture, 1, "/old/web.xml");
    fixture->manifest->persistent = false;
    assert_int_equal(placement_make(fixture->manifest, &options, &with_xml, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.text, "web.xml is meant for disk 'vdb'"));
    err_clear(&err);
    rename_disk(fixture, 1, "/old/web.sav");
    fixture->manifest->memory = mem_alloc(sizeof(*fixture->manifest->memory));
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.text, "web.sav is meant for disk 'vdb'"));
    err_clear(&err);
    rename_disk(fixture, 1, "/old/other.raw");
    assert_int_equal(placement_make(fixture->manifest, &options, &good, NULL), 0);
    assert_int_equal(placement_refuse_taken(&good, nvram, &err), -1);
    assert_non_null(strstr(err.text, "is meant for the NVRAM"));
}

static void an_existing_file_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *path = mem_printf("%s/web-vdc.raw", fixture->folder);

    close(open(path, O_CREAT | O_WRONLY, 0600));
    int result = placement_make(fixture->manifest, &options, &placement, &err);
    unlink(path);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "disk 'vdc'"));
}

static void every_path_is_rewritten_where_it_stands(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
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
    const struct fixture *fixture = *state;
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.new_name = "web2";
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
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
    const struct fixture *fixture = *state;
    const char *const wanted[] = {"vdb"};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    options.disks = (struct name_list){wanted, 1};
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
    assert_int_equal(placement.disk_count, 1);
    assert_place(fixture, placement.disks[0].path, "disk.qcow2");
    assert_null(placement.nvram);
}

static void an_unknown_disk_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    const char *const wanted[] = {"vdz"};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    options.disks = (struct name_list){wanted, 1};
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "'vdz'"));
}

static void two_disks_are_never_mapped_to_one_file(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP_FREE char *path = mem_printf("%s/same.raw", fixture->folder);
    const struct disk_map maps[] = {{"vda", path}, {"vdb", path}};
    struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    options.maps = maps;
    options.map_count = 2;
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

static void a_path_in_the_manifest_never_leads_out_of_the_destination(void **state)
{
    const struct fixture *fixture = *state;
    const struct restore_options options = options_of(fixture);
    CLEANUP_PLACEMENT struct placement placement = {0};

    free(fixture->manifest->disks[0].path);
    fixture->manifest->disks[0].path = mem_strdup("/old/..");
    assert_int_equal(placement_make(fixture->manifest, &options, &placement, NULL), 0);
    assert_place(fixture, placement.disks[0].path, "web-vda.qcow2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(base_names_are_kept_where_they_are_free),
        TEST(the_nvram_gives_way_to_a_disk_of_its_name),
        TEST(a_disk_in_the_place_of_another_file_is_refused),
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
