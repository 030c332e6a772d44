/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/hypervisor.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xml.h"
#include "base/quit.h"
#include "base/units.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/libvirt_error.h"
#include "guest/uri.h"
#include "guest/watch_internal.h"

#define NEXT_GUEST_MS 5000
/* Between two attempts to reconnect. */
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS 2000

/* ---- the connection ---------------------------------------------------------------------- */

/* Unlike its name, it is unique to one host. */
static char *read_host_uuid(virConnectPtr connection)
{
    CLEANUP_FREE char *text = virConnectGetCapabilities(connection);
    CLEANUP(xml_freep)
    struct xml_doc *doc = text ? xml_parse(text, strlen(text), NULL) : NULL;

    if (!doc)
        log_detail("cannot get the UUID of this host: %s", virGetLastErrorMessage());
    return doc ? xml_find_text(xml_root(doc), "host/uuid") : NULL;
}

static char *own_host_name(void)
{
    char name[HOST_NAME_MAX + 1] = "";

    return mem_strdup(gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost");
}

static int learn_version(struct hypervisor *hypervisor, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    unsigned long version = 0;

    if (virConnectGetLibVersion(connection, &version) < 0)
        return libvirt_error(err, "%s: cannot get libvirt's version", hypervisor->uri);
    atomic_store(&hypervisor->version, version);
    return 0;
}

/* virConnect... functions return memory from malloc. */
static int learn_hypervisor(struct hypervisor *hypervisor, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    hypervisor->uri = virConnectGetURI(hypervisor->connection);
    if (!hypervisor->uri)
        return libvirt_error(err, "cannot get libvirt's URI");
    /* An alias or a default in libvirt.conf has become the real URI. */
    if (uri_check_local(hypervisor->uri, err) < 0)
        return -1;
    if (learn_version(hypervisor, err) < 0)
        return -1;
    CLEANUP_FREE char *own = own_host_name();
    hypervisor->host_uuid = read_host_uuid(hypervisor->connection);
    hypervisor->host = virConnectGetHostname(hypervisor->connection);
    if (!hypervisor->host)
        hypervisor->host = mem_strdup(own);
    if (strncmp(hypervisor->host, own, strcspn(own, ".")) != 0)
        log_detail("libvirt calls its host '%s', but this is '%s'; looking for disk images here",
                   hypervisor->host, own);
    return 0;
}

static void on_close(virConnectPtr connection, int reason, void *opaque)
{
    (void)connection;
    (void)reason;
    watch_note_loss(opaque);
}

/* Takes ownership of the connection. Without the callback the loss is noticed at the next call. */
static struct hypervisor *new_hypervisor(virConnectPtr connection)
{
    struct hypervisor *hypervisor = mem_alloc(sizeof(*hypervisor));

    pthread_mutex_init(&hypervisor->reconnecting, NULL);
    pthread_mutex_init(&hypervisor->lock, NULL);
    pthread_mutex_init(&hypervisor->watches_lock, NULL);
    hypervisor->connection = connection;
    virConnectRegisterCloseCallback(connection, on_close, hypervisor, NULL);
    return hypervisor;
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
    if (connection_open(uri, 0, &connection, err) < 0)
        return -1;
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = new_hypervisor(connection);
    if (learn_hypervisor(hypervisor, err) < 0)
        return -1;
    *ret = TAKE_PTR(hypervisor);
    return 0;
}

void hypervisor_close(struct hypervisor *hypervisor)
{
    if (!hypervisor)
        return;
    virConnectUnregisterCloseCallback(hypervisor->connection, on_close);
    connection_close(hypervisor->connection);
    pthread_mutex_destroy(&hypervisor->reconnecting);
    pthread_mutex_destroy(&hypervisor->lock);
    pthread_mutex_destroy(&hypervisor->watches_lock);
    free(hypervisor->uri);
    free(hypervisor->host);
    free(hypervisor->host_uuid);
    free(hypervisor);
}

const char *hypervisor_uri(const struct hypervisor *hypervisor)
{
    return hypervisor->uri;
}

const char *hypervisor_host_uuid(const struct hypervisor *hypervisor)
{
    return hypervisor->host_uuid;
}

const char *hypervisor_host(const struct hypervisor *hypervisor)
{
    return hypervisor->host;
}

void hypervisor_spare_monitors(struct hypervisor *hypervisor)
{
    hypervisor->monitors_spared = true;
}

unsigned long hypervisor_version(const struct hypervisor *hypervisor)
{
    return atomic_load(&hypervisor->version);
}

/* ---- gone and back ---------------------------------------------------------------------- */

bool hypervisor_alive(struct hypervisor *hypervisor)
{
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);

    return virConnectIsAlive(connection) == 1;
}

