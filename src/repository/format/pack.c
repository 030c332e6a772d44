/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/large_pages.h"
#include "repository/format/flags.h"
#include "repository/format/name.h"

static const char head_magic[] = "VBPACK1\n";
static const char end_magic[] = "VBPEND1\n";
#define PACK_MAGIC_SIZE 8
#define PACK_SALT_SIZE 12
#define INDEX_MIN 8u /* of a pack without frames */

/* ---- head and tail --------------------------------------------------------------------------- */

static void format_pack_head(const struct pack_id *id, struct buf *ret)
{
    static const uint8_t salt[PACK_SALT_SIZE];

    buf_append(ret, head_magic, PACK_MAGIC_SIZE);
    buf_append(ret, id->repository.bytes, ID_SIZE);
    buf_append(ret, id->session.bytes, ID_SIZE);
    buf_put_be32(ret, id->number);
    buf_put_be32(ret, 0); /* flags */
    buf_put_be32(ret, 0); /* no key box */
    buf_append(ret, salt, sizeof(salt));
}

/* data: PACK_HEAD_SIZE bytes. */
static int check_pack_head(const void *data, const struct pack_id *id, struct err *err)
{
    static const uint8_t zeros[PACK_SALT_SIZE];
    struct reader reader = reader_of(data, PACK_HEAD_SIZE);

    if (memcmp(reader_bytes(&reader, PACK_MAGIC_SIZE), head_magic, PACK_MAGIC_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "does not begin like a pack");
    if (memcmp(reader_bytes(&reader, ID_SIZE), id->repository.bytes, ID_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "belongs to another repository");
    if (memcmp(reader_bytes(&reader, ID_SIZE), id->session.bytes, ID_SIZE) != 0 ||
        reader_be32(&reader) != id->number)
        return err_set(err, ERR_CORRUPT, "is another pack than its name says");
    if (flags_check(reader_be32(&reader), 0, err) < 0)
        return -1;
    if (reader_be32(&reader) != 0 ||
        memcmp(reader_bytes(&reader, PACK_SALT_SIZE), zeros, PACK_SALT_SIZE))
        return err_set(err, ERR_CORRUPT, "has keys, but is not encrypted");
    return 0;
}

struct pack_tail {
    uint64_t index_offset;
    uint32_t index_len;
    uint8_t sha256[DIGEST_SIZE];
};

static void format_pack_tail(const struct pack_tail *tail, struct buf *ret)
{
    buf_put_be64(ret, tail->index_offset);
    buf_put_be32(ret, tail->index_len);
    buf_put_be32(ret, 0);
    buf_append(ret, end_magic, PACK_MAGIC_SIZE);
    buf_put_be64(ret, 0);
}

/* data: PACK_TAIL_SIZE bytes of a pack of this many. */
static int parse_pack_tail(const void *data, uint32_t size, struct pack_tail *ret, struct err *err)
{
    struct reader reader = reader_of(data, PACK_TAIL_SIZE);

    ret->index_offset = reader_be64(&reader);
    ret->index_len = reader_be32(&reader);
    uint32_t zeros = reader_be32(&reader);
    if (memcmp(reader_bytes(&reader, PACK_MAGIC_SIZE), end_magic, PACK_MAGIC_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "does not end like a pack");
    if (zeros != 0 || reader_be64(&reader) != 0)
        return err_set(err, ERR_CORRUPT, "has an end whose reserved bytes are not zero");
    if (ret->index_offset < PACK_HEAD_SIZE || ret->index_offset > LIMITS_PACK_BODY ||
        ret->index_len < INDEX_MIN || ret->index_len > LIMITS_INDEX ||
        ret->index_offset + ret->index_len + PACK_TAIL_SIZE != size)
        return err_set(err, ERR_CORRUPT, "has an end whose lengths do not add up");
    memcpy(ret->sha256, reader_bytes(&reader, DIGEST_SIZE), DIGEST_SIZE);
    return 0;
}

int pack_digest_check(const struct pack_digest *digest, struct err *err)
{
    uint64_t ids = (uint64_t)digest->block_count * ID_SIZE;

    if (digest->block_count > LIMITS_PACK_BLOCKS || digest->index_offset < PACK_HEAD_SIZE ||
        digest->index_offset > LIMITS_PACK_BODY ||
        digest->size < digest->index_offset + INDEX_MIN + ids + PACK_TAIL_SIZE ||
        digest->size > digest->index_offset + LIMITS_INDEX + PACK_TAIL_SIZE)
        return err_set(err, ERR_CORRUPT,
                       "no pack of %" PRIu32 " blocks and %" PRIu32
                       " bytes has its index at byte %" PRIu32,
                       digest->block_count, digest->size, digest->index_offset);
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct pack_writer {
    uint8_t *data; /* owned, in large pages; LIMITS_PACK bytes */
    struct pack_index index;
};

struct pack_writer *pack_writer_new(struct err *err)
{
    struct pack_writer *writer = mem_alloc(sizeof(*writer));

    writer->data = large_pages_new(LIMITS_PACK);
    if (writer->data)
        return writer;
    err_set_errno(err, errno, "cannot get %" PRIu32 " bytes of memory for a pack", LIMITS_PACK);
    pack_writer_free(writer);
    return NULL;
}

void pack_writer_free(struct pack_writer *writer)
{
    if (!writer)
        return;
    pack_index_clear(&writer->index);
    large_pages_free(writer->data, LIMITS_PACK);
    free(writer);
}

void pack_writer_begin(struct pack_writer *writer)
{
    pack_index_clear(&writer->index);
}

bool pack_writer_fits(const struct pack_writer *writer, uint32_t stored_len, uint32_t block_count)
{
    return pack_index_fits(&writer->index, PACK_HEAD_SIZE, stored_len, block_count);
}

uint32_t pack_writer_frame_count(const struct pack_writer *writer)
{
    return writer->index.frame_count;
}

uint8_t *pack_writer_room(const struct pack_writer *writer)
{
    return writer->data + PACK_HEAD_SIZE + writer->index.frames_len;
}

int pack_writer_add(struct pack_writer *writer, const void *data,
                    const struct pack_index_added *frame, struct err *err)
{
    uint8_t *room = pack_writer_room(writer);

    if (pack_index_add(&writer->index, frame, err) < 0)
        return -1;
    if (data != room)
        memcpy(room, data, frame->stored_len);
    return 0;
}

int pack_writer_close(struct pack_writer *writer, const struct pack_id *id, struct pack_bytes *ret,
                      struct err *err)
{
    CLEANUP_BUF struct buf head = {0}, index = {0}, tail = {0};
    CLEANUP_PACK_INDEX struct pack_index again = {0};
    struct pack_tail end = {.index_offset = PACK_HEAD_SIZE + writer->index.frames_len};
    uint8_t *p = writer->data + end.index_offset;

    format_pack_head(id, &head);
    memcpy(writer->data, head.data, PACK_HEAD_SIZE);
    pack_index_format(&writer->index, &index);
    /* What is written can be read. */
    if (pack_index_parse(index.data, index.len, writer->index.frames_len, &again, err) < 0)
        return err_prefix(err, "cannot close a pack");
    end.index_len = (uint32_t)index.len;
    memcpy(p, index.data, index.len);
    p += index.len;
    format_pack_tail(&end, &tail);
    memcpy(p, tail.data, tail.len);
    p += tail.len;
    digest_of(writer->data, (size_t)(p - writer->data), p);
    p += DIGEST_SIZE;

    *ret = (struct pack_bytes){
        .data = writer->data,
        .len = (uint32_t)(p - writer->data),
        .digest = {.size = (uint32_t)(p - writer->data),
                   .index_offset = (uint32_t)end.index_offset,
                   .block_count = writer->index.block_count},
    };
    digest_of(index.data, index.len, ret->digest.index);
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

int pack_parse(const void *data, size_t len, const struct pack_id *id, struct pack_index *ret_index,
               struct pack_digest *ret_digest, struct err *err)
{
    const uint8_t *bytes = data;
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    uint8_t sha256[DIGEST_SIZE];
    struct pack_tail tail;

    if (len < PACK_HEAD_SIZE + INDEX_MIN + PACK_TAIL_SIZE || len > LIMITS_PACK)
        return err_set(err, ERR_CORRUPT, "has %zu bytes, which no pack has", len);
    digest_of(data, len - DIGEST_SIZE, sha256);
    if (memcmp(sha256, bytes + len - DIGEST_SIZE, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is not what was written: its SHA-256 differs");
    if (check_pack_head(data, id, err) < 0 ||
        parse_pack_tail(bytes + len - PACK_TAIL_SIZE, (uint32_t)len, &tail, err) < 0 ||
        pack_index_parse(bytes + tail.index_offset, tail.index_len,
                         (uint32_t)tail.index_offset - PACK_HEAD_SIZE, &index, err) < 0)
        return -1;
    if (ret_digest) {
        *ret_digest = (struct pack_digest){.size = (uint32_t)len,
                                           .index_offset = (uint32_t)tail.index_offset,
                                           .block_count = index.block_count};
        digest_of(bytes + tail.index_offset, tail.index_len, ret_digest->index);
    }
    *ret_index = index;
    index = (struct pack_index){0};
    return 0;
}

void pack_clear(struct pack *pack)
{
    free(pack->name);
    pack_index_clear(&pack->index);
    *pack = (struct pack){0};
}

/* Exactly len bytes. */
static int read_pack_part(const struct pack *pack, uint64_t offset, void *data, size_t len,
                          struct err *err)
{
    struct store_range range = {pack->name, offset, data, len};
    size_t found = 0;

    if (store_get(pack->store, &range, &found, err) < 0)
        return -1;
    if (found != len)
        return err_set(err, ERR_CORRUPT, "%s/%s: is too short", store_url(pack->store), pack->name);
    return 0;
}

/* data: the index and the tail. */
static int take_pack_end(const uint8_t *data, const struct pack_digest *digest,
                         struct pack_index *ret, struct err *err)
{
    uint32_t index_len = digest->size - PACK_TAIL_SIZE - digest->index_offset;
    uint8_t sha256[DIGEST_SIZE];
    struct pack_tail tail;

    if (parse_pack_tail(data + index_len, digest->size, &tail, err) < 0)
        return -1;
    digest_of(data, index_len, sha256);
    if (tail.index_offset != digest->index_offset ||
        memcmp(sha256, digest->index, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is not the pack that the point was made with");
    if (pack_index_parse(data, index_len, digest->index_offset - PACK_HEAD_SIZE, ret, err) < 0)
        return -1;
    if (ret->block_count != digest->block_count)
        return err_set(err, ERR_CORRUPT, "has %" PRIu32 " blocks, and the point says %" PRIu32,
                       ret->block_count, digest->block_count);
    return 0;
}

int pack_open(struct store *store, const char *scope, const struct pack_id *id,
              const struct pack_digest *digest, struct pack *ret, struct err *err)
{
    struct name name = {.kind = NAME_PACK, .session = id->session, .number = id->number};
    CLEANUP_PACK struct pack pack = {.store = store};
    uint8_t head[PACK_HEAD_SIZE];
    CLEANUP_BUF struct buf end = {0};
    size_t found = 0;

    snprintf(name.scope, sizeof(name.scope), "%s", scope);
    pack.name = name_format(&name);
    if (pack_digest_check(digest, err) < 0)
        return err_prefix(err, "%s/%s", store_url(store), pack.name);
    size_t len = digest->size - digest->index_offset;
    /* One byte more would show that it is longer. */
    struct store_range range = {pack.name, digest->index_offset, buf_reserve(&end, len + 1),
                                len + 1};
    if (read_pack_part(&pack, 0, head, sizeof(head), err) < 0 ||
        store_get(store, &range, &found, err) < 0)
        return -1;
    if (found != len)
        return err_set(err, ERR_CORRUPT, "%s: is too %s", pack.name,
                       found < len ? "short" : "long");
    if (check_pack_head(head, id, err) < 0 || take_pack_end(end.data, digest, &pack.index, err) < 0)
        return err_prefix(err, "%s/%s", store_url(store), pack.name);
    *ret = pack;
    pack = (struct pack){0};
    return 0;
}

int pack_read_frame(const struct pack *pack, uint32_t number, void *data, struct err *err)
{
    const struct pack_frame *frame = &pack->index.frames[number];

    return read_pack_part(pack, (uint64_t)PACK_HEAD_SIZE + frame->offset, data, frame->stored_len,
                          err);
}
