/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a guest refers to on its host.
 */
#include "sample.h"

#include <string.h>

#include "base/text.h"

struct wanted {
    enum reference_kind kind;
    const char *name;
    const char *use;
    const char *volume;
};

static unsigned times(const struct reference *references, size_t count, const struct wanted *wanted)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        if (references[i].kind == wanted->kind && strcmp(references[i].name, wanted->name) == 0 &&
            strcmp(references[i].use, wanted->use) == 0 &&
            text_same(references[i].volume, wanted->volume))
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
        {REF_TEMPLATE, "/usr/share/OVMF/OVMF_VARS_4M.fd", "nvram template"},
        {REF_FILE, "/usr/bin/qemu-system-x86_64", "emulator"},
        {REF_NETWORK, "default", "interface"},
        {REF_NWFILTER, "clean-traffic", "interface"},
        {REF_INTERFACE, "br0", "interface"},
        {REF_INTERFACE, "eth7", "interface"},
        {REF_FOLDER, "/srv/share", "filesystem"},
        {REF_FILE, "/dev/ttyS0", "serial"},
        {REF_FILE, "/dev/urandom", "rng"},
        {REF_SECRET_UUID, "6dd3e4a5-1d76-44ce-961f-f119f5aad935", "tpm"},
        {REF_DEVICE, "usb 046d:c31c", "hostdev"},
        {REF_FILE, "/dev/mapper/web-data", "lun sda"},
        {REF_SECRET_USAGE, "ceph-admin", "disk vdb"},
        {REF_POOL, "images", "disk vdc", "v 1.qcow2"},
        {REF_SECRET_UUID, "11111111-2222-4333-8444-555555555555", "disk vdc"},
        {REF_FILE, "/img/slice.raw", "disk vde"},
        {REF_DEVICE, "pci 0000:01:00.0", "disk vdd"},
        {REF_FILE, "/img/meta.qcow2", "disk vdf"},
        {REF_FILE, "/dev/data", "disk vdf"},
        {REF_PARENT, "/var/log/console.log", "serial"},
        {REF_FILE, "/iso/debian 12.iso", "cdrom sdb"},
        {REF_FOLDER, "/var/tmp", "floppy fda"},
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

