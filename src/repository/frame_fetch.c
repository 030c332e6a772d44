/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/frame_fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/quit.h"
#include "base/thread.h"

/* How often a wait looks for a signal. */
#define LOOK_MS 100

/* A frame that is in the store's memory adds 1, one that is not takes this away: a kernel that needs
 * memory drops a page here and there of what is in use. At first the second one in a row takes all. */
#define TRUST_MISS 32u
#define TRUST_FIRST (TRUST_MISS + 1)
#define TRUST_MOST (4 * TRUST_MISS + 1)

enum range_state { RANGE_WAITING, RANGE_COMING, RANGE_DONE };

struct fetch_range {
    TAILQ_ENTRY(fetch_range) link;
    uint32_t pack;
    uint32_t offset; /* in the frames' bytes of the pack */
    uint32_t len;
    uint32_t left;                     /* frames that were not taken yet */
    const struct fetched_frame *first; /* of them, in the order of the batch */
    enum range_state state;
    struct fetch_buffer *buffer; /* owned; NULL before it is RANGE_COMING */
    struct err err;
};

TAILQ_HEAD(fetch_ranges, fetch_range);

/* Bytes of a range. Its memory goes to one that comes later: fresh pages cost more than what is read
 * into them. There is room for a page, two, four and so on. */
struct fetch_buffer {
    SLIST_ENTRY(fetch_buffer) link;
    size_t cap;
    uint8_t data[];
};

#define BUFFER_LEAST ((size_t)4096)
#define BUFFER_SIZES                                                                               \
    12u /* the last has room for 8 MiB, for a frame that is longer than a request */

SLIST_HEAD(fetch_buffers, fetch_buffer);

struct frame_fetch {
    const struct stored_scope *scope;
    const struct stored_point *point;
    pthread_t threads[FRAME_FETCH_REQUESTS];
    unsigned thread_count;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t asked;  /* there may be something to do for a thread */
    pthread_cond_t came;
    struct fetch_ranges ranges; /* owned; in the order in which they are expected */
    size_t range_count;
    size_t ahead;      /* bytes of those that are not RANGE_WAITING, */
    size_t ahead_most; /* and their bound */
    unsigned trust;    /* that frames are in the store's memory; 0: they are asked for ahead */
    bool began;        /* something was taken */
    struct fetch_range *urgent;               /* is waited for */
    struct fetch_buffers spare[BUFFER_SIZES]; /* owned */
    size_t spare_bytes;
    bool quit;
};

static void free_range(struct fetch_range *range)
{
    free(range->buffer);
    err_clear(&range->err);
    free(range);
}

/* Which size has room for so many bytes. */
static unsigned buffer_size(size_t len)
{
    unsigned size = 0;

    while (size < BUFFER_SIZES && BUFFER_LEAST << size < len)
        size++;
    return size;
}

/* The mutex is held. NULL: no memory of this size is spare. */
static struct fetch_buffer *take_spare(struct frame_fetch *fetch, uint32_t len)
{
    unsigned size = buffer_size(len);
    struct fetch_buffer *buffer = size < BUFFER_SIZES ? SLIST_FIRST(&fetch->spare[size]) : NULL;

    if (!buffer)
        return NULL;
    SLIST_REMOVE_HEAD(&fetch->spare[size], link);
    fetch->spare_bytes -= buffer->cap;
    return buffer;
}

/* The mutex is held. */
static void keep_spare(struct frame_fetch *fetch, struct fetch_range *range)
{
    struct fetch_buffer *buffer = range->buffer;
    unsigned size = buffer ? buffer_size(buffer->cap) : BUFFER_SIZES;

    if (size == BUFFER_SIZES || fetch->spare_bytes + buffer->cap > fetch->ahead_most)
        return;
    SLIST_INSERT_HEAD(&fetch->spare[size], buffer, link);
    fetch->spare_bytes += buffer->cap;
    range->buffer = NULL;
}

static struct fetch_buffer *new_buffer(uint32_t len)
{
    unsigned size = buffer_size(len);
    size_t cap = size < BUFFER_SIZES ? BUFFER_LEAST << size : len;
    struct fetch_buffer *buffer = malloc(sizeof(*buffer) + cap);

