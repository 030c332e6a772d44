/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a domain definition.
 */
#include "sample.h"

#include <string.h>

static void disks_of_every_type_are_read(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    (void)state;
    assert_int_equal(definition_read_disks(doc, &disks, NULL), 0);
    assert_int_equal(disks.count, 10);
    assert_string_equal(disks.disks[0].target, "vda"); /* the document's order */
    const struct definition_disk *disk = sample_find(&disks, "vda");
    assert_string_equal(disk->type, "file");
    assert_string_equal(disk->device, "disk");
    assert_string_equal(disk->path, "/img/web.qcow2");
    assert_string_equal(disk->format, "qcow2");
    assert_null(disk->pool);
    assert_false(disk->readonly || disk->shareable || disk->transient || disk->encrypted ||
                 disk->slice || disk->data_store);
    disk = sample_find(&disks, "sda");
    assert_string_equal(disk->type, "block");
    assert_string_equal(disk->device, "lun");
    assert_string_equal(disk->path, "/dev/mapper/web-data");
    assert_true(disk->shareable);
    disk = sample_find(&disks, "vdb");
    assert_string_equal(disk->path, "rbd://mon1:6789,mon2/pool/image");
    assert_false(disk->encrypted);
    disk = sample_find(&disks, "vdc");
    assert_string_equal(disk->type, "volume");
    assert_string_equal(disk->pool, "images");
    assert_string_equal(disk->volume, "v 1.qcow2");
    assert_null(disk->path);
    assert_true(disk->encrypted);
    disk = sample_find(&disks, "vdd");
    assert_string_equal(disk->type, "nvme");
    assert_null(disk->format);
}

static void peculiar_disks_are_told(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    (void)state;
    assert_int_equal(definition_read_disks(doc, &disks, NULL), 0);
    const struct definition_disk *disk = sample_find(&disks, "vde");
    assert_string_equal(disk->device, "disk"); /* where the XML says nothing */
    assert_true(disk->slice && disk->transient);
    assert_true(sample_find(&disks, "vdf")->data_store);
    assert_false(sample_find(&disks, "vdf")->slice);
    disk = sample_find(&disks, "sdb");
    assert_string_equal(disk->device, "cdrom");
    assert_string_equal(disk->path, "/iso/debian 12.iso");
    assert_true(disk->readonly);
    assert_null(sample_find(&disks, "sdc")->path); /* an empty drive */
    disk = sample_find(&disks, "fda");
    assert_string_equal(disk->device, "floppy");
    assert_string_equal(disk->path, "/var/tmp");
}

static void a_running_guests_sources_are_its_own_not_its_backing_files(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("live.xml");
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    (void)state;
    assert_int_equal(definition_read_disks(doc, &disks, NULL), 0);
    assert_int_equal(disks.count, 2);
    assert_string_equal(disks.disks[0].path, "/dev/vg/web");
    assert_string_equal(disks.disks[1].path, "nbd:///run/nbd.sock/export");
}

static void disk_encryption_of_the_old_form_is_told(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        sample_devices("<disk><source file='/a'/><target dev='vda'/><encryption/></disk>");
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    (void)state;
    assert_int_equal(definition_read_disks(doc, &disks, NULL), 0);
    assert_true(disks.disks[0].encrypted);
    assert_string_equal(disks.disks[0].type, "file");
}

