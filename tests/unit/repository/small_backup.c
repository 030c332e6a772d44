/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "small_backup.h"

#include <string.h>

#include "base/array.h"
#include "base/io.h"
#include "codec/chunk_digest.h"
#include "repository/block_id.h"
#include "repository/format/map.h"
#include "repository/format/pack.h"
#include "repository/restored_image.h"

#define CHUNK ((size_t)1 << 20)
#define CHUNK_BLOCKS (CHUNK / LIMITS_BLOCK)

static void must(int status, const struct err *err)
{
    if (status < 0)
        fail_msg("%s", err->text);
}

void small_backup_begin(struct small_backup *backup, const char *codec)
{
    *backup = (struct small_backup){.pack_frames = 3};
    folder_begin(&backup->folder);
    backup->scope = (struct stored_scope){backup->folder.repository->store,
                                          backup->folder.repository->id, REPOSITORY_SCOPE};
    assert_int_equal(codec_parse(codec, &backup->codec, NULL), 0);
}

void small_backup_end(struct small_backup *backup)
{
    free(backup->known);
    folder_end(&backup->folder);
}

char *small_backup_file(const struct small_backup *backup, const char *name)
{
    return mem_printf("%s/%s", backup->folder.path, name);
}

void small_backup_fill(uint8_t *data, uint64_t size, uint32_t seed)
{
    for (uint64_t start = 0; start < size; start += LIMITS_BLOCK) {
        uint64_t len = size - start < LIMITS_BLOCK ? size - start : LIMITS_BLOCK;
        seed = seed * 1103515245 + 12345;
        uint32_t kind = seed >> 16 & 7;
        uint32_t word = kind < 2 ? kind : seed | 1;
        for (uint64_t i = 0; i < len; i++) {
            word = kind == 0 ? 0 : word * 1664525 + 1013904223;
            data[start + i] = (uint8_t)(i % 4 ? 0 : word >> 24);
        }
    }
}

/* ---- writing ---------------------------------------------------------------------------------- */

struct small_session {
    struct small_backup *backup;
    struct id session;
    struct pack_writer *pack;
    uint32_t number; /* of that pack */
    struct encoder *encoder;
    struct chunk_digest *digest;
    struct block_ids *ids;
};

static void put_small_pack(struct small_session *session)
{
    struct small_backup *backup = session->backup;
    const struct pack_id id = {backup->scope.repository, session->session, session->number};
    CLEANUP_FREE char *name = stored_point_pack_name(&backup->scope, &id);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pack_bytes bytes;
    enum store_outcome outcome = STORE_EXISTS;

    if (pack_writer_frame_count(session->pack) == 0)
        return;
    must(pack_writer_close(session->pack, &id, &bytes, &err), &err);
    const struct store_object object = {.name = name, .data = bytes.data, .len = bytes.len};
    must(store_create(backup->scope.store, &object, &outcome, &err), &err);
    assert_int_equal(outcome, STORE_MADE);
    backup->packs[backup->pack_count].id = id;
    backup->packs[backup->pack_count++].digest = bytes.digest;
    pack_writer_begin(session->pack);
    session->number++;
}

static const struct small_known *find_small_known(const struct small_backup *backup,
                                                  const struct id *id)
{
    for (size_t i = 0; i < backup->known_count; i++)
        if (id_compare(&backup->known[i].id, id) == 0)
            return &backup->known[i];
    return NULL;
}

static void add_small_frame(struct small_session *session, const uint8_t *raw, size_t len,
                            const struct id *ids, uint32_t count)
{
    struct small_backup *backup = session->backup;
    CLEANUP_ERR struct err err = ERR_INIT;
    struct codec_room result = {.cap = codec_result_bound(&backup->codec, CHUNK)};
    /* A frame that is spoilt may be longer than any can be. */
    CLEANUP_FREE void *data = result.data = calloc(1, result.cap + 2 * LIMITS_FRAME_GROWTH);

    if (pack_writer_frame_count(session->pack) == backup->pack_frames)
        put_small_pack(session);
    must(encoder_encode(session->encoder, raw, len, &result, &err), &err);
    struct id stored_ids[CHUNK_BLOCKS];
    memcpy(stored_ids, ids, count * sizeof(*ids));
    struct pack_index_added added = {(uint32_t)result.len, (uint32_t)len, backup->codec.type, count,
                                     stored_ids};
    if (backup->spoil)
        backup->spoil(data, &added, stored_ids);
    uint32_t first = 0;
    for (size_t i = 0; i < backup->known_count; i++) {
        const struct pack_id *pack = &backup->known[i].pack;
        if (pack->number == session->number && id_compare(&pack->session, &session->session) == 0)
            first++;
    }
    must(pack_writer_add(session->pack, data, &added, &err), &err);
    backup->known = mem_resize(backup->known, backup->known_count + count, sizeof(*backup->known));
    for (uint32_t i = 0; i < count; i++)
        backup->known[backup->known_count++] = (struct small_known){
            ids[i], {backup->scope.repository, session->session, session->number}, first + i};
}

