/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: collection [GUESTS [MEMORY-LIMIT-IN-MIB]]
 *
 * How much memory and processor time a collection takes of a large repository: by default one of 300
 * guests, 33 points of each, the first of which has 6400 packs and the others 90 each; every point
 * refers to most of what its guest has had before. A hundredth of all sessions has left packs and no
 * point. The store is made up while it is read, so its own work is in the figures: of the first
 * collection, which reads every point, more than of the second, which takes them from its cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/text.h"
#include "repository/format/info.h"
#include "repository/format/packs.h"
#include "repository/keep/collect.h"
#include "store/store_impl.h"

#define POINTS 33u
#define FULL_PACKS 6400u
#define DAY_PACKS 90u
#define DEAD_PACKS 300u
#define PACK_SIZE UINT64_C(33554432)

struct made_session {
    struct point_id point;
    uint32_t packs;
    uint32_t place; /* by guest, then by session: session k of a guest */
    bool dead;
};

struct made_store {
    struct store store;
    struct id repository;
    struct made_session *sessions; /* by guest, then by session */
    struct made_session **by_pack; /* as "d/" is sorted */
    size_t count;
    struct buf point; /* the last one that was read */
    char *point_name;
    uint64_t deleted;
};

/* ---- what there is --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int compare_by_pack(const void *a, const void *b)
{
    const struct id *left = &(*(struct made_session *const *)a)->point.session;
    const struct id *right = &(*(struct made_session *const *)b)->point.session;
    int order = (int)left->bytes[ID_SIZE - 1] - (int)right->bytes[ID_SIZE - 1];

    return order ? order : id_compare(left, right);
}

/* Ids of guests rise with their number, those of sessions with their place. */
static void make_session(struct made_session *session, uint32_t guest, uint32_t place)
{
    uint64_t random = mix(((uint64_t)guest << 32 | place) + 1);

    set_be32(session->point.guest.bytes, guest);
    set_be32(session->point.session.bytes, 0x019b0000 + place);
    set_be32(session->point.session.bytes + 4, guest);
    set_be64(session->point.session.bytes + 8, random);
    session->place = place;
    session->dead = place == POINTS;
    session->packs = session->dead ? DEAD_PACKS : place == 0 ? FULL_PACKS : DAY_PACKS;
}

static void make_sessions(struct made_store *made, uint32_t guests)
{
    made->sessions = mem_array((size_t)guests * (POINTS + 1), sizeof(*made->sessions));
    for (uint32_t guest = 0; guest < guests; guest++)
        for (uint32_t place = 0; place < POINTS + (guest % 3 == 0); place++)
            make_session(&made->sessions[made->count++], guest, place);
    made->by_pack = mem_array(made->count, sizeof(struct made_session *));
    for (size_t i = 0; i < made->count; i++)
        made->by_pack[i] = &made->sessions[i];
    qsort(made->by_pack, made->count, sizeof(struct made_session *), compare_by_pack);
}

static void add_bench_section(struct slot_writer *writer, uint16_t type, const struct buf *bytes)
{
    const struct slot_added added = {.type = type, .data = bytes->data, .len = bytes->len};

    if (slot_writer_add(writer, &added, NULL) < 0)
        abort();
}

/* Nobody but the collector reads it: it need not be whole. */
static struct buf make_bench_point(const struct made_store *made,
                                   const struct made_session *session)
{
    const struct slot_id id = {made->repository, session->point.session, session->point.guest};
    const struct buf other = {.data = (uint8_t *)"-", .len = 1};
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_PACKS struct packs packs = {0};
    CLEANUP_BUF struct buf list = {0};
    struct buf bytes = {0};

    for (uint32_t i = 0; i <= session->place; i++) {
        const struct made_session *base = session - session->place + i;
        for (uint32_t number = 0; number < base->packs; number++)
            if (i == session->place || mix(number) % 16 != i % 16)
                if (packs_add(&packs, &base->point.session, number, NULL) < 0)
                    abort();
    }
    packs_format(&packs, &list);
    add_bench_section(&writer, SLOT_PACKS, &list);
    add_bench_section(&writer, SLOT_DIGESTS, &other);
    add_bench_section(&writer, SLOT_INFO, &other);
    add_bench_section(&writer, SLOT_MANIFEST, &other);
    if (slot_writer_finish(&writer, &id, 0, &bytes, NULL) < 0)
        abort();
    return bytes;
}

static const struct made_session *find_session(const struct made_store *made, const char *name)
{
    struct name parsed;
    size_t low = 0, high = made->count;

    if (!name_parse(name, &parsed) || parsed.kind != NAME_SLOT)
        return NULL;
    const struct point_id point = {parsed.guest, parsed.session};
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (objects_compare_points(&made->sessions[middle].point, &point) <= 0)
            low = middle;
        else
            high = middle;
    }
    return &made->sessions[low];
}

/* ---- a store --------------------------------------------------------------------------------- */

static int made_create(struct store *store, const struct store_object *object,
                       enum store_outcome *ret, struct err *err)
{
    (void)store;
    (void)object;
    (void)err;
    *ret = STORE_MADE;
    return 0;
}

