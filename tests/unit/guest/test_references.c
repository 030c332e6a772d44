/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a guest refers to on its host.
 */
#include "sample.h"

#include <string.h>

struct wanted {
    enum reference_kind kind;
    const char *name;
    const char *use;
};

static unsigned times(const struct reference *references, size_t count, const struct wanted *wanted)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        if (references[i].kind == wanted->kind && strcmp(references[i].name, wanted->name) == 0 &&
            strcmp(references[i].use, wanted->use) == 0)
            found++;
    return found;
}

static void check(const struct xml_doc *doc, const char *const *but, size_t but_count,
                  const struct wanted *wanted, size_t wanted_count)
{
    struct reference *references = NULL;
    size_t count = 0;

    assert_int_equal(definition_references(doc, but, but_count, &references, &count, NULL), 0);
    for (size_t i = 0; i < wanted_count; i++)
        if (times(references, count, &wanted[i]) != 1)
            fail_msg("'%s' (%s) is there %u times", wanted[i].name, wanted[i].use,
                     times(references, count, &wanted[i]));
    assert_int_equal(count, wanted_count);
    definition_references_free(references, count);
}

static void everything_a_definition_refers_to_is_listed_once(void **state)
{
    static const struct wanted wanted[] = {
        {REF_FILE, "/boot/guest/vmlinuz", "kernel"},
        {REF_FILE, "/boot/guest/initrd", "initrd"},
        {REF_FILE, "/boot/guest/board.dtb", "dtb"},
        {REF_FILE, "/usr/share/OVMF/OVMF_CODE_4M.fd", "loader"},
        {REF_FILE, "/usr/share/OVMF/OVMF_VARS_4M.fd", "nvram template"},
        {REF_FILE, "/usr/bin/qemu-system-x86_64", "emulator"},
        {REF_NETWORK, "default", "interface"},
        {REF_NWFILTER, "clean-traffic", "interface"},
        {REF_INTERFACE, "br0", "interface"},
        {REF_INTERFACE, "eth7", "interface"},
        {REF_FILE, "/srv/share", "filesystem"},
        {REF_FILE, "/dev/ttyS0", "serial"},
        {REF_FILE, "/dev/urandom", "rng"},
        {REF_SECRET_UUID, "6dd3e4a5-1d76-44ce-961f-f119f5aad935", "tpm"},
        {REF_DEVICE, "usb 046d:c31c", "hostdev"},
        {REF_FILE, "/dev/mapper/web-data", "lun sda"},
        {REF_SECRET_USAGE, "ceph-admin", "disk vdb"},
        {REF_POOL, "images", "disk vdc"},
        {REF_SECRET_UUID, "11111111-2222-4333-8444-555555555555", "disk vdc"},
        {REF_FILE, "/img/slice.raw", "disk vde"},
        {REF_FILE, "/img/meta.qcow2", "disk vdf"},
        {REF_FILE, "/iso/debian 12.iso", "cdrom sdb"},
        {REF_FILE, "/var/tmp", "floppy fda"},
    };
    static const char *const but[] = {"vda", "vdz"};
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("qemu.xml");

    (void)state;
    check(doc, but, 2, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void restored_disks_are_passed_over(void **state)
{
    static const char *const but[] = {"xvda", "xvdc"};
    static const struct wanted wanted[] = {{REF_FILE, "/img/dom.raw", "disk xvdb"}};
    CLEANUP(xml_freep) struct xml_doc *doc = sample_load("xen.xml");

    (void)state;
    check(doc, but, 2, wanted, 1); /* and hvmloader is no path */
}

static void host_devices_are_described(void **state)
{
    static const struct wanted wanted[] = {
        {REF_DEVICE, "pci 0000:01:00.1", "hostdev"},
        {REF_DEVICE, "usb 1:4", "hostdev"},
        {REF_DEVICE, "mdev c2177883-f1bb-47f0-914d-32a22e3a8804", "hostdev"},
        {REF_DEVICE, "scsi scsi_host3", "hostdev"},
        {REF_DEVICE, "storage /dev/sdz", "hostdev"},
        {REF_DEVICE, "pci 0000:02:10.0", "interface"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x01' "
        "slot='0x00' function='0x1'/></source></hostdev>"
        "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source>"
        "</hostdev>"
        "<hostdev mode='subsystem' type='mdev'><source><address "
        "uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
        "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host3'/><address "
        "bus='0' target='0' unit='0'/></source></hostdev>"
        "<hostdev mode='capabilities' type='storage'><source><block>/dev/sdz</block></source>"
        "</hostdev>"
        "<hostdev/>"
        "<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x02' "
        "slot='0x10' function='0x0'/></source></interface>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void files_that_qemu_opens_beside_disks_are_listed(void **state)
{
    static const struct wanted wanted[] = {
        {REF_FILE, "/rom/of-interface", "interface's ROM"},
        {REF_FILE, "/etc/up", "interface's script"},
        {REF_FILE, "/etc/down", "interface's script"},
        {REF_FILE, "/run/virtiofs", "filesystem's socket"},
        {REF_FILE, "/dev/dri/renderD129", "video"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<interface type='ethernet'><script path='/etc/up'/><downscript path='/etc/down'/>"
        "<rom file='/rom/of-interface'/></interface>"
        "<filesystem type='mount'><source socket='/run/virtiofs'/><target dir='t'/></filesystem>"
        "<video><model type='virtio'><acceleration accel3d='yes' "
        "rendernode='/dev/dri/renderD129'/></model></video>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void a_guest_that_refers_to_nothing_has_an_empty_list(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        sample_devices("<serial type='file'><source path='/log'/></serial><interface type='user'/>"
                       "<disk device='cdrom'><target dev='hdc'/></disk>");

    (void)state;
    check(doc, NULL, 0, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_a_definition_refers_to_is_listed_once),
        cmocka_unit_test(restored_disks_are_passed_over),
        cmocka_unit_test(host_devices_are_described),
        cmocka_unit_test(files_that_qemu_opens_beside_disks_are_listed),
        cmocka_unit_test(a_guest_that_refers_to_nothing_has_an_empty_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
