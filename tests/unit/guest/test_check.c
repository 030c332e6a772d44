/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a definition from outside may hold.
 */
#include "sample.h"

#include <string.h>

#include "base/buf.h"
#include "guest/definition/check.h"

#define IMAGES "/var/lib/libvirt/images/"

static const struct definition_own own[] = {
    {IMAGES "debian12.qcow2", "qcow2"}, {IMAGES "fedora.qcow2", "qcow2"},
    {IMAGES "win11.qcow2", "qcow2"},    {IMAGES "cloud.qcow2", "qcow2"},
    {IMAGES "db-log.qcow2", "qcow2"},   {IMAGES "efi.qcow2", "qcow2"},
    {IMAGES "live.raw", "raw"},         {"/dev/vg0/db", "raw"},
    {"/restored/vars.fd", "raw"},
};
static const char *const emulators[] = {"/opt/qemu/bin/qemu-system-x86_64"};
static const char *const media[] = {"/srv/pool/"};

static void look(const struct xml_doc *doc, struct definition_findings *findings)
{
    CLEANUP_FREE char *name = definition_name(doc);
    const struct definition_host host = {
        .name = name ? name : "web",
        .state = "/var/lib/libvirt/qemu",
        .nvram = "/var/lib/libvirt/qemu/nvram",
        .tpm = "/restored/web-tpm",
        .own = own,
        .own_count = sizeof(own) / sizeof(*own),
        .emulators = emulators,
        .emulator_count = 1,
        .media = media,
        .media_count = 1,
    };

    definition_check(doc, &host, findings);
}

static void ordinary_guests_pass(void **state)
{
    static const char *const samples[] = {
        "ordinary-virt-install-linux.xml",
        "ordinary-virt-manager-desktop.xml",
        "ordinary-windows.xml",
        "ordinary-cloud-init.xml",
        "ordinary-server-tuned.xml",
        "ordinary-uefi-minimal.xml",
        "ordinary-live-migratable.xml",
        "ordinary-live-full.xml",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
        CLEANUP(xml_freep) struct xml_doc *doc = sample_load(samples[i]);
        CLEANUP_FINDINGS struct definition_findings findings = {0};
        look(doc, &findings);
        if (findings.count)
            fail_msg("%s: %zu findings, the first: %s", samples[i], findings.count,
                     findings.all[0].text);
    }
}

struct wanted {
    const char *xml;
    const char *finding; /* the only one; NULL: none */
};

static void check_all(const struct wanted *cases, size_t count, const char *around)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP_FREE char *inside = *around
                                        ? mem_printf("<%s>%s</%s>", around, cases[i].xml, around)
                                        : mem_strdup(cases[i].xml);
        CLEANUP_FREE char *text = mem_printf("<domain type='kvm'>%s</domain>", inside);
        CLEANUP(xml_freep) struct xml_doc *doc = sample_parse(text);
        CLEANUP_FINDINGS struct definition_findings findings = {0};
        look(doc, &findings);
        if (!cases[i].finding && findings.count)
            fail_msg("%s: \"%s\" was found", text, findings.all[0].text);
        if (cases[i].finding && findings.count != 1)
            fail_msg("%s: %zu findings, the first: %s", text, findings.count,
                     findings.count ? findings.all[0].text : "none");
        if (cases[i].finding && strcmp(findings.all[0].text, cases[i].finding) != 0)
            fail_msg("%s: \"%s\" was found, not \"%s\"", text, findings.all[0].text,
                     cases[i].finding);
    }
}
#define CHECK_ALL(cases, around) check_all(cases, sizeof(cases) / sizeof(*(cases)), around)

