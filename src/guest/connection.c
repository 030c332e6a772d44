/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/connection.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/definition/definition.h"
#include "guest/event_loop.h"
#include "guest/libvirt_error.h"
#include "guest/long_call.h"

/* A dead or stopped libvirtd is noticed after this interval times this count. */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 6
/* If libvirt has not answered by then, the user is told what we are waiting for. */
#define OPEN_PATIENCE_MS 5000
/* A run that nobody watches must end at some time; nothing has been touched yet. */
#define OPEN_LIMIT_MS (UINT64_C(5) * 60 * 1000)
#define OPEN_SLICE_MS 100
/* How long a function that promises to leave the guest as it was waits for libvirt. */
#define REVIVE_MS 30000

/* ---- what every connection needs ------------------------------------------------------------ */

/* The last reference to a connection (NULL: none was opened) asks libvirtd to end it. */
static void close_connection(virConnectPtr connection)
{
    BOUNDED_CALLS(&bounded_usual);

    event_loop_close(connection);
}

static void end_use(virConnectPtr connection)
{
    close_connection(connection);
    bounded_stop();
}

static int begin_use(struct err *err)
{
    if (event_loop_begin(err) < 0)
        return -1;
    if (bounded_start(err) == 0)
        return 0;
    event_loop_close(NULL);
    return -1;
}

/* ---- opening: libvirt may accept a connection and never answer -------------------------- */

struct opening {
    char *uri; /* NULL: libvirt's default */
    virConnectPtr connection;
    struct err err;
    atomic_bool abandoned;
};

static const char *shown_uri(const struct opening *opening)
{
    return opening->uri ? opening->uri : "its default URI";
}

static void explain_failure(struct opening *opening)
{
    struct err *err = &opening->err;

    int code = libvirt_error_code();

    libvirt_error(err, "cannot connect to libvirt at %s", shown_uri(opening));
    if (err->kind == ERR_DENIED)
        err_append(err, "run virt-backup as root or as a member of the group libvirt");
    else if (code == VIR_ERR_SYSTEM_ERROR)
        err_append(err, "is libvirtd (or virtqemud) running?");
    /* If a socket does not exist, that is not something the user has named. */
    if (err->kind == ERR_NOT_FOUND)
        err->kind = ERR_IO;
}

static void open_connection(void *opaque)
{
    struct opening *opening = opaque;

    struct bounded_sockets before = bounded_before_open();

    opening->connection = virConnectOpen(opening->uri);
    /* Since one that comes too late was begun, others have opened sockets of their own. */
    if (atomic_load(&opening->abandoned))
        before.known = false;
    bounded_after_open(&before);
    if (!opening->connection)
        explain_failure(opening);
}

static void free_opening(struct opening *opening)
{
    err_clear(&opening->err);
    free(opening->uri);
    free(opening);
}

static void clean_abandoned(void *opaque)
{
    struct opening *opening = opaque;

    end_use(opening->connection);
    free_opening(opening);
}

static int fail_late(const struct opening *opening, struct err *err)
{
    return err_set(err, ERR_IO, "cannot connect to libvirt at %s: it does not answer",
                   shown_uri(opening));
}

/* Returns 0 if the call has ended, else it is abandoned. Waits in slices, because a second signal
 * has no descriptor to wait for. */
static int await_opening(struct long_call *call, const struct opening *opening, uint64_t timeout_ms,
                         struct err *err)
{
    uint64_t begin_ms = units_now_ms();
    uint64_t limit_ms = timeout_ms ? timeout_ms : OPEN_LIMIT_MS;
    bool told = timeout_ms > 0;

    for (;;) {
        enum long_call_event event = long_call_wait(call, OPEN_SLICE_MS, timeout_ms == 0);
        if (event == LONG_CALL_ENDED)
            return 0;
        if (event == LONG_CALL_SIGNAL)
            return quit_check(err);
        if (quit_sleep(0, err) < 0)
            return -1;
        uint64_t waited_ms = units_now_ms() - begin_ms;
        if (waited_ms >= limit_ms)
            return fail_late(opening, err);
        if (waited_ms >= OPEN_PATIENCE_MS && !told) {
            log_notice("waiting for libvirt to answer at %s", shown_uri(opening));
            told = true;
        }
    }
}

static int open_in_thread(const char *uri, uint64_t timeout_ms, virConnectPtr *ret, struct err *err)
{
    struct opening *opening = mem_alloc(sizeof(*opening));
    struct long_call *call = NULL;

    opening->uri = uri ? mem_strdup(uri) : NULL;
    if (begin_use(err) < 0) {
        free_opening(opening);
        return -1;
    }
    if (long_call_start(open_connection, opening, &call, err) < 0) {
        clean_abandoned(opening);
        return -1;
    }
    if (await_opening(call, opening, timeout_ms, err) < 0) {
        atomic_store(&opening->abandoned, true);
        long_call_abandon(call, clean_abandoned);
        return -1;
    }
    long_call_finish(call);
    *ret = opening->connection;
    int result = opening->connection ? 0 : err_move(err, &opening->err);
    free_opening(opening);
    if (result < 0)
        end_use(NULL);
    return result;
}

int connection_open(const char *uri, uint64_t timeout_ms, virConnectPtr *ret, struct err *err)
{
    if (open_in_thread(uri, timeout_ms, ret, err) < 0)
        return -1;
    /* Not every driver supports it: those that run in this process need no keep-alive. */
    virConnectSetKeepAlive(*ret, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
    return 0;
}

void connection_close(virConnectPtr connection)
{
    if (connection)
        end_use(connection);
}

/* ---- using it --------------------------------------------------------------------------- */

virConnectPtr connection_of(struct hypervisor *hypervisor)
{
    pthread_mutex_lock(&hypervisor->lock);
    virConnectPtr connection = hypervisor->connection;
    virConnectRef(connection);
    pthread_mutex_unlock(&hypervisor->lock);
    return connection;
}

/* A domain of an old connection is useless: look it up on the new one. */
static int renew_domain(struct guest *guest, virConnectPtr connection, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    if (virDomainGetConnect(guest->domain) == connection)
        return 0;
    virDomainPtr domain = virDomainLookupByUUIDString(connection, guest->uuid);
    if (!domain)
        return libvirt_error(err, "cannot find the guest again");
    virDomainFree(guest->domain);
    guest->domain = domain;
    return 0;
}

int connection_check_path(const char *path, struct err *err)
{
    if (xml_text_valid(path))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: libvirt cannot handle a path that is not UTF-8; choose another folder",
                   path);
}

int connection_domain(struct guest *guest, virDomainPtr *ret, struct err *err)
{
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(guest->hypervisor);

    pthread_mutex_lock(&guest->lock);
    int result = renew_domain(guest, connection, err);
    if (result == 0) {
        virDomainRef(guest->domain);
        *ret = guest->domain;
    }
    pthread_mutex_unlock(&guest->lock);
    return result;
}

int connection_revive(struct hypervisor *hypervisor, struct err *err)
{
    return hypervisor_alive(hypervisor) ? 0 : hypervisor_reconnect(hypervisor, REVIVE_MS, err);
}

int connection_read_disks(virDomainPtr domain, struct definition_disks *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *text = virDomainGetXMLDesc(domain, 0);

    if (!text)
        return libvirt_error(err, "cannot get the guest's definition");
    CLEANUP(xml_freep) struct xml_doc *xml = xml_parse(text, strlen(text), err);
    return xml ? definition_read_disks(xml, ret, err) : -1;
}