static void what_the_kernel_does_for_a_device_is_listed(void **state)
{
    static const struct wanted wanted[] = {
        {REF_FILE, "/dev/vhost-vsock", "vsock"},
        {REF_FILE, "/dev/vhost-scsi", "hostdev"},
        {REF_DEVICE, "scsi_host naa.5123456789abcde0", "hostdev"},
        {REF_FILE, "/dev/vhost-net", "interface"},
        {REF_FILE, "/dev/my-vhost", "interface"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<vsock model='virtio'><cid auto='yes'/></vsock>"
        "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' "
        "wwpn='naa.5123456789abcde0'/></hostdev>"
        "<interface type='user'><driver name='vhost'/></interface>"
        "<interface type='user'><driver name='vhost'/><backend vhost='/dev/my-vhost'/></interface>"
        "<interface type='user'><driver name='qemu'/></interface>"
        "<interface type='user'><driver queues='2'/></interface><interface type='user'/>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void what_ties_the_guest_to_the_host_is_listed(void **state)
{
    static const struct wanted wanted[] = {
        {REF_CPU, "7", "vcpu"},
        {REF_CPU, "11", "vcpupin"},
        {REF_CPU, "2", "vcpupin"},
        {REF_CPU, "64", "emulatorpin"},
        {REF_CPU, "6", "iothreadpin"},
        {REF_NODE, "1", "numatune"},
        {REF_NODE, "3", "numatune"},
        {REF_PAGES, "2048 KiB", "memory"},
        {REF_PAGES, "1048576 KiB", "memory"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_parse(
        "<domain>"
        "<vcpu placement='static' cpuset='0-7'>2</vcpu>"
        "<cputune><vcpupin vcpu='0' cpuset='2,9-11,4'/><vcpupin vcpu='1' cpuset='2,3,^3'/>"
        "<vcpupin vcpu='2' cpuset='one'/><vcpupin vcpu='3' cpuset='99999'/>"
        "<vcpupin vcpu='4' cpuset='^5'/><vcpupin vcpu='5' cpuset=''/><vcpupin vcpu='6'/>"
        "<emulatorpin cpuset='64'/><iothreadpin iothread='1' cpuset='5-6'/></cputune>"
        "<numatune><memory mode='strict' nodeset='0-1'/>"
        "<memnode cellid='0' mode='strict' nodeset='3'/></numatune>"
        "<memoryBacking><hugepages><page size='2048'/><page size='1' unit='GiB'/>"
        "<page size='many'/></hugepages></memoryBacking></domain>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void host_devices_are_described(void **state)
{
    static const struct wanted wanted[] = {
        {REF_DEVICE, "pci 0000:01:00.1", "hostdev"},
        {REF_DEVICE, "usb 1:4", "hostdev"},
        {REF_DEVICE, "mdev c2177883-f1bb-47f0-914d-32a22e3a8804", "hostdev"},
        {REF_DEVICE, "scsi scsi_host3:0:0:0", "hostdev"},
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
        {REF_SOCKET, "/run/virtiofs", "filesystem"},
        {REF_FILE, "/dev/dri/renderD129", "video"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<interface type='ethernet'><script path='/etc/up'/><downscript path='/etc/down'/>"
        "<rom file='/rom/of-interface'/></interface>"
        "<filesystem type='mount'><driver type='virtiofs'/><source socket='/run/virtiofs'/>"
        "<target dir='t'/></filesystem>"
        "<video><model type='virtio'><acceleration accel3d='yes' "
        "rendernode='/dev/dri/renderD129'/></model></video>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

/* QEMU makes what it writes, and needs the folder for it; to what it reads or connects to, it needs
 * the other side. */
static void character_devices_need_what_they_do_not_make(void **state)
{
    static const struct wanted wanted[] = {
        {REF_PARENT, "/log/serial", "serial"},   {REF_PARENT, "/log/of-serial", "serial's log"},
        {REF_PIPE, "/run/pipe", "parallel"},     {REF_FILE, "/dev/ttyS1", "console"},
        {REF_SOCKET, "/run/listens", "channel"}, {REF_SOCKET, "/run/usual", "channel"},
        {REF_PARENT, "/run/made", "channel"},    {REF_PARENT, "/log/of-channel", "channel's log"},
        {REF_SOCKET, "/run/usb", "redirdev"},    {REF_FOLDER, "/etc/cards", "smartcard"},
        {REF_SOCKET, "/run/entropy", "rng"},     {REF_SOCKET, "/run/swtpm", "tpm"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<serial type='file'><source path='/log/serial'/><log file='/log/of-serial'/></serial>"
        "<serial type='file'><source path='/log/serial'/></serial>"
        "<parallel type='pipe'><source path='/run/pipe'/></parallel>"
        "<console type='dev'><source path='/dev/ttyS1'/></console>"
        "<channel type='unix'><source mode='connect' path='/run/listens'/></channel>"
        "<channel type='unix'><source path='/run/usual'/></channel>"
        "<channel type='unix'><source mode='connect' path='/run/later'>"
        "<reconnect enabled='yes' timeout='5'/></source></channel>"
        "<channel type='unix'><source mode='bind' path='/run/made'/><log file='/log/of-channel'/>"
        "</channel>"
        "<channel type='unix'><source mode='bind' "
        "path='/var/lib/libvirt/qemu/channel/target/domain-7-web/agent.0'/></channel>"
        "<channel type='unix'><source mode='bind'/></channel>"
        "<redirdev bus='usb' type='unix'><source mode='connect' path='/run/usb'/></redirdev>"
        "<redirdev bus='usb' type='tcp'><source mode='connect' host='h' service='1'/></redirdev>"
        "<smartcard mode='host-certificates'><database>/etc/cards</database></smartcard>"
        "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' "
        "path='/run/entropy'/></backend></rng>"
        "<tpm model='tpm-crb'><backend type='external'><source type='unix' mode='connect' "
        "path='/run/swtpm'/></backend></tpm>"
        "<tpm model='tpm-crb'><backend type='emulator'><source type='dir' path='/own'/></backend>"
        "</tpm>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void interfaces_need_what_is_not_made_for_them(void **state)
{
    static const struct wanted wanted[] = {
        {REF_SOCKET, "/run/switch", "interface"},     {REF_PARENT, "/run/own", "interface"},
        {REF_INTERFACE, "tap7", "interface"},         {REF_INTERFACE, "eth1", "interface"},
        {REF_INTERFACE, "eth2", "interface"},         {REF_PARENT, "/log/passt", "interface's log"},
        {REF_FILE, "/dev/tap-of", "interface"},       {REF_FILE, "/dev/vhost-of", "interface"},
        {REF_FILE, "/dev/vhost-vdpa-0", "interface"}, {REF_NETWORK, "inner", "interface"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<interface type='vhostuser'><source type='unix' path='/run/switch' mode='client'/>"
        "</interface>"
        "<interface type='vhostuser'><source type='unix' path='/run/own' mode='server'/>"
        "</interface>"
        "<interface type='ethernet'><target dev='tap7' managed='no'/></interface>"
        "<interface type='ethernet'><target dev='tap8'/></interface>"
        "<interface type='user'><backend type='passt' logFile='/log/passt'/><source dev='eth1'/>"
        "</interface>"
        "<interface type='direct'><source dev='eth2' mode='bridge'/>"
        "<backend tap='/dev/tap-of' vhost='/dev/vhost-of'/></interface>"
        "<interface type='direct'><source network='inner' dev='eth3' mode='bridge'/></interface>"
        "<interface type='network'><source network='inner' bridge='virbr3'/></interface>"
        "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void disks_that_are_not_restored_need_all_of_their_layers(void **state)
{
    static const struct wanted wanted[] = {
        {REF_FILE, "/img/top", "disk vda"},           {REF_FILE, "/img/middle", "disk vda"},
        {REF_FILE, "/img/base", "disk vda"},          {REF_SOCKET, "/run/backend", "disk vdb"},
        {REF_SOCKET, "/run/nbd", "disk vdc"},         {REF_FILE, "/etc/ceph.conf", "disk vdc"},
        {REF_SOCKET, "/run/helper", "lun sda"},       {REF_FILE, "/dev/lun", "lun sda"},
        {REF_DEVICE, "pci 0000:04:00.0", "disk vdd"}, {REF_FILE, "/iso/needed", "cdrom sdc"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<disk type='file'><source file='/img/top'/><target dev='vda'/><backingStore type='file'>"
        "<source file='/img/middle'/><backingStore type='file'><source file='/img/base'/>"
        "<backingStore/></backingStore></backingStore></disk>"
        "<disk type='vhostuser'><source type='unix' path='/run/backend'/><target dev='vdb'/></disk>"
        "<disk type='network'><source protocol='nbd'><host transport='unix' socket='/run/nbd'/>"
        "<config file='/etc/ceph.conf'/></source><target dev='vdc'/></disk>"
        "<disk type='block' device='lun'><source dev='/dev/lun'><reservations managed='no'>"
        "<source type='unix' path='/run/helper' mode='client'/></reservations></source>"
        "<target dev='sda'/></disk>"
        "<disk type='nvme'><source type='pci' namespace='1'><address domain='0x0000' bus='0x04' "
        "slot='0x00' function='0x0'/></source><target dev='vdd'/></disk>"
        "<disk type='file' device='cdrom'><source file='/iso/any' startupPolicy='optional'/>"
        "<target dev='sdb'/></disk>"
        "<disk type='file' device='cdrom'><source file='/iso/needed' startupPolicy='mandatory'/>"
        "<target dev='sdc'/></disk>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void other_devices_need_their_files(void **state)
{
    static const struct wanted wanted[] = {
        {REF_PARENT, "/run/vnc", "graphics"},
        {REF_PARENT, "/run/spice", "graphics"},
        {REF_FOLDER, "/srv/share", "filesystem"},
        {REF_FILE, "/opt/virtiofsd", "filesystem's program"},
        {REF_FOLDER, "/srv/other", "filesystem"},
        {REF_BACK_END, "virtiofsd", "filesystem"},
        {REF_POOL, "p", "filesystem", "v"},
        {REF_FILE, "/mem/nvdimm", "memory"},
        {REF_SOCKET, "/run/ivshmem", "shmem"},
        {REF_PARENT, "/log/sound.wav", "audio"},
        {REF_PARENT, "/var/pstore", "pstore"},
        {REF_FILE, "/locks/lease", "lease"},
        {REF_FILE, "/dev/tpm0", "tpm"},
        {REF_DEVICE, "usb port 1-2.3", "hostdev"},
    };
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_devices(
        "<graphics type='vnc' socket='/run/vnc'><listen type='socket' "
        "socket='/run/vnc'/></graphics>"
        "<graphics type='spice'><listen type='socket' socket='/run/spice'/></graphics>"
        "<filesystem type='mount'><driver type='virtiofs'/><binary path='/opt/virtiofsd'/>"
        "<source dir='/srv/share'/></filesystem>"
        "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/other'/></filesystem>"
        "<filesystem type='volume'><source pool='p' volume='v'/></filesystem>"
        "<memory model='nvdimm'><source><path>/mem/nvdimm</path></source></memory>"
        "<shmem name='s'><server path='/run/ivshmem'/></shmem>"
        "<audio id='1' type='file' path='/log/sound.wav'/>"
        "<pstore backend='acpi-erst'><path>/var/pstore</path></pstore>"
        "<lease><target path='/locks/lease'/></lease>"
        "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>"
        "<hostdev mode='subsystem' type='usb'><source><address bus='1' port='2.3'/></source>"
        "</hostdev>"
        "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'>"
        "<vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>");

    (void)state;
    check(doc, NULL, 0, wanted, sizeof(wanted) / sizeof(*wanted));
}

static void a_guest_that_refers_to_nothing_has_an_empty_list(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        sample_devices("<serial type='pty'><source path='/dev/pts/4'/></serial>"
                       "<interface type='user'/><disk device='cdrom'><target dev='hdc'/></disk>");

    (void)state;
    check(doc, NULL, 0, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_a_definition_refers_to_is_listed_once),
        cmocka_unit_test(restored_disks_are_passed_over),
        cmocka_unit_test(what_the_kernel_does_for_a_device_is_listed),
        cmocka_unit_test(what_ties_the_guest_to_the_host_is_listed),
        cmocka_unit_test(host_devices_are_described),
        cmocka_unit_test(files_that_qemu_opens_beside_disks_are_listed),
        cmocka_unit_test(character_devices_need_what_they_do_not_make),
        cmocka_unit_test(interfaces_need_what_is_not_made_for_them),
        cmocka_unit_test(disks_that_are_not_restored_need_all_of_their_layers),
        cmocka_unit_test(other_devices_need_their_files),
        cmocka_unit_test(a_guest_that_refers_to_nothing_has_an_empty_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