static void what_is_no_device(void **state)
{
    static const struct wanted cases[] = {
        {"<os><kernel>/boot/vmlinuz</kernel></os>", NULL},
        {"<os><kernel>\n /boot/vmlinuz \n</kernel></os>", NULL},
        {"<os><kernel>/etc/shadow</kernel></os>", "os/kernel: /etc/shadow"},
        {"<os><kernel>/boot/../etc/shadow</kernel></os>", "os/kernel: /boot/../etc/shadow"},
        {"<os><kernel>/boot//x</kernel></os>", "os/kernel: /boot//x"},
        {"<os><kernel>/bootx/y</kernel></os>", "os/kernel: /bootx/y"},
        {"<os><kernel>boot/y</kernel></os>", "os/kernel: boot/y"},
        {"<os><initrd>/tmp/x</initrd></os>", "os/initrd: /tmp/x"},
        {"<os><dtb>/tmp/x</dtb></os>", "os/dtb: /tmp/x"},
        {"<os><loader type='rom'>/usr/share/seabios/bios.bin</loader></os>", NULL},
        {"<os><loader type='rom'>hvmloader</loader></os>", NULL},
        {"<os><loader>/tmp/x</loader></os>", "os/loader: /tmp/x"},
        {"<os><loader type='pflash'>/usr/share/x.fd</loader></os>", "os/loader: type='pflash'"},
        {"<os><loader readonly='no' type='pflash'>/usr/share/x.fd</loader></os>",
         "os/loader: type='pflash'"},
        {"<os><nvram>/restored/vars.fd</nvram></os>", NULL},
        {"<os><nvram format='raw'>/restored/vars.fd</nvram></os>", NULL},
        {"<os><nvram format='qcow2'>/restored/vars.fd</nvram></os>", "os/nvram: /restored/vars.fd"},
        {"<os><nvram type='file'><source file='/restored/vars.fd'/></nvram></os>", NULL},
        {"<os><nvram type='file' format='qcow2'><source file='/restored/vars.fd'/></nvram></os>",
         "os/nvram/source: file='/restored/vars.fd'"},
        {"<os><nvram type='network'/></os>", "os/nvram: type='network'"},
        {"<os><nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram></os>", NULL},
        {"<os><nvram>/var/lib/libvirt/qemu/nvram/db_VARS.fd</nvram></os>",
         "os/nvram: /var/lib/libvirt/qemu/nvram/db_VARS.fd"},
        {"<os><nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd/../x</nvram></os>",
         "os/nvram: /var/lib/libvirt/qemu/nvram/web_VARS.fd/../x"},
        {"<os><nvram template='/etc/shadow'/></os>", "os/nvram: template='/etc/shadow'"},
        {"<os><acpi><table type='slic'>/etc/shadow</table></acpi></os>",
         "os/acpi/table: /etc/shadow"},
        {"<os><init>/bin/sh</init></os>", "os/init"},
        {"<bootloader>/tmp/x</bootloader>", "bootloader"},
        {"<sysinfo type='fwcfg'><entry name='opt/x'>y</entry></sysinfo>", NULL},
        {"<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo>",
         "sysinfo/entry: file='/etc/shadow'"},
        {"<memoryBacking><source type='file'/></memoryBacking>",
         "memoryBacking/source: type='file'"},
        {"<resource><partition>/system</partition></resource>", "resource/partition: /system"},
        {"<blkiotune><device><path>/dev/sda</path></device></blkiotune>", "blkiotune/device"},
        {"<on_crash>coredump-destroy</on_crash>", "on_crash: coredump-destroy"},
        {"<seclabel type='none'/>", "seclabel: type='none'"},
        {"<seclabel type='dynamic' model='dac' relabel='no'/>", "seclabel: relabel='no'"},
        {"<seclabel type='static' model='dac'><label>+0:+0</label></seclabel>",
         "seclabel: type='static'"},
        {"<seclabel type='dynamic' model='dac'><baselabel>x</baselabel></seclabel>",
         "seclabel/baselabel"},
        {"<launchSecurity type='sev'><policy>0x1</policy></launchSecurity>", NULL},
        {"<launchSecurity type='sev-snp' authorKey='yes' vcek='no'><policy>1</policy>"
         "<guestVisibleWorkarounds>x</guestVisibleWorkarounds><idBlock>x</idBlock><idAuth>x</"
         "idAuth>"
         "<hostData>x</hostData></launchSecurity>",
         NULL},
        {"<launchSecurity type='tdx'><policy>1</policy><mrConfigId>x</mrConfigId>"
         "<mrOwner>x</mrOwner><mrOwnerConfig>x</mrOwnerConfig></launchSecurity>",
         NULL},
        {"<launchSecurity type='tdx'><quoteGenerationService path='/x'/></launchSecurity>",
         "launchSecurity/quoteGenerationService"},
        {"<cpu><numa><cell id='0'><cache level='1' associativity='direct' policy='writeback'>"
         "<size value='8' unit='KiB'/><line value='5' unit='B'/></cache></cell>"
         "<interconnects><latency initiator='0' target='0' cache='1' type='access' value='5'/>"
         "<bandwidth initiator='0' target='0' type='access' value='204800' unit='KiB'/>"
         "</interconnects></numa></cpu>",
         NULL},
        {"<devices><controller type='scsi'><driver><iothreads><iothread id='1'><queue id='0'/>"
         "</iothread></iothreads></driver></controller></devices>",
         NULL},
        {"<devices><disk type='file'><transient shareBacking='yes'/></disk></devices>", NULL},
        {"<devices><interface type='user'><backend type='passt' hostname='a' fqdn='a.b'/>"
         "</interface></devices>",
         NULL},
        {"<devices><interface type='user'><backend type='passt' logFile='/x'/></interface>"
         "</devices>",
         "devices/interface/backend: logFile='/x'"},
        {"<launchSecurity type='sev'><file>/x</file></launchSecurity>", "launchSecurity/file"},
        {"<idmap><uid start='0' target='0' count='1'/></idmap>", "idmap"},
        {"<perf><event name='cmt' enabled='yes'/></perf>", "perf"},
        {"<invention/>", "invention"},
        {"<vcpu colour='red'>1</vcpu>", "vcpu: colour='red'"},
        {"<os/><os><kernel>/boot/x</kernel></os>", "os appears twice"},
    };

    (void)state;
    CHECK_ALL(cases, "");
}

