# SPDX-License-Identifier: LGPL-2.1-or-later
"""The XML in the manifest: what libvirt would be told to do."""

from case import Case
from vbtest.command import expect, libvirt_version, virsh

REFUSED = "reaches beyond the guest's own files"
EMULATOR = "<emulator>/usr/bin/qemu-system-x86_64</emulator>"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"

# name: (XML in <devices>, what the message names)
DEVICES = {
    "hostdev-usb": ("<hostdev mode='subsystem' type='usb'><source><vendor id='0x046d'/><product id='0xc31c'/></source>"
                    "</hostdev>", "devices/hostdev"),
    "hostdev-pci": ("<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0' slot='1' "
                    "function='0'/></source></hostdev>", "devices/hostdev"),
    "hostdev-scsi-host": ("<hostdev mode='subsystem' type='scsi_host'/>", "devices/hostdev"),
    "hostdev-storage": ("<hostdev mode='capabilities' type='storage'><source><block>/dev/sda</block></source></hostdev>",
                        "devices/hostdev"),
    "shared-folder-9p": ("<filesystem type='mount' accessmode='passthrough'><source dir='/'/><target dir='x'/></filesystem>",
                         "devices/filesystem"),
    "shared-folder-virtiofs": ("<filesystem type='mount'><driver type='virtiofs'/><binary path='{canary}/evil'/>"
                               "<source dir='/'/><target dir='x'/></filesystem>", "devices/filesystem"),
    "shmem": ("<shmem name='x'><server path='{canary}/socket'/></shmem>", "devices/shmem"),
    "lease": ("<lease><lockspace>x</lockspace><key>y</key><target path='{canary}/secret'/></lease>", "devices/lease"),
    "pstore": ("<pstore backend='acpi-erst'><path>{canary}/secret</path></pstore>", "devices/pstore"),
    "serial-to-cron": ("<serial type='file'><source path='/etc/cron.d/vb-hostile'/></serial>", "/etc/cron.d/vb-hostile"),
    "serial-appends": ("<serial type='file'><source path='{canary}/secret' append='on'/></serial>", "canary/secret"),
    "serial-device": ("<serial type='dev'><source path='/dev/sda'/></serial>", "type='dev'"),
    "serial-pipe": ("<serial type='pipe'><source path='{canary}/pipe'/></serial>", "type='pipe'"),
    "serial-unix": ("<serial type='unix'><source mode='connect' path='/run/docker.sock'/></serial>", "type='unix'"),
    "serial-tcp": ("<serial type='tcp'><source mode='bind' host='0.0.0.0' service='2323'/></serial>", "type='tcp'"),
    "serial-udp": ("<serial type='udp'><source mode='connect' host='192.0.2.1' service='1'/></serial>", "type='udp'"),
    "serial-log": ("<serial type='pty'><log file='{canary}/secret'/></serial>", "devices/serial/log"),
    "serial-pty-path": ("<serial type='pty'><source path='/etc/shadow'/></serial>", "/etc/shadow"),
    "console-file": ("<console type='file'><source path='{canary}/secret'/></console>", "devices/console"),
    "parallel-device": ("<parallel type='dev'><source path='/dev/lp0'/></parallel>", "devices/parallel"),
    "channel-foreign-socket": ("<channel type='unix'><source mode='bind' path='{canary}/socket'/><target type='virtio' "
                               "name='x'/></channel>", "canary/socket"),
    "channel-of-other-guest": ("<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/"
                               "domain-1-victim/org.qemu.guest_agent.0'/><target type='virtio' name='x'/></channel>",
                               "domain-1-victim"),
    "channel-dots": ("<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-1-web/../x'/>"
                     "<target type='virtio' name='x'/></channel>", "domain-1-web/../x"),
    "channel-connects": ("<channel type='unix'><source mode='connect' path='/run/libvirt/libvirt-sock'/><target type='virtio' "
                         "name='x'/></channel>", "mode='connect'"),
    "smartcard-host": ("<smartcard mode='host-certificates'><certificate>a</certificate><certificate>b</certificate>"
                       "<certificate>c</certificate><database>{canary}</database></smartcard>", "devices/smartcard"),
    "redirdev-tcp": ("<redirdev bus='usb' type='tcp'><source mode='connect' host='192.0.2.1' service='1'/></redirdev>",
                     "devices/redirdev"),
    "disk-shadow": ("<disk type='file' device='disk'><source file='/etc/shadow'/><target dev='vdz'/></disk>", "/etc/shadow"),
    "disk-host-device": ("<disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vdz'/></disk>", "/dev/sda"),
    "disk-of-other-guest": ("<disk type='file'><source file='/var/lib/libvirt/images/victim.qcow2'/><target dev='vdz'/></disk>",
                            "victim.qcow2"),
    "disk-network": ("<disk type='network'><source protocol='nbd' name='x'><host name='192.0.2.1'/></source><target dev='vdz'/>"
                     "</disk>", "type='network'"),
    "disk-nvme": ("<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' "
                  "function='0'/></source><target dev='vdz'/></disk>", "type='nvme'"),
    "disk-vhostuser": ("<disk type='vhostuser'><source type='unix' path='{canary}/socket'/><target dev='vdz'/></disk>",
                       "type='vhostuser'"),
    "disk-volume": ("<disk type='volume'><source pool='default' volume='victim.qcow2'/><target dev='vdz'/></disk>",
                    "volume='victim.qcow2'"),
    "disk-restored-twice-as-qcow2": ("<disk type='file'><driver name='qemu' type='qcow2'/><source file='{images}/vda.raw'/>"
                                     "<target dev='vdz'/></disk>", "vda.raw"),
    "disk-with-backing-file": ("<disk type='file'><source file='{images}/vda.raw'/><backingStore type='file'>"
                               "<format type='raw'/><source file='/etc/shadow'/></backingStore><target dev='vdz'/></disk>",
                               "devices/disk/backingStore"),
    "disk-with-label-switch": ("<disk type='file'><source file='{images}/vda.raw'><seclabel model='dac' relabel='no'/></source>"
                               "<target dev='vdz'/></disk>", "source/seclabel"),
    "disk-raw-io": ("<disk type='block' device='lun' rawio='yes'><target dev='sdz' bus='scsi'/></disk>", "rawio='yes'"),
    "interface-script": ("<interface type='ethernet'><script path='{canary}/evil'/></interface>", "type='ethernet'"),
    "interface-bridge-script": ("<interface type='bridge'><source bridge='b'/><script path='{canary}/evil'/></interface>",
                                "canary/evil"),
    "interface-downscript": ("<interface type='bridge'><source bridge='b'/><downscript path='{canary}/evil'/></interface>",
                             "devices/interface/downscript"),
    "interface-vhostuser": ("<interface type='vhostuser'><source type='unix' path='{canary}/socket' mode='client'/></interface>",
                            "type='vhostuser'"),
    "interface-hostdev": ("<interface type='hostdev'><source><address type='pci' domain='0' bus='0' slot='1' function='0'/>"
                          "</source></interface>", "type='hostdev'"),
    "interface-passt-log": ("<interface type='user'><backend type='passt' logFile='{canary}/secret'/></interface>", "logFile"),
    "interface-rom": ("<interface type='network'><source network='default'/><rom file='/etc/shadow'/></interface>",
                      "/etc/shadow"),
    "interface-vhost": ("<interface type='network'><source network='default'/><backend vhost='/dev/sda'/></interface>",
                        "/dev/sda"),
    "graphics-socket": ("<graphics type='vnc' socket='{canary}/socket'/>", "canary/socket"),
    "graphics-listen-socket": ("<graphics type='spice'><listen type='socket' socket='{canary}/socket'/></graphics>",
                               "canary/socket"),
    "graphics-sdl": ("<graphics type='sdl' display=':0' xauth='/root/.Xauthority'/>", "type='sdl'"),
    "graphics-rendernode": ("<graphics type='egl-headless'><gl rendernode='/dev/sda'/></graphics>", "/dev/sda"),
    "video-vhostuser": ("<video><driver name='vhostuser'/><model type='virtio'/></video>", "name='vhostuser'"),
    "audio-file": ("<audio id='1' type='file' path='{canary}/secret'/>", "devices/audio"),
    "audio-oss": ("<audio id='1' type='oss'><input dev='/dev/sda'/></audio>", "devices/audio"),
    "input-passthrough": ("<input type='passthrough' bus='virtio'><source evdev='/dev/input/event0'/></input>", "devices/input"),
    "input-evdev": ("<input type='evdev'><source dev='/dev/input/event0'/></input>", "devices/input"),
    "rng-file": ("<rng model='virtio'><backend model='random'>/etc/shadow</backend></rng>", "/etc/shadow"),
    "rng-egd": ("<rng model='virtio'><backend model='egd' type='udp'><source mode='bind' service='1'/></backend></rng>",
                "model='egd'"),
    "tpm-passthrough": ("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "type='passthrough'"),
    "tpm-external": ("<tpm><backend type='external'><source type='unix' mode='connect' path='{canary}/socket'/></backend></tpm>",
                     "type='external'"),
    "nvdimm": ("<memory model='nvdimm'><source><path>/etc/shadow</path></source><target><size>1</size></target></memory>",
               "model='nvdimm'"),
    "watchdog-dump": ("<watchdog model='i6300esb' action='dump'/>", "action='dump'"),
    "crypto-host": ("<crypto model='virtio'><backend model='lkcf'/></crypto>", "model='lkcf'"),
    "second-emulator": ("<emulator>{canary}/evil</emulator>", "canary/evil"),
    "namespace-disguise": ("<x:emulator xmlns:x='urn:x'>{canary}/evil</x:emulator>", "of 'urn:x'"),
    "unknown-device": ("<teleporter path='/etc/shadow'/>", "devices/teleporter"),
    "unknown-attribute": ("<panic model='isa' program='{canary}/evil'/>", "program="),
}

# name: (XML at the end of <domain>, what the message names)
ELEMENTS = {
    "qemu-commandline": (f"<q:commandline xmlns:q='{QEMU}'><q:arg value='-chardev'/><q:arg value='file,id=x,path={{canary}}/x'/>"
                         "</q:commandline>", QEMU),
    "qemu-env": (f"<q:commandline xmlns:q='{QEMU}'><q:env name='LD_PRELOAD' value='{{canary}}/evil'/></q:commandline>", QEMU),
    "qemu-override": (f"<q:override xmlns:q='{QEMU}'><q:device alias='x'/></q:override>", QEMU),
    "qemu-capabilities": (f"<q:capabilities xmlns:q='{QEMU}'><q:add capability='x'/></q:capabilities>", QEMU),
    "foreign-namespace": ("<x:y xmlns:x='urn:unknown'/>", "urn:unknown"),
    "bootloader": ("<bootloader>{canary}/evil</bootloader>", "bootloader"),
    "label-none": ("<seclabel type='none'/>", "type='none'"),
    "label-static-root": ("<seclabel type='static' model='dac' relabel='yes'><label>+0:+0</label></seclabel>", "type='static'"),
    "label-no-relabel": ("<seclabel type='dynamic' model='dac' relabel='no'/>", "relabel='no'"),
    "label-baselabel": ("<seclabel type='dynamic' model='selinux'><baselabel>unconfined_t</baselabel></seclabel>", "baselabel"),
    "memory-in-a-file": ("<memoryBacking><source type='file'/></memoryBacking>", "type='file'"),
    "fwcfg-file": ("<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo>", "/etc/shadow"),
    "launch-security-file": ("<launchSecurity type='sev'><dhCert file='{canary}/secret'/></launchSecurity>", "dhCert"),
    "crash-dump": ("<on_crash>coredump-destroy</on_crash>", "coredump-destroy"),
    "cgroup": ("<resource><partition>/system.slice</partition></resource>", "/system.slice"),
    "blkio-device": ("<blkiotune><device><path>/dev/sda</path><weight>1000</weight></device></blkiotune>", "blkiotune/device"),
    "idmap": ("<idmap><uid start='0' target='0' count='10'/></idmap>", "idmap"),
    "perf": ("<perf><event name='cmt' enabled='yes'/></perf>", "perf"),
    "second-os-kernel": ("<os><kernel>/etc/shadow</kernel></os>", "/etc/shadow"),
    "second-devices": ("<devices><hostdev mode='subsystem' type='usb'/></devices>", "devices/hostdev"),
}

# name: (XML at the start of <os>, what the message names)
OS = {
    "kernel-shadow": ("<kernel>/etc/shadow</kernel>", "os/kernel: /etc/shadow"),
    "kernel-dots": ("<kernel>/boot/../etc/shadow</kernel>", "/boot/../etc/shadow"),
    "kernel-blanks": ("<kernel>\n  /etc/shadow\n</kernel>", "os/kernel: /etc/shadow"),
    "initrd": ("<initrd>{canary}/secret</initrd>", "os/initrd"),
    "dtb": ("<dtb>{canary}/secret</dtb>", "os/dtb"),
    "acpi-table": ("<acpi><table type='slic'>/etc/shadow</table></acpi>", "os/acpi/table"),
    "init": ("<init>/bin/sh</init>", "os/init"),
}
LOADER = '<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader>'


# A medium that could be anything is not given to the guest: its drive is left empty.
MEDIA = {
    "folder": "<disk type='dir' device='floppy'><driver type='fat'/><source dir='/etc'/><target dev='fda'/></disk>",
    "cdrom-shadow": "<disk type='file' device='cdrom'><source file='/etc/shadow'/><target dev='sdz' bus='sata'/></disk>",
    "cdrom-of-other-guest": "<disk type='file' device='cdrom'><source file='/var/lib/libvirt/images/victim.raw'/>"
                             "<target dev='sdz' bus='sata'/></disk>",
    "cdrom-dots": "<disk type='file' device='cdrom'><source file='/var/lib/libvirt/images/../../../../etc/x.iso'/>"
                   "<target dev='sdz' bus='sata'/></disk>",
    "cdrom-as-qcow2": "<disk type='file' device='cdrom'><driver type='qcow2'/><source file='/var/lib/libvirt/images/x.iso'/>"
                       "<target dev='sdz' bus='sata'/></disk>",
    "cdrom-device": "<disk type='block' device='cdrom'><source dev='/dev/sda'/><target dev='sdz' bus='sata'/></disk>",
    "floppy-writable": "<disk type='file' device='floppy'><source file='/var/lib/libvirt/images/x.vfd'/><target dev='fda'/>"
                        "</disk>",
}


def with_device(xml):
    return lambda f: f.device(xml)


def with_element(xml):
    return lambda f: f.element(xml)


def with_os(xml):
    def change(f):
        at = f.text.index(">", f.text.index("<os")) + 1
        f.text = f.text[:at] + f.fill(xml) + f.text[at:]
    return change


def both(*changes):
    def change(f):
        for one in changes:
            one(f)
    return change


def replaced(old, new):
    return lambda f: f.define(old, new)


def in_metadata(f):
    f.sub("<metadata>", "<metadata><x:run xmlns:x='urn:x:tool' command='{canary}/evil'/>")


def loader_nvram(f):
    """NVRAM of the other format, whose header names a file."""
    f.nvram_format("qcow2")


def second_nvram(f):
    f.define("<nvram ", "<nvram>{canary}/secret</nvram><nvram ")


def harmless_osinfo(f):
    f.sub("http://opensuse.org/opensuse/15.5", "http://opensuse.org/opensuse/15.6")


def check_tpm_place(destination, canary):
    text = virsh("dumpxml", "web").out
    expect(canary not in text, "the place of the TPM's state is the one of the backup")
    expect(f"<source type='file' path='{destination}/" in text, "the place of the TPM's state is not in the destination")


def tpm_state():
    """Where libvirt knows of such a place, it is one in the destination, as a disk's is."""
    change = with_device("<tpm><backend type='emulator'><source type='file' path='{canary}/secret'/></backend></tpm>")
    if libvirt_version() >= (10, 10):
        return Case("device-tpm-state", change, defines=True, verify=(0,), check=check_tpm_place)
    return Case("device-tpm-state", change, says="TPM state")


def cases():
    yield Case("good-none", lambda f: None, "none", defines=True, verify=(0,))
    yield Case("good-lzma", lambda f: None, "lzma", defines=True, verify=(0,))
    yield Case("good-zstd", lambda f: None, "zstd", defines=True, verify=(0,))
    yield Case("good-new-name", lambda f: None, "none", options=("--new-name", "twin"), defines=True, verify=(0,))
    yield Case("good-metadata", harmless_osinfo, "none", defines=True, verify=(0,))
    for name, (xml, says) in DEVICES.items():
        yield Case("device-" + name, with_device(xml), says=says)
    yield tpm_state()
    for name, xml in MEDIA.items():
        yield Case("medium-" + name, with_device(xml), defines=True, verify=(0,), warns="is left empty")
    for name, (xml, says) in ELEMENTS.items():
        yield Case("element-" + name, with_element(xml), says=says)
    for name, (xml, says) in OS.items():
        yield Case("os-" + name, with_os(xml), says=says)
    yield Case("emulator", replaced(EMULATOR, "<emulator>{canary}/evil</emulator>"), says="devices/emulator")
    yield Case("emulator-dots", replaced(EMULATOR, "<emulator>/usr/bin/qemu-system-x86_64/../../..{canary}/evil</emulator>"),
               says="devices/emulator")
    yield Case("emulator-new-name", replaced(EMULATOR, "<emulator>{canary}/evil</emulator>"), says="devices/emulator",
               options=("--new-name", "twin"))
    yield Case("emulator-autorun", replaced(EMULATOR, "<emulator>{canary}/evil</emulator>"), says="devices/emulator",
               options=("--allow-autorun",))
    yield Case("loader", replaced("/usr/share/OVMF/OVMF_CODE_4M.fd", "{canary}/secret"), says="os/loader")
    yield Case("loader-dots", replaced("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/../../etc/shadow"), says="os/loader")
    yield Case("loader-writable", replaced('readonly="yes"', 'readonly="no"'), says="os/loader")
    yield Case("nvram-template", replaced("/usr/share/OVMF/OVMF_VARS_4M.fd", "/etc/shadow"), says="template='/etc/shadow'")
    yield Case("nvram-other-format", loader_nvram, says="os/nvram")
    yield Case("nvram-twice", second_nvram, says="os/nvram")
    yield Case("metadata-of-others", in_metadata, "none", defines=True, verify=(0,))
    yield Case("domain-type", replaced('<domain type="qemu"', '<domain type="lxc"'), says="domain: type='lxc'")
    yield Case("disk-target-slash", with_device("<disk><target dev='../../x'/></disk>"), says="invalid target")
    yield Case("disk-target-twice", with_device("<disk><target dev='vda'/></disk>"), says="two disks with the target")
    yield Case("disk-without-target", with_device("<disk/>"), says="without a target")
    yield Case("many-findings", with_device("".join(f"<x{n}/>" for n in range(20000))), says="and 997 more")
    yield Case("many-disks", with_device("".join(f"<disk><target dev='v{n}'/></disk>" for n in range(60000))),
               says="has more than 4096 disks")
    yield Case("long-name-of-an-element", with_device("<" + "x" * 40000 + "/>"), says="devices/xxx")
    yield Case("escapes-in-a-value", with_device("<emulator>/\u009b2J\u202e\n\t/x</emulator>"), says="devices/emulator")
    yield Case("deep-below-an-unknown-element", with_device("<d>" * 200 + "</d>" * 200), says="devices/d")
