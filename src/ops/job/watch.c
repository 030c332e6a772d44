/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/watch.h"

#include "base/buf.h"
#include "base/notify.h"
#include "base/quit.h"
#include "base/units.h"

#define SHOWN_INTERVAL_MS 2000

void watch_begin(struct watch *watch, size_t count, size_t workers)
{
    *watch = (struct watch){.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .places = mem_array(workers, sizeof(struct watch_place)),
                            .place_count = workers,
                            .count = count,
                            .interval_ms = notify_watchdog_ms() / 3};
    notify_send("READY=1");
}

void watch_end(struct watch *watch)
{
    for (size_t i = 0; i < watch->place_count; i++)
        free(watch->places[i].what);
    free(watch->places);
    pthread_mutex_destroy(&watch->mutex);
}

/* "web: 42 %, db: 7 %; 3 of 20 guests done" */
static char *watch_text(const struct watch *watch)
{
    struct buf text = {0};

    for (size_t i = 0; i < watch->place_count; i++)
        if (watch->places[i].what) {
            buf_printf(&text, "%s%s", text.len ? ", " : "", watch->places[i].what);
            if (watch->places[i].percent)
                buf_printf(&text, ": %u %%", watch->places[i].percent);
        }
    if (watch->count > 1)
        buf_printf(&text, "%s%zu of %zu guests done", text.len ? "; " : "", watch->done,
                   watch->count);
    return buf_take_str(&text);
}

static void watch_show(struct watch *watch)
{
    CLEANUP_FREE char *text = watch_text(watch);

    watch->shown_ms = units_now_ms();
    notify_status(text);
}

void watch_beat(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    uint64_t now_ms = units_now_ms();
    if (watch->interval_ms && now_ms - watch->beat_ms >= watch->interval_ms) {
        watch->beat_ms = now_ms;
        notify_send("WATCHDOG=1");
    }
    if (quit_requested() && !watch->stopping)
        watch->stopping = notify_send("STOPPING=1");
    pthread_mutex_unlock(&watch->mutex);
}

void watch_set(struct watch *watch, size_t worker, const char *what)
{
    pthread_mutex_lock(&watch->mutex);
    struct watch_place *place = &watch->places[worker];
    free(place->what);
    *place = (struct watch_place){.what = mem_strdup(what)};
    watch_show(watch);
    pthread_mutex_unlock(&watch->mutex);
}

void watch_progress(struct watch *watch, size_t worker, uint64_t done, uint64_t total)
{
    if (total == 0)
        return;
    pthread_mutex_lock(&watch->mutex);
    double share = (double)done / (double)total;
    watch->places[worker].percent = share < 1 ? (unsigned)(share * 100) : 100;
    if (units_now_ms() - watch->shown_ms >= SHOWN_INTERVAL_MS)
        watch_show(watch);
    pthread_mutex_unlock(&watch->mutex);
    watch_beat(watch);
}

void watch_done(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->done++;
    watch_show(watch);
    pthread_mutex_unlock(&watch->mutex);
    watch_beat(watch);
}
