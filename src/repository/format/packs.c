/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/packs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NUMBER_SIZE 4
#define STORED_SESSION_SIZE (ID_SIZE + NUMBER_SIZE)
#define DIGEST_ENTRY_SIZE (DIGEST_SIZE + 12u)

void packs_clear(struct packs *packs)
{
    free(packs->sessions);
    free(packs->numbers);
    *packs = (struct packs){0};
}

/* ---- PACKS: writing -------------------------------------------------------------------------- */

/* Room for one more, which grows by doubling: whenever count is a power of two. */
static int make_pack_room(void **items, uint32_t count, size_t size, struct err *err)
{
    if (count & (count - 1))
        return 0;
    void *grown = realloc(*items, (count ? (size_t)count * 2 : 1) * size);
    if (!grown)
        return err_set_errno(err, ENOMEM, "cannot get memory for a list of packs");
    *items = grown;
    return 0;
}

int packs_add(struct packs *packs, const struct id *session, uint32_t number, struct err *err)
{
    const struct packs_session *last =
        packs->session_count ? &packs->sessions[packs->session_count - 1] : NULL;
    bool begins = !last || id_compare(&last->session, session) != 0;

    if (packs->count == LIMITS_POINT_PACKS ||
        (begins && packs->session_count == LIMITS_POINT_SESSIONS))
        return err_set(err, ERR_UNSUPPORTED,
                       "a point can have %u packs of %u sessions, and no more", LIMITS_POINT_PACKS,
                       LIMITS_POINT_SESSIONS);
    if (make_pack_room((void **)&packs->numbers, packs->count, sizeof(*packs->numbers), err) < 0 ||
        (begins && make_pack_room((void **)&packs->sessions, packs->session_count,
                                  sizeof(*packs->sessions), err) < 0))
        return -1;
    if (begins)
        packs->sessions[packs->session_count++] =
            (struct packs_session){.session = *session, .first = packs->count};
    packs->sessions[packs->session_count - 1].count++;
    packs->numbers[packs->count++] = number;
    return 0;
}

void packs_format(const struct packs *packs, struct buf *ret)
{
    buf_put_be32(ret, packs->session_count);
    for (uint32_t i = 0; i < packs->session_count; i++) {
        const struct packs_session *session = &packs->sessions[i];
        buf_append(ret, session->session.bytes, ID_SIZE);
        buf_put_be32(ret, session->count);
        for (uint32_t j = 0; j < session->count; j++)
            buf_put_be32(ret, packs->numbers[session->first + j]);
    }
}

/* ---- PACKS: reading -------------------------------------------------------------------------- */

/* Reads a session and its numbers; there is room for all that the section can have. */
static int parse_pack_session(struct reader *reader, struct packs *packs, struct err *err)
{
    struct packs_session *session = &packs->sessions[packs->session_count];
    const uint8_t *id = reader_bytes(reader, ID_SIZE);

    session->first = packs->count;
    session->count = reader_be32(reader);
    if (reader_check(reader, "its list of packs", err) < 0)
        return -1;
    memcpy(session->session.bytes, id, ID_SIZE);
    if (packs->session_count > 0 && id_compare(&session[-1].session, &session->session) >= 0)
        return err_set(err, ERR_CORRUPT, "a session is not in its place among its packs");
    if (session->count < 1 || session->count > reader->left / NUMBER_SIZE ||
        session->count > LIMITS_POINT_PACKS - packs->count)
        return err_set(err, ERR_CORRUPT, "a session cannot have %" PRIu32 " packs", session->count);
    for (uint32_t i = 0; i < session->count; i++) {
        uint32_t number = reader_be32(reader);
        if (number >= LIMITS_PACK_NUMBER || (i > 0 && number <= packs->numbers[packs->count - 1]))
            return err_set(err, ERR_CORRUPT, "pack %" PRIu32 " is not in its place", number);
        packs->numbers[packs->count++] = number;
    }
    packs->session_count++;
    return 0;
}

int packs_parse(const void *data, size_t len, struct packs *ret, struct err *err)
{
    struct reader reader = reader_of(data, len);
    CLEANUP_PACKS struct packs packs = {0};
    uint32_t sessions = reader_be32(&reader);

    if (reader_check(&reader, "its list of packs", err) < 0)
        return -1;
    if (sessions > LIMITS_POINT_SESSIONS ||
        sessions > reader.left / (STORED_SESSION_SIZE + NUMBER_SIZE))
        return err_set(err, ERR_CORRUPT, "its list of packs cannot have %" PRIu32 " sessions",
                       sessions);
    packs.sessions = calloc(sessions + 1, sizeof(*packs.sessions));
    packs.numbers = malloc(len);
    if (!packs.sessions || !packs.numbers)
        return err_set_errno(err, ENOMEM, "cannot get memory for a list of packs");
    for (uint32_t i = 0; i < sessions; i++)
        if (parse_pack_session(&reader, &packs, err) < 0)
            return -1;
    if (reader.left > 0)
        return err_set(err, ERR_CORRUPT, "its list of packs is too long");
    *ret = packs;
    packs = (struct packs){0};
    return 0;
}

