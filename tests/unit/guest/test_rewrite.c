/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Giving disks and the guest itself a new place and name.
 */
#include "sample.h"

#include <string.h>

static void assert_attr(const struct xml_node *node, const char *path, const char *name,
                        const char *value)
{
    const char *found = *path ? xml_find_attr(node, path, name) : xml_attr(node, name);

    if (!value)
        assert_null(found);
    else if (!found)
        fail_msg("%s has no attribute %s", path, name);
    else
        assert_string_equal(found, value);
}

static void a_file_disk_gets_its_new_file_and_keeps_the_rest(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    const struct xml_node *disk = sample_disk(doc, "vda");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vda", "/new/a&b.raw", false, "raw", NULL), 0);
    assert_attr(disk, "", "type", "file");
    assert_attr(disk, "", "snapshot", "external");
    assert_attr(disk, "source", "file", "/new/a&b.raw");
    assert_attr(disk, "source", "startupPolicy", "optional");
    assert_null(xml_find(disk, "source/seclabel"));
    assert_attr(disk, "driver", "type", "raw");
    assert_attr(disk, "driver", "cache", "none");
    assert_attr(disk, "driver", "io", "native");
    assert_attr(disk, "driver", "discard", "unmap");
    assert_attr(disk, "driver", "discard_no_unref", NULL); /* qcow2's alone */
    assert_null(xml_find(disk, "driver/metadata_cache"));
    assert_attr(disk, "target", "bus", "virtio");
    assert_attr(disk, "boot", "order", "1");
    assert_attr(disk, "address", "type", "pci");
    assert_non_null(xml_find(disk, "iotune/total_bytes_sec"));
    CLEANUP_FREE char *serial = xml_find_text(disk, "serial");
    assert_string_equal(serial, "WD-1");
}

static void what_only_qcow2_has_stays_with_qcow2(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vda", "/new/a", false, "qcow2", NULL), 0);
    assert_attr(sample_disk(doc, "vda"), "driver", "discard_no_unref", "on");
    assert_non_null(xml_find(sample_disk(doc, "vda"), "driver/metadata_cache/max_size"));
}

static void a_running_guests_disk_loses_chain_and_job(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("live.xml");
    const struct xml_node *disk = sample_disk(doc, "vda");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vda", "/new/a.qcow2", false, "qcow2", NULL), 0);
    assert_attr(disk, "", "type", "file");
    assert_attr(disk, "source", "file", "/new/a.qcow2");
    assert_attr(disk, "source", "dev", NULL);
    assert_attr(disk, "source", "index", NULL);
    assert_null(xml_find(disk, "backingStore"));
    assert_null(xml_find(disk, "mirror"));
    assert_attr(disk, "alias", "name", "virtio-disk0");
    assert_attr(disk, "address", "slot", "0x03");
    assert_attr(disk, "driver", "queues", "2");
    /* The other disk is untouched. */
    assert_attr(sample_disk(doc, "vdb"), "source", "protocol", "nbd");
}

static void a_network_disk_becomes_a_block_device(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    const struct xml_node *disk = sample_disk(doc, "vdb");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vdb", "/dev/loop7", true, "raw", NULL), 0);
    assert_attr(disk, "", "type", "block");
    assert_attr(disk, "source", "dev", "/dev/loop7");
    assert_attr(disk, "source", "protocol", NULL);
    assert_attr(disk, "source", "name", NULL);
    assert_null(xml_find(disk, "source/host"));
    assert_null(xml_find(disk, "auth"));
}

static void a_volume_becomes_a_file_without_encryption(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    const struct xml_node *disk = sample_disk(doc, "vdc");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vdc", "/new/v", false, "qcow2", NULL), 0);
    assert_attr(disk, "", "type", "file");
    assert_attr(disk, "source", "file", "/new/v");
    assert_attr(disk, "source", "pool", NULL);
    assert_attr(disk, "source", "volume", NULL);
    assert_null(xml_find(disk, "source/encryption"));
}

