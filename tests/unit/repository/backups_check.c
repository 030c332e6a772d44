/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looks at what a backup has made.
 */
#include <string.h>

#include "backups.h"
#include "base/array.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/chunk_digest.h"
#include "record/content_digest.h"
#include "repository/block_id.h"

/* The content digest, from the bytes. */
static void digest_disk(const struct backup_disk *disk, uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(chunk_digest_freep) struct chunk_digest *chunk = chunk_digest_new();
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    CLEANUP_FREE uint8_t *data = mem_alloc(MANIFEST_MAP_CHUNK);
    uint8_t digest[DIGEST_SIZE], zeros[DIGEST_SIZE];

    chunk_digest_of_zeros(chunk, MANIFEST_MAP_CHUNK, zeros);
    for (uint64_t done = 0; done < disk->size; done += MANIFEST_MAP_CHUNK) {
        uint64_t left = disk->size - done;
        size_t len = (size_t)(left < MANIFEST_MAP_CHUNK ? left : MANIFEST_MAP_CHUNK);
        if (len == MANIFEST_MAP_CHUNK && !backup_disk_has(disk, done, done + len)) {
            content_digest_add(content, zeros, 1);
            continue;
        }
        backup_disk_copy(disk, done, data, len);
        chunk_digest_of(chunk, data, len, digest);
        content_digest_add(content, digest, 1);
    }
    content_digest_finish(content, ret);
}

struct backup_result backup_run(const struct backup *backup)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct backup_result result;
    uint8_t digest[DIGEST_SIZE];

    if (backup_try(backup, &result, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < backup->disk_count; i++) {
        digest_disk(&backup->disks[i], digest);
        assert_int_equal(result.images[i].image.has_content, !backup->disks[i].former);
        if (result.images[i].image.has_content)
            assert_memory_equal(result.images[i].image.content, digest, DIGEST_SIZE);
        assert_int_equal(result.images[i].image.raw_size, backup->disks[i].size);
    }
    backup_check(backup, &result.session);
    return result;
}

struct stored_point *backup_read(const struct backup *backup, const struct id *session)
{
    const struct stored_scope scope = {backup->repository->store, backup->repository->id,
                                       REPOSITORY_SCOPE};
    const struct point_id id = {backup->guest, *session};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct stored_point *point = NULL;

    if (stored_point_read(&scope, &id, &point, &err) < 0)
        fail_msg("%s", err.text);
    return point;
}

/* A pack that is open, and the frame of it that was decoded last. */
struct open_pack {
    struct pack pack;
    const struct pack_frame *frame;
    uint8_t *raw; /* owned */
};

struct checker {
    const struct backup *backup;
    const struct stored_point *point;
    struct open_pack *packs; /* by place */
    struct decoder *decoders[CODEC_ZSTD + 1];
    struct chunk_digest *digest;
    struct block_ids *ids;
};

static void open_pack_of(const struct checker *checker, uint32_t place)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct pack_id id = stored_point_pack(checker->point, place);

    if (pack_open(checker->backup->repository->store, REPOSITORY_SCOPE, &id,
                  &checker->point->digests[place], &checker->packs[place].pack, &err) < 0)
        fail_msg("%s", err.text);
}

static struct decoder *decoder_of(struct checker *checker, enum codec_type codec)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t chunk_size = (uint64_t)LIMITS_FRAME_BLOCKS_LZMA * LIMITS_BLOCK;

    if (!checker->decoders[codec])
        checker->decoders[codec] = decoder_new(codec, chunk_size, UINT64_C(64) << 20, &err);
    assert_non_null(checker->decoders[codec]);
    return checker->decoders[codec];
}