static void foreign_namespaces(void **state)
{
    static const struct wanted cases[] = {
        {"<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
         "<q:arg value='-x'/></q:commandline>",
         "commandline of 'http://libvirt.org/schemas/domain/qemu/1.0'"},
        {"<devices><disk type='file'><x:source xmlns:x='urn:x' file='/etc/shadow'/></disk>"
         "</devices>",
         "devices/disk/source of 'urn:x'"},
        {"<metadata><l:x xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'><l:y z='1'/>"
         "</l:x></metadata>",
         NULL},
        {"<metadata><n:x xmlns:n='urn:note'/></metadata>", NULL},
        {"<metadata><x/></metadata>", NULL},
        {"<metadata><n:x xmlns:n='urn:note'><i:include xmlns:i='http://www.w3.org/2001/XInclude' "
         "href='file:///etc/shadow'/></n:x></metadata>",
         "metadata/include of 'http://www.w3.org/2001/XInclude'"},
        {"<q:capabilities xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
         "<q:add capability='incremental-backup'/></q:capabilities>",
         NULL},
        {"<q:capabilities xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
         "<q:add capability='incremental-backup'/><q:add capability='x'/></q:capabilities>",
         "capabilities of 'http://libvirt.org/schemas/domain/qemu/1.0'"},
        {"<q:capabilities xmlns:q='urn:x'><q:add capability='incremental-backup'/>"
         "</q:capabilities>",
         "capabilities of 'urn:x'"},
    };
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse("<domain xmlns='urn:x'><name/></domain>");
    CLEANUP_FINDINGS struct definition_findings findings = {0};

    (void)state;
    CHECK_ALL(cases, "");
    look(doc, &findings);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.all[0].text, "domain of 'urn:x'");
}

