/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/watch.h"

#include <string.h>

#include "base/log.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/libvirt_error.h"
#include "guest/watch_internal.h"

void watch_unref(void *opaque)
{
    struct guest_watch *watch = opaque;

    if (atomic_fetch_sub(&watch->users, 1) > 1)
        return;
    pthread_mutex_destroy(&watch->moving);
    pthread_mutex_destroy(&watch->calling);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
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

/* The guest's state at the beginning, unless an event has already told more. */
static int learn_state(struct guest_watch *watch, virDomainPtr domain, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

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
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP(guest_watch_endp) struct guest_watch *watch = new_watch(guest);
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    link_watch(watch);
    pthread_mutex_lock(&watch->moving);
    int result = connection_domain(guest, &domain, err);
    if (result == 0)
        result = watch_attach(watch, virDomainGetConnect(domain), domain, err);
    if (result == 0)
        result = learn_state(watch, domain, err);
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
        watch_tell(watch);
}

void guest_watch_end(struct guest_watch *watch)
{
    if (!watch)
        return;
    unlink_watch(watch);
    pthread_mutex_lock(&watch->moving);
    watch->over = true;
    watch_detach(watch);
    pthread_mutex_unlock(&watch->moving);
    guest_watch_call(watch, NULL, NULL);
    watch_unref(watch);
}

/* ---- losing the connection and reconnecting -------------------------------------------------- */

void watch_note_loss(struct hypervisor *hypervisor)
{
    pthread_mutex_lock(&hypervisor->watches_lock);
    for (struct guest_watch *watch = hypervisor->watches; watch; watch = watch->next) {
        pthread_mutex_lock(&watch->lock);
        bool new = watch_note(&watch->news.disconnected);
        pthread_mutex_unlock(&watch->lock);
        if (new)
            watch_tell(watch);
    }
    pthread_mutex_unlock(&hypervisor->watches_lock);
}

/* Notes what happened in the meantime, as far as it can still be seen. */
static bool catch_up(struct guest_watch *watch, virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_usual);

    int state = VIR_DOMAIN_SHUTOFF;
    int reason = 0;

    if (domain && virDomainGetState(domain, &state, &reason, 0) < 0)
        return false;
    unsigned id = domain ? virDomainGetID(domain) : 0;
    bool active = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
    bool new = false;
    pthread_mutex_lock(&watch->lock);
    if (!domain || (watch->active && (!active || id != watch->id)))
        new |= watch_note_end(watch);
    if (!watch->active && active)
        new |= watch_note_start(watch);
    if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR)
        new |= watch_note(&watch->news.io_error);
    watch->id = id;
    pthread_mutex_unlock(&watch->lock);
    return new;
}

static void move_watch(struct guest_watch *watch, virConnectPtr connection)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_ERR struct err err = ERR_INIT;
    bool new = false;

    pthread_mutex_lock(&watch->moving);
    if (!watch->over && watch->connection != connection) {
        watch_detach(watch);
        virDomainPtr domain CLEANUP_DOMAIN = virDomainLookupByUUIDString(connection, watch->uuid);
        bool gone = !domain && libvirt_error_code() == VIR_ERR_NO_DOMAIN;
        if (domain && watch_attach(watch, connection, domain, &err) < 0)
            log_detail("guest %s: %s", watch->uuid, err.text);
        if (domain || gone)
            new = catch_up(watch, domain);
        pthread_mutex_lock(&watch->lock);
        new |= watch_note(&watch->news.disconnected);
        pthread_mutex_unlock(&watch->lock);
    }
    pthread_mutex_unlock(&watch->moving);
    if (new)
        watch_tell(watch);
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
        move_watch(watches[i], connection);
        watch_unref(watches[i]);
    }
}
