/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions that were under way are waited for, until their slots are filled. One that puts no pack
 * between two looks that are far enough apart is fenced: to do so is always safe, for a session that
 * finds the tombstone in its slot has made no point, but it costs that backup if it lives.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/quit.h"
#include "repository/keep/collection.h"

#define WAIT_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)
#define PART_TEXT_SIZE 3 /* "0f" */

int64_t collect_wait_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int count_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                      struct err *err)
{
    struct collection_wait *wait = opaque;

    (void)entry;
    (void)err;
    if (id_compare(&name->session, &wait->point.session) == 0)
        wait->packs++;
    return 0;
}

static int count_packs(struct collection *work, const struct point_id *point, uint32_t *ret,
                       struct err *err)
{
    struct collection_wait wait = {.point = *point};
    const struct objects_each each = {count_pack, &wait, .odd = OBJECTS_FILES};
    char part[PART_TEXT_SIZE];

    snprintf(part, sizeof(part), "%02x", point->session.bytes[ID_SIZE - 1]);
    if (objects_list(&work->scope, "d", part, &each, err) < 0)
        return -1;
    *ret = wait.packs;
    return 0;
}

/* Whatever is in there: an unreadable slot is filled, too. */
static int is_filled(struct collection *work, const struct point_id *point, bool *ret,
                     struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;
    enum slot_kind kind = 0;

    *ret = true;
    if (objects_slot_kind(&work->scope, point, &kind, &failure) < 0)
        return failure.kind == ERR_CORRUPT || failure.kind == ERR_UNSUPPORTED
                   ? 0
                   : err_move(err, &failure);
    *ret = kind != 0;
    return 0;
}

static int fence_session(struct collection *work, const struct point_id *point, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&work->scope, NAME_SLOT, point, 0);
    const struct slot_id id = {work->scope.repository, point->session, point->guest};
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {.name = name, .data = bytes, .len = sizeof(bytes)};
    enum store_outcome outcome = STORE_EXISTS;

    slot_format_tombstone(SLOT_FENCED, &id, bytes);
    if (collection_create(work, &object, &outcome, err) < 0)
        return err_prefix(err, "cannot end the session that is taken for dead");
    if (outcome == STORE_MADE) {
        work->result->sessions_fenced++;
        collection_tell(work, COLLECT_FENCED, point, 0, NULL);
    }
    return 0;
}

/* *ret_over: its slot is filled now. */
static int look_at_wait(struct collection *work, struct collection_wait *wait, bool *ret_over,
                        struct err *err)
{
    int64_t now_ms = collect_wait_now_ms();
    uint32_t packs = 0;

    if (is_filled(work, &wait->point, ret_over, err) < 0)
        return -1;
    if (*ret_over)
        return 0;
    if (count_packs(work, &wait->point, &packs, err) < 0)
        return -1;
    bool first = wait->first_ms == 0;
    if (first)
        wait->first_ms = now_ms;
    /* A clock that was set back has measured nothing. */
    if (first || packs != wait->packs || now_ms < wait->since_ms) {
        wait->since_ms = now_ms;
        wait->packs = packs;
        first = true;
    }
    if ((!first && now_ms - wait->since_ms >= work->settings->silence_ms) ||
        now_ms - wait->first_ms >= WAIT_MAX_MS) {
        if (fence_session(work, &wait->point, err) < 0)
            return -1;
        *ret_over = true;
    }
    return 0;
}

static int look_at_waits(struct collection *work, struct err *err)
{
    struct collection_waits *waits = &work->waits;
    size_t count = 0;

    for (size_t i = 0; i < waits->count; i++) {
        bool over = false;
        if (look_at_wait(work, &waits->items[i], &over, err) < 0)
            return -1;
        if (!over)
            waits->items[count++] = waits->items[i];
    }
    waits->count = count;
    return 0;
}

static int sleep_before_look(uint64_t ms, struct err *err)
{
    struct pollfd fd = {.fd = quit_fd(), .events = POLLIN};

    (void)poll(&fd, 1, (int)ms);
    return quit_check(err);
}

int collect_wait(struct collection *work, struct err *err)
{
    size_t told = 0;

    for (;;) {
        if (look_at_waits(work, err) < 0 || collection_save(work, err) < 0)
            return -1;
        if (work->waits.count != told)
            for (size_t i = 0; i < work->waits.count; i++)
                collection_tell(work, COLLECT_WAITING, &work->waits.items[i].point,
                                work->waits.items[i].first_ms, NULL);
        told = work->waits.count;
        if (told == 0 || !work->settings->wait)
            return 0;
        if (sleep_before_look(work->settings->look_ms, err) < 0)
            return -1;
    }
}
