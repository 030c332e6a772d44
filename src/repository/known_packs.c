/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/known_packs.h"

#include <stdatomic.h>

#include "base/array.h"
#include "base/quit.h"
#include "base/thread.h"

#define READERS 8u

void known_packs_clear(struct known_packs *packs)
{
    known_free(packs->known);
    free(packs->names);
    free(packs->why);
    *packs = (struct known_packs){0};
}

/* ---- which packs there are ------------------------------------------------------------------- */

struct pack_reading {
    const struct known_request *request;
    struct known_packs *packs;
    bool *wanted;               /* owned: by number */
    struct pack_index *indexes; /* owned: by number */
    enum codec_type *codecs;    /* owned: by number, of packs whose ids have no room */
    bool *usable;               /* owned: by number, the same */
    uint32_t limit;             /* from this number on there is no room for ids, */
    uint32_t end;               /* and from this one on no pack is wanted */
    _Atomic uint32_t next;
    pthread_mutex_t mutex; /* of all below */
    struct err first;      /* why a pack could not be read */
    struct err fatal;
};

static void pack_reading_clear(struct pack_reading *reading)
{
    for (uint32_t i = 0; reading->indexes && i < reading->packs->count; i++)
        pack_index_clear(&reading->indexes[i]);
    free(reading->indexes);
    free(reading->wanted);
    free(reading->codecs);
    free(reading->usable);
    err_clear(&reading->first);
    err_clear(&reading->fatal);
    pthread_mutex_destroy(&reading->mutex);
}

static bool is_in_earlier(const struct session *session, size_t point, const struct pack_id *id)
{
    uint32_t place = 0;

    for (size_t i = 0; i < point; i++) {
        if (packs_find(&session_known(session, i)->packs, &id->session, id->number, &place))
            return true;
    }
    return false;
}

/* Numbers the packs of all points, each once, and notes what is wanted of them. */
static void number_packs(struct pack_reading *reading)
{
    const struct session *session = reading->request->session;
    struct known_packs *packs = reading->packs;
    const struct stored_point *point;
    size_t all = 0;

    for (size_t i = 0; (point = session_known(session, i)); i++)
        all += point->packs.count;
    packs->names = mem_array(all + 1, sizeof(*packs->names));
    reading->wanted = mem_array(all + 1, sizeof(*reading->wanted));
    reading->indexes = mem_array(all + 1, sizeof(*reading->indexes));
    for (size_t i = 0; (point = session_known(session, i)); i++) {
        const bool *left_out = i == 0 ? reading->request->left_out : NULL;
        for (uint32_t place = 0; place < point->packs.count; place++) {
            const struct pack_id id = stored_point_pack(point, place);
            if (is_in_earlier(session, i, &id))
                continue;
            packs->names[packs->count] = (struct known_pack_name){id, point->digests[place]};
            reading->wanted[packs->count++] =
                !session_pack_is_bad(session, &id.session, id.number) &&
                (!left_out || !left_out[place]);
        }
    }
}

/* Takes as many as the set has room for, and makes the room. */
static void choose_wanted(struct pack_reading *reading)
{
    const struct known_packs *packs = reading->packs;
    uint64_t blocks = 0;

    for (uint32_t i = 0; i < packs->count; i++) {
        uint64_t more = reading->wanted[i] ? packs->names[i].digest.block_count : 0;
        if (!known_fits(packs->known, blocks + more))
            break;
        blocks += more;
        reading->limit = i + 1;
    }
    known_expect(packs->known, blocks);
    const struct stored_point *first = session_known(reading->request->session, 0);
    reading->end = reading->limit;
    if (reading->request->increment && first && reading->end < first->packs.count)
        reading->end = first->packs.count;
    reading->codecs = mem_array((size_t)packs->count + 1, sizeof(*reading->codecs));
    reading->usable = mem_array((size_t)packs->count + 1, sizeof(*reading->usable));
}

/* ---- reading them ---------------------------------------------------------------------------- */

static void keep_index(struct pack_reading *reading, uint32_t number, struct pack_index *index)
{
    if (number < reading->limit) {
        reading->indexes[number] = *index;
        *index = (struct pack_index){0};
        return;
    }
    reading->usable[number] = pack_index_codec(index, &reading->codecs[number]);
}

/* False: no further pack is to be tried. */
static bool note_unread(struct pack_reading *reading, struct err *err)
{
    bool passing = err->kind == ERR_NOT_FOUND || err->kind == ERR_CORRUPT ||
                   err->kind == ERR_UNSUPPORTED || err->kind == ERR_DENIED || err->kind == ERR_IO;

    pthread_mutex_lock(&reading->mutex);
    struct err *kept = passing ? &reading->first : &reading->fatal;
    reading->packs->unread += passing;
    if (kept->kind == ERR_NONE)
        err_move(kept, err);
    pthread_mutex_unlock(&reading->mutex);
    return passing;
}

static void *read_indexes(void *opaque)
{
    struct pack_reading *reading = opaque;
    const struct stored_scope *scope = session_scope(reading->request->session);
    uint32_t number;

    while (!quit_requested() && (number = atomic_fetch_add(&reading->next, 1)) < reading->end) {
        const struct known_pack_name *name = &reading->packs->names[number];
        CLEANUP_PACK struct pack pack = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (!reading->wanted[number])
            continue;
        if (pack_open(scope->store, scope->name, &name->id, &name->digest, &pack, &err) == 0) {
            keep_index(reading, number, &pack.index);
        } else if (!note_unread(reading, &err)) {
            break;
        }
    }
    return NULL;
}

static int read_wanted(struct pack_reading *reading, struct err *err)
{
    pthread_t threads[READERS];
    size_t started = 0;
    int status = 0;

    while (started < ARRAY_COUNT(threads) && started < reading->end && status == 0) {
        status = thread_start(&threads[started], read_indexes, reading,
                              "reading the indexes of packs", err);
        started += status == 0;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (status < 0 || quit_check(err) < 0)
        return -1;
    return reading->fatal.kind == ERR_NONE ? 0 : err_move(err, &reading->fatal);
}

int known_packs_read(const struct known_request *request, struct known_packs *ret, struct err *err)
{
    CLEANUP_KNOWN_PACKS struct known_packs packs = {.known = known_new(request->memory)};
    CLEANUP(pack_reading_clear)
    struct pack_reading reading = {
        .request = request, .packs = &packs, .mutex = PTHREAD_MUTEX_INITIALIZER};

    number_packs(&reading);
    choose_wanted(&reading);
    if (read_wanted(&reading, err) < 0)
        return -1;
    for (uint32_t i = 0; i < packs.count; i++)
        if (reading.usable[i])
            known_add_without_ids(packs.known, reading.codecs[i]);
        else
            known_add_pack(packs.known, &reading.indexes[i]);
    packs.why = reading.first.text;
    reading.first.text = NULL;
    *ret = packs;
    packs = (struct known_packs){0};
    return 0;
}
