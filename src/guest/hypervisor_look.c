/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/hypervisor.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xml.h"
#include "base/shell.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/driver_folder.h"
#include "guest/libvirt_error.h"

static void free_pool(virStoragePoolPtr *pool)
{
    if (*pool)
        virStoragePoolFree(*pool);
}

static void free_volume(virStorageVolPtr *volume)
{
    if (*volume)
        virStorageVolFree(*volume);
}

/* ---- volumes ------------------------------------------------------------------------------- */

static const char *type_name(int type)
{
    switch (type) {
    case VIR_STORAGE_VOL_FILE:
        return "file";
    case VIR_STORAGE_VOL_BLOCK:
        return "block";
    case VIR_STORAGE_VOL_DIR:
        return "dir";
    case VIR_STORAGE_VOL_NETWORK:
        return "network";
    case VIR_STORAGE_VOL_NETDIR:
        return "netdir";
    case VIR_STORAGE_VOL_PLOOP:
        return "ploop";
    default:
        return "unknown";
    }
}

static int volume_format(virStorageVolPtr volume, char **ret_format, struct err *err)
{
    CLEANUP_FREE char *text = virStorageVolGetXMLDesc(volume, 0);

    if (!text)
        return libvirt_error(err, "cannot get its description");
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(text, strlen(text), err);
    if (!doc)
        return err_prefix(err, "its description");
    const char *format = xml_find_attr(xml_root(doc), "target/format", "type");
    /* A logical volume or partition has no format, or a meaningless one. */
    if (!format || *format == '\0' || strcmp(format, "unknown") == 0)
        format = "raw";
    *ret_format = mem_strdup(format);
    return 0;
}

static int look_up_pool(struct hypervisor *hypervisor, const char *name, virStoragePoolPtr *ret,
                        struct err *err)
{
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virStoragePoolPtr pool CLEANUP(free_pool) = virStoragePoolLookupByName(connection, name);

    if (!pool)
        return libvirt_error(err, "storage pool '%s'", name);
    int active = virStoragePoolIsActive(pool);
    if (active < 0)
        return libvirt_error(err, "storage pool '%s'", name);
    if (!active) {
        CLEANUP_FREE char *line = shell_virsh("pool-start", name);
        return err_set(err, ERR_IO, "storage pool '%s' is not active; to start it, run: %s", name,
                       line);
    }
    *ret = TAKE_PTR(pool);
    return 0;
}

static virStorageVolPtr look_up_volume(virStoragePoolPtr pool, const char *name)
{
    virStorageVolPtr volume = virStorageVolLookupByName(pool, name);

    /* libvirt does not see what others have put into a pool until it is refreshed. */
    if (!volume && libvirt_error_code() == VIR_ERR_NO_STORAGE_VOL &&
        virStoragePoolRefresh(pool, 0) == 0)
        volume = virStorageVolLookupByName(pool, name);
    return volume;
}

int hypervisor_volume(struct hypervisor *hypervisor, const char *pool_name, const char *volume_name,
                      struct hypervisor_volume *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virStoragePoolPtr pool CLEANUP(free_pool) = NULL;
    CLEANUP_HYPERVISOR_VOLUME struct hypervisor_volume found = {0};
    virStorageVolInfo info;

    if (look_up_pool(hypervisor, pool_name, &pool, err) < 0)
        return -1;
    virStorageVolPtr volume CLEANUP(free_volume) = look_up_volume(pool, volume_name);
    if (!volume)
        return libvirt_error(err, "volume '%s' of storage pool '%s'", volume_name, pool_name);
    found.path = virStorageVolGetPath(volume);
    if (!found.path || virStorageVolGetInfo(volume, &info) < 0)
        return libvirt_error(err, "volume '%s' of storage pool '%s'", volume_name, pool_name);
    if (volume_format(volume, &found.format, err) < 0)
        return err_prefix(err, "volume '%s' of storage pool '%s'", volume_name, pool_name);
    found.type = mem_strdup(type_name(info.type));
    *ret = found;
    found = (struct hypervisor_volume){0};
    return 0;
}

void hypervisor_volume_clear(struct hypervisor_volume *volume)
{
    free(volume->path);
    free(volume->format);
    free(volume->type);
    *volume = (struct hypervisor_volume){0};
}

/* ---- libvirt's access to a place ------------------------------------------------------------- */

