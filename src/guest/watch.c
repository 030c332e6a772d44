/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/watch.h"

#include <string.h>
#include <time.h>

#include <libvirt/libvirt-qemu.h>

#include "base/log.h"
#include "guest/connection.h"
#include "guest/libvirt_error.h"
#include "guest/watch_internal.h"

/* Locks, each taken before those that follow it: moving, calling, lock; the
 * hypervisor's watches_lock before calling. libvirt is called with none but moving
 * held, because it may run on_close of hypervisor.c in the thread that calls it. */
struct guest_watch {
    struct hypervisor *hypervisor;
    struct guest_watch *next; /* guarded by the hypervisor's watches_lock */
    char uuid[VIR_UUID_STRING_BUFLEN];
    atomic_int users; /* its owner, each callback of libvirt, a move; the last one frees */

    pthread_mutex_t moving;   /* guards what is registered where */
    virConnectPtr connection; /* a reference; NULL: nothing is registered */
    int lifecycle_id;
    int io_error_id;
    int qemu_id; /* -1: QEMU's own events can't be had */
    bool over;

    pthread_mutex_t calling; /* held during on_news */
    void (*on_news)(void *opaque);
    void *opaque;

    pthread_mutex_t lock; /* guards what is below */
    struct guest_watch_news news;
    bool by_arrival; /* times are those of libvirt's events */
    bool active;
    unsigned id; /* of this run of the guest */
};

static void unref(void *opaque)
{
    struct guest_watch *watch = opaque;

    if (atomic_fetch_sub(&watch->users, 1) > 1)
        return;
    pthread_mutex_destroy(&watch->moving);
    pthread_mutex_destroy(&watch->calling);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

/* ---- news ---------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void tell(struct guest_watch *watch)
{
    pthread_mutex_lock(&watch->calling);
    if (watch->on_news)
        watch->on_news(watch->opaque);
    pthread_mutex_unlock(&watch->calling);
}

/* The functions that note something return true if it is new. */
static bool note(bool *flag)
{
    bool new = !*flag;

    *flag = true;
    return new;
}

static bool note_stop(struct guest_watch_news *news, uint64_t us)
{
    if (news->stop_us)
        return false;
    news->stop_us = us;
    return true;
}

static bool note_resume(struct guest_watch_news *news, uint64_t us)
{
    if (!news->stop_us || news->resume_us)
        return false;
    news->resume_us = us;
    return true;
}

static bool note_end(struct guest_watch *watch)
{
    watch->active = false;
    return note(&watch->news.ended);
}

static bool note_start(struct guest_watch *watch)
{
    watch->active = true;
    return note(&watch->news.started);
}

static bool note_lifecycle(struct guest_watch *watch, int event, int detail)
{
    bool new = false;

    switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
        return note_start(watch);
    case VIR_DOMAIN_EVENT_SUSPENDED:
        if (detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
            new = note(&watch->news.io_error);
        if (watch->by_arrival)
            new |= note_stop(&watch->news, now_us());
        return new;
    case VIR_DOMAIN_EVENT_RESUMED:
        return watch->by_arrival && note_resume(&watch->news, now_us());
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_CRASHED:
        return note_end(watch);
    case VIR_DOMAIN_EVENT_UNDEFINED: /* a running guest goes on without its definition */
        return !watch->active && note_end(watch);
    default:
        return false;
    }
}

/* ---- libvirt's callbacks -------------------------------------------------------------------- */

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *opaque)
{
    struct guest_watch *watch = opaque;

    (void)connection;
    pthread_mutex_lock(&watch->lock);
    bool new = note_lifecycle(watch, event, detail);
    if (event == VIR_DOMAIN_EVENT_STARTED)
        watch->id = virDomainGetID(domain);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        tell(watch);
    return 0;
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path,
                        const char *alias, int action, const char *reason, void *opaque)
{
    struct guest_watch *watch = opaque;

    (void)connection;
    (void)domain;
    (void)path;
    (void)alias;
    (void)action;
    (void)reason;
    pthread_mutex_lock(&watch->lock);
    bool new = note(&watch->news.io_error);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        tell(watch);
}

static void on_qemu_event(virConnectPtr connection, virDomainPtr domain, const char *event,
                          long long seconds, unsigned micros, const char *details, void *opaque)
{
    struct guest_watch *watch = opaque;
    uint64_t us = seconds > 0 ? (uint64_t)seconds * 1000000 + micros : now_us();

    (void)connection;
    (void)domain;
    (void)details;
    pthread_mutex_lock(&watch->lock);
    bool new =
        strcmp(event, "STOP") == 0 ? note_stop(&watch->news, us) : note_resume(&watch->news, us);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        tell(watch);
}

