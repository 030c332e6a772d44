/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "memory_internal.h"
#include "store/store_impl.h"

struct memory_store {
    struct store store;
    struct memory *memory;
    struct memory_hook hook;
};

static void settle_folder_of(struct memory *memory, const char *name)
{
    const char *slash = strrchr(name, '/');

    memory_settle_folder(memory, name, slash ? (size_t)(slash - name) : 0);
}

/* ---- operations ------------------------------------------------------------------------------ */

static int memory_step(struct store *store, enum memory_step step, const char *name,
                       struct err *err)
{
    const struct memory_store *own = (struct memory_store *)store;

    if (own->hook.call && own->hook.call(own->hook.opaque, step, name, err) < 0)
        return -1;
    pthread_mutex_lock(&own->memory->lock);
    own->memory->now_ms++;
    return 0;
}

static struct memory *memory_of(struct store *store)
{
    return ((struct memory_store *)store)->memory;
}

static void memory_unlock(struct memory *const *memory)
{
    pthread_mutex_unlock(&(*memory)->lock);
}

/* A step, with the memory locked until the end of the block. */
#define STEP(step, name)                                                                           \
    if (memory_step(store, step, name, err) < 0)                                                   \
        return -1;                                                                                 \
    CLEANUP(memory_unlock) struct memory *memory = memory_of(store)

static bool has_folder(const struct memory *memory, const char *name, size_t len)
{
    for (size_t i = 0; i < memory->folders.count; i++)
        if (strncmp(memory->folders.items[i], name, len) == 0 &&
            memory->folders.items[i][len] == '\0')
            return true;
    return false;
}

/* The folders of the first two levels, as far as the name has them, must be there. */
static int check_folders(const struct memory *memory, const char *name, struct err *err)
{
    const char *slash = strchr(name, '/');

    for (int level = 0; level < 2 && slash; level++) {
        size_t len = (size_t)(slash - name);
        if (!has_folder(memory, name, len))
            return err_set(err, ERR_NOT_FOUND, "the folder '%.*s' is missing", (int)len, name);
        slash = strchr(slash + 1, '/');
    }
    return 0;
}

static int memory_flush(struct store *store, const char *name, struct err *err)
{
    STEP(MEMORY_FLUSH, name);
    settle_folder_of(memory, name);
    return 0;
}

static int memory_change(struct store *store, const struct store_object *object, bool replace,
                         enum store_outcome *ret, struct err *err)
{
    STEP(replace ? MEMORY_REPLACE : MEMORY_CREATE, object->name);
    if (check_folders(memory, object->name, err) < 0)
        return -1;
    if (memory->full)
        return err_set(err, ERR_NO_SPACE, "no space left in memory");
    if (replace && memory->locked)
        return err_set(err, ERR_DENIED, "is locked");
    *ret = STORE_EXISTS;
    if (!replace && memory_find(memory, object->name))
        return 0;
    *ret = STORE_MADE;
    memory_change_object(memory, object->name,
                         memory_blob_of(object->name, object->data, object->len));
    return 0;
}

static int memory_create(struct store *store, const struct store_object *object,
                         enum store_outcome *ret, struct err *err)
{
    if (memory_change(store, object, false, ret, err) < 0)
        return -1;
    return object->settle_later ? 0 : memory_flush(store, object->name, err);
}

static int memory_replace(struct store *store, const struct store_object *object, struct err *err)
{
    enum store_outcome outcome = STORE_EXISTS;

    if (memory_change(store, object, true, &outcome, err) < 0)
        return -1;
    return object->settle_later ? 0 : memory_flush(store, object->name, err);
}

static int memory_get(struct store *store, const struct store_range *range, size_t *ret_len,
                      struct err *err)
{
    STEP(MEMORY_GET, range->name);
    const struct memory_object *object = memory_find(memory, range->name);
    size_t len = 0;

    if (!object)
        return err_set(err, ERR_NOT_FOUND, "cannot open: there is no such object");
    if (range->offset < object->blob->len)
        len = object->blob->len - (size_t)range->offset;
    if (len > range->cap)
        len = range->cap;
    if (len > 0)
        memcpy(range->data, object->blob->data + range->offset, len);
    *ret_len = len;
    return 0;
}

