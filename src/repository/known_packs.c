/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/known_packs.h"

#include <stdatomic.h>
#include <string.h>

#include "base/array.h"
#include "base/quit.h"
#include "base/thread.h"
#include "repository/format/name.h"

#define READERS 8u

void known_packs_clear(struct known_packs *packs)
{
    known_free(packs->known);
    free(packs->names);
    free(packs->why);
    *packs = (struct known_packs){0};
}

/* ---- packs that are known to be bad ---------------------------------------------------------- */

struct bad_pack {
    struct id session;
    uint32_t number;
};

struct bad_packs {
    struct bad_pack *packs; /* owned; sorted */
    size_t count;
};

static void bad_packs_clear(struct bad_packs *bad)
{
    free(bad->packs);
}

static int compare_bad_packs(const void *a, const void *b)
{
    const struct bad_pack *x = a;
    const struct bad_pack *y = b;
    int order = id_compare(&x->session, &y->session);

    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

static int add_bad_pack(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct bad_packs *bad = opaque;
    struct name name;

    (void)err;
    if (!name_parse(entry->name, &name) || name.kind != NAME_BAD_PACK)
        return 0;
    bad->packs = mem_resize(bad->packs, bad->count + 1, sizeof(*bad->packs));
    bad->packs[bad->count++] = (struct bad_pack){name.session, name.number};
    return 0;
}

static int list_bad_packs(const struct stored_scope *scope, struct bad_packs *ret, struct err *err)
{
    CLEANUP_FREE char *prefix = mem_printf("v/%s/bad/", scope->name);
    const struct store_each each = {add_bad_pack, ret};

    if (store_list(scope->store, prefix, &each, err) < 0)
        return -1;
    if (ret->count > 0)
        qsort(ret->packs, ret->count, sizeof(*ret->packs), compare_bad_packs);
    return 0;
}

static bool is_bad_pack(const struct bad_packs *bad, const struct known_pack_name *name)
{
    const struct bad_pack key = {name->session, name->number};

    return bad->count > 0 &&
           bsearch(&key, bad->packs, bad->count, sizeof(key), compare_bad_packs) != NULL;
}

/* ---- which packs there are ------------------------------------------------------------------- */

struct pack_reading {
    const struct known_request *request;
    struct known_packs *packs;
    bool *wanted;               /* owned: by number */
    struct pack_index *indexes; /* owned: by number */
    uint32_t limit;             /* no pack from this number on is wanted */
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
    err_clear(&reading->first);
    err_clear(&reading->fatal);
    pthread_mutex_destroy(&reading->mutex);
}

static bool is_in_earlier(const struct known_request *request, size_t point,
                          const struct id *session, uint32_t number)
{
    uint32_t place = 0;

    for (size_t i = 0; i < point; i++) {
        if (packs_find(&request->points[i]->packs, session, number, &place))
            return true;
    }
    return false;
}

/* Numbers the packs of all points, each once, and notes what is wanted of them. */
static void number_packs(struct pack_reading *reading, const struct bad_packs *bad)
{
    const struct known_request *request = reading->request;
    struct known_packs *packs = reading->packs;
    size_t all = 0;

    for (size_t i = 0; i < request->point_count; i++)
        all += request->points[i]->packs.count;
    packs->names = mem_array(all + 1, sizeof(*packs->names));
    reading->wanted = mem_array(all + 1, sizeof(*reading->wanted));
    reading->indexes = mem_array(all + 1, sizeof(*reading->indexes));
    for (size_t i = 0; i < request->point_count; i++) {
        const struct stored_point *point = request->points[i];
        const bool *left_out = i == 0 ? request->left_out : NULL;
        for (uint32_t place = 0; place < point->packs.count; place++) {
            struct known_pack_name *name = &packs->names[packs->count];
            packs_at(&point->packs, place, &name->session, &name->number);
            if (is_in_earlier(request, i, &name->session, name->number))
                continue;
            name->digest = point->digests[place];
            reading->wanted[packs->count++] =
                !is_bad_pack(bad, name) && (!left_out || !left_out[place]);
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
}

/* ---- reading them ---------------------------------------------------------------------------- */

/* False: no further pack is to be tried. */
static bool note_unread(struct pack_reading *reading, struct err *err)
{
    bool passing = err->kind == ERR_NOT_FOUND || err->kind == ERR_CORRUPT ||
                   err->kind == ERR_DENIED || err->kind == ERR_IO;

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
    const struct stored_scope *scope = reading->request->scope;
    uint32_t number;

    while (!quit_requested() && (number = atomic_fetch_add(&reading->next, 1)) < reading->limit) {
        const struct known_pack_name *name = &reading->packs->names[number];
        const struct pack_id id = {scope->repository, name->session, name->number};
        CLEANUP_PACK struct pack pack = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (!reading->wanted[number])
            continue;
        if (pack_open(scope->store, scope->name, &id, &name->digest, &pack, &err) == 0) {
            reading->indexes[number] = pack.index;
            pack.index = (struct pack_index){0};
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

    while (started < ARRAY_COUNT(threads) && started < reading->limit && status == 0) {
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
    CLEANUP(bad_packs_clear) struct bad_packs bad = {0};
    CLEANUP(pack_reading_clear)
    struct pack_reading reading = {
        .request = request, .packs = &packs, .mutex = PTHREAD_MUTEX_INITIALIZER};

    if (list_bad_packs(request->scope, &bad, err) < 0)
        return -1;
    number_packs(&reading, &bad);
    choose_wanted(&reading);
    if (read_wanted(&reading, err) < 0)
        return -1;
    for (uint32_t i = 0; i < packs.count; i++)
        known_add_pack(packs.known, &reading.indexes[i]);
    packs.why = reading.first.text;
    reading.first.text = NULL;
    *ret = packs;
    packs = (struct known_packs){0};
    return 0;
}
