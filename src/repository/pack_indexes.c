/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/pack_indexes.h"

#include <pthread.h>

struct read_index {
    uint32_t place;
    struct pack_index index;
    unsigned users;
    uint64_t last_use; /* of all uses, which are counted */
};

struct pack_indexes {
    const struct stored_scope *scope;
    const struct stored_point *point;
    pthread_mutex_t mutex;
    struct read_index **by_place; /* of each pack of the point; NULL: not read */
    struct read_index **kept;     /* those that are there, in any order */
    size_t kept_count;
    size_t kept_cap;
    size_t bytes;
    uint64_t uses;
};

static size_t index_bytes(const struct pack_index *index)
{
    return sizeof(struct read_index) + index->frame_count * sizeof(*index->frames) +
           index->block_count * sizeof(*index->ids);
}

struct pack_indexes *pack_indexes_new(const struct stored_scope *scope,
                                      const struct stored_point *point)
{
    struct pack_indexes *indexes = mem_alloc(sizeof(*indexes));

    indexes->scope = scope;
    indexes->point = point;
    indexes->by_place = mem_array((size_t)point->packs.count + 1, sizeof(struct read_index *));
    pthread_mutex_init(&indexes->mutex, NULL);
    return indexes;
}

static void forget_pack(struct pack_indexes *indexes, size_t number)
{
    struct read_index *pack = indexes->kept[number];

    indexes->kept[number] = indexes->kept[--indexes->kept_count];
    indexes->by_place[pack->place] = NULL;
    indexes->bytes -= index_bytes(&pack->index);
    pack_index_clear(&pack->index);
    free(pack);
}

void pack_indexes_free(struct pack_indexes *indexes)
{
    if (!indexes)
        return;
    while (indexes->kept_count > 0)
        forget_pack(indexes, 0);
    free(indexes->kept);
    free(indexes->by_place);
    pthread_mutex_destroy(&indexes->mutex);
    free(indexes);
}

/* Those that were not used for longest go first. */
static void make_room_for_indexes(struct pack_indexes *indexes)
{
    while (indexes->bytes > PACK_INDEXES_BYTES) {
        size_t oldest = indexes->kept_count;
        for (size_t i = 0; i < indexes->kept_count; i++)
            if (indexes->kept[i]->users == 0 &&
                (oldest == indexes->kept_count ||
                 indexes->kept[i]->last_use < indexes->kept[oldest]->last_use))
                oldest = i;
        if (oldest == indexes->kept_count)
            return;
        forget_pack(indexes, oldest);
    }
}

static struct read_index *read_pack_index(struct pack_indexes *indexes, uint32_t place,
                                          struct err *err)
{
    const struct pack_id id = stored_point_pack(indexes->point, place);
    CLEANUP_PACK struct pack pack = {0};

    if (pack_open(indexes->scope->store, indexes->scope->name, &id, &indexes->point->digests[place],
                  &pack, err) < 0)
        return NULL;
    make_room_for_indexes(indexes);
    struct read_index *used = mem_alloc(sizeof(*used));
    *used = (struct read_index){.place = place, .index = pack.index};
    pack.index = (struct pack_index){0};
    if (indexes->kept_count == indexes->kept_cap) {
        indexes->kept_cap = indexes->kept_cap ? indexes->kept_cap * 2 : 64;
        indexes->kept = mem_resize(indexes->kept, indexes->kept_cap, sizeof(struct read_index *));
    }
    indexes->kept[indexes->kept_count++] = used;
    indexes->bytes += index_bytes(&used->index);
    return used;
}

const struct pack_index *pack_indexes_use(struct pack_indexes *indexes, uint32_t place,
                                          struct err *err)
{
    pthread_mutex_lock(&indexes->mutex);
    struct read_index *used = indexes->by_place[place];
    if (!used)
        used = indexes->by_place[place] = read_pack_index(indexes, place, err);
    if (used) {
        used->users++;
        used->last_use = ++indexes->uses;
    }
    pthread_mutex_unlock(&indexes->mutex);
    return used ? &used->index : NULL;
}

void pack_indexes_release(struct pack_indexes *indexes, uint32_t place)
{
    pthread_mutex_lock(&indexes->mutex);
    indexes->by_place[place]->users--;
    pthread_mutex_unlock(&indexes->mutex);
}