    if (buffer)
        buffer->cap = cap;
    return buffer;
}

/* ---- a request -------------------------------------------------------------------------------- */

static char *name_pack(const struct frame_fetch *fetch, uint32_t place)
{
    const struct pack_id id = stored_point_pack(fetch->point, place);

    return stored_point_pack_name(fetch->scope, &id);
}

static int read_pack_bytes(const struct frame_fetch *fetch, uint32_t place, uint32_t offset,
                           void *data, uint32_t len, struct err *err)
{
    CLEANUP_FREE char *text = name_pack(fetch, place);
    size_t found = 0;

    const struct store_range part = {text, (uint64_t)PACK_HEAD_SIZE + offset, data, len};
    if (store_get(fetch->scope->store, &part, &found, err) < 0)
        return -1;
    if (found != len)
        return err_set(err, ERR_CORRUPT, "%s/%s: is too short", store_url(fetch->scope->store),
                       text);
    return 0;
}

static void fetch_one_range(const struct frame_fetch *fetch, struct fetch_range *range)
{
    if (!range->buffer)
        range->buffer = new_buffer(range->len);
    if (!range->buffer)
        (void)err_set_errno(&range->err, ENOMEM, "cannot get %" PRIu32 " bytes of memory",
                            range->len);
    else
        (void)read_pack_bytes(fetch, range->pack, range->offset, range->buffer->data, range->len,
                              &range->err);
}

/* The next range that may be asked for; NULL: none now. */
static struct fetch_range *next_range(struct frame_fetch *fetch)
{
    struct fetch_range *range = NULL;

    if (fetch->urgent && fetch->urgent->state == RANGE_WAITING)
        return fetch->urgent;
    if (fetch->trust > 0)
        return NULL;
    TAILQ_FOREACH(range, &fetch->ranges, link)
    {
        if (range->state == RANGE_WAITING)
            return fetch->ahead + range->len <= fetch->ahead_most ? range : NULL;
    }
    return NULL;
}

static void *fetch_next_ranges(void *opaque)
{
    struct frame_fetch *fetch = opaque;

    pthread_mutex_lock(&fetch->mutex);
    while (!fetch->quit) {
        struct fetch_range *range = next_range(fetch);
        if (!range) {
            pthread_cond_wait(&fetch->asked, &fetch->mutex);
            continue;
        }
        range->state = RANGE_COMING;
        range->buffer = take_spare(fetch, range->len);
        fetch->ahead += range->len;
        pthread_mutex_unlock(&fetch->mutex);
        fetch_one_range(fetch, range);
        pthread_mutex_lock(&fetch->mutex);
        range->state = RANGE_DONE;
        pthread_cond_broadcast(&fetch->came);
    }
    pthread_mutex_unlock(&fetch->mutex);
    return NULL;
}

struct frame_fetch *frame_fetch_new(const struct stored_scope *scope,
                                    const struct stored_point *point)
{
    struct frame_fetch *fetch = mem_alloc(sizeof(*fetch));

    fetch->scope = scope;
    fetch->point = point;
    fetch->ahead_most = FRAME_FETCH_AHEAD_FIRST;
    /* Over a network even the opening of a file may take for ever, and a signal would not end it. */
    fetch->trust = store_lagging(scope->store) ? 0 : TRUST_FIRST;
    TAILQ_INIT(&fetch->ranges);
    for (unsigned i = 0; i < BUFFER_SIZES; i++)
        SLIST_INIT(&fetch->spare[i]);
    pthread_mutex_init(&fetch->mutex, NULL);
    pthread_cond_init(&fetch->asked, NULL);
    pthread_cond_init(&fetch->came, NULL);
    return fetch;
}