static void decode_frame(struct checker *checker, struct open_pack *open,
                         const struct pack_frame *frame)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE uint8_t *stored = malloc(frame->stored_len);
    struct codec_room room = {.data = malloc(frame->raw_len), .cap = frame->raw_len};
    struct decoder *decoder = decoder_of(checker, frame->codec);
    uint8_t digest[DIGEST_SIZE];

    free(open->raw);
    open->raw = room.data;
    open->frame = frame;
    assert_true(stored && room.data);
    if (pack_read_frame(&open->pack, (uint32_t)(frame - open->pack.index.frames), stored, &err) <
            0 ||
        decoder_decode(decoder, stored, frame->stored_len, &room, digest, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(room.len, frame->raw_len);
}

static void check_block(struct checker *checker, const struct backup_disk *disk,
                        uint64_t image_block, struct open_pack *open, uint32_t block)
{
    const struct pack_frame *frame = pack_index_frame_of(&open->pack.index, block);
    uint64_t left = disk->size - image_block * LIMITS_BLOCK;
    size_t len = (size_t)(left < LIMITS_BLOCK ? left : LIMITS_BLOCK);
    uint32_t offset = (block - frame->first_block) * LIMITS_BLOCK;
    uint8_t expected[LIMITS_BLOCK], digest[DIGEST_SIZE];
    struct id id;

    if (frame != open->frame)
        decode_frame(checker, open, frame);
    backup_disk_copy(disk, image_block * LIMITS_BLOCK, expected, len);
    assert_true(offset + len <= frame->raw_len);
    assert_int_equal(memcmp(open->raw + offset, expected, len), 0);
    chunk_digest_of(checker->digest, expected, len, digest);
    block_id_of(checker->ids, digest, &id);
    assert_memory_equal(open->pack.index.ids[block].bytes, id.bytes, ID_SIZE);
}

static void check_zeros(const struct backup_disk *disk, uint64_t block, uint64_t end)
{
    uint8_t data[LIMITS_BLOCK];

    for (; block < end; block++) {
        uint64_t start = block * LIMITS_BLOCK;
        if (!backup_disk_has(disk, start, start + LIMITS_BLOCK))
            continue;
        backup_disk_copy(disk, start, data, sizeof(data));
        assert_true(io_is_zero(data, sizeof(data)));
    }
}

static void check_image(struct checker *checker, const struct backup_disk *disk,
                        const struct stored_image *image)
{
    struct map_reader reader;
    struct map_run run;
    uint64_t at = 0;

    assert_int_equal(image->size, disk->size);
    stored_point_walk(checker->point, image, &reader);
    while (map_reader_next(&reader, &run, NULL) > 0) {
        struct open_pack *open = &checker->packs[run.pack];
        check_zeros(disk, at, run.block);
        if (!open->pack.name)
            open_pack_of(checker, run.pack);
        for (uint64_t i = 0; i < run.count; i++)
            check_block(checker, disk, run.block + i, open, run.first + (uint32_t)i);
        at = run.block + run.count;
    }
    check_zeros(disk, at, units_div_up(disk->size, LIMITS_BLOCK));
}

void backup_check(const struct backup *backup, const struct id *session)
{
    CLEANUP(stored_point_freep) struct stored_point *point = backup_read(backup, session);
    struct checker checker = {.backup = backup,
                              .point = point,
                              .packs = mem_array(point->packs.count + 1, sizeof(*checker.packs)),
                              .digest = chunk_digest_new(),
                              .ids = block_ids_new(backup->repository->id_salt)};

    assert_int_equal(point->image_count, backup->disk_count);
    for (uint32_t i = 0; i < point->image_count; i++)
        check_image(&checker, &backup->disks[i], &point->images[i]);
    assert_int_equal(point->manifest.len, 9);
    assert_int_equal(point->small.count, 1);
    for (uint32_t i = 0; i < point->packs.count; i++) {
        pack_clear(&checker.packs[i].pack);
        free(checker.packs[i].raw);
    }
    for (size_t i = 0; i < ARRAY_COUNT(checker.decoders); i++)
        decoder_free(checker.decoders[i]);
    free(checker.packs);
    chunk_digest_free(checker.digest);
    block_ids_free(checker.ids);
}
