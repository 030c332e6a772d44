/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/page_cache.h"
#include "base/quit.h"
#include "base/units.h"
#include "codec/result.h"

#define HASH_PIECE MIB
/* Enough for the index of a disk of some hundred GiB; a larger one leaves its beginning in the page
 * cache. */
#define INDEX_USUAL (8 * MIB)

struct image_reader {
    struct image_file file;
    struct page_cache *cache;
    enum codec_type codec;
    uint64_t start; /* of the image within the file */
    uint64_t size;  /* of the file */
    uint64_t chunk_size;
    uint64_t raw_size;
    struct container_index index; /* empty for codec none */
    bool has_sha256;              /* of the whole file: */
    uint8_t sha256[DIGEST_SIZE];
    struct digest *digest; /* of the file's first `hashed` bytes; NULL: not wanted */
    uint64_t hashed;
};

/* The blocks of a chunk: index.blocks[first] to [first + count - 1]. */
struct block_run {
    size_t first;
    size_t count;
    uint64_t stored_len;
};

/* The index has no gaps in raw_offset, so it is enough to check that no block extends beyond its
 * chunk. */
static int check_index(const struct image_reader *reader, struct err *err)
{
    size_t in_chunk = 0;

    if (reader->index.raw_size != reader->raw_size)
        return err_set(err, ERR_CORRUPT, "holds %llu bytes of image, but the manifest says %llu",
                       (unsigned long long)reader->index.raw_size,
                       (unsigned long long)reader->raw_size);
    for (size_t i = 0; i < reader->index.count; i++) {
        const struct container_block *block = &reader->index.blocks[i];
        uint64_t in_offset = block->raw_offset % reader->chunk_size;

        in_chunk = in_offset == 0 ? 1 : in_chunk + 1;
        if (in_offset + block->raw_len > reader->chunk_size || in_chunk > RESULT_MAX_BLOCKS)
            return err_set(err, ERR_CORRUPT,
                           "its blocks do not fit the manifest's chunks of %llu bytes",
                           (unsigned long long)reader->chunk_size);
    }
    return 0;
}

static int read_image_index(struct image_reader *reader, const struct container_indexer *indexer,
                            uint64_t len, struct err *err)
{
    /* The index is read from the end of the file backwards. */
    page_cache_enter(reader->cache, reader->size > INDEX_USUAL ? reader->size - INDEX_USUAL : 0);
    if (!indexer)
        return container_read(reader->codec, reader->file.fd, reader->start, len, &reader->index,
                              err);
    return indexer->read(indexer->opaque, reader->codec, reader->file.fd, reader->start, len,
                         &reader->index, err);
}

static int load_index(struct image_reader *reader, const struct container_indexer *indexer,
                      struct err *err)
{
    struct stat st;