static void a_lun_stays_one_on_a_device_and_becomes_a_disk_in_a_file(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    const struct xml_node *disk = sample_disk(doc, "sda");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "sda", "/dev/x", true, "raw", NULL), 0);
    assert_attr(disk, "", "device", "lun");
    assert_attr(disk, "", "sgio", "unfiltered");
    assert_null(xml_find(disk, "source/reservations"));
    assert_int_equal(definition_set_disk(doc, "sda", "/x.raw", false, "raw", NULL), 0);
    assert_attr(disk, "", "device", "disk");
    assert_attr(disk, "", "sgio", NULL);
    assert_attr(disk, "", "rawio", NULL);
    assert_non_null(xml_find(disk, "shareable"));
}

static void a_disk_without_driver_or_source_gets_both(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_devices("<disk><target dev='hda'/></disk>");
    const struct xml_node *disk = sample_disk(doc, "hda");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "hda", "/a", false, "vmdk", NULL), 0);
    assert_attr(disk, "driver", "name", "qemu");
    assert_attr(disk, "driver", "type", "vmdk");
    assert_attr(disk, "source", "file", "/a");
    assert_attr(disk, "", "type", "file");
}

static void xens_drivers_give_way_where_they_cant_serve(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("xen.xml");

    (void)state;
    assert_int_equal(definition_set_disk(doc, "xvda", "/dev/y", true, "raw", NULL), 0);
    assert_attr(sample_disk(doc, "xvda"), "driver", "name", "phy");
    assert_int_equal(definition_set_disk(doc, "xvda", "/a.raw", false, "raw", NULL), 0);
    assert_attr(sample_disk(doc, "xvda"), "driver", "name", "qemu");
    assert_int_equal(definition_set_disk(doc, "xvdb", "/b.qcow2", false, "qcow2", NULL), 0);
    assert_attr(sample_disk(doc, "xvdb"), "driver", "name", "qemu");
    assert_int_equal(definition_set_disk(doc, "xvdc", "/c.raw", false, "raw", NULL), 0);
    assert_attr(sample_disk(doc, "xvdc"), "driver", "name", "file");
}