static void disks(void **state)
{
    static const struct wanted cases[] = {
        {"<disk type='file'><driver type='qcow2'/><source file='" IMAGES "efi.qcow2'/></disk>",
         NULL},
        /* a raw header that a guest has written must not be taken for qcow2, nor the reverse */
        {"<disk type='file'><driver type='raw'/><source file='" IMAGES "efi.qcow2'/></disk>",
         "devices/disk/source: file='" IMAGES "efi.qcow2'"},
        {"<disk type='file'><driver type='qcow2'/><source file='" IMAGES "live.raw'/></disk>",
         "devices/disk/source: file='" IMAGES "live.raw'"},
        {"<disk type='file'><source file='" IMAGES "live.raw'/></disk>", NULL},
        {"<disk type='file'><source file='" IMAGES "efi.qcow2'/></disk>",
         "devices/disk/source: file='" IMAGES "efi.qcow2'"},
        {"<disk type='file'><driver type='raw'/><driver type='qcow2'/><source file='" IMAGES
         "live.raw'/></disk>",
         "devices/disk/driver appears twice"},
        {"<disk type='file'><source file='" IMAGES "other.raw'/></disk>",
         "devices/disk/source: file='" IMAGES "other.raw'"},
        {"<disk type='block'><source dev='/dev/sda'/></disk>",
         "devices/disk/source: dev='/dev/sda'"},
        {"<disk type='block' device='cdrom'><source dev='/dev/sr0.iso'/></disk>",
         "devices/disk/source: dev='/dev/sr0.iso'"},
        {"<disk type='file' device='cdrom'><source file='" IMAGES "a.iso'/></disk>", NULL},
        {"<disk type='file' device='cdrom'><source file='" IMAGES "a.ISO'/></disk>", NULL},
        {"<disk type='file' device='cdrom'><source file='/srv/pool/a.iso'/></disk>", NULL},
        {"<disk type='file' device='cdrom'><source file='/srv/pool/.iso'/></disk>", NULL},
        {"<disk type='file' device='cdrom'><source file='/srv/other/a.iso'/></disk>",
         "devices/disk/source: file='/srv/other/a.iso'"},
        {"<disk type='file' device='cdrom'><source file='/srv/pool/../a.iso'/></disk>",
         "devices/disk/source: file='/srv/pool/../a.iso'"},
        {"<disk type='file' device='cdrom'><source file='" IMAGES "other.qcow2'/></disk>",
         "devices/disk/source: file='" IMAGES "other.qcow2'"},
        {"<disk type='file' device='cdrom'><driver type='qcow2'/><source file='" IMAGES
         "a.iso'/></disk>",
         "devices/disk/source: file='" IMAGES "a.iso'"},
        {"<disk type='file' device='disk'><source file='" IMAGES "a.iso'/><readonly/></disk>",
         "devices/disk/source: file='" IMAGES "a.iso'"},
        {"<disk type='volume' device='cdrom'><source pool='p' volume='a.iso'/></disk>", NULL},
        {"<disk type='volume' device='disk'><source pool='p' volume='a.iso'/></disk>",
         "devices/disk/source: volume='a.iso'"},
        {"<disk type='file' device='floppy'><source file='" IMAGES "a.vfd'/><readonly/></disk>",
         NULL},
        {"<disk type='file' device='floppy'><source file='" IMAGES "a.vfd'/></disk>",
         "devices/disk/source: file='" IMAGES "a.vfd'"},
        {"<disk type='network'/>", "devices/disk: type='network'"},
        {"<disk type='nvme'/>", "devices/disk: type='nvme'"},
        {"<disk type='vhostuser'/>", "devices/disk: type='vhostuser'"},
        {"<disk type='dir'/>", "devices/disk: type='dir'"},
        {"<disk type='block' device='lun' sgio='unfiltered'/>", "devices/disk: sgio='unfiltered'"},
        {"<disk type='block' device='lun' rawio='yes'/>", "devices/disk: rawio='yes'"},
        {"<disk type='file'><backingStore/></disk>", NULL},
        {"<disk type='file'><backingStore type='file'/></disk>",
         "devices/disk/backingStore: type='file'"},
        {"<disk type='file'><backingStore><source file='/x'/></backingStore></disk>",
         "devices/disk/backingStore/source"},
        {"<disk type='file'><mirror type='file'/></disk>", "devices/disk/mirror"},
        {"<disk type='file'><auth username='x'/></disk>", "devices/disk/auth"},
        {"<disk type='file'><source><seclabel relabel='no'/></source></disk>",
         "devices/disk/source/seclabel"},
        {"<disk type='file'><source><reservations managed='no'/></source></disk>",
         "devices/disk/source/reservations"},
        {"<disk type='file'><source><dataStore type='file'/></source></disk>",
         "devices/disk/source/dataStore"},
    };

    (void)state;
    CHECK_ALL(cases, "devices");
}

