/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The check of a definition that somebody else may have written. What passes it without a finding
 * is looked at once more, with no table: none of what gives a guest the host may be in it.
 */
#include "fuzz.h"

#include <string.h>

#include "guest/definition/definition.h"
#include "guest/definition/check.h"

static const struct definition_own own[] = {{"/img/web.qcow2", "qcow2"},
                                            {"/img/data,1.raw", "raw"}};
static const char *const emulators[] = {"/opt/qemu/bin/qemu-system-x86_64"};
static const char *const media[] = {"/media/iso"};

static bool is_below(const char *path, const char *const *folders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return !strstr(path, "/../");
    return false;
}

static bool is_own(const char *path)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (strcmp(path, own[i].path) == 0)
            return true;
    return false;
}

static void check_disks(const struct xml_doc *domain)
{
    static const char *const readable[] = {"/media/iso/", "/var/lib/libvirt/images/",
                                           "/var/lib/libvirt/boot/", "/usr/share/"};
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (definition_read_disks(domain, &disks, NULL) < 0)
        return;
    for (size_t i = 0; i < disks.count; i++) {
        const struct definition_disk *disk = &disks.disks[i];
        bool medium = strcmp(disk->device, "cdrom") == 0 || strcmp(disk->device, "floppy") == 0;
        if (disk->path && strcmp(disk->type, "volume") != 0)
            FUZZ_CHECK(is_own(disk->path) || (medium && is_below(disk->path, readable, 4)));
        FUZZ_CHECK(strcmp(disk->type, "network") != 0 && strcmp(disk->type, "nvme") != 0);
    }
}

static void check_clean(const struct xml_doc *domain)
{
    static const char *const never[] = {"devices/hostdev",     "devices/filesystem",
                                        "devices/shmem",       "devices/lease",
                                        "bootloader",          "launchSecurity/dhCert",
                                        "devices/disk/mirror", "devices/interface/downscript",
                                        "devices/pstore",      "os/initenv"};
    static const char *const programs[] = {"/usr/", "/opt/qemu/bin/qemu-system-x86_64"};
    static const char *const boot[] = {"/boot/", "/usr/share/", "/usr/lib", "hvmloader"};
    const struct xml_node *root = xml_root(domain);
    CLEANUP_FREE char *emulator = xml_find_text(root, "devices/emulator");
    CLEANUP_FREE char *kernel = xml_find_text(root, "os/kernel");

    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        FUZZ_CHECK(!xml_find(root, never[i]));
    FUZZ_CHECK(!emulator || is_below(emulator, programs, 2));
    FUZZ_CHECK(!kernel || !*kernel || is_below(kernel, boot, 4));
    check_disks(domain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(xml_freep) struct xml_doc *domain = xml_parse((const char *)data, size, NULL);
    CLEANUP_FINDINGS struct definition_findings findings = {0};
    const struct definition_host host = {
        .name = "web",
        .state = "/var/lib/libvirt/qemu",
        .nvram = "/var/lib/libvirt/qemu/nvram",
        .own = own,
        .own_count = sizeof(own) / sizeof(*own),
        .emulators = emulators,
        .emulator_count = 1,
        .media = media,
        .media_count = 1,
    };

    if (!domain)
        return 0;
    definition_check(domain, &host, &findings);
    FUZZ_CHECK(findings.count <= DEFINITION_MAX_FINDINGS);
    for (size_t i = 0; i < findings.count; i++)
        FUZZ_CHECK(*findings.all[i].text && xml_text_valid(findings.all[i].text));
    if (findings.count == 0)
        check_clean(domain);
    return 0;
}
