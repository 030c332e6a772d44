/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/guest.h"

#include <string.h>

#include "base/array.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/definition/definition.h"
#include "guest/driver_folder.h"
#include "guest/libvirt_error.h"

struct guest *guest_new(struct hypervisor *hypervisor, virDomainPtr domain)
{
    struct guest *guest = mem_alloc(sizeof(*guest));

    guest->hypervisor = hypervisor;
    guest->domain = domain;
    guest->name = mem_strdup(virDomainGetName(domain));
    pthread_mutex_init(&guest->lock, NULL);
    virDomainGetUUIDString(domain, guest->uuid);
    return guest;
}

void guest_free(struct guest *guest)
{
    if (!guest)
        return;
    virDomainFree(guest->domain);
    pthread_mutex_destroy(&guest->lock);
    free(guest->name);
    free(guest);
}

bool guest_is_stuck(const struct guest *guest)
{
    return guest->stuck;
}

const char *guest_name(const struct guest *guest)
{
    return guest->name;
}

const char *guest_uuid(const struct guest *guest)
{
    return guest->uuid;
}

/* ---- finding --------------------------------------------------------------------------------- */

int guest_find(struct hypervisor *hypervisor, const char *name, struct guest **ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virDomainPtr domain = virDomainLookupByName(connection, name);

    if (domain) {
        *ret = guest_new(hypervisor, domain);
        return 0;
    }
    if (libvirt_error_code() == VIR_ERR_NO_DOMAIN)
        return err_set(err, ERR_NOT_FOUND, "%s has no guest named '%s'", hypervisor->uri, name);
    return libvirt_error(err, "%s: cannot look for the guest '%s'", hypervisor->uri, name);
}

int guest_find_uuid(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                    struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virDomainPtr domain = virDomainLookupByUUIDString(connection, uuid);

    if (domain) {
        *ret = guest_new(hypervisor, domain);
        return 0;
    }
    if (libvirt_error_code() == VIR_ERR_NO_DOMAIN)
        return err_set(err, ERR_NOT_FOUND, "%s has no guest with UUID %s", hypervisor->uri, uuid);
    return libvirt_error(err, "%s: cannot look for the guest %s", hypervisor->uri, uuid);
}

/* ---- what it is -------------------------------------------------------------------------------- */

static const struct {
    int libvirt;
    enum guest_state state;
    const char *text;
} states[] = {
    {VIR_DOMAIN_RUNNING, GUEST_RUNNING, "running"},
    {VIR_DOMAIN_BLOCKED, GUEST_RUNNING, "running"}, /* Xen: it waits for its devices */
    {VIR_DOMAIN_PAUSED, GUEST_PAUSED, "paused"},
    {VIR_DOMAIN_SHUTOFF, GUEST_SHUT_OFF, "shut off"},
    {VIR_DOMAIN_SHUTDOWN, GUEST_OTHER, "shutting down"},
    {VIR_DOMAIN_CRASHED, GUEST_OTHER, "crashed"},
    {VIR_DOMAIN_PMSUSPENDED, GUEST_OTHER, "pmsuspended"},
};

static void set_state(struct guest_status *status, int state)
{
    status->state = GUEST_OTHER;
    status->state_text = "in an unknown state";
    for (size_t i = 0; i < ARRAY_COUNT(states); i++)
        if (states[i].libvirt == state) {
            status->state = states[i].state;
            status->state_text = states[i].text;
        }
}

/* One that is restored paused is "migrating" to libvirt. */
static bool goes_on_from_save(int state, int reason)
{
    if (state == VIR_DOMAIN_PAUSED)
        return reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_SAVE ||
               reason == VIR_DOMAIN_PAUSED_UNKNOWN;
    return state == VIR_DOMAIN_RUNNING &&
           (reason == VIR_DOMAIN_RUNNING_RESTORED || reason == VIR_DOMAIN_RUNNING_SAVE_CANCELED);
}

/* A flag that a driver does not know is not set. */
static int read_flag(int result, bool *ret, struct err *err)
{
    if (result < 0 && libvirt_error_code() != VIR_ERR_NO_SUPPORT)
        return libvirt_error(err, "cannot get the guest's state");
    *ret = result > 0;
    return 0;
}

int guest_get_status(struct guest *guest, struct guest_status *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    struct guest_status status = {0};
    int state = 0;
    int reason = 0;
    int autostart = 0;
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    if (virDomainGetState(domain, &state, &reason, 0) < 0)
        return libvirt_error(err, "cannot get the guest's state");
    set_state(&status, state);
    status.booted = state == VIR_DOMAIN_RUNNING && reason == VIR_DOMAIN_RUNNING_BOOTED;
    status.resumed = goes_on_from_save(state, reason);
    status.io_error = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
    if (read_flag(virDomainIsPersistent(domain), &status.persistent, err) < 0)
        return -1;
    int result = virDomainGetAutostart(domain, &autostart);
    if (read_flag(result < 0 ? result : autostart, &status.autostart, err) < 0)
        return -1;
    if (read_flag(virDomainHasManagedSaveImage(domain, 0), &status.managed_save, err) < 0)
        return -1;
    *ret = status;
    return 0;
}