static int open_again(const char *uri, uint64_t timeout_ms, virConnectPtr *ret, struct err *err)
{
    uint64_t deadline_ms = units_now_ms() + timeout_ms;
    unsigned delay_ms = RETRY_FIRST_MS;

    for (;;) {
        CLEANUP_ERR struct err attempt = ERR_INIT;
        uint64_t now_ms = units_now_ms();
        uint64_t left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 1;
        if (connection_open(uri, left_ms, ret, &attempt) == 0)
            return 0;
        if (units_now_ms() + delay_ms >= deadline_ms)
            return err_move(err, &attempt);
        if (quit_sleep(delay_ms, err) < 0)
            return err_append(err, "%s", attempt.text);
        delay_ms = 2 * delay_ms < RETRY_MOST_MS ? 2 * delay_ms : RETRY_MOST_MS;
    }
}

static virConnectPtr exchange_connection(struct hypervisor *hypervisor, virConnectPtr connection)
{
    pthread_mutex_lock(&hypervisor->lock);
    virConnectPtr old = hypervisor->connection;
    hypervisor->connection = connection;
    pthread_mutex_unlock(&hypervisor->lock);
    return old;
}

static int replace_connection(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err)
{
    virConnectPtr connection = NULL;

    if (open_again(hypervisor->uri, timeout_ms, &connection, err) < 0)
        return -1;
    virConnectRegisterCloseCallback(connection, on_close, hypervisor, NULL);
    virConnectPtr old = exchange_connection(hypervisor, connection);
    virConnectUnregisterCloseCallback(old, on_close);
    int result = learn_version(hypervisor, err);
    watch_move_all(hypervisor, connection);
    connection_close(old);
    return result;
}

int hypervisor_reconnect(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err)
{
    virConnectPtr seen CLEANUP_CONNECTION = connection_of(hypervisor);
    int result = 0;

    pthread_mutex_lock(&hypervisor->reconnecting);
    virConnectPtr now CLEANUP_CONNECTION = connection_of(hypervisor);
    if (now == seen || !hypervisor_alive(hypervisor))
        result = replace_connection(hypervisor, timeout_ms, err);
    pthread_mutex_unlock(&hypervisor->reconnecting);
    return result;
}

void hypervisor_revive(struct hypervisor *hypervisor)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!hypervisor_alive(hypervisor) && hypervisor_reconnect(hypervisor, NEXT_GUEST_MS, &err) < 0)
        log_detail("%s", err.text);
}

/* ---- guests -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(guest_name(*(struct guest *const *)a), guest_name(*(struct guest *const *)b));
}

int hypervisor_list(struct hypervisor *hypervisor, struct guest ***ret, size_t *ret_count,
                    struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr *domains = NULL;
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    int count = virConnectListAllDomains(connection, &domains, 0);

    if (count < 0)
        return libvirt_error(err, "%s: cannot list the guests", hypervisor->uri);
    struct guest **guests = mem_array((size_t)count + 1, sizeof(*guests));
    for (int i = 0; i < count; i++)
        guests[i] = guest_new(hypervisor, domains[i]);
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