/* ---- registering ------------------------------------------------------------------------------ */

static void deregister(virConnectPtr connection, int *id)
{
    if (*id >= 0)
        virConnectDomainEventDeregisterAny(connection, *id);
    *id = -1;
}

/* With `moving` held. */
static void detach(struct guest_watch *watch)
{
    if (!watch->connection)
        return;
    deregister(watch->connection, &watch->lifecycle_id);
    deregister(watch->connection, &watch->io_error_id);
    if (watch->qemu_id >= 0)
        virConnectDomainQemuMonitorEventDeregister(watch->connection, watch->qemu_id);
    watch->qemu_id = -1;
    virConnectClose(watch->connection);
    watch->connection = NULL;
}

/* Each registered callback holds a reference until libvirt drops it. */
static int keep_if_registered(struct guest_watch *watch, int id)
{
    if (id < 0)
        atomic_fetch_sub(&watch->users, 1); /* never the last one: there is the owner */
    return id;
}

static int register_event(struct guest_watch *watch, virDomainPtr domain, int event,
                          virConnectDomainEventGenericCallback callback)
{
    atomic_fetch_add(&watch->users, 1);
    return keep_if_registered(watch, virConnectDomainEventRegisterAny(
                                         watch->connection, domain, event, callback, watch, unref));
}

static int register_qemu_events(struct guest_watch *watch, virDomainPtr domain)
{
    atomic_fetch_add(&watch->users, 1);
    return keep_if_registered(watch, virConnectDomainQemuMonitorEventRegister(
                                         watch->connection, domain, "^(STOP|RESUME)$",
                                         on_qemu_event, watch, unref,
                                         VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX));
}

/* With `moving` held and nothing registered. */
static int attach(struct guest_watch *watch, virConnectPtr connection, virDomainPtr domain,
                  struct err *err)
{
    virConnectRef(connection);
    watch->connection = connection;
    watch->qemu_id = register_qemu_events(watch, domain);
    if (watch->qemu_id < 0)
        log_detail("QEMU's own events can't be had: %s", virGetLastErrorMessage());
    pthread_mutex_lock(&watch->lock);
    watch->by_arrival = watch->qemu_id < 0;
    pthread_mutex_unlock(&watch->lock);
    watch->lifecycle_id = register_event(watch, domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
    if (watch->lifecycle_id >= 0)
        watch->io_error_id = register_event(watch, domain, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_io_error));
    if (watch->lifecycle_id >= 0 && watch->io_error_id >= 0)
        return 0;
    libvirt_error(err, "cannot watch the guest's events");
    detach(watch);
    return -1;
}

/* ---- begin and end ------------------------------------------------------------------------------ */

static struct guest_watch *new_watch(struct guest *guest)
{
    struct guest_watch *watch = mem_alloc(sizeof(*watch));

    watch->hypervisor = guest->hypervisor;
    memcpy(watch->uuid, guest->uuid, sizeof(watch->uuid));
    atomic_init(&watch->users, 1);
    pthread_mutex_init(&watch->moving, NULL);
    pthread_mutex_init(&watch->calling, NULL);
    pthread_mutex_init(&watch->lock, NULL);
    watch->lifecycle_id = watch->io_error_id = watch->qemu_id = -1;
    return watch;
}

static void link_watch(struct guest_watch *watch)
{
    struct hypervisor *hypervisor = watch->hypervisor;

    pthread_mutex_lock(&hypervisor->watches_lock);
    watch->next = hypervisor->watches;
    hypervisor->watches = watch;
    pthread_mutex_unlock(&hypervisor->watches_lock);
}

static void unlink_watch(struct guest_watch *watch)
{
    struct hypervisor *hypervisor = watch->hypervisor;

    pthread_mutex_lock(&hypervisor->watches_lock);
    for (struct guest_watch **p = &hypervisor->watches; *p; p = &(*p)->next)
        if (*p == watch) {
            *p = watch->next;
            break;
        }
    pthread_mutex_unlock(&hypervisor->watches_lock);
}

/* What the guest is at the beginning, unless an event has told more already. */
static int learn(struct guest_watch *watch, virDomainPtr domain, struct err *err)
{
    int active = virDomainIsActive(domain);

    if (active < 0)
        return libvirt_error(err, "cannot get the guest's state");
    pthread_mutex_lock(&watch->lock);
    if (!watch->news.started && !watch->news.ended) {
        watch->active = active;
        watch->id = virDomainGetID(domain);
    }
    pthread_mutex_unlock(&watch->lock);
    return 0;
}