    if (fstat(reader->file.fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    if ((uint64_t)st.st_size != reader->size || reader->start > reader->size)
        return err_set(err, ERR_CORRUPT, "is %llu bytes long, but the manifest says %llu",
                       (unsigned long long)st.st_size, (unsigned long long)reader->size);
    reader->cache = page_cache_new(reader->file.fd, reader->size);
    uint64_t len = reader->size - reader->start;
    if (reader->codec == CODEC_NONE) {
        if (len != reader->raw_size)
            return err_set(err, ERR_CORRUPT,
                           "holds %llu bytes of image, but the manifest says %llu",
                           (unsigned long long)len, (unsigned long long)reader->raw_size);
        return 0;
    }
    if (read_image_index(reader, indexer, len, err) < 0)
        return -1;
    return check_index(reader, err);
}

int image_reader_new(const struct image_file *file, const struct manifest_stored *stored,
                     uint64_t start, const struct container_indexer *indexer,
                     struct image_reader **ret, struct err *err)
{
    CLEANUP(image_reader_freep) struct image_reader *reader = mem_alloc(sizeof(*reader));

    *reader = (struct image_reader){
        .file = *file,
        .codec = stored->codec.type,
        .start = start,
        .size = stored->file.size,
        .chunk_size = stored->image.chunk_size,
        .raw_size = stored->image.raw_size,
        .has_sha256 = stored->file.has_sha256,
    };
    memcpy(reader->sha256, stored->file.sha256, sizeof(reader->sha256));
    if (load_index(reader, indexer, err) < 0)
        return err_prefix(err, "%s", file->path);
    *ret = TAKE_PTR(reader);
    return 0;
}

/* The raw length of chunk id; 0, and an error, if there is none. */
static uint32_t chunk_len(const struct image_reader *reader, uint64_t id, struct err *err)
{
    uint64_t len = chunk_raw_len(id, reader->chunk_size, reader->raw_size);

    if (len == 0)
        err_set(err, ERR_INTERNAL, "%s: the image has no chunk %llu", reader->file.path,
                (unsigned long long)id);
    return (uint32_t)len;
}

static int reader_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct image_reader *reader = opaque;

    if (chunk_len(reader, id, err) == 0)
        return -1;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    if (reader->codec != CODEC_NONE)
        return 0;
    uint64_t offset = reader->start + id * reader->chunk_size;
    off_t data = lseek(reader->file.fd, (off_t)offset, SEEK_DATA);
    /* no data from here to the end */
    if ((data < 0 && errno == ENXIO) || (data >= 0 && (uint64_t)data >= reader->size))
        *ret = (struct chunk_run){.kind = CHUNK_ZERO,
                                  .count = units_div_up(reader->raw_size, reader->chunk_size) - id};
    else if (data >= 0 && (uint64_t)data - offset >= reader->chunk_size)
        *ret = (struct chunk_run){.kind = CHUNK_ZERO,
                                  .count = ((uint64_t)data - offset) / reader->chunk_size};
    /* Any other failure: the file system cannot tell. */
    return 0;
}

static int no_room(uint64_t id, uint64_t need, size_t cap, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "chunk %llu is %llu bytes long, more than the limit of %zu",
                   (unsigned long long)id, (unsigned long long)need, cap);
}

/* Reads what is in no block (framing, the index) only for the hash. */
static int hash_up_to(struct image_reader *reader, uint64_t offset, struct err *err)
{
    if (reader->hashed >= offset)
        return 0;
    CLEANUP_FREE uint8_t *data = mem_alloc(HASH_PIECE);
    while (reader->hashed < offset) {
        uint64_t left = offset - reader->hashed;
        size_t len = left < HASH_PIECE ? (size_t)left : HASH_PIECE;
        if (quit_check(err) < 0 ||
            page_cache_read(reader->cache, reader->hashed, data, len, err) < 0)
            return -1;
        digest_add(reader->digest, data, len);
        reader->hashed += len;
    }
    return 0;
}

/* Each byte of the file is hashed once, in file order, wherever an index says that the blocks are.
 * What comes before this read is hashed first; what was already hashed, because a chunk is read
 * again, is skipped. */
static int read_at(struct image_reader *reader, uint8_t *data, size_t len, uint64_t offset,
                   struct err *err)
{
    if (reader->digest && hash_up_to(reader, offset, err) < 0)
        return -1;
    if (page_cache_read(reader->cache, offset, data, len, err) < 0)
        return -1;
    if (reader->digest && offset + len > reader->hashed) {
        size_t known = (size_t)(reader->hashed - offset);
        digest_add(reader->digest, data + known, len - known);
        reader->hashed = offset + len;
    }
    return 0;
}

static int read_plain(struct image_reader *reader, uint64_t id, uint32_t len, uint8_t *result,
                      size_t cap, size_t *ret_len, struct err *err)
{
    static const uint8_t unknown[DIGEST_SIZE];
    size_t head = result_head_size(1);

    if (cap < head || cap - head < len)
        return no_room(id, head + (uint64_t)len, cap, err);
    result_put_head(result, unknown, len, 1);
    result_put_entry(result, 0, len, len);
    *ret_len = head + len;
    return read_at(reader, result + head, len, reader->start + id * reader->chunk_size, err);
}

