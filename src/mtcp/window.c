/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void window_init(struct window *window, size_t children)
{
    /* Those in areas, runs between them, and what was put out of order. */
    *window = (struct window){.cap = 4 * SHARED_AREAS * children + 16};
    window->items = mem_array(window->cap, sizeof(*window->items));
}

void window_clear(struct window *window)
{
    for (size_t i = 0; i < window->count; i++)
        free(window->items[i].block_digests);
    free(window->items);
    *window = (struct window){0};
}

bool window_full(const struct window *window)
{
    return window->count == window->cap;
}

struct item *window_add(struct window *window, uint64_t id, enum item_state state)
{
    assert(!window_full(window));
    struct item *item = &window->items[window->count++];
    *item = (struct item){.id = id, .count = 1, .state = state};
    return item;
}

/* True if these chunks go on where that run ends. */
static bool continues_run(const struct item *last, uint64_t id, const struct chunk_run *known)
{
    const uint8_t *next = last->digests ? last->digests + last->count * DIGEST_SIZE : NULL;

    return last->state == ITEM_KNOWN && last->kind == known->kind && last->id + last->count == id &&
           last->count < WINDOW_RUN_MAX && (known->kind != CHUNK_SAME || known->digests == next);
}

uint64_t window_add_known(struct window *window, uint64_t id, const struct chunk_run *known)
{
    struct item *last = window->count > 0 ? &window->items[window->count - 1] : NULL;

    if (!last || !continues_run(last, id, known)) {
        last = window_add(window, id, ITEM_KNOWN);
        last->kind = known->kind;
        last->digests = known->digests;
        last->count = 0;
    }
    uint64_t room = WINDOW_RUN_MAX - last->count;
    uint64_t added = known->count < room ? known->count : room;
    last->count += added;
    return added;
}

void window_remove(struct window *window, struct item *item)
{
    size_t index = (size_t)(item - window->items);

    assert(!item->area);
    free(item->block_digests);
    window->count--;
    memmove(item, item + 1, (window->count - index) * sizeof(*item));
}

bool window_is_putting(const struct window *window)
{
    for (size_t i = 0; i < window->count; i++) {
        if (window->items[i].state == ITEM_PUTTING)
            return true;
    }
    return false;
}

struct item *window_find(struct window *window, uint64_t id)
{
    size_t i = 0;

    while (i < window->count && window->items[i].id != id)
        i++;
    assert(i < window->count);
    return &window->items[i];
}

struct item *window_of_worker(struct window *window, size_t worker)
{
    for (size_t i = 0; i < window->count; i++) {
        struct item *item = &window->items[i];
        if (item->state == ITEM_WORKING && item->worker == worker)
            return item;
    }
    return NULL;
}

struct item *window_in_area(struct window *window, const struct worker_area *area)
{
    for (size_t i = 0; i < window->count; i++) {
        if (window->items[i].area == area)
            return &window->items[i];
    }
    return NULL;
}

void window_take_area(struct item *item, size_t worker, struct worker_area *area)
{
    assert(!item->area && !area->taken);
    area->taken = true;
    item->area = area;
    item->worker = worker;
}

void window_free_area(struct item *item)
{
    if (item->area)
        item->area->taken = false;
    item->area = NULL;
}