int guest_get_xml(struct guest *guest, enum guest_xml_kind kind, char **ret_xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    unsigned flags = VIR_DOMAIN_XML_SECURE;
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    flags |= kind == GUEST_XML_LIVE ? VIR_DOMAIN_XML_MIGRATABLE : VIR_DOMAIN_XML_INACTIVE;
    char *xml = virDomainGetXMLDesc(domain, flags);
    if (!xml)
        return libvirt_error(err, "cannot get the guest's definition");
    *ret_xml = xml;
    return 0;
}

/* ---- changing it --------------------------------------------------------------------------------- */

/* libvirt has no separate code for a name or UUID that another guest has. */
static bool is_name_taken(struct hypervisor *hypervisor, const char *xml)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(xml, strlen(xml), NULL);

    if (!doc)
        return false;
    CLEANUP_FREE char *name = definition_name(doc);
    CLEANUP_FREE char *uuid = definition_uuid(doc);
    CLEANUP(guest_freep) struct guest *namesake = NULL;
    CLEANUP(guest_freep) struct guest *twin = NULL;
    if (name && guest_find(hypervisor, name, &namesake, NULL) == 0)
        return !uuid || strcmp(guest_uuid(namesake), uuid) != 0;
    if (uuid && guest_find_uuid(hypervisor, uuid, &twin, NULL) == 0)
        return !name || strcmp(guest_name(twin), name) != 0;
    return false;
}

int guest_define(struct hypervisor *hypervisor, const char *xml, struct guest **ret,
                 struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virDomainPtr domain = virDomainDefineXMLFlags(connection, xml, 0);

    if (!domain) {
        libvirt_error(err, "cannot define the guest");
        if (err && is_name_taken(hypervisor, xml))
            err->kind = ERR_EXISTS;
        return -1;
    }
    driver_flush_definitions(hypervisor->uri);
    *ret = guest_new(hypervisor, domain);
    return 0;
}

int guest_undefine(struct guest *guest, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    /* All flags that the driver knows. If it does not know a flag, it either has no such thing or
     * refuses to undefine the guest: what must be kept stays. */
    static const unsigned flags[] = {
#if LIBVIR_CHECK_VERSION(8, 9, 0)
        VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
            VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_KEEP_TPM,
#endif
        VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
            VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
        VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
        0,
    };
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    int active = virDomainIsActive(domain);
    if (active < 0)
        return libvirt_error(err, "cannot get the guest's state");
    if (active)
        return err_set(err, ERR_BUSY, "the guest is active; shut it down first");
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        if (virDomainUndefineFlags(domain, flags[i]) == 0) {
            driver_flush_definitions(guest->hypervisor->uri);
            return 0;
        }
        if (libvirt_error_code() != VIR_ERR_INVALID_ARG)
            break;
    }
    return libvirt_error(err, "cannot undefine the guest");
}

int guest_set_autostart(struct guest *guest, bool autostart, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    if (virDomainSetAutostart(domain, autostart) < 0)
        return libvirt_error(err, "cannot set the guest's autostart flag");
    driver_flush_definitions(guest->hypervisor->uri);
    return 0;
}

int guest_start(struct guest *guest, bool paused, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    if (virDomainCreateWithFlags(domain, paused ? VIR_DOMAIN_START_PAUSED : 0) < 0)
        return libvirt_error(err, "cannot start the guest");
    return 0;
}

/* libvirt fails if there is nothing to do. */
static int change_state(struct guest *guest, int (*change)(virDomainPtr domain), int wanted,
                        const char *what, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_ERR struct err change_err = ERR_INIT;
    int state = VIR_DOMAIN_NOSTATE;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    if (change(domain) == 0)
        return 0;
    libvirt_error(&change_err, "%s", what);
    if (virDomainGetState(domain, &state, NULL, 0) == 0 && state == wanted)
        return 0;
    return err_move(err, &change_err);
}

int guest_suspend(struct guest *guest, struct err *err)
{
    return change_state(guest, virDomainSuspend, VIR_DOMAIN_PAUSED, "cannot suspend the guest",
                        err);
}

int guest_resume(struct guest *guest, struct err *err)
{
    guest->handed_over = false;
    return change_state(guest, virDomainResume, VIR_DOMAIN_RUNNING, "cannot resume the guest", err);
}

int guest_create(struct hypervisor *hypervisor, const char *xml, bool paused, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virDomainPtr domain CLEANUP_DOMAIN =
        virDomainCreateXML(connection, xml, paused ? VIR_DOMAIN_START_PAUSED : VIR_DOMAIN_NONE);

    if (!domain)
        return libvirt_error(err, "cannot start the guest");
    return 0;
}