static struct block_run find_blocks(const struct image_reader *reader, uint64_t id, uint32_t len)
{
    const struct container_block *blocks = reader->index.blocks;
    uint64_t offset = id * reader->chunk_size;
    struct block_run run = {0};
    size_t low = 0;
    size_t high = reader->index.count;

    while (low < high) { /* finds the first block at or after offset */
        size_t middle = low + (high - low) / 2;
        if (blocks[middle].raw_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    run.first = low;
    for (size_t i = low; i < reader->index.count && blocks[i].raw_offset < offset + len; i++) {
        run.stored_len += blocks[i].stored_len;
        run.count++;
    }
    return run;
}

/* Blocks that are adjacent in the file are read together. */
static int read_blocks(struct image_reader *reader, const struct block_run *run, uint8_t *data,
                       struct err *err)
{
    const struct container_block *block = &reader->index.blocks[run->first];
    const struct container_block *end = block + run->count;

    while (block < end) {
        uint64_t offset = block->offset;
        size_t len = 0;
        for (; block < end && block->offset == offset + len; block++)
            len += block->stored_len;
        if (read_at(reader, data, len, reader->start + offset, err) < 0)
            return -1;
        data += len;
    }
    return 0;
}

static int read_framed(struct image_reader *reader, uint64_t id, uint32_t len, uint8_t *result,
                       size_t cap, size_t *ret_len, struct err *err)
{
    static const uint8_t unknown[DIGEST_SIZE];
    struct block_run run = find_blocks(reader, id, len);
    size_t head = result_head_size((uint32_t)run.count);

    if (cap < head || cap - head < run.stored_len)
        return no_room(id, head + run.stored_len, cap, err);
    result_put_head(result, unknown, len, (uint32_t)run.count);
    for (size_t i = 0; i < run.count; i++) {
        const struct container_block *block = &reader->index.blocks[run.first + i];
        result_put_entry(result, (uint32_t)i, block->stored_len, block->raw_len);
    }
    *ret_len = head + (size_t)run.stored_len;
    return read_blocks(reader, &run, result + head, err);
}

static int reader_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                       enum chunk_kind *ret_kind, struct err *err)
{
    struct image_reader *reader = opaque;
    uint32_t len = chunk_len(reader, id, err);

    if (len == 0)
        return -1;
    *ret_kind = CHUNK_DATA;
    int failed = reader->codec == CODEC_NONE
                     ? read_plain(reader, id, len, data, cap, ret_len, err)
                     : read_framed(reader, id, len, data, cap, ret_len, err);
    return failed ? err_prefix(err, "%s", reader->file.path) : 0;
}

void image_reader_hash(struct image_reader *reader)
{
    if (reader->has_sha256 && !reader->digest)
        reader->digest = digest_new();
}

static int check_file_hash(void *opaque, struct err *err)
{
    struct image_reader *reader = opaque;
    uint8_t sha256[DIGEST_SIZE];

    if (!reader->digest)
        return 0;
    if (hash_up_to(reader, reader->size, err) < 0)
        return err_prefix(err, "%s", reader->file.path);
    digest_finish(reader->digest, sha256);
    reader->hashed = 0; /* like the digest */
    if (memcmp(sha256, reader->sha256, sizeof(sha256)) != 0)
        return err_set(err, ERR_CORRUPT, "%s: is not what was stored: its SHA-256 differs",
                       reader->file.path);
    return 0;
}

struct chunk_source image_reader_source(struct image_reader *reader)
{
    return (struct chunk_source){
        .opaque = reader,
        .name = reader->file.path,
        .count = units_div_up(reader->raw_size, reader->chunk_size),
        .chunk_size = reader->chunk_size,
        .raw_size = reader->raw_size,
        .look = reader_look,
        .read = reader_read,
        .check = check_file_hash,
    };
}

void image_reader_free(struct image_reader *reader)
{
    if (!reader)
        return;
    container_index_clear(&reader->index);
    digest_free(reader->digest);
    page_cache_free(reader->cache);
    free(reader);
}
