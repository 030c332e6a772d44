/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/hypervisor.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/quit.h"
#include "guest/connection.h"
#include "guest/event_loop.h"
#include "guest/libvirt_error.h"
#include "guest/long_call.h"
#include "guest/uri.h"

/* A dead or stopped libvirtd is noticed after this many times this many seconds. */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 6
/* When libvirt has not answered by then, the user is told what is waited for. */
#define OPEN_PATIENCE_MS 5000

/* ---- opening: libvirt may accept a connection and never answer -------------------------- */

struct opening {
    char *uri; /* NULL: libvirt's default */
    virConnectPtr connection;
    struct err err;
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
    /* A socket that does not exist is no thing that the user has named. */
    if (err->kind == ERR_NOT_FOUND)
        err->kind = ERR_IO;
}

static void open_connection(void *opaque)
{
    struct opening *opening = opaque;

    opening->connection = virConnectOpen(opening->uri);
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

    if (opening->connection)
        virConnectClose(opening->connection);
    free_opening(opening);
    event_loop_end();
}

/* Ends with the event loop begun if, and only if, it succeeds. */
static int connect_to(const char *uri, virConnectPtr *ret, struct err *err)
{
    struct opening *opening = mem_alloc(sizeof(*opening));
    struct long_call *call = NULL;
    int timeout_ms = OPEN_PATIENCE_MS;

    opening->uri = uri ? mem_strdup(uri) : NULL;
    if (event_loop_begin(err) < 0) {
        free_opening(opening);
        return -1;
    }
    if (long_call_start(open_connection, opening, &call, err) < 0) {
        clean_abandoned(opening);
        return -1;
    }
    for (;;) {
        enum long_call_event event = long_call_wait(call, timeout_ms, true);
        if (event == LONG_CALL_ENDED)
            break;
        if (event == LONG_CALL_SIGNAL) {
            long_call_abandon(call, clean_abandoned);
            return quit_check(err);
        }
        if (timeout_ms > 0)
            log_notice("waiting for libvirt to answer at %s", shown_uri(opening));
        timeout_ms = -1;
    }
    long_call_finish(call);
    *ret = opening->connection;
    int result = opening->connection ? 0 : err_move(err, &opening->err);
    free_opening(opening);
    if (result < 0)
        event_loop_end();
    return result;
}

/* ---- the connection ---------------------------------------------------------------------- */

static char *own_host_name(void)
{
    char name[HOST_NAME_MAX + 1] = "";

    return mem_strdup(gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost");
}

/* virConnect... functions give us memory of malloc. */
static int learn(struct hypervisor *hypervisor, struct err *err)
{
    hypervisor->uri = virConnectGetURI(hypervisor->connection);
    if (!hypervisor->uri)
        return libvirt_error(err, "cannot get libvirt's URI");
    /* An alias or a default of libvirt.conf has become the real one. */
    if (uri_check_local(hypervisor->uri, err) < 0)
        return -1;
    if (virConnectGetLibVersion(hypervisor->connection, &hypervisor->version) < 0)
        return libvirt_error(err, "%s: cannot get libvirt's version", hypervisor->uri);
    CLEANUP_FREE char *own = own_host_name();
    hypervisor->host = virConnectGetHostname(hypervisor->connection);
    if (!hypervisor->host)
        hypervisor->host = mem_strdup(own);
    if (strncmp(hypervisor->host, own, strcspn(own, ".")) != 0)
        log_detail("libvirt calls its host '%s', this is '%s'; disk images are looked for here",
                   hypervisor->host, own);
    return 0;
}

int hypervisor_open(const char *uri, struct hypervisor **ret, struct err *err)
{
    const char *preset = getenv("LIBVIRT_DEFAULT_URI");

    libvirt_error_silence();
    if (uri && *uri == '\0')
        uri = NULL;
    if (!uri && preset && *preset)
        uri = preset;
    if (uri && uri_check_local(uri, err) < 0)
        return -1;
    virConnectPtr connection = NULL;
    if (connect_to(uri, &connection, err) < 0)
        return -1;
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = mem_alloc(sizeof(*hypervisor));
    hypervisor->connection = connection;
    /* Not every driver has it: those that run in this process need none. */
    virConnectSetKeepAlive(connection, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
    if (learn(hypervisor, err) < 0)
        return -1;
    *ret = TAKE_PTR(hypervisor);
    return 0;
}

void hypervisor_close(struct hypervisor *hypervisor)
{
    if (!hypervisor)
        return;
    virConnectClose(hypervisor->connection);
    event_loop_end();
    free(hypervisor->uri);
    free(hypervisor->host);
    free(hypervisor);
}

const char *hypervisor_uri(const struct hypervisor *hypervisor)
{
    return hypervisor->uri;
}

const char *hypervisor_host(const struct hypervisor *hypervisor)
{
    return hypervisor->host;
}

unsigned long hypervisor_version(const struct hypervisor *hypervisor)
{
    return hypervisor->version;
}

/* ---- guests -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(guest_name(*(struct guest *const *)a), guest_name(*(struct guest *const *)b));
}

int hypervisor_list(struct hypervisor *hypervisor, struct guest ***ret, size_t *ret_count,
                    struct err *err)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(hypervisor->connection, &domains, 0);

    if (count < 0)
        return libvirt_error(err, "%s: cannot list the guests", hypervisor->uri);
    struct guest **guests = mem_array((size_t)count + 1, sizeof(*guests));
    for (int i = 0; i < count; i++)
        guests[i] = guest_new(domains[i]);
    free(domains);
    qsort(guests, (size_t)count, sizeof(*guests), by_name);
    *ret = guests;
    *ret_count = (size_t)count;
    return 0;
}

void guest_list_free(struct guest **guests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        guest_free(guests[i]);
    free(guests);
}