static void an_unknown_disk_and_an_unwritable_path_are_refused(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(definition_set_disk(doc, "vdz", "/a", false, "raw", &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "vdz");
    assert_int_equal(definition_set_disk(doc, "vda", "/a\xff", false, "raw", &err), -1);
    sample_expect(&err, ERR_UNSUPPORTED, "XML cannot represent");
    assert_attr(sample_disk(doc, "vda"), "source", "file", "/img/web.qcow2");
}

static void nvram_path_is_set_in_its_old_and_new_form(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *old = sample_load("qemu.xml");
    CLEANUP(xml_freep) struct xml_doc *new = sample_load("live.xml");
    CLEANUP(xml_freep) struct xml_doc *none = sample_parse("<domain/>");
    struct xml_doc *const docs[] = {old, new, none};

    (void)state;
    for (size_t i = 0; i < sizeof(docs) / sizeof(*docs); i++) {
        const char *format = NULL;
        definition_set_nvram(docs[i], "/new/nvram");
        CLEANUP_FREE char *path = definition_nvram(docs[i], &format);
        assert_string_equal(path, "/new/nvram");
        assert_string_equal(format, docs[i] == new ? "qcow2" : "raw");
    }
    assert_attr(xml_root(old), "os/nvram", "template", "/usr/share/OVMF/OVMF_VARS_4M.fd");
}

static void nvram_path_is_forgotten_in_its_old_and_new_form(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *old = sample_load("qemu.xml");
    CLEANUP(xml_freep) struct xml_doc *new = sample_load("live.xml");
    CLEANUP(xml_freep)
    struct xml_doc *bare = sample_parse("<domain><os><nvram>/n.fd</nvram></os></domain>");
    CLEANUP(xml_freep) struct xml_doc *none = sample_parse("<domain><os/></domain>");
    struct xml_doc *const docs[] = {old, new, bare, none};

    (void)state;
    for (size_t i = 0; i < sizeof(docs) / sizeof(*docs); i++) {
        const char *format = NULL;
        definition_forget_nvram(docs[i]);
        assert_null(definition_nvram(docs[i], &format));
    }
    assert_attr(xml_root(old), "os/nvram", "template", "/usr/share/OVMF/OVMF_VARS_4M.fd");
    assert_null(xml_find(xml_root(bare), "os/nvram"));
}

static void a_tpms_own_place_is_changed_or_dropped(void **state)
{
    static const char tpm[] = "<tpm><backend type='emulator' version='2.0'>"
                              "<source type='dir' path='/old'/><active_pcr_banks/></backend></tpm>";
    CLEANUP(xml_freep) struct xml_doc *doc = sample_devices(tpm);
    CLEANUP(xml_freep) struct xml_doc *plain = sample_load("qemu.xml");
    CLEANUP_FREE char *before = xml_format(plain);

    (void)state;
    definition_set_tpm_source(doc, "/new/web-tpm");
    assert_attr(xml_root(doc), "devices/tpm/backend/source", "path", "/new/web-tpm");
    assert_attr(xml_root(doc), "devices/tpm/backend/source", "type", "dir");
    definition_set_tpm_source(doc, NULL);
    assert_null(xml_find(xml_root(doc), "devices/tpm/backend/source"));
    assert_non_null(xml_find(xml_root(doc), "devices/tpm/backend/active_pcr_banks"));
    definition_set_tpm_source(plain, "/new/web-tpm");
    CLEANUP_FREE char *after = xml_format(plain);
    assert_string_equal(after, before);
}

/* ---- a clone's name -------------------------------------------------------------------------- */

static const struct xml_node *nth(const struct xml_doc *doc, const char *path, unsigned n)
{
    const struct xml_node *node = xml_find(xml_root(doc), path);

    while (n-- > 0)
        node = xml_next_same(node);
    return node;
}

#define NEW_UUID "0123abcd-0000-4000-8000-0123456789ab"

static void a_clone_gets_a_name_and_all_that_must_differ(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");

    (void)state;
    assert_int_equal(definition_rename(doc, "clone <1>", NEW_UUID, NULL), 0);
    CLEANUP_FREE char *name = definition_name(doc);
    CLEANUP_FREE char *uuid = definition_uuid(doc);
    CLEANUP_FREE char *genid = xml_find_text(xml_root(doc), "genid");
    CLEANUP_FREE char *smbios = xml_text(nth(doc, "sysinfo/system/entry", 1));
    CLEANUP_FREE char *maker = xml_text(nth(doc, "sysinfo/system/entry", 0));
    assert_string_equal(name, "clone <1>");
    assert_string_equal(uuid, NEW_UUID);
    assert_string_equal(genid, "");
    assert_string_equal(smbios, uuid);
    assert_string_equal(maker, "Example");
    const char *mac = xml_find_attr(nth(doc, "devices/interface", 0), "mac", "address");
    assert_int_equal(strlen(mac), 17);
    assert_memory_equal(mac, "52:54:00:", 9);
    assert_string_not_equal(mac, "52:54:00:aa:bb:cc");
    mac = xml_find_attr(nth(doc, "devices/interface", 1), "mac", "address");
    assert_memory_equal(mac, "00:16:3e:", 9); /* its own maker's */
    assert_string_not_equal(mac, "00:16:3e:11:22:33");
    const struct xml_node *bridge = nth(doc, "devices/interface", 2);
    assert_null(xml_child(bridge, NULL, "mac")); /* libvirt makes one */
    assert_attr(bridge, "virtualport/parameters", "interfaceid", NULL);
    assert_attr(bridge, "virtualport/parameters", "profileid", "p");
}

static void a_clone_takes_the_uuid_it_is_given(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse("<domain><name>a</name></domain>");

    (void)state;
    assert_int_equal(definition_rename(doc, "b", NEW_UUID, NULL), 0);
    CLEANUP_FREE char *uuid = definition_uuid(doc);
    assert_string_equal(uuid, NEW_UUID);
    assert_null(xml_find(xml_root(doc), "genid")); /* none before */
}

/* libvirt makes no ID for it, and refuses a port without. */
static void a_clone_has_a_midonet_port_of_its_own(void **state)
{
    static const char old[] = "0b2d64da-3d0e-431e-afdd-804415d6ebbb";
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_parse(
        "<domain><name>a</name><devices><interface type='bridge'><virtualport type='midonet'>"
        "<parameters interfaceid='0b2d64da-3d0e-431e-afdd-804415d6ebbb'/></virtualport>"
        "</interface></devices></domain>");

    (void)state;
    assert_int_equal(definition_rename(doc, "b", NEW_UUID, NULL), 0);
    const char *id =
        xml_find_attr(xml_root(doc), "devices/interface/virtualport/parameters", "interfaceid");
    assert_non_null(id);
    assert_int_equal(strlen(id), 36);
    assert_string_not_equal(id, old);
}

static void two_clones_differ(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *a = sample_load("qemu.xml");
    CLEANUP(xml_freep) struct xml_doc *b = sample_load("qemu.xml");

    (void)state;
    assert_int_equal(definition_rename(a, "a", NEW_UUID, NULL), 0);
    assert_int_equal(definition_rename(b, "b", NEW_UUID, NULL), 0);
    assert_string_not_equal(xml_find_attr(nth(a, "devices/interface", 0), "mac", "address"),
                            xml_find_attr(nth(b, "devices/interface", 0), "mac", "address"));
}

static void random_uuids_have_their_form_and_differ(void **state)
{
    CLEANUP_FREE char *a = NULL;
    CLEANUP_FREE char *b = NULL;

    (void)state;
    assert_int_equal(definition_random_uuid(&a, NULL), 0);
    assert_int_equal(definition_random_uuid(&b, NULL), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

static void a_bad_name_or_uuid_is_refused_and_changes_nothing(void **state)
{
    static const char *const names[] = {"", "a/b", "a\nb", "a\xff"};
    static const char *const uuids[] = {"", "0123abcd", "0123abcd-0000-4000-8000-0123456789abc",
                                        "0123abcg-0000-4000-8000-0123456789ab"};
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("live.xml");
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_int_equal(definition_rename(doc, names[i], NEW_UUID, &err), -1);
        sample_expect(&err, ERR_USAGE, "");
    }
    for (size_t i = 0; i < sizeof(uuids) / sizeof(*uuids); i++) {
        assert_int_equal(definition_rename(doc, "x", uuids[i], &err), -1);
        sample_expect(&err, ERR_USAGE, "is not a UUID");
    }
    CLEANUP_FREE char *name = definition_name(doc);
    assert_string_equal(name, "web");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_disk_gets_its_new_file_and_keeps_the_rest),
        cmocka_unit_test(what_only_qcow2_has_stays_with_qcow2),
        cmocka_unit_test(a_running_guests_disk_loses_chain_and_job),
        cmocka_unit_test(a_network_disk_becomes_a_block_device),
        cmocka_unit_test(a_volume_becomes_a_file_without_encryption),
        cmocka_unit_test(a_lun_stays_one_on_a_device_and_becomes_a_disk_in_a_file),
        cmocka_unit_test(a_disk_without_driver_or_source_gets_both),
        cmocka_unit_test(xens_drivers_give_way_where_they_cant_serve),
        cmocka_unit_test(an_unknown_disk_and_an_unwritable_path_are_refused),
        cmocka_unit_test(nvram_path_is_set_in_its_old_and_new_form),
        cmocka_unit_test(nvram_path_is_forgotten_in_its_old_and_new_form),
        cmocka_unit_test(a_tpms_own_place_is_changed_or_dropped),
        cmocka_unit_test(a_clone_gets_a_name_and_all_that_must_differ),
        cmocka_unit_test(a_clone_takes_the_uuid_it_is_given),
        cmocka_unit_test(a_clone_has_a_midonet_port_of_its_own),
        cmocka_unit_test(two_clones_differ),
        cmocka_unit_test(random_uuids_have_their_form_and_differ),
        cmocka_unit_test(a_bad_name_or_uuid_is_refused_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