int guest_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err)
{
    CLEANUP(guest_watch_endp) struct guest_watch *watch = new_watch(guest);
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    link_watch(watch);
    pthread_mutex_lock(&watch->moving);
    int result = connection_domain(guest, &domain, err);
    if (result == 0)
        result = attach(watch, virDomainGetConnect(domain), domain, err);
    if (result == 0)
        result = learn(watch, domain, err);
    pthread_mutex_unlock(&watch->moving);
    if (result == 0)
        *ret = TAKE_PTR(watch);
    return result;
}

void guest_watch_news(struct guest_watch *watch, struct guest_watch_news *ret)
{
    pthread_mutex_lock(&watch->lock);
    *ret = watch->news;
    pthread_mutex_unlock(&watch->lock);
}

void guest_watch_call(struct guest_watch *watch, void (*on_news)(void *opaque), void *opaque)
{
    struct guest_watch_news news;

    pthread_mutex_lock(&watch->calling);
    watch->on_news = on_news;
    watch->opaque = opaque;
    pthread_mutex_unlock(&watch->calling);
    guest_watch_news(watch, &news);
    if (news.stop_us || news.io_error || news.started || news.ended || news.disconnected)
        tell(watch);
}

void guest_watch_end(struct guest_watch *watch)
{
    if (!watch)
        return;
    unlink_watch(watch);
    pthread_mutex_lock(&watch->moving);
    watch->over = true;
    detach(watch);
    pthread_mutex_unlock(&watch->moving);
    guest_watch_call(watch, NULL, NULL);
    unref(watch);
}

/* ---- the connection is lost, and made again ------------------------------------------------------- */

void watch_note_loss(struct hypervisor *hypervisor)
{
    pthread_mutex_lock(&hypervisor->watches_lock);
    for (struct guest_watch *watch = hypervisor->watches; watch; watch = watch->next) {
        pthread_mutex_lock(&watch->lock);
        bool new = note(&watch->news.disconnected);
        pthread_mutex_unlock(&watch->lock);
        if (new)
            tell(watch);
    }
    pthread_mutex_unlock(&hypervisor->watches_lock);
}

/* What has happened meanwhile, as far as it can still be seen. */
static bool catch_up(struct guest_watch *watch, virDomainPtr domain)
{
    int state = VIR_DOMAIN_SHUTOFF;
    int reason = 0;

    if (domain && virDomainGetState(domain, &state, &reason, 0) < 0)
        return false;
    unsigned id = domain ? virDomainGetID(domain) : 0;
    bool active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
    bool new = false;
    pthread_mutex_lock(&watch->lock);
    if (!domain || (watch->active && (!active || id != watch->id)))
        new |= note_end(watch);
    if (!watch->active && active)
        new |= note_start(watch);
    if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR)
        new |= note(&watch->news.io_error);
    watch->id = id;
    pthread_mutex_unlock(&watch->lock);
    return new;
}

static void move(struct guest_watch *watch, virConnectPtr connection)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    bool new = false;

    pthread_mutex_lock(&watch->moving);
    if (!watch->over && watch->connection != connection) {
        detach(watch);
        virDomainPtr domain CLEANUP_DOMAIN = virDomainLookupByUUIDString(connection, watch->uuid);
        bool gone = !domain && libvirt_error_code() == VIR_ERR_NO_DOMAIN;
        if (domain && attach(watch, connection, domain, &err) < 0)
            log_detail("guest %s: %s", watch->uuid, err.text);
        if (domain || gone)
            new = catch_up(watch, domain);
        pthread_mutex_lock(&watch->lock);
        new |= note(&watch->news.disconnected);
        pthread_mutex_unlock(&watch->lock);
    }
    pthread_mutex_unlock(&watch->moving);
    if (new)
        tell(watch);
}

static size_t count_watches(const struct guest_watch *watch)
{
    size_t count = 0;

    for (; watch; watch = watch->next)
        count++;
    return count;
}

void watch_move_all(struct hypervisor *hypervisor, virConnectPtr connection)
{
    pthread_mutex_lock(&hypervisor->watches_lock);
    size_t count = count_watches(hypervisor->watches);
    CLEANUP_FREE struct guest_watch **watches = mem_array(count + 1, sizeof(struct guest_watch *));
    struct guest_watch *watch = hypervisor->watches;
    for (size_t i = 0; i < count; i++, watch = watch->next) {
        atomic_fetch_add(&watch->users, 1);
        watches[i] = watch;
    }
    pthread_mutex_unlock(&hypervisor->watches_lock);
    for (size_t i = 0; i < count; i++) {
        move(watches[i], connection);
        unref(watches[i]);
    }
}
