/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "memory_internal.h"

#define BEGIN_MS INT64_C(1767225600000)
#define RESERVE_KEPT 64u

/* ---- blobs and objects ----------------------------------------------------------------------- */

struct memory_blob *memory_blob_of(const char *name, const void *data, size_t len)
{
    struct memory_blob *blob = mem_alloc(sizeof(*blob) + len + 1);
    size_t kept = strcmp(name, "reserve") == 0 && len > RESERVE_KEPT ? RESERVE_KEPT : len;

    blob->uses = 1;
    blob->len = len;
    if (kept > 0)
        memcpy(blob->data, data, kept);
    return blob;
}

static struct memory_blob *use_blob(struct memory_blob *blob)
{
    if (blob)
        blob->uses++;
    return blob;
}

static void drop_blob(struct memory_blob *blob)
{
    if (blob && --blob->uses == 0)
        free(blob);
}

size_t memory_place_of(const struct memory *memory, const char *name, bool *ret_found)
{
    size_t low = 0, high = memory->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(memory->objects[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = low < memory->count && strcmp(memory->objects[low].name, name) == 0;
    return low;
}

struct memory_object *memory_find(const struct memory *memory, const char *name)
{
    bool found = false;
    size_t place = memory_place_of(memory, name, &found);

    return found ? &memory->objects[place] : NULL;
}

static void set_object(struct memory *memory, const char *name, struct memory_blob *blob,
                       int64_t time_ms)
{
    bool found = false;
    size_t place = memory_place_of(memory, name, &found);
    struct memory_object *object = memory->objects + place;

    if (found && blob) {
        drop_blob(object->blob);
        object->blob = blob;
        object->time_ms = time_ms;
    } else if (found) {
        free(object->name);
        drop_blob(object->blob);
        memory->count--;
        memmove(object, object + 1, (memory->count - place) * sizeof(*object));
    } else if (blob) {
        if (memory->count == memory->cap) {
            memory->cap = memory->cap ? 2 * memory->cap : 64;
            memory->objects = mem_resize(memory->objects, memory->cap, sizeof(*memory->objects));
            object = memory->objects + place;
        }
        memmove(object + 1, object, (memory->count - place) * sizeof(*object));
        memory->count++;
        *object = (struct memory_object){mem_strdup(name), blob, time_ms};
    }
}

/* ---- changes that are not durable ------------------------------------------------------------ */

static void forget_change(struct memory *memory, size_t i)
{
    free(memory->changes[i].name);
    drop_blob(memory->changes[i].before);
    memory->changes[i] = memory->changes[--memory->change_count];
}

void memory_change_object(struct memory *memory, const char *name, struct memory_blob *blob)
{
    const struct memory_object *object = memory_find(memory, name);
    bool noted = false;

    for (size_t i = 0; i < memory->change_count; i++)
        noted |= strcmp(memory->changes[i].name, name) == 0;
    if (!noted) {
        memory->changes =
            mem_resize(memory->changes, memory->change_count + 1, sizeof(*memory->changes));
        memory->changes[memory->change_count++] = (struct memory_change){
            mem_strdup(name), object ? use_blob(object->blob) : NULL, object ? object->time_ms : 0};
    }
    set_object(memory, name, blob, memory->now_ms);
    if (memory->watch.call)
        memory->watch.call(memory->watch.opaque, name);
}

void memory_settle_folder(struct memory *memory, const char *folder, size_t len)
{
    for (size_t i = memory->change_count; i-- > 0;) {
        const char *name = memory->changes[i].name;
        const char *slash = strrchr(name, '/');
        if ((slash ? (size_t)(slash - name) : 0) == len && strncmp(name, folder, len) == 0)
            forget_change(memory, i);
    }
}

/* ---- the memory ------------------------------------------------------------------------------ */

struct memory *memory_new(void)
{
    struct memory *memory = mem_alloc(sizeof(*memory));

    pthread_mutex_init(&memory->lock, NULL);
    memory->now_ms = BEGIN_MS;
    return memory;
}

static void clear_objects(struct memory *memory)
{
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->objects[i].name);
        drop_blob(memory->objects[i].blob);
    }
    memory->count = 0;
    while (memory->change_count > 0)
        forget_change(memory, memory->change_count - 1);
    strings_clear(&memory->folders);
}

void memory_free(struct memory *memory)
{
    if (!memory)
        return;
    clear_objects(memory);
    free(memory->objects);
    free(memory->changes);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

struct memory_bytes memory_look(const struct memory *memory, const char *name)
{
    const struct memory_object *object = memory_find(memory, name);

    return object ? (struct memory_bytes){object->blob->data, object->blob->len}
                  : (struct memory_bytes){0};
}

const char *memory_next(const struct memory *memory, const char *name)
{
    bool found = false;
    size_t place = memory_place_of(memory, name, &found) + found;

    return place < memory->count ? memory->objects[place].name : NULL;
}

void memory_set_watch(struct memory *memory, const struct memory_watch *watch)
{
    memory->watch = *watch;
}

void memory_add_time(struct memory *memory, int64_t ms)
{
    memory->now_ms += ms;
}

void memory_set_full(struct memory *memory, bool full)
{
    memory->full = full;
}

void memory_set_locked(struct memory *memory, bool locked)
{
    memory->locked = locked;
}

/* Objects and folders; nothing is undone by a cut in the copy. */
static void copy_objects(struct memory *to, const struct memory *from)
{
    to->cap = from->count + 1;
    to->objects = mem_resize(to->objects, to->cap, sizeof(*to->objects));
    for (size_t i = 0; i < from->count; i++) {
        const struct memory_object *object = &from->objects[i];
        to->objects[i] = (struct memory_object){mem_strdup(object->name), use_blob(object->blob),
                                                object->time_ms};
    }
    to->count = from->count;
    for (size_t i = 0; i < from->folders.count; i++)
        strings_add(&to->folders, from->folders.items[i]);
}

struct memory *memory_snapshot(const struct memory *memory)
{
    struct memory *snapshot = memory_new();

    copy_objects(snapshot, memory);
    return snapshot;
}

void memory_set_back(struct memory *memory, const struct memory *snapshot)
{
    clear_objects(memory);
    copy_objects(memory, snapshot);
}

void memory_cut(struct memory *memory, const struct memory_keeps *keeps)
{
    while (memory->change_count > 0) {
        struct memory_change *change = &memory->changes[memory->change_count - 1];
        if (!keeps->call(keeps->opaque))
            set_object(memory, change->name, use_blob(change->before), change->time_ms);
        forget_change(memory, memory->change_count - 1);
    }
}