static void emulators_and_lines(void **state)
{
    static const struct wanted cases[] = {
        {"<emulator>/usr/bin/qemu-system-s390x</emulator>", NULL},
        {"<emulator>/usr/libexec/qemu-kvm</emulator>", NULL},
        {"<emulator>/opt/qemu/bin/qemu-system-x86_64</emulator>", NULL},
        {"<emulator>/tmp/qemu-system-x86_64</emulator>",
         "devices/emulator: /tmp/qemu-system-x86_64"},
        {"<emulator>/usr/bin/qemu-system-x86_64/../../../tmp/x</emulator>",
         "devices/emulator: /usr/bin/qemu-system-x86_64/../../../tmp/x"},
        {"<emulator>/usr/bin/kvm</emulator><emulator>/bin/sh</emulator>",
         "devices/emulator: /bin/sh"},
        {"<serial type='pty'><source path='/dev/pts/7'/></serial>", NULL},
        {"<serial type='pty'><source path='/dev/sda'/></serial>",
         "devices/serial/source: path='/dev/sda'"},
        {"<serial type='file'/>", "devices/serial: type='file'"},
        {"<serial type='dev'/>", "devices/serial: type='dev'"},
        {"<serial type='pipe'/>", "devices/serial: type='pipe'"},
        {"<serial type='tcp'/>", "devices/serial: type='tcp'"},
        {"<serial type='unix'/>", "devices/serial: type='unix'"},
        {"<console type='file'/>", "devices/console: type='file'"},
        {"<parallel type='file'/>", "devices/parallel: type='file'"},
        {"<serial type='pty'><log file='/etc/cron.d/x'/></serial>", "devices/serial/log"},
        {"<channel type='unix'><source mode='bind' "
         "path='/var/lib/libvirt/qemu/channel/target/domain-7-web/org.qemu.guest_agent.0'/>"
         "</channel>",
         NULL},
        {"<channel type='unix'><source mode='bind' "
         "path='/run/libvirt/qemu/channel/7-web/org.qemu.guest_agent.0'/></channel>",
         NULL},
        {"<channel type='unix'><source mode='bind' "
         "path='/run/libvirt/qemu/channel/7-we/org.qemu.guest_agent.0'/></channel>",
         "devices/channel/source: "
         "path='/run/libvirt/qemu/channel/7-we/org.qemu.guest_agent.0'"},
        {"<channel type='unix'><source mode='bind' path='/run/libvirt/qemu/channel/7-db/x'/>"
         "</channel>",
         "devices/channel/source: path='/run/libvirt/qemu/channel/7-db/x'"},
        {"<channel type='unix'><source mode='bind' path='/run/docker.sock'/></channel>",
         "devices/channel/source: path='/run/docker.sock'"},
        {"<channel type='unix'><source mode='connect'/></channel>",
         "devices/channel/source: mode='connect'"},
        {"<channel type='file'/>", "devices/channel: type='file'"},
        {"<redirdev bus='usb' type='tcp'/>", "devices/redirdev: type='tcp'"},
        {"<smartcard mode='host'/>", "devices/smartcard: mode='host'"},
        {"<smartcard mode='passthrough' type='spicevmc'/>", NULL},
    };

    (void)state;
    CHECK_ALL(cases, "devices");
}

