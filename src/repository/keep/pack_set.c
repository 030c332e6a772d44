/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/pack_set.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FIRST_CAP 1024u

void pack_set_clear(struct pack_set *set)
{
    free(set->sessions);
    free(set->numbers);
    free(set->sizes);
    free(set->marks);
    *set = (struct pack_set){0};
}

int pack_set_compare(const struct id *a, const struct id *b)
{
    int order = (int)a->bytes[ID_SIZE - 1] - (int)b->bytes[ID_SIZE - 1];

    return order ? order : id_compare(a, b);
}

static int grow_pack_array(void **items, size_t cap, size_t size, struct err *err)
{
    void *grown = realloc(*items, cap * size);

    if (!grown)
        return err_set_errno(err, ENOMEM, "cannot get memory for the names of packs");
    *items = grown;
    return 0;
}

/* By half: the largest array is then never much more than there is in it. */
static uint32_t larger_cap(uint32_t cap)
{
    return cap ? cap + cap / 2 : FIRST_CAP;
}

static int make_set_room(struct pack_set *set, struct err *err)
{
    if (set->session_count == set->session_cap) {
        uint32_t cap = larger_cap(set->session_cap);
        if (grow_pack_array((void **)&set->sessions, cap, sizeof(*set->sessions), err) < 0)
            return -1;
        set->session_cap = cap;
    }
    if (set->count == set->cap) {
        uint32_t cap = larger_cap(set->cap);
        if (grow_pack_array((void **)&set->numbers, cap, sizeof(*set->numbers), err) < 0 ||
            grow_pack_array((void **)&set->sizes, cap, sizeof(*set->sizes), err) < 0 ||
            grow_pack_array((void **)&set->marks, cap / 8 + 1, 1, err) < 0)
            return -1;
        set->cap = cap;
    }
    return 0;
}

int pack_set_add(struct pack_set *set, const struct id *session, uint32_t number, uint32_t size,
                 struct err *err)
{
    if (set->count == UINT32_MAX / 2)
        return err_set(err, ERR_UNSUPPORTED, "there are too many packs");
    if (set->most && set->count >= set->most)
        return err_set(err, ERR_TRANSIENT,
                       "more than %" PRIu64 " packs were made since they were counted; begin again",
                       set->most);
    if (make_set_room(set, err) < 0)
        return -1;
    struct pack_set_session *last =
        set->session_count ? &set->sessions[set->session_count - 1] : NULL;
    int order = last ? pack_set_compare(&last->session, session) : -1;
    if (order > 0 || (order == 0 && set->numbers[set->count - 1] >= number))
        return err_set(err, ERR_INTERNAL, "packs are not listed in their order");
    if (order < 0) {
        last = &set->sessions[set->session_count++];
        *last = (struct pack_set_session){.session = *session, .first = set->count};
    }
    last->count++;
    set->numbers[set->count] = number;
    set->sizes[set->count] = size;
    if (set->count % 8 == 0)
        set->marks[set->count / 8] = 0;
    set->count++;
    return 0;
}

static int compare_set_session(const void *key, const void *item)
{
    return pack_set_compare(key, &((const struct pack_set_session *)item)->session);
}

const struct pack_set_session *pack_set_find(const struct pack_set *set, const struct id *session)
{
    return set->session_count == 0 ? NULL
                                   : bsearch(session, set->sessions, set->session_count,
                                             sizeof(*set->sessions), compare_set_session);
}

/* Both have their numbers in order. */
static void mark_numbers(struct pack_set *set, const struct pack_set_session *session,
                         const uint32_t *numbers, uint32_t count)
{
    uint32_t place = session->first, end = session->first + session->count;

    for (uint32_t i = 0; i < count && place < end; i++) {
        while (place < end && set->numbers[place] < numbers[i])
            place++;
        if (place < end && set->numbers[place] == numbers[i])
            set->marks[place / 8] |= (uint8_t)(1u << place % 8);
    }
}

void pack_set_mark(struct pack_set *set, const struct packs *packs)
{
    for (uint32_t i = 0; i < packs->session_count; i++) {
        const struct packs_session *session = &packs->sessions[i];
        const struct pack_set_session *found = pack_set_find(set, &session->session);
        if (found)
            mark_numbers(set, found, packs->numbers + session->first, session->count);
    }
}

bool pack_set_is_marked(const struct pack_set *set, uint32_t place)
{
    return set->marks[place / 8] >> place % 8 & 1;
}

void pack_set_drop_marked(struct pack_set *set)
{
    uint32_t count = 0, session_count = 0;

    for (uint32_t i = 0; i < set->session_count; i++) {
        struct pack_set_session session = set->sessions[i];
        uint32_t first = count;
        for (uint32_t place = session.first; place < session.first + session.count; place++) {
            if (pack_set_is_marked(set, place))
                continue;
            set->numbers[count] = set->numbers[place];
            set->sizes[count++] = set->sizes[place];
        }
        if (count > first)
            set->sessions[session_count++] =
                (struct pack_set_session){session.session, first, count - first};
    }
    set->count = count;
    set->session_count = session_count;
    if (count > 0)
        memset(set->marks, 0, count / 8 + 1);
}

const struct id *pack_set_session_of(const struct pack_set *set, uint32_t place, uint32_t *session)
{
    while (place >= set->sessions[*session].first + set->sessions[*session].count)
        (*session)++;
    return &set->sessions[*session].session;
}
