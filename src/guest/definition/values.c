/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values that name something on the host.
 */
#include "guest/definition/rows.h"

#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/text.h"
#include "guest/definition/internal.h"

/* libvirt truncates the guest's name to this length in the folders that it makes. */
#define SHORT_NAME 20

static bool ends_in_any_case(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);

    return len > end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* Absolute, and without components that lead elsewhere. */
static bool is_straight(const char *path)
{
    if (*path != '/')
        return false;
    for (const char *at = path; *at;) {
        size_t len = strcspn(++at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        at += len;
    }
    return true;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    while (len > 0 && folder[len - 1] == '/')
        len--;
    return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/';
}

static bool is_one(const char *text, const char *const *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, all[i]) == 0)
            return true;
    return false;
}

static bool is_below_one(const char *path, const char *const *folders, size_t count)
{
    if (!is_straight(path))
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_below(path, folders[i]))
            return true;
    return false;
}

/* ---- programs and files of the system ----------------------------------------------------- */

static bool check_emulator(const struct definition_host *host, const struct xml_node *node,
                           const char *value)
{
    static const char *const usual[] = {"/usr/bin/qemu-kvm", "/usr/bin/kvm", "/usr/bin/kvm-spice",
                                        "/usr/libexec/qemu-kvm", "/usr/lib/xen/bin/qemu-dm"};
    static const char system[] = "/usr/bin/qemu-system-";

    (void)node;
    if (is_one(value, usual, ARRAY_COUNT(usual)) ||
        is_one(value, host->emulators, host->emulator_count))
        return true;
    return text_begins(value, system) && is_straight(value) && !strchr(value + strlen(system), '/');
}

/* Program data that comes from packages and that everybody may read. */
static const char *const system_folders[] = {"/usr/share", "/usr/lib", "/usr/lib64",
                                             "/usr/libexec"};

static bool check_firmware(const struct definition_host *host, const struct xml_node *node,
                           const char *value)
{
    (void)host;
    (void)node;
    return *value == '\0' || strcmp(value, "hvmloader") == 0 ||
           is_below_one(value, system_folders, ARRAY_COUNT(system_folders));
}

static bool check_kernel(const struct definition_host *host, const struct xml_node *node,
                         const char *value)
{
    static const char *const boot[] = {"/boot"};

    return check_firmware(host, node, value) || is_below_one(value, boot, 1);
}

/* Flash that is not read-only is written to. */
static bool check_loader(const struct definition_host *host, const struct xml_node *node,
                         const char *value)
{
    (void)host;
    return strcmp(value, "rom") == 0 ||
           (strcmp(value, "pflash") == 0 && definition_attr_is(node, "readonly", "yes"));
}

static bool check_rendernode(const struct definition_host *host, const struct xml_node *node,
                             const char *value)
{
    static const char start[] = "/dev/dri/renderD";
    size_t len = strlen(start);

    (void)host;
    (void)node;
    return text_begins(value, start) && value[len] &&
           !value[len + strspn(value + len, "0123456789")];
}

/* ---- files of the guest --------------------------------------------------------------------- */

/* format NULL: raw, as for libvirt. */
static bool is_own(const struct definition_host *host, const char *path, const char *format)
{
    for (size_t i = 0; i < host->own_count; i++)
        if (strcmp(path, host->own[i].path) == 0)
            return strcmp(format ? format : "raw", host->own[i].format) == 0;
    return false;
}

/* Where libvirt makes the NVRAM for a guest without one: NAME_VARS.fd. */
static bool check_nvram(const struct definition_host *host, const struct xml_node *node,
                        const char *value)
{
    const struct xml_node *nvram = xml_is(node, NULL, "nvram") ? node : xml_parent(node);

    if (*value == '\0' || is_own(host, value, xml_attr(nvram, "format")))
        return true;
    CLEANUP_FREE char *start = mem_printf("%s/%s_VARS.", host->nvram, host->name);
    return text_begins(value, start) && !strchr(value + strlen(start), '/');
}

/* A medium that is only read. Its name must show that it is one, because a pool's folder also holds
 * the disks of other guests. */