static void other_devices(void **state)
{
    static const struct wanted cases[] = {
        {"<hostdev mode='subsystem' type='usb'/>", "devices/hostdev"},
        {"<filesystem type='mount'/>", "devices/filesystem"},
        {"<shmem name='x'/>", "devices/shmem"},
        {"<lease/>", "devices/lease"},
        {"<pstore backend='acpi-erst'/>", "devices/pstore"},
        {"<memory model='nvdimm'/>", "devices/memory: model='nvdimm'"},
        {"<memory model='dimm'><source><path>/x</path></source></memory>",
         "devices/memory/source/path"},
        {"<interface type='ethernet'/>", "devices/interface: type='ethernet'"},
        {"<interface type='vhostuser'/>", "devices/interface: type='vhostuser'"},
        {"<interface type='hostdev'/>", "devices/interface: type='hostdev'"},
        {"<interface type='vdpa'/>", "devices/interface: type='vdpa'"},
        {"<interface type='bridge'><script path='vif-bridge'/></interface>", NULL},
        {"<interface type='bridge'><script path='/tmp/x'/></interface>",
         "devices/interface/script: path='/tmp/x'"},
        {"<interface type='bridge'><downscript path='x'/></interface>",
         "devices/interface/downscript"},
        {"<interface type='user'><backend type='passt' logFile='/x'/></interface>",
         "devices/interface/backend: logFile='/x'"},
        {"<interface type='user'><portForward proto='tcp'/></interface>",
         "devices/interface/portForward"},
        {"<interface type='direct'><source dev='eth0' mode='passthrough'/></interface>",
         "devices/interface/source: mode='passthrough'"},
        {"<interface type='network'><rom file='/etc/shadow'/></interface>",
         "devices/interface/rom: file='/etc/shadow'"},
        {"<interface type='network'><backend vhost='/dev/sda'/></interface>",
         "devices/interface/backend: vhost='/dev/sda'"},
        {"<graphics type='vnc' socket='/run/x'/>", "devices/graphics: socket='/run/x'"},
        {"<graphics type='vnc'><listen type='socket' "
         "socket='/var/lib/libvirt/qemu/domain-3-web/vnc.sock'/></graphics>",
         NULL},
        {"<graphics type='sdl'/>", "devices/graphics: type='sdl'"},
        {"<graphics type='spice'><gl enable='yes' rendernode='/dev/dri/renderD128'/></graphics>",
         NULL},
        {"<graphics type='spice'><gl rendernode='/dev/sda'/></graphics>",
         "devices/graphics/gl: rendernode='/dev/sda'"},
        {"<video><driver name='vhostuser'/></video>", "devices/video/driver: name='vhostuser'"},
        {"<audio id='1' type='file'/>", "devices/audio: type='file'"},
        {"<audio id='1' type='pulseaudio'/>", "devices/audio: type='pulseaudio'"},
        {"<input type='passthrough'/>", "devices/input: type='passthrough'"},
        {"<input type='evdev'/>", "devices/input: type='evdev'"},
        {"<input type='mouse'><source evdev='/dev/x'/></input>", "devices/input/source"},
        {"<rng><backend model='random'>/etc/shadow</backend></rng>",
         "devices/rng/backend: /etc/shadow"},
        {"<rng><backend model='egd'/></rng>", "devices/rng/backend: model='egd'"},
        {"<rng><backend model='random'/></rng>", NULL},
        {"<tpm><backend type='passthrough'/></tpm>", "devices/tpm/backend: type='passthrough'"},
        {"<tpm><backend type='external'/></tpm>", "devices/tpm/backend: type='external'"},
        {"<tpm><backend type='emulator'><source type='file' path='/x'/></backend></tpm>",
         "devices/tpm/backend/source: path='/x'"},
        {"<tpm><backend type='emulator'><source type='dir' path='/restored/web-tpm'/></backend>"
         "</tpm>",
         NULL},
        {"<crypto><backend model='lkcf'/></crypto>", "devices/crypto/backend: model='lkcf'"},
        {"<watchdog action='dump'/>", "devices/watchdog: action='dump'"},
        {"<iommu model='intel'><driver intremap='on'/></iommu>", NULL},
        {"<panic model='isa'/>", NULL},
        {"<hub type='usb'/>", NULL},
    };

    (void)state;
    CHECK_ALL(cases, "devices");
}