void frame_fetch_free(struct frame_fetch *fetch)
{
    struct fetch_range *range = NULL;
    struct fetch_buffer *buffer = NULL;

    if (!fetch)
        return;
    pthread_mutex_lock(&fetch->mutex);
    fetch->quit = true;
    pthread_cond_broadcast(&fetch->asked);
    pthread_mutex_unlock(&fetch->mutex);
    for (unsigned i = 0; i < fetch->thread_count; i++)
        pthread_join(fetch->threads[i], NULL);
    while ((range = TAILQ_FIRST(&fetch->ranges))) {
        TAILQ_REMOVE(&fetch->ranges, range, link);
        free_range(range);
    }
    for (unsigned i = 0; i < BUFFER_SIZES; i++)
        while ((buffer = SLIST_FIRST(&fetch->spare[i]))) {
            SLIST_REMOVE_HEAD(&fetch->spare[i], link);
            free(buffer);
        }
    pthread_mutex_destroy(&fetch->mutex);
    pthread_cond_destroy(&fetch->asked);
    pthread_cond_destroy(&fetch->came);
    free(fetch);
}

/* ---- what is wanted --------------------------------------------------------------------------- */

static int compare_wanted(const void *a, const void *b)
{
    const struct fetched_frame *left = *(struct fetched_frame *const *)a;
    const struct fetched_frame *right = *(struct fetched_frame *const *)b;

    if (left->pack != right->pack)
        return left->pack < right->pack ? -1 : 1;
    if (left->frame.offset != right->frame.offset)
        return left->frame.offset < right->frame.offset ? -1 : 1;
    return left < right ? -1 : left > right;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct fetched_frame *left = (*(struct fetch_range *const *)a)->first;
    const struct fetched_frame *right = (*(struct fetch_range *const *)b)->first;

    return left < right ? -1 : left > right;
}

/* The range that begins with wanted[0] and takes in those of `count` that follow in the same pack, as
 * far as no gap is too large, nor the range. Returns how many. */
static size_t make_range(struct fetched_frame **wanted, size_t count, struct fetch_range **ret)
{
    struct fetch_range *range = mem_alloc(sizeof(*range));
    uint32_t start = wanted[0]->frame.offset, end = start;
    size_t n = 0;

    range->pack = wanted[0]->pack;
    range->offset = start;
    range->first = wanted[0];
    for (; n < count && wanted[n]->pack == range->pack; n++) {
        const struct pack_frame *frame = &wanted[n]->frame;
        uint32_t frame_end = frame->offset + frame->stored_len;
        if (n > 0 && frame_end > end &&
            (frame_end - start > FRAME_FETCH_MOST || frame->offset - end >= FRAME_FETCH_GAP))
            break;
        end = frame_end;
        if (wanted[n] < range->first)
            range->first = wanted[n];
        wanted[n]->range = range;
    }
    range->len = end - start;
    range->left = (uint32_t)n;
    *ret = range;
    return n;
}

/* As many threads as there are ranges, up to a bound. */
static int start_fetching(struct frame_fetch *fetch, struct err *err)
{
    while (fetch->thread_count < FRAME_FETCH_REQUESTS && fetch->thread_count < fetch->range_count) {
        if (thread_start(&fetch->threads[fetch->thread_count], fetch_next_ranges, fetch,
                         "reading ahead", err) < 0)
            return -1;
        fetch->thread_count++;
    }
    return 0;
}

int frame_fetch_want(struct frame_fetch *fetch, struct fetched_frame *frames, size_t count,
                     struct err *err)
{
    CLEANUP_FREE struct fetched_frame **wanted = mem_array(count + 1, sizeof(*wanted));
    CLEANUP_FREE struct fetch_range **ranges = mem_array(count + 1, sizeof(*ranges));
    size_t range_count = 0;

    for (size_t i = 0; i < count; i++)
        wanted[i] = &frames[i];
    if (count > 0)
        qsort(wanted, count, sizeof(*wanted), compare_wanted);
    for (size_t i = 0; i < count;)
        i += make_range(&wanted[i], count - i, &ranges[range_count++]);
    if (range_count > 0)
        qsort(ranges, range_count, sizeof(*ranges), compare_ranges);
    pthread_mutex_lock(&fetch->mutex);
    for (size_t i = 0; i < range_count; i++)
        TAILQ_INSERT_TAIL(&fetch->ranges, ranges[i], link);
    fetch->range_count += range_count;
    pthread_cond_broadcast(&fetch->asked);
    pthread_mutex_unlock(&fetch->mutex);
    return fetch->trust > 0 ? 0 : start_fetching(fetch, err);
}