/* Asks libvirt for the XML in the save image at `path`. If libvirt cannot open the file, that is a
 * system error with an errno; if it opened the file and that is not a save image, there is no
 * errno. Only QEMU's driver is known to keep these two apart. */
int hypervisor_can_open(struct hypervisor *hypervisor, const char *path, bool *ret_can,
                        struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    CLEANUP_FREE char *xml = virDomainSaveImageGetXMLDesc(connection, path, 0);
    const virError *error = xml ? NULL : virGetLastError();

    if (!xml && !error)
        return libvirt_error(err, "%s: cannot ask libvirt whether it can open it", path);
    if (xml || error->domain == VIR_FROM_QEMU) {
        *ret_can = xml || error->code != VIR_ERR_SYSTEM_ERROR || error->int1 <= 0;
        if (!*ret_can)
            log_detail("libvirt cannot open %s: %s", path, error->message);
        return 0;
    }
    if (error->domain == VIR_FROM_RPC)
        return libvirt_error(err, "%s: cannot ask libvirt whether it can open it", path);
    log_detail("cannot tell whether libvirt can open %s: %s", path, error->message);
    *ret_can = true;
    return 0;
}

/* ---- things a guest refers to ------------------------------------------------------------------ */

static enum host_answer answer_of_activity(int active)
{
    return active == 0 ? HOST_INACTIVE : HOST_HAS;
}

static enum host_answer has_network(virConnectPtr connection, const char *name)
{
    virNetworkPtr network = virNetworkLookupByName(connection, name);

    if (!network)
        return HOST_LACKS;
    enum host_answer answer = answer_of_activity(virNetworkIsActive(network));
    virNetworkFree(network);
    return answer;
}

static enum host_answer has_nwfilter(virConnectPtr connection, const char *name)
{
    virNWFilterPtr filter = virNWFilterLookupByName(connection, name);

    return filter && virNWFilterFree(filter) == 0 ? HOST_HAS : HOST_LACKS;
}

static enum host_answer has_pool(virConnectPtr connection, const char *name)
{
    virStoragePoolPtr pool CLEANUP(free_pool) = virStoragePoolLookupByName(connection, name);

    return pool ? answer_of_activity(virStoragePoolIsActive(pool)) : HOST_LACKS;
}

static enum host_answer has_secret_uuid(virConnectPtr connection, const char *uuid)
{
    virSecretPtr secret = virSecretLookupByUUIDString(connection, uuid);

    return secret && virSecretFree(secret) == 0 ? HOST_HAS : HOST_LACKS;
}

/* A usage is looked up by its type, which the guest's XML does not give. */
static enum host_answer has_secret_usage(virConnectPtr connection, const char *usage)
{
    static const int types[] = {VIR_SECRET_USAGE_TYPE_VOLUME, VIR_SECRET_USAGE_TYPE_CEPH,
                                VIR_SECRET_USAGE_TYPE_ISCSI, VIR_SECRET_USAGE_TYPE_TLS,
                                VIR_SECRET_USAGE_TYPE_VTPM};

    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        virSecretPtr secret = virSecretLookupByUsage(connection, types[i], usage);
        if (secret) {
            virSecretFree(secret);
            return HOST_HAS;
        }
        if (libvirt_error_code() != VIR_ERR_NO_SECRET)
            return HOST_LACKS;
    }
    return HOST_LACKS;
}

static const struct {
    enum host_answer (*has)(virConnectPtr connection, const char *name);
    int missing; /* libvirt's code for a missing one */
} things[] = {
    [HOST_NETWORK] = {has_network, VIR_ERR_NO_NETWORK},
    [HOST_POOL] = {has_pool, VIR_ERR_NO_STORAGE_POOL},
    [HOST_SECRET_UUID] = {has_secret_uuid, VIR_ERR_NO_SECRET},
    [HOST_SECRET_USAGE] = {has_secret_usage, VIR_ERR_NO_SECRET},
    [HOST_NWFILTER] = {has_nwfilter, VIR_ERR_NO_NWFILTER},
};

/* ---- the hypervisor itself ---------------------------------------------------------------------- */

unsigned long hypervisor_emulator_version(struct hypervisor *hypervisor)
{
    BOUNDED_CALLS(&bounded_usual);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    unsigned long version = 0;

    return virConnectGetVersion(connection, &version) < 0 ? 0 : version;
}

bool hypervisor_is_qemu(struct hypervisor *hypervisor)
{
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    const char *type = virConnectGetType(connection);

    return type && strcmp(type, "QEMU") == 0;
}