/* Blocks that are new come into one frame, each once. */
static void store_small_chunk(struct small_session *session, const uint8_t *data, size_t len,
                              struct id *ids)
{
    uint8_t chunk_digest[DIGEST_SIZE], digests[CHUNK_BLOCKS * DIGEST_SIZE];
    CLEANUP_FREE uint8_t *gathered = malloc(CHUNK);
    struct id new_ids[CHUNK_BLOCKS];
    size_t gathered_len = 0;
    uint32_t count = 0;

    chunk_digest_with_blocks(session->digest, data, len, chunk_digest, digests);
    for (size_t i = 0; i * LIMITS_BLOCK < len; i++) {
        const uint8_t *block = data + i * LIMITS_BLOCK;
        size_t size = len - i * LIMITS_BLOCK < LIMITS_BLOCK ? len - i * LIMITS_BLOCK : LIMITS_BLOCK;
        bool new = session->backup->zeros || !io_is_zero(block, size);
        block_id_of(session->ids, digests + i * DIGEST_SIZE, &ids[i]);
        for (uint32_t j = 0; j < count && !session->backup->zeros; j++)
            new = new && id_compare(&ids[i], &new_ids[j]) != 0;
        if (!new || (!session->backup->zeros && find_small_known(session->backup, &ids[i])))
            continue;
        memcpy(gathered + gathered_len, block, size);
        gathered_len += size;
        new_ids[count++] = ids[i];
    }
    if (count > 0)
        add_small_frame(session, gathered, gathered_len, new_ids, count);
}

static int compare_small_packs(const struct pack_id *a, const struct pack_id *b)
{
    int order = id_compare(&a->session, &b->session);

    return order ? order : a->number < b->number ? -1 : a->number > b->number;
}

/* Stores an image; the caller frees the array of its blocks' ids. */
static struct id *store_small_image(struct small_session *session, const struct small_image *image)
{
    struct id *ids = mem_array(image->size / LIMITS_BLOCK + 1, sizeof(*ids));

    for (uint64_t at = 0; at < image->size; at += CHUNK)
        store_small_chunk(session, image->data + at,
                          image->size - at < CHUNK ? (size_t)(image->size - at) : CHUNK,
                          ids + at / LIMITS_BLOCK);
    return ids;
}

static bool is_zero_block(const struct small_image *image, uint64_t block)
{
    uint64_t start = block * LIMITS_BLOCK, left = image->size - start;

    return io_is_zero(image->data + start, left < LIMITS_BLOCK ? (size_t)left : LIMITS_BLOCK);
}

/* packs NULL: only marks in `used` which of the backup's packs the image needs. */
static void map_small_image(const struct small_backup *backup, const struct small_image *image,
                            const struct id *ids, bool *used, const struct packs *packs,
                            struct map_writer *map)
{
    for (uint64_t i = 0; i * LIMITS_BLOCK < image->size; i++) {
        const struct small_known *known = find_small_known(backup, &ids[i]);
        if (!backup->zeros && is_zero_block(image, i))
            continue;
        assert_non_null(known);
        for (size_t j = 0; j < backup->pack_count; j++)
            used[j] = used[j] || compare_small_packs(&backup->packs[j].id, &known->pack) == 0;
        struct map_run run = {.block = i, .count = 1, .first = known->block};
        if (!packs)
            continue;
        assert_true(packs_find(packs, &known->pack.session, known->pack.number, &run.pack));
        map_writer_add(map, &run);
    }
}

static void add_small_section(struct slot_writer *writer, uint16_t type, uint32_t number,
                              const struct buf *bytes)
{
    const struct slot_added added = {type, number, bytes->data, bytes->len, type != SLOT_PACKS};

    assert_int_equal(slot_writer_add(writer, &added, NULL), 0);
}

