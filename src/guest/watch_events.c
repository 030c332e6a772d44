/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/watch_internal.h"

#include <string.h>
#include <time.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "base/log.h"
#include "base/units.h"
#include "guest/event_loop.h"
#include "guest/bounded.h"
#include "guest/libvirt_error.h"

/* An event may arrive some time after what it reports. */
#define CLOCKS_DIFFER_MS 5000

/* ---- news ---------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void watch_tell(struct guest_watch *watch)
{
    pthread_mutex_lock(&watch->calling);
    if (watch->on_news)
        watch->on_news(watch->opaque);
    pthread_mutex_unlock(&watch->calling);
}

bool watch_note(bool *flag)
{
    bool new = !*flag;

    *flag = true;
    return new;
}

static bool note_stop(struct guest_watch *watch, uint64_t us)
{
    if (watch->news.stop_us)
        return false;
    watch->news.stop_us = us;
    watch->stop_came_ms = units_now_ms();
    return true;
}

/* QEMU's times are from the wall clock: if that was stepped in the meantime, use the arrival times
 * of the events to see how long the guest was stopped. */
static bool note_resume(struct guest_watch *watch, uint64_t us)
{
    struct guest_watch_news *news = &watch->news;
    uint64_t passed_ms = units_now_ms() - watch->stop_came_ms;

    if (!news->stop_us || news->resume_us)
        return false;
    int64_t differs_ms = ((int64_t)us - (int64_t)news->stop_us) / 1000 - (int64_t)passed_ms;
    bool stepped = differs_ms > CLOCKS_DIFFER_MS || differs_ms < -CLOCKS_DIFFER_MS;
    news->resume_us = stepped ? news->stop_us + passed_ms * 1000 : us;
    return true;
}

bool watch_note_end(struct guest_watch *watch)
{
    watch->active = false;
    return watch_note(&watch->news.ended);
}

bool watch_note_start(struct guest_watch *watch)
{
    watch->active = true;
    return watch_note(&watch->news.started);
}

static bool note_lifecycle(struct guest_watch *watch, int event, int detail)
{
    bool new = false;

    switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
        return watch_note_start(watch);
    case VIR_DOMAIN_EVENT_SUSPENDED:
        if (detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
            new = watch_note(&watch->news.io_error);
        if (watch->by_arrival)
            new |= note_stop(watch, now_us());
        return new;
    case VIR_DOMAIN_EVENT_RESUMED:
        return watch->by_arrival && note_resume(watch, now_us());
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_CRASHED:
        return watch_note_end(watch);
    case VIR_DOMAIN_EVENT_UNDEFINED: /* a running guest continues without its definition */
        return !watch->active && watch_note_end(watch);
    default:
        return false;
    }
}

/* ---- libvirt's callbacks -------------------------------------------------------------------- */

static int on_watched_lifecycle(virConnectPtr connection, virDomainPtr domain, int event,
                                int detail, void *opaque)
{
    struct guest_watch *watch = opaque;

    (void)connection;
    pthread_mutex_lock(&watch->lock);
    bool new = note_lifecycle(watch, event, detail);
    if (event == VIR_DOMAIN_EVENT_STARTED)
        watch->id = virDomainGetID(domain);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        watch_tell(watch);
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
    bool new = watch_note(&watch->news.io_error);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        watch_tell(watch);
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
    bool new = strcmp(event, "STOP") == 0 ? note_stop(watch, us) : note_resume(watch, us);
    pthread_mutex_unlock(&watch->lock);
    if (new)
        watch_tell(watch);
}

/* ---- registering ------------------------------------------------------------------------------ */

static void deregister_event(virConnectPtr connection, int *id)
{
    if (*id >= 0)
        virConnectDomainEventDeregisterAny(connection, *id);
    *id = -1;
}

void watch_detach(struct guest_watch *watch)
{
    BOUNDED_CALLS(&bounded_usual);

    if (!watch->connection)
        return;
    deregister_event(watch->connection, &watch->lifecycle_id);
    deregister_event(watch->connection, &watch->io_error_id);
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
        atomic_fetch_sub(&watch->users, 1); /* never the last one: the owner is still there */
    return id;
}

static int register_event(struct guest_watch *watch, virDomainPtr domain, int event,
                          virConnectDomainEventGenericCallback callback)
{
    atomic_fetch_add(&watch->users, 1);
    return keep_if_registered(watch,
                              virConnectDomainEventRegisterAny(watch->connection, domain, event,
                                                               callback, watch, watch_unref));
}

static int register_qemu_events(struct guest_watch *watch, virDomainPtr domain)
{
    atomic_fetch_add(&watch->users, 1);
    return keep_if_registered(watch, virConnectDomainQemuMonitorEventRegister(
                                         watch->connection, domain, "^(STOP|RESUME)$",
                                         on_qemu_event, watch, watch_unref,
                                         VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX));
}

int watch_attach(struct guest_watch *watch, virConnectPtr connection, virDomainPtr domain,
                 struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virConnectRef(connection);
    watch->connection = connection;
    watch->qemu_id = register_qemu_events(watch, domain);
    if (watch->qemu_id < 0)
        log_detail("cannot receive QEMU's own events: %s", virGetLastErrorMessage());
    pthread_mutex_lock(&watch->lock);
    watch->by_arrival = watch->qemu_id < 0;
    pthread_mutex_unlock(&watch->lock);
    watch->lifecycle_id = register_event(watch, domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         EVENT_LOOP_HANDLER(on_watched_lifecycle));
    if (watch->lifecycle_id >= 0)
        watch->io_error_id = register_event(watch, domain, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                                            EVENT_LOOP_HANDLER(on_io_error));
    if (watch->lifecycle_id >= 0 && watch->io_error_id >= 0)
        return 0;
    libvirt_error(err, "cannot watch the guest's events");
    watch_detach(watch);
    return -1;
}