static bool is_medium(const struct xml_node *disk, const char *name)
{
    const struct xml_node *driver = xml_child(disk, NULL, "driver");
    const char *format = driver ? xml_attr(driver, "type") : NULL;

    if (format && strcmp(format, "raw") != 0)
        return false;
    if (definition_attr_is(disk, "device", "cdrom"))
        return ends_in_any_case(name, ".iso");
    return definition_attr_is(disk, "device", "floppy") && xml_child(disk, NULL, "readonly") &&
           (ends_in_any_case(name, ".vfd") || ends_in_any_case(name, ".flp"));
}

static bool check_disk_path(const struct definition_host *host, const struct xml_node *node,
                            const char *value)
{
    static const char *const usual[] = {"/var/lib/libvirt/images", "/var/lib/libvirt/boot",
                                        "/usr/share"};

    const struct xml_node *driver = xml_child(xml_parent(node), NULL, "driver");
    if (is_own(host, value, driver ? xml_attr(driver, "type") : NULL))
        return true;
    return is_medium(xml_parent(node), value) && !xml_attr(node, "dev") &&
           (is_below_one(value, usual, ARRAY_COUNT(usual)) ||
            is_below_one(value, host->media, host->media_count));
}

static bool check_volume(const struct definition_host *host, const struct xml_node *node,
                         const char *value)
{
    (void)host;
    return is_medium(xml_parent(node), value);
}

static bool check_tpm(const struct definition_host *host, const struct xml_node *node,
                      const char *value)
{
    (void)node;
    return host->tpm && strcmp(value, host->tpm) == 0;
}

/* ---- libvirt's own sockets ---------------------------------------------------------------------- */

/* "domain-7-web" or "7-web": the folder that libvirt makes for this guest. */
static bool is_guest_folder(const struct definition_host *host, const char *text, size_t len)
{
    static const char start[] = "domain-";
    const char *end = text + len;

    if (len > strlen(start) && text_begins(text, start))
        text += strlen(start);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text + digits >= end || text[digits] != '-')
        return false;
    text += digits + 1;
    len = (size_t)(end - text);
    return strncmp(text, host->name, len) == 0 && (host->name[len] == '\0' || len >= SHORT_NAME);
}

static bool check_socket_path(const struct definition_host *host, const struct xml_node *node,
                              const char *value)
{
    CLEANUP_FREE char *targets = mem_printf("%s/channel/target", host->state);
    const char *const folders[] = {targets, host->state, "/run/libvirt/qemu/channel",
                                   "/var/run/libvirt/qemu/channel"};

    (void)node;
    if (!is_straight(value))
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        if (!is_below(value, folders[i]))
            continue;
        const char *rest = value + strlen(folders[i]) + 1;
        size_t len = strcspn(rest, "/");
        if (rest[len] == '/' && !strchr(rest + len + 1, '/') && is_guest_folder(host, rest, len))
            return true;
    }
    return false;
}

/* The pty of the running guest: the restored guest gets another one. */
static bool check_pty(const struct definition_host *host, const struct xml_node *node,
                      const char *value)
{
    static const char start[] = "/dev/pts/";
    size_t len = strlen(start);

    (void)host;
    (void)node;
    return text_begins(value, start) && value[len] &&
           !value[len + strspn(value + len, "0123456789")];
}

/* ---- the table ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool (*accepts)(const struct definition_host *host, const struct xml_node *node,
                    const char *value);
} checks[] = {
    {"disk", check_disk_path}, {"emulator", check_emulator},     {"firmware", check_firmware},
    {"kernel", check_kernel},  {"loader", check_loader},         {"nvram", check_nvram},
    {"pty", check_pty},        {"rendernode", check_rendernode}, {"socket", check_socket_path},
    {"tpm", check_tpm},        {"volume", check_volume},
};

bool definition_value_check(const char *check, const struct definition_host *host,
                            const struct xml_node *node, const char *value)
{
    for (size_t i = 0; i < ARRAY_COUNT(checks); i++)
        if (strcmp(checks[i].name, check) == 0)
            return checks[i].accepts(host, node, value);
    return false;
}