static void commit_small_point(const struct small_session *session,
                               const struct small_image *images, unsigned count,
                               struct id *const *ids, const struct point_id *point)
{
    const struct small_backup *backup = session->backup;
    CLEANUP_INFO struct info info = {.name = mem_strdup("web"),
                                     .guest = point->guest,
                                     .host = mem_strdup("alpha"),
                                     .program = mem_strdup("virt-backup")};
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_PACKS struct packs packs = {0};
    CLEANUP_BUF struct buf bytes = {0}, section = {0};
    struct pack_digest digests[ARRAY_COUNT(backup->packs)];
    bool used[ARRAY_COUNT(backup->packs)] = {false};
    CLEANUP_ERR struct err err = ERR_INIT;
    uint32_t digest_count = 0;

    for (unsigned i = 0; i < count; i++) {
        map_small_image(backup, &images[i], ids[i], used, NULL, NULL);
        if (images[i].number == SLOT_MEMORY)
            info.memory = true;
        else
            info_add_disk(&info, i == 0 ? "vda" : "vdb", images[i].size);
    }
    for (size_t i = 0; i < backup->pack_count; i++) /* they were put in this order */
        if (used[i]) {
            must(packs_add(&packs, &backup->packs[i].id.session, backup->packs[i].id.number, &err),
                 &err);
            digests[digest_count++] = backup->packs[i].digest;
        }
    packs_format(&packs, &section);
    add_small_section(&writer, SLOT_PACKS, 0, &section);
    section.len = 0;
    packs_format_digests(digests, digest_count, &section);
    add_small_section(&writer, SLOT_DIGESTS, 0, &section);
    section.len = 0;
    must(info_format(&info, &section, &err), &err);
    add_small_section(&writer, SLOT_INFO, 0, &section);
    for (unsigned i = 0; i < count; i++) {
        CLEANUP_MAP_WRITER struct map_writer map = {0};
        CLEANUP_BUF struct buf map_bytes = {0};
        map_writer_begin(&map, images[i].size);
        map_small_image(backup, &images[i], ids[i], used, &packs, &map);
        map_writer_finish(&map, &map_bytes);
        add_small_section(&writer, SLOT_MAP, images[i].number, &map_bytes);
    }
    section.len = 0;
    buf_append_str(&section, "<domain/>");
    add_small_section(&writer, SLOT_MANIFEST, 0, &section);
    const struct slot_id slot = {backup->scope.repository, point->session, point->guest};
    must(slot_writer_finish(&writer, &slot, 0, &bytes, &err), &err);
    CLEANUP_FREE char *name = objects_name(&backup->scope, NAME_SLOT, point, 0);
    const struct store_object object = {.name = name, .data = bytes.data, .len = bytes.len};
    enum store_outcome outcome = STORE_EXISTS;
    must(store_create(backup->scope.store, &object, &outcome, &err), &err);
    assert_int_equal(outcome, STORE_MADE);
}

struct point_id small_backup_take(struct small_backup *backup, const struct small_image *images,
                                  unsigned count)
{
    CLEANUP(pack_writer_freep) struct pack_writer *pack = pack_writer_new(NULL);
    CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(&backup->codec, CHUNK, NULL);
    CLEANUP(chunk_digest_freep) struct chunk_digest *digest = chunk_digest_new();
    CLEANUP(block_ids_freep)
    struct block_ids *block_ids = block_ids_new(backup->folder.repository->id_salt);
    struct small_session session = {
        .backup = backup, .pack = pack, .encoder = encoder, .digest = digest, .ids = block_ids};
    struct point_id point = {.guest = {{2}}};
    struct id *ids[SMALL_BACKUP_IMAGES] = {NULL};

    assert_int_equal(id_of_time(++backup->sessions, &session.session, NULL), 0);
    point.session = session.session;
    for (unsigned i = 0; i < count; i++)
        ids[i] = store_small_image(&session, &images[i]);
    put_small_pack(&session);
    commit_small_point(&session, images, count, ids, &point);
    for (unsigned i = 0; i < count; i++)
        free(ids[i]);
    return point;
}

/* ---- reading ---------------------------------------------------------------------------------- */

int small_backup_pool(const struct chunk_source *source, const struct chunk_sink *sink,
                      enum codec_type codec, struct err *err)
{
    const struct codec_spec spec = {.type = codec, .dict_size = source->chunk_size};
    CLEANUP(decoder_freep)
    struct decoder *decoder =
        decoder_new(codec, source->chunk_size, codec_decoder_memory(&spec), err);
    CLEANUP(chunk_digest_freep) struct chunk_digest *hasher = chunk_digest_new();
    size_t cap = codec_result_bound(&spec, source->chunk_size);
    CLEANUP_FREE uint8_t *input = malloc(cap), *raw = malloc(source->chunk_size);
    CLEANUP_FREE uint8_t *blocks = malloc(chunk_digest_blocks_size(source->chunk_size));
    CLEANUP_FREE uint8_t *leaves = malloc(chunk_digest_leaves_size(source->chunk_size));