/* ---- places ---------------------------------------------------------------------------------- */

void packs_at(const struct packs *packs, uint32_t place, struct id *ret_session,
              uint32_t *ret_number)
{
    uint32_t low = 0, high = packs->session_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (packs->sessions[middle].first <= place)
            low = middle;
        else
            high = middle;
    }
    *ret_session = packs->sessions[low].session;
    *ret_number = packs->numbers[place];
}

static int compare_packs_session(const void *key, const void *item)
{
    const struct packs_session *session = item;

    return id_compare(key, &session->session);
}

static int compare_pack_number(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)item;

    return a < b ? -1 : a > b;
}

bool packs_find(const struct packs *packs, const struct id *session, uint32_t number,
                uint32_t *ret_place)
{
    if (packs->count == 0)
        return false;
    const struct packs_session *found = bsearch(session, packs->sessions, packs->session_count,
                                                sizeof(*packs->sessions), compare_packs_session);
    const uint32_t *place = found ? bsearch(&number, packs->numbers + found->first, found->count,
                                            sizeof(number), compare_pack_number)
                                  : NULL;
    if (!place)
        return false;
    *ret_place = (uint32_t)(place - packs->numbers);
    return true;
}

/* ---- DIGESTS --------------------------------------------------------------------------------- */

void packs_format_digests(const struct pack_digest *digests, uint32_t count, struct buf *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_append(ret, digests[i].index, DIGEST_SIZE);
        buf_put_be32(ret, digests[i].size);
        buf_put_be32(ret, digests[i].index_offset);
        buf_put_be32(ret, digests[i].block_count);
    }
}

int packs_parse_digests(const void *data, size_t len, uint32_t count, struct pack_digest **ret,
                        struct err *err)
{
    struct reader reader = reader_of(data, len);

    if (len != (uint64_t)count * DIGEST_ENTRY_SIZE)
        return err_set(err, ERR_CORRUPT, "the digests of %" PRIu32 " packs do not have %zu bytes",
                       count, len);
    CLEANUP_FREE struct pack_digest *digests = calloc((size_t)count + 1, sizeof(*digests));
    if (!digests)
        return err_set_errno(err, ENOMEM, "cannot get memory for the digests of packs");
    for (uint32_t i = 0; i < count; i++) {
        memcpy(digests[i].index, reader_bytes(&reader, DIGEST_SIZE), DIGEST_SIZE);
        digests[i].size = reader_be32(&reader);
        digests[i].index_offset = reader_be32(&reader);
        digests[i].block_count = reader_be32(&reader);
        if (pack_digest_check(&digests[i], err) < 0)
            return -1;
    }
    *ret = TAKE_PTR(digests);
    return 0;
}

uint32_t *packs_block_counts(const struct pack_digest *digests, uint32_t count)
{
    uint32_t *counts = calloc((size_t)count + 1, sizeof(*counts));

    for (uint32_t i = 0; counts && i < count; i++)
        counts[i] = digests[i].block_count;
    return counts;
}

/* ---- from a store ---------------------------------------------------------------------------- */

/* start: the first bytes of the point. */
static int read_packs_of(struct store *store, const char *slot_name, const struct slot *slot,
                         const struct buf *start, struct packs *ret, struct err *err)
{
    const struct slot_section *section = slot_find(slot, SLOT_PACKS, 0);
    size_t len = (size_t)section->stored_len;
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};
    CLEANUP_FREE uint8_t *stored = malloc(len + 1);
    size_t found = section->offset < start->len ? start->len - (size_t)section->offset : 0;

    if (!stored)
        return err_set_errno(err, ENOMEM, "cannot get memory for a list of packs");
    if (found > len)
        found = len;
    if (found > 0)
        memcpy(stored, start->data + section->offset, found);
    struct store_range rest = {slot_name, section->offset + found, stored + found, len - found};
    if (rest.cap > 0 && store_get(store, &rest, &rest.cap, err) < 0)
        return -1;
    if (found + rest.cap != len)
        return err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
    return slot_open_section(section, stored, LIMITS_PACKS, &content, err) < 0
               ? -1
               : packs_parse(content.data, content.len, ret, err);
}

int packs_read(struct store *store, const char *slot_name, const struct slot_id *id,
               struct slot *ret_slot, struct packs *ret, struct err *err)
{
    CLEANUP_BUF struct buf start = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};
    struct store_range range = {slot_name, 0, buf_reserve(&start, SLOT_START_MAX), SLOT_START_MAX};

    if (store_get(store, &range, &start.len, err) < 0)
        return -1;
    bool point = start.len > SLOT_TOMBSTONE_SIZE;
    if ((point ? slot_parse_start : slot_parse)(start.data, start.len, id, &slot, err) < 0 ||
        (point && read_packs_of(store, slot_name, &slot, &start, &packs, err) < 0))
        return err_prefix(err, "%s/%s", store_url(store), slot_name);
    *ret_slot = slot;
    *ret = packs;
    slot = (struct slot){0};
    packs = (struct packs){0};
    return 0;
}