/* ---- folders --------------------------------------------------------------------------------- */

/* For the system, a session and an embedded driver. */
static char *beside_driver_folder(const struct hypervisor *hypervisor, const char *name)
{
    CLEANUP_FREE char *folder = driver_folder(hypervisor->uri);
    const char *slash = strrchr(folder, '/');

    return mem_printf("%.*s/%s", (int)(slash - folder), folder, name);
}

char *hypervisor_staging_folder(const struct hypervisor *hypervisor)
{
    return beside_driver_folder(hypervisor, "virt-backup");
}

/* ---- things that a guest refers to ------------------------------------------------------------ */

/* For a libvirt call that has just failed. */
static enum host_answer answer_of_failure(const char *name, int missing)
{
    if (libvirt_error_code() == missing)
        return HOST_LACKS;
    log_detail("cannot tell whether this host has '%s': %s", name, virGetLastErrorMessage());
    return HOST_HAS;
}

enum host_answer hypervisor_has(struct hypervisor *hypervisor, enum host_thing thing,
                                const char *name)
{
    BOUNDED_CALLS(&bounded_slow);

    if (thing == HOST_INTERFACE)
        return if_nametoindex(name) != 0 ? HOST_HAS : HOST_LACKS;
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    enum host_answer answer = things[thing].has(connection, name);
    return answer == HOST_LACKS ? answer_of_failure(name, things[thing].missing) : answer;
}

enum host_answer hypervisor_has_volume(struct hypervisor *hypervisor, const char *pool_name,
                                       const char *volume_name)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virStoragePoolPtr pool CLEANUP(free_pool) = virStoragePoolLookupByName(connection, pool_name);

    if (!pool)
        return answer_of_failure(pool_name, VIR_ERR_NO_STORAGE_POOL);
    virStorageVolPtr volume CLEANUP(free_volume) = look_up_volume(pool, volume_name);
    return volume ? HOST_HAS : answer_of_failure(volume_name, VIR_ERR_NO_STORAGE_VOL);
}

/* ---- emulated TPMs --------------------------------------------------------------------------- */

char *hypervisor_tpm_folder(const struct hypervisor *hypervisor)
{
    return beside_driver_folder(hypervisor, "swtpm");
}

enum look_answer { NOT_SAID, NO, YES };

/* True if `wanted` is among the values of this <enum> of the capabilities. */
static enum look_answer has_value(const struct xml_node *tpm, const char *name, const char *wanted)
{
    enum look_answer answer = NOT_SAID;

    for (const struct xml_node *list = xml_child(tpm, NULL, "enum"); list;
         list = xml_next_same(list)) {
        const char *list_name = xml_attr(list, "name");
        if (!list_name || strcmp(list_name, name) != 0)
            continue;
        answer = NO;
        for (const struct xml_node *value = xml_child(list, NULL, "value"); value;
             value = xml_next_same(value)) {
            CLEANUP_FREE char *text = xml_text(value);
            if (strcmp(text, wanted) == 0)
                return YES;
        }
    }
    return answer;
}

bool hypervisor_emulates_tpm(struct hypervisor *hypervisor, const char *domain_type,
                             const char *version)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    CLEANUP_FREE char *text =
        virConnectGetDomainCapabilities(connection, NULL, NULL, NULL, domain_type, 0);
    CLEANUP(xml_freep)
    struct xml_doc *capabilities = text ? xml_parse(text, strlen(text), NULL) : NULL;

    const struct xml_node *tpm =
        capabilities ? xml_find(xml_root(capabilities), "devices/tpm") : NULL;
    /* An older libvirt says nothing about TPMs, or nothing about their versions. */
    return !tpm || (has_value(tpm, "backendModel", "emulator") != NO &&
                    has_value(tpm, "backendVersion", version) != NO);
}

int hypervisor_check_domain(struct hypervisor *hypervisor, const char *xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);

    if (!text_begins(hypervisor->uri, "qemu"))
        return 0;
    CLEANUP_FREE char *native = virConnectDomainXMLToNative(connection, "qemu-argv", xml, 0);
    int code = native ? 0 : libvirt_error_code();
    if (code != VIR_ERR_CONFIG_UNSUPPORTED && code != VIR_ERR_XML_ERROR &&
        code != VIR_ERR_XML_DETAIL)
        return 0;
    libvirt_error(err, "libvirt refuses its definition");
    if (err)
        err->kind = ERR_UNSUPPORTED;
    return -1;
}