static int made_replace(struct store *store, const struct store_object *object, struct err *err)
{
    (void)store;
    (void)object;
    (void)err;
    return 0;
}

static int made_get(struct store *store, const struct store_range *range, size_t *ret_len,
                    struct err *err)
{
    struct made_store *made = (struct made_store *)store;
    const struct made_session *session = find_session(made, range->name);

    (void)err;
    *ret_len = 0;
    if (!session)
        return 0; /* tokens and such */
    if (!made->point_name || strcmp(made->point_name, range->name) != 0) {
        free(made->point_name);
        buf_clear(&made->point);
        made->point_name = mem_strdup(range->name);
        made->point = make_bench_point(made, session);
    }
    size_t left = range->offset < made->point.len ? made->point.len - (size_t)range->offset : 0;
    *ret_len = left < range->cap ? left : range->cap;
    memcpy(range->data, made->point.data + range->offset, *ret_len);
    return 0;
}

static int list_packs_of(const struct made_session *session, const struct store_each *each,
                         struct err *err)
{
    char id[ID_TEXT_SIZE], name[96];
    const struct store_entry entry = {.name = name, .size = PACK_SIZE};

    id_text(&session->point.session, id);
    for (uint32_t i = 0; i < session->packs; i++) {
        snprintf(name, sizeof(name), "d/default/%s/%s-%08x", id + ID_TEXT_SIZE - 3, id, i);
        if (each->call(each->opaque, &entry, err) < 0)
            return -1;
    }
    return 0;
}

static int made_list(struct store *store, const char *prefix, const struct store_each *each,
                     struct err *err)
{
    const struct made_store *made = (struct made_store *)store;

    for (size_t i = 0; strcmp(prefix, "d/default/") == 0 && i < made->count; i++)
        if (list_packs_of(made->by_pack[i], each, err) < 0)
            return -1;
    for (size_t i = 0; strcmp(prefix, "p/default/") == 0 && i < made->count; i++) {
        const struct made_session *session = &made->sessions[i];
        char guest[ID_TEXT_SIZE], id[ID_TEXT_SIZE], name[96];
        const struct store_entry entry = {.name = name, .size = 100000};
        snprintf(name, sizeof(name), "p/default/%s/%s", id_text(&session->point.guest, guest),
                 id_text(&session->point.session, id));
        if (!session->dead && each->call(each->opaque, &entry, err) < 0)
            return -1;
    }
    return 0;
}

static int made_delete(struct store *store, const char *name, struct err *err)
{
    (void)err;
    ((struct made_store *)store)->deleted += text_begins(name, "d/");
    return 0;
}

static int made_settle(struct store *store, const char *folder, struct err *err)
{
    (void)store;
    (void)folder;
    (void)err;
    return 0;
}

static int made_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    (void)store;
    (void)err;
    *ret_ms = (int64_t)time(NULL) * 1000;
    return 0;
}

static const struct store_ops made_ops = {
    .create = made_create,
    .replace = made_replace,
    .get = made_get,
    .list = made_list,
    .delete = made_delete,
    .settle = made_settle,
    .now = made_now,
};

/* ---- the measurement ------------------------------------------------------------------------- */

static void pass_bench_event(void *opaque, const struct collect_event *event)
{
    (void)opaque;
    (void)event;
}

static double processor_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long largest_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static void measure(struct made_store *made, const char *what, int state_fd, uint64_t memory_limit)
{
    const struct repository repository = {.store = &made->store, .id = made->repository};
    const struct collect_settings settings = {
        .scope = "default",
        .state_fd = state_fd,
        .host = "bench",
        .memory_limit = memory_limit,
    };
    const struct collect_events events = {pass_bench_event, NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct collect_result result;
    double begun = processor_seconds();

    made->deleted = 0;
    if (collect_run(&repository, &settings, &events, &result, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    printf("%s: %llu points, %llu packs, %llu of them removed: %.1f s of processor time; at most "
           "%ld MiB so far\n",
           what, (unsigned long long)result.points_seen, (unsigned long long)result.packs_seen,
           (unsigned long long)made->deleted, processor_seconds() - begun, largest_mib());
}

int main(int argc, char **argv)
{
    struct made_store made = {.store = {.ops = &made_ops, .url = (char *)"made-up"},
                              .repository = {{1}}};
    char folder[] = "/tmp/bench-collection.XXXXXX";
    CLEANUP_STRINGS struct strings names = {0};
    uint64_t memory_limit = argc > 2 ? strtoull(argv[2], NULL, 10) << 20 : 0;
    int state_fd = -1;

    make_sessions(&made, argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 300);
    if (!mkdtemp(folder) || io_open_dir(folder, &state_fd, NULL) < 0) {
        perror(folder);
        return 1;
    }
    printf("before: %ld MiB\n", largest_mib());
    measure(&made, "first", state_fd, memory_limit);
    measure(&made, "second", state_fd, memory_limit);
    if (dir_list(state_fd, ".", &names, NULL) == 0)
        for (size_t i = 0; i < names.count; i++)
            (void)unlinkat(state_fd, names.items[i], 0);
    close(state_fd);
    (void)rmdir(folder);
    buf_clear(&made.point);
    free(made.point_name);
    free(made.sessions);
    free(made.by_pack);
    return 0;
}