/* ---- taking ----------------------------------------------------------------------------------- */

/* The mutex is held. What is taken first could not be there yet. */
static void look_further_ahead(struct frame_fetch *fetch)
{
    if (!fetch->began || fetch->ahead_most >= FRAME_FETCH_AHEAD)
        return;
    fetch->ahead_most *= 2;
    pthread_cond_broadcast(&fetch->asked);
}

/* The mutex is held. */
static int wait_for_range(struct frame_fetch *fetch, struct fetch_range *range, struct err *err)
{
    fetch->urgent = range;
    pthread_cond_signal(&fetch->asked);
    if (range->state != RANGE_DONE)
        look_further_ahead(fetch);
    fetch->began = true;
    while (range->state != RANGE_DONE) {
        struct timespec until;
        if (quit_check(err) < 0)
            return -1;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&fetch->came, &fetch->mutex, &until);
    }
    fetch->urgent = NULL;
    return range->err.text ? err_set(err, range->err.kind, "%s", range->err.text) : 0;
}

/* The mutex is held. */
static void end_range(struct frame_fetch *fetch, struct fetch_range *range)
{
    TAILQ_REMOVE(&fetch->ranges, range, link);
    fetch->range_count--;
    if (range->state != RANGE_WAITING)
        fetch->ahead -= range->len;
    keep_spare(fetch, range);
    free_range(range);
    pthread_cond_broadcast(&fetch->asked);
}

static bool take_at_hand(const struct frame_fetch *fetch, const struct fetched_frame *frame,
                         void *data)
{
    CLEANUP_FREE char *text = name_pack(fetch, frame->pack);
    const struct store_range part = {
        .name = text,
        .offset = (uint64_t)PACK_HEAD_SIZE + frame->frame.offset,
        .data = data,
        .cap = frame->frame.stored_len,
    };

    return store_get_at_hand(fetch->scope->store, &part);
}

/* Those of a range that was asked for come from there. */
static bool may_be_at_hand(struct frame_fetch *fetch, const struct fetch_range *range)
{
    pthread_mutex_lock(&fetch->mutex);
    bool may_be = fetch->trust > 0 && range->state == RANGE_WAITING;
    pthread_mutex_unlock(&fetch->mutex);
    return may_be;
}

/* The mutex is held. */
static void learn_of_frame(struct frame_fetch *fetch, bool at_hand)
{
    if (at_hand)
        fetch->trust += fetch->trust < TRUST_MOST;
    else
        fetch->trust = fetch->trust > TRUST_MISS ? fetch->trust - TRUST_MISS : 0;
}

/* The mutex is held. */
static int take_from_range(struct frame_fetch *fetch, const struct fetched_frame *frame, void *data,
                           struct err *err)
{
    const struct fetch_range *range = frame->range;

    if (wait_for_range(fetch, frame->range, err) < 0)
        return -1;
    memcpy(data, range->buffer->data + (frame->frame.offset - range->offset),
           frame->frame.stored_len);
    return 0;
}

int frame_fetch_take(struct frame_fetch *fetch, struct fetched_frame *frame, void *data,
                     struct err *err)
{
    const struct pack_frame *at = &frame->frame;
    int taken = 0;

    if (!frame->range)
        return read_pack_bytes(fetch, frame->pack, at->offset, data, at->stored_len, err);
    bool tried = may_be_at_hand(fetch, frame->range);
    bool at_hand = tried && take_at_hand(fetch, frame, data);
    if (!at_hand && start_fetching(fetch, err) < 0)
        return -1;
    pthread_mutex_lock(&fetch->mutex);
    if (tried)
        learn_of_frame(fetch, at_hand);
    if (!at_hand)
        taken = take_from_range(fetch, frame, data, err);
    if (taken == 0 && --frame->range->left == 0)
        end_range(fetch, frame->range);
    if (taken == 0)
        frame->range = NULL;
    pthread_mutex_unlock(&fetch->mutex);
    return taken;
}