static void impossible_targets_are_refused(void **state)
{
    static const struct {
        const char *devices;
        const char *part;
    } cases[] = {
        {"<disk type='file'><source file='/a'/></disk>", "without a target"},
        {"<disk><target bus='ide'/></disk>", "without a target"},
        {"<disk><target dev=''/></disk>", "invalid target ''"},
        {"<disk><target dev='../etc'/></disk>", "invalid target '../etc'"},
        {"<disk><target dev='a/b'/></disk>", "invalid target 'a/b'"},
        {"<disk><target dev='a b'/></disk>", "invalid target 'a b'"},
        {"<disk><target dev='..'/></disk>", "invalid target '..'"},
        {"<disk><target dev='hda'/></disk><disk><target dev='hda'/></disk>", "two disks"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(xml_freep) struct xml_doc *doc = sample_devices(cases[i].devices);
        CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(definition_read_disks(doc, &disks, &err), -1);
        sample_expect(&err, ERR_CORRUPT, cases[i].part);
        assert_null(disks.disks);
    }
}

static void what_is_no_domain_is_refused(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse("<network><name>n</name></network>");
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct reference *references = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(definition_read_disks(doc, &disks, &err), -1);
    sample_expect(&err, ERR_CORRUPT, "<network>");
    assert_int_equal(definition_references(doc, NULL, 0, &references, &count, &err), -1);
    sample_expect(&err, ERR_CORRUPT, "<network>");
}

static void names_and_type_are_read(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");
    CLEANUP(xml_freep) struct xml_doc *bare = sample_parse("<domain/>");
    CLEANUP_FREE char *name = definition_name(doc);
    CLEANUP_FREE char *uuid = definition_uuid(doc);

    (void)state;
    assert_string_equal(name, "web & \"mail\" 100%");
    assert_string_equal(uuid, "ab12cd34-0001-4002-8003-00000000000f");
    assert_string_equal(definition_type(doc), "kvm");
    assert_null(definition_name(bare));
    assert_null(definition_uuid(bare));
    assert_null(definition_type(bare));
}

static void check_nvram(const char *os, const char *path, const char *format)
{
    CLEANUP_FREE char *text = mem_printf("<domain><os>%s</os></domain>", os);
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse(text);
    const char *found_format = NULL;
    CLEANUP_FREE char *found = definition_nvram(doc, &found_format);

    if (!path) {
        assert_null(found);
        return;
    }
    assert_string_equal(found, path);
    assert_string_equal(found_format, format);
}

static void nvram_is_found_in_its_old_and_new_form(void **state)
{
    (void)state;
    check_nvram("<nvram template='/t'>/n.fd</nvram>", "/n.fd", "raw");
    check_nvram("<nvram format='qcow2'>/n.qcow2</nvram>", "/n.qcow2", "qcow2");
    check_nvram("<nvram type='file'><source file='/n'/></nvram>", "/n", "raw");
    check_nvram("<nvram type='block'><source dev='/dev/n'/></nvram>", "/dev/n", "raw");
    check_nvram("<nvram type='network'><source protocol='nbd' name='e'/></nvram>", "nbd:///e",
                "raw");
    check_nvram("<nvram type='volume'><source pool='p' volume='v'/></nvram>", "p/v", "raw");
    check_nvram("<nvram template='/t'/>", NULL, NULL);
    check_nvram("", NULL, NULL);
}

static void an_emulated_tpm_is_told_from_a_real_one(void **state)
{
    CLEANUP(xml_freep) struct xml_doc *emulated = sample_load("qemu.xml");
    CLEANUP(xml_freep)
    struct xml_doc *real = sample_devices(
        "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>");
    CLEANUP(xml_freep) struct xml_doc *none = sample_devices("");

    (void)state;
    assert_true(definition_has_tpm_emulator(emulated));
    assert_false(definition_has_tpm_emulator(real));
    assert_false(definition_has_tpm_emulator(none));
}

static void check_tpm(const char *tpm, const char *type, const char *path)
{
    CLEANUP(xml_freep) struct xml_doc *doc = sample_devices(tpm);
    CLEANUP_FREE char *found = definition_tpm_state(doc, "/tpms", "u-u-i-d");
    const char *found_type = definition_tpm_source(doc);

    if (path)
        assert_string_equal(found, path);
    else
        assert_null(found);
    if (type)
        assert_string_equal(found_type, type);
    else
        assert_null(found_type);
}

static void the_state_of_a_tpm_is_where_libvirt_keeps_it(void **state)
{
    (void)state;
    check_tpm("", NULL, NULL);
    check_tpm("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", NULL,
              NULL);
    check_tpm("<tpm><backend type='emulator'/></tpm>", NULL, "/tpms/u-u-i-d/tpm2/tpm2-00.permall");
    check_tpm("<tpm><backend type='emulator' version='1.2'/></tpm>", NULL,
              "/tpms/u-u-i-d/tpm1.2/tpm-00.permall");
    check_tpm("<tpm><backend type='emulator' version='2.0'><source type='dir' path='/d'/>"
              "</backend></tpm>",
              "dir", "/d/tpm2-00.permall");
    check_tpm("<tpm><backend type='emulator' version='2.0'><source type='file' path='/f'/>"
              "</backend></tpm>",
              "file", "/f");
    check_tpm("<tpm><backend type='emulator'><source type='cloud' path='x'/></backend></tpm>",
              "cloud", "cloud:x");
    /* The second one is the emulated one. */
    check_tpm("<tpm><backend type='external'/></tpm><tpm><backend type='emulator'/></tpm>", NULL,
              "/tpms/u-u-i-d/tpm2/tpm2-00.permall");
}

static void check_unmigratable(struct xml_doc *owned, const char *what)
{
    CLEANUP(xml_freep) struct xml_doc *doc = owned;
    CLEANUP_FREE char *found = definition_unmigratable(doc);

    if (what)
        assert_string_equal(found, what);
    else
        assert_null(found);
}

static void devices_that_block_a_save_are_named(void **state)
{
    (void)state;
    check_unmigratable(sample_devices("<hostdev mode='subsystem' type='pci'/>"),
                       "a host device (type 'pci')");
    check_unmigratable(sample_devices("<hostdev mode='subsystem' type='mdev'/>"),
                       "a host device (type 'mdev')");
    check_unmigratable(sample_devices("<hostdev mode='capabilities' type='storage'/>"),
                       "a host device (mode 'capabilities')");
    check_unmigratable(sample_devices("<interface type='hostdev'/>"),
                       "a network interface of type 'hostdev'");
    check_unmigratable(sample_devices("<interface type='vdpa'/>"),
                       "a network interface of type 'vdpa'");
    check_unmigratable(sample_devices("<interface type='network'/><filesystem><driver "
                                      "type='virtiofs'/><target dir='data'/></filesystem>"),
                       "the virtiofs file system 'data'");
    check_unmigratable(sample_devices("<shmem name='s' role='peer'/>"),
                       "the shared memory device 's'");
    check_unmigratable(
        sample_devices("<shmem name='s' role='master'><model type='ivshmem'/></shmem>"),
        "the shared memory device 's'");
    check_unmigratable(sample_load("qemu.xml"), "the transient disk 'vde'");
    check_unmigratable(sample_parse("<domain><cpu><feature policy='require' name='invtsc'/></cpu>"
                                    "</domain>"),
                       "the CPU feature 'invtsc' without a TSC frequency");
}

static void devices_that_can_be_saved_are_passed(void **state)
{
    (void)state;
    check_unmigratable(sample_load("live.xml"), NULL);
    check_unmigratable(sample_devices("<hostdev mode='subsystem' type='usb'/>"), NULL);
    check_unmigratable(sample_devices("<hostdev mode='subsystem' type='pci'><teaming "
                                      "type='transient'/></hostdev>"),
                       NULL);
    check_unmigratable(
        sample_devices("<interface type='hostdev'><teaming type='transient'/></interface>"), NULL);
    check_unmigratable(sample_devices("<filesystem><driver type='path'/></filesystem>"), NULL);
    check_unmigratable(
        sample_devices("<shmem name='s' role='master'><model type='ivshmem-plain'/></shmem>"),
        NULL);
    check_unmigratable(sample_parse("<domain><cpu><feature policy='disable' name='invtsc'/></cpu>"
                                    "</domain>"),
                       NULL);
    check_unmigratable(sample_parse("<domain><cpu><feature name='invtsc'/></cpu><clock><timer "
                                    "name='tsc' frequency='3'/></clock></domain>"),
                       NULL);
}

static bool fits(const char *one, const char *other)
{
    CLEANUP(xml_freep) struct xml_doc *a = xml_parse(one, strlen(one), NULL);
    CLEANUP(xml_freep) struct xml_doc *b = xml_parse(other, strlen(other), NULL);

    assert_true(a && b);
    assert_true(definition_same_machine(a, a) && definition_same_machine(b, b));
    assert_int_equal(definition_same_machine(a, b), definition_same_machine(b, a));
    return definition_same_machine(a, b);
}

#define MACHINE(devices)                                                                           \
    "<domain><memory>1</memory><vcpu>2</vcpu><devices>" devices "</devices></domain>"
#define CARD(mac, slot)                                                                            \
    "<interface type='user'><mac address='" mac "'/><address type='pci' slot='" slot               \
    "'/></interface>"
#define AGENT(state) "<channel type='unix'><target type='virtio' name='a'" state "/></channel>"
#define DRIVE(path, more)                                                                          \
    "<disk type='file' device='disk'><source file='" path "'" more "/><target dev='vda'/></disk>"

static void memory_fits_only_the_same_devices(void **state)
{
    (void)state;
    assert_false(fits(MACHINE(""), MACHINE(CARD("1", "3"))));
    assert_false(fits(MACHINE(CARD("1", "3")), MACHINE(CARD("2", "3"))));
    assert_false(fits(MACHINE(CARD("1", "3")), MACHINE(CARD("1", "4"))));
    assert_false(fits(MACHINE(DRIVE("/a", "")), MACHINE(DRIVE("/b", ""))));
    assert_false(fits(MACHINE("<rng model='virtio'/>"), MACHINE("<rng/>")));
    assert_false(fits(MACHINE(""), "<domain><memory>2</memory><vcpu>2</vcpu></domain>"));
    assert_false(fits(MACHINE(""), "<domain><memory>1</memory><vcpu>3</vcpu></domain>"));
    assert_false(
        fits(MACHINE(""), "<domain><memory>1</memory><vcpu current='1'>2</vcpu></domain>"));
}

static void what_changes_by_itself_is_no_other_device(void **state)
{
    (void)state;
    assert_true(fits(MACHINE(AGENT("")), MACHINE(AGENT(" state='connected'"))));
    assert_true(fits(MACHINE(DRIVE("/a", "")), MACHINE(DRIVE("/a", " index='2'"))));
    assert_true(fits(MACHINE("<interface><teaming type='transient'/></interface><rng/>"),
                     MACHINE("<rng/>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_fits_only_the_same_devices),
        cmocka_unit_test(what_changes_by_itself_is_no_other_device),
        cmocka_unit_test(disks_of_every_type_are_read),
        cmocka_unit_test(peculiar_disks_are_told),
        cmocka_unit_test(a_running_guests_sources_are_its_own_not_its_backing_files),
        cmocka_unit_test(disk_encryption_of_the_old_form_is_told),
        cmocka_unit_test(impossible_targets_are_refused),
        cmocka_unit_test(what_is_no_domain_is_refused),
        cmocka_unit_test(names_and_type_are_read),
        cmocka_unit_test(nvram_is_found_in_its_old_and_new_form),
        cmocka_unit_test(an_emulated_tpm_is_told_from_a_real_one),
        cmocka_unit_test(the_state_of_a_tpm_is_where_libvirt_keeps_it),
        cmocka_unit_test(devices_that_block_a_save_are_named),
        cmocka_unit_test(devices_that_can_be_saved_are_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