/* Names, sizes and times of the objects of one folder. */
struct memory_listing {
    struct store_entry *entries; /* owned, their names, too */
    size_t count;
    size_t cap;
};

static void memory_listing_clear(struct memory_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free((char *)listing->entries[i].name);
    free(listing->entries);
    *listing = (struct memory_listing){0};
}

static bool in_same_folder(const char *a, const char *b)
{
    const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');

    return end_a && end_b && end_a - a == end_b - b && memcmp(a, b, (size_t)(end_a - a)) == 0;
}

/* Those that come after this name, up to the end of the folder of the first of them. */
static int memory_list_folder(struct store *store, const char *prefix, const char *after,
                              struct memory_listing *ret, struct err *err)
{
    STEP(MEMORY_LIST, after);
    bool found = false;
    size_t place = memory_place_of(memory, after, &found) + found;

    if (check_folders(memory, prefix, err) < 0)
        return -1;
    for (size_t first = place; place < memory->count; place++) {
        const struct memory_object *object = &memory->objects[place];
        if (strncmp(object->name, prefix, strlen(prefix)) != 0 ||
            !in_same_folder(object->name, memory->objects[first].name))
            break;
        if (ret->count == ret->cap) {
            ret->cap = ret->cap ? 2 * ret->cap : 16;
            ret->entries = mem_resize(ret->entries, ret->cap, sizeof(*ret->entries));
        }
        ret->entries[ret->count++] =
            (struct store_entry){mem_strdup(object->name), object->blob->len, object->time_ms};
    }
    return 0;
}

static int memory_list(struct store *store, const char *prefix, const struct store_each *each,
                       struct err *err)
{
    CLEANUP_FREE char *after = mem_strdup(prefix);

    for (;;) {
        CLEANUP(memory_listing_clear) struct memory_listing listing = {0};
        if (memory_list_folder(store, prefix, after, &listing, err) < 0)
            return -1;
        if (listing.count == 0)
            return 0;
        for (size_t i = 0; i < listing.count; i++)
            if (each->call(each->opaque, &listing.entries[i], err) < 0)
                return -1;
        free(after);
        after = mem_strdup(listing.entries[listing.count - 1].name);
    }
}

static int memory_delete(struct store *store, const char *name, struct err *err)
{
    STEP(MEMORY_DELETE, name);
    if (memory_find(memory, name))
        memory_change_object(memory, name, NULL);
    return 0;
}

static int memory_settle(struct store *store, const char *folder, struct err *err)
{
    STEP(MEMORY_SETTLE, folder);
    if (check_folders(memory, folder, err) < 0)
        return -1;
    memory_settle_folder(memory, folder, strlen(folder));
    return 0;
}

static int memory_add_folder(struct store *store, const char *folder, struct err *err)
{
    CLEANUP(memory_unlock) struct memory *memory = memory_of(store);

    (void)err;
    pthread_mutex_lock(&memory->lock);
    if (!strings_has(&memory->folders, folder))
        strings_add(&memory->folders, folder);
    return 0;
}

static int memory_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    STEP(MEMORY_NOW, "");
    *ret_ms = memory->now_ms;
    return 0;
}

static const char *memory_lagging(struct store *store)
{
    (void)store;
    return NULL;
}

static void memory_close(struct store *store)
{
    free(store);
}

static const struct store_ops memory_ops = {
    .create = memory_create,
    .replace = memory_replace,
    .get = memory_get,
    .list = memory_list,
    .delete = memory_delete,
    .settle = memory_settle,
    .add_folder = memory_add_folder,
    .now = memory_now,
    .lagging = memory_lagging,
    .close = memory_close,
};

struct store *memory_open(struct memory *memory, const struct memory_hook *hook)
{
    struct memory_store *own = mem_alloc(sizeof(*own));

    own->store.ops = &memory_ops;
    own->store.url = mem_strdup("memory");
    own->memory = memory;
    if (hook)
        own->hook = *hook;
    return &own->store;
}