    assert_non_null(decoder);
    for (uint64_t id = 0; id < source->count; id++) {
        uint8_t digest[DIGEST_SIZE];
        struct codec_room room = {.data = raw, .cap = source->chunk_size};
        enum chunk_kind kind = CHUNK_ZERO;
        size_t len = 0;
        decoder_set_leaves(decoder, leaves);
        if (source->read(source->opaque, id, input, cap, &len, &kind, err) < 0)
            return -1;
        assert_int_equal(kind, CHUNK_DATA);
        /* what is not wanted is what was there before */
        memset(raw, 0xa5, source->chunk_size);
        memset(leaves, 0xa5, chunk_digest_leaves_size(source->chunk_size));
        decoder_set_wanted(decoder, source->wanted ? source->wanted(source->opaque, id) : 0);
        if (decoder_decode(decoder, input, len, &room, digest, err) < 0)
            return -1;
        chunk_digest_blocks_of_leaves(hasher, leaves, chunk_digest_leaf_count(room.len), blocks);
        assert_int_equal(room.len, source->gathered(source->opaque, id));
        bool zeros = room.len == source->chunk_size && io_is_zero(raw, room.len);
        const struct chunk_output output = {.id = id,
                                            .count = 1,
                                            .raw_len = (uint32_t)room.len,
                                            .kind = zeros ? CHUNK_ZERO : CHUNK_DATA,
                                            .data = zeros ? NULL : raw,
                                            .len = zeros ? 0 : room.len,
                                            .digest = digest,
                                            .block_digests = zeros ? NULL : blocks,
                                            .leaf_digests = zeros ? NULL : leaves};
        if (sink->put(sink->opaque, &output, err) < 0)
            return -1;
    }
    return 0;
}

struct small_target {
    uint8_t *data;
    uint64_t size;
    uint64_t next; /* chunk */
    struct chunk_digest *digest;
    uint8_t last[DIGEST_SIZE];
};

static int put_small_target(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct small_target *target = opaque;
    uint64_t len = chunk_raw_len(output->id, CHUNK, target->size);
    uint8_t digest[DIGEST_SIZE];

    (void)err;
    assert_int_equal(output->id, target->next++);
    assert_int_equal(output->count, 1);
    assert_int_equal(output->raw_len, len);
    if (output->kind == CHUNK_ZERO)
        memset(target->data + output->id * CHUNK, 0, len);
    else
        memcpy(target->data + output->id * CHUNK, output->data, len);
    chunk_digest_of(target->digest, target->data + output->id * CHUNK, len, digest);
    assert_memory_equal(digest, output->digest, DIGEST_SIZE);
    memcpy(target->last, digest, DIGEST_SIZE);
    return 0;
}

static void chain_small_target(void *opaque, const uint8_t *digest, uint64_t count)
{
    const struct small_target *target = opaque;

    assert_int_equal(count, 1);
    assert_memory_equal(digest, target->last, DIGEST_SIZE);
}

uint64_t small_backup_frames(const struct small_backup *backup, const struct stored_point *point,
                             uint32_t number)
{
    const struct restored_request request = {&backup->scope, backup->folder.repository->id_salt,
                                             point, number};
    CLEANUP(restored_image_closep) struct restored_image *image = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    must(restored_image_open(&request, &image, &err), &err);
    return restored_image_source(image).count;
}

int small_backup_restore(const struct small_backup *backup, const struct stored_point *point,
                         uint32_t number, uint8_t *data, uint64_t size, struct err *err)
{
    CLEANUP(chunk_digest_freep) struct chunk_digest *digest = chunk_digest_new();
    CLEANUP(restored_image_closep) struct restored_image *image = NULL;
    struct small_target target = {.data = data, .size = size, .digest = digest};
    const struct chunk_sink sink = {
        .opaque = &target, .put = put_small_target, .chain = chain_small_target};
    const struct restored_request request = {&backup->scope, backup->folder.repository->id_salt,
                                             point, number};
    struct chunk_sink unpacked;

    if (restored_image_open(&request, &image, err) < 0)
        return -1;
    const struct chunk_source source = restored_image_source(image);
    if (source.unpack(source.opaque, &sink, &unpacked, err) < 0 ||
        small_backup_pool(&source, &unpacked, restored_image_codec(image), err) < 0 ||
        source.check(source.opaque, err) < 0)
        return -1;
    assert_int_equal(target.next, (size + CHUNK - 1) / CHUNK);
    return 0;
}