static void findings_are_bounded(void **state)
{
    struct buf text CLEANUP_BUF = {0};
    CLEANUP_FINDINGS struct definition_findings findings = {0};

    (void)state;
    buf_append_str(&text, "<domain type='kvm'>");
    for (unsigned i = 0; i < 3000; i++)
        buf_printf(&text, "<x%u/><same/>", i);
    buf_append_str(&text, "</domain>");
    CLEANUP_FREE char *xml = buf_take_str(&text);
    CLEANUP(xml_freep) struct xml_doc *doc = sample_parse(xml);
    look(doc, &findings);
    assert_int_equal(findings.count, DEFINITION_MAX_FINDINGS);
}

/* A renamed guest must not get the files of the one it was, whatever vouches for the rest. */
static void findings_about_disks_can_be_kept_alone(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc =
        sample_parse("<domain type='kvm'><devices><emulator>/tmp/qemu</emulator><disk type='file'>"
                     "<source file='/srv/other.raw'/></disk></devices></domain>");
    CLEANUP_FINDINGS struct definition_findings findings = {0};

    (void)state;
    look(doc, &findings);
    definition_findings_add(&findings, "devices/disk/source of somebody else's");
    assert_int_equal(findings.count, 3);
    definition_findings_keep_disks(&findings);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.all[0].text, "devices/disk/source: file='/srv/other.raw'");
}

static void check_cookie(const char *text, const char *expected)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(text, strlen(text), NULL);
    CLEANUP_FINDINGS struct definition_findings findings = {0};
    CLEANUP_BUF struct buf found = {0};

    assert_non_null(doc);
    definition_check_cookie(doc, &findings);
    for (size_t i = 0; i < findings.count; i++)
        buf_printf(&found, "%s%s", i ? "; " : "", findings.all[i].text);
    buf_put_u8(&found, 0);
    assert_string_equal((const char *)found.data, expected);
}

/* What libvirt writes: the processor as it was expanded, and whether there was a helper. */
static void a_cookie_holds_a_processor_and_nothing_else(void **state)
{
    (void)state;
    check_cookie("<cookie/>", "");
    check_cookie(
        "<cookie>\n  <cpu mode='custom' match='exact' check='full'>\n"
        "    <model fallback='forbid'>qemu64</model>\n    <vendor>AMD</vendor>\n"
        "    <feature policy='require' name='x2apic'/>\n  </cpu>\n  <slirpHelper/>\n</cookie>",
        "");
    check_cookie("<cookie><emulator>/tmp/evil</emulator></cookie>",
                 "memory image's cookie: emulator");
    check_cookie("<cookie><cpu><path>/tmp/evil</path></cpu></cookie>",
                 "memory image's cookie: cpu/path");
    check_cookie("<cookie><cpu mode='custom' file='/etc/shadow'/></cookie>",
                 "memory image's cookie: cpu: file='/etc/shadow'");
    check_cookie("<cookie><slirpHelper path='/tmp/evil'/></cookie>",
                 "memory image's cookie: slirpHelper");
    check_cookie("<cookie><slirpHelper>/tmp/evil</slirpHelper><x:cpu xmlns:x='urn:x'/></cookie>",
                 "memory image's cookie: slirpHelper; memory image's cookie: cpu");
    check_cookie("<cookie version='2'/>", "memory image's cookie: cookie");
    check_cookie("<domain/>", "memory image's cookie: cookie");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_guests_pass),
        cmocka_unit_test(what_is_no_device),
        cmocka_unit_test(foreign_namespaces),
        cmocka_unit_test(disks),
        cmocka_unit_test(emulators_and_lines),
        cmocka_unit_test(other_devices),
        cmocka_unit_test(findings_are_bounded),
        cmocka_unit_test(findings_about_disks_can_be_kept_alone),
        cmocka_unit_test(a_cookie_holds_a_processor_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
