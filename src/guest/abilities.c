/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/abilities.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/libvirt-qemu.h>

#include "base/dir.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/driver_folder.h"
#include "guest/libvirt_error.h"

#define MANUAL_SINCE 8002000
#define TRUSTED_SINCE_MAJOR 9
#define AGENT_CHANNEL "org.qemu.guest_agent.0"

/* ---- what the hypervisor can -------------------------------------------------------------- */

static bool is_qemu(virConnectPtr connection)
{
    const char *type = virConnectGetType(connection);

    return type && strcmp(type, "QEMU") == 0;
}

/* The `<os><type>` attribute in domain XML; empty counts as missing. */
static const char *os_attr(const struct xml_doc *domain, const char *name)
{
    const char *value = xml_find_attr(xml_root(domain), "os/type", name);

    return value && *value ? value : NULL;
}

/* A driver that has no such capabilities, or does not know this kind of guest, cannot make backups
 * of it. */
static int get_pull_backup(virConnectPtr connection, const struct xml_doc *domain, bool *ret,
                           struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    CLEANUP_FREE char *emulator = xml_find_text(xml_root(domain), "devices/emulator");
    CLEANUP_FREE char *text = virConnectGetDomainCapabilities(
        connection, emulator, os_attr(domain, "arch"), os_attr(domain, "machine"),
        xml_attr(xml_root(domain), "type"), 0);

    if (!text) {
        if (virConnectIsAlive(connection) != 1)
            return libvirt_error(err, "cannot get the hypervisor's capabilities");
        log_detail("cannot tell whether the hypervisor supports backup jobs: %s",
                   virGetLastErrorMessage());
        *ret = false;
        return 0;
    }
    CLEANUP(xml_freep) struct xml_doc *capabilities = xml_parse(text, strlen(text), err);
    if (!capabilities)
        return err_prefix(err, "the hypervisor's capabilities");
    const char *supported = xml_find_attr(xml_root(capabilities), "features/backup", "supported");
    *ret = supported && strcmp(supported, "yes") == 0;
    return 0;
}

/* The version of the QEMU that runs this guest, which may be older than the installed one. */
static uint64_t running_major(virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *reply = NULL;
    uint64_t major = 0;

    if (virDomainQemuMonitorCommand(domain, "{\"execute\":\"query-version\"}", &reply, 0) < 0)
        return 0;
    CLEANUP(json_freep) struct json *json = json_parse(reply, strlen(reply), NULL);
    if (json)
        json_get_u64(json, "return.qemu.major", &major);
    return major;
}

/* QEMU before 9 can miss what an emulated guest writes while its memory is copied. Ask the monitor
 * only if the answer can be yes, because libvirt marks the guest as tainted for that. */
static bool is_live_trusted(const struct hypervisor *hypervisor, virDomainPtr domain,
                            const struct xml_doc *xml)
{
    BOUNDED_CALLS(&bounded_slow);

    const char *type = xml_attr(xml_root(xml), "type");
    unsigned long installed = 0;

    if (type && strcmp(type, "kvm") == 0)
        return true;
    if (virConnectGetVersion(virDomainGetConnect(domain), &installed) < 0 ||
        installed / 1000000 < TRUSTED_SINCE_MAJOR || hypervisor->monitors_spared)
        return false;
    return running_major(domain) >= TRUSTED_SINCE_MAJOR;
}

static bool has_agent(const struct xml_doc *domain)
{
    for (struct xml_node *channel = xml_find(xml_root(domain), "devices/channel"); channel;
         channel = xml_next_same(channel)) {
        const char *name = xml_find_attr(channel, "target", "name");
        const char *state = xml_find_attr(channel, "target", "state");
        if (name && strcmp(name, AGENT_CHANNEL) == 0 && state && strcmp(state, "connected") == 0)
            return true;
    }
    return false;
}

int guest_get_abilities(struct guest *guest, struct guest_abilities *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    struct guest_abilities abilities = {0};
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    CLEANUP_FREE char *text = virDomainGetXMLDesc(domain, 0);
    if (!text)
        return libvirt_error(err, "cannot get the guest's definition");
    CLEANUP(xml_freep) struct xml_doc *xml = xml_parse(text, strlen(text), err);
    if (!xml)
        return err_prefix(err, "the guest's definition");
    virConnectPtr connection = virDomainGetConnect(domain);
    if (get_pull_backup(connection, xml, &abilities.pull_backup, err) < 0)
        return -1;
    if (is_qemu(connection)) {
        abilities.manual = hypervisor_version(guest->hypervisor) >= MANUAL_SINCE;
        abilities.live_trusted = is_live_trusted(guest->hypervisor, domain, xml);
    }
    abilities.agent = has_agent(xml);
    *ret = abilities;
    return 0;
}

/* ---- the private folder --------------------------------------------------------------------- */

/* libvirt names the folder domain-ID-NAME and truncates the name. IDs start again after a reboot,
 * so a folder left by a crash may have the same ID. */
static int find_folder(const char *parent, unsigned id, const char *name, char **ret,
                       struct err *err)
{
    CLEANUP_FREE char *start = mem_printf("domain-%u-", id);
    CLEANUP_STRINGS struct strings names = {0};
    const char *found = NULL;

    if (dir_list(AT_FDCWD, parent, &names, err) < 0)
        return err_prefix(err, "cannot look for the guest's private folder in %s", parent);
    for (size_t i = 0; i < names.count; i++) {
        const char *part = text_after(names.items[i], start);
        if (part && text_begins(name, part) && (!found || strlen(found) <= strlen(names.items[i])))
            found = names.items[i];
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "the guest has no private folder in %s", parent);
    *ret = mem_printf("%s/%s", parent, found);
    return 0;
}

int guest_private_folder(struct guest *guest, char **ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    if (!is_qemu(virDomainGetConnect(domain)))
        return err_set(err, ERR_UNSUPPORTED, "only QEMU guests have a private folder");
    /* Ask again, because the handle may date from before the guest's start. */
    virDomainPtr fresh CLEANUP_DOMAIN =
        virDomainLookupByUUIDString(virDomainGetConnect(domain), guest->uuid);
    if (!fresh)
        return libvirt_error(err, "cannot find the guest again");
    unsigned id = virDomainGetID(fresh);
    if (id == (unsigned)-1)
        return err_set(err, ERR_UNSUPPORTED, "the guest is shut off: it has no private folder");
    CLEANUP_FREE char *parent = driver_folder(guest->hypervisor->uri);
    return find_folder(parent, id, guest->name, ret, err);
}
