/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../chance.h"
#include "../documented_digest.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/chunk_digest.h"

/* Zeros that a look tells of at most: a pattern may go on for ever. */
#define LOOK_MOST 10000

uint64_t test_seed(void)
{
    static uint64_t seed;

    if (seed == 0)
        seed = chance_seed();
    return seed;
}

void image_init(struct image *image, const char *pattern, uint64_t chunks, uint64_t extra)
{
    *image = (struct image){
        .seed = test_seed(),
        .chunk_size = CODEC_CHUNK_MIN,
        .raw_size = chunks * CODEC_CHUNK_MIN + extra,
        .pattern = pattern,
        .read_error_at = NOWHERE,
        .put_error_at = NOWHERE,
        .ordered = true,
        .keep = true,
        .looks_in_order = true,
        .puts_in_order = true,
        .chained_right = true,
    };
}

uint64_t image_chunks(const struct image *image)
{
    return units_div_up(image->raw_size, image->chunk_size);
}

char image_kind(const struct image *image, uint64_t id)
{
    return image->pattern[id % strlen(image->pattern)];
}

uint32_t image_raw_len(const struct image *image, uint64_t id)
{
    uint64_t left = image->raw_size - id * image->chunk_size;

    uint32_t len = (uint32_t)(left < image->chunk_size ? left : image->chunk_size);
    return image_kind(image, id) == 'g' ? len - len / 2 : len;
}

static bool has_data(const struct image *image, uint64_t id)
{
    char kind = image_kind(image, id);

    return kind == 'd' || kind == 'g';
}

void image_fill(const struct image *image, uint64_t id, uint8_t *data)
{
    uint32_t len = image_raw_len(image, id);
    uint64_t state = image->seed ^ (id * UINT64_C(0x2545f4914f6cdd1d));

    memset(data, 0, len);
    if (!has_data(image, id))
        return;
    /* half noise, half something that compresses */
    for (uint32_t i = 0; i < len; i++)
        data[i] = i % 512 < 256 ? (uint8_t)chance_next(&state) : (uint8_t)(i / 512 + id);
    data[0] |= 1;
}

static enum chunk_kind known_kind(const struct image *image, uint64_t id)
{
    if (id >= image_chunks(image))
        return CHUNK_DATA;
    char kind = image_kind(image, id);
    return kind == 'z' ? CHUNK_ZERO : kind == 's' ? CHUNK_SAME : CHUNK_DATA;
}

static int look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct image *image = opaque;
    enum chunk_kind kind = known_kind(image, id);
    uint64_t count = 1;

    (void)err;
    image->looks++;
    image->looks_in_order = image->looks_in_order && id >= image->next_look;
    image->next_look = id + 1;
    while (kind != CHUNK_DATA && count < LOOK_MOST && known_kind(image, id + count) == kind)
        count++;
    *ret = (struct chunk_run){.kind = kind, .count = count};
    if (kind == CHUNK_SAME && image->same_digests)
        ret->digests = image->same_digests + id * DIGEST_SIZE;
    return 0;
}

static int read_chunk(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    struct image *image = opaque;

    image->reads++;
    if (image->on_read)
        image->on_read(image, id);
    if (id == image->read_error_at)
        return err_set(err, ERR_NOT_FOUND, "the source is broken");
    if (image->results && image->results[id].len > cap)
        return err_set(err, ERR_INTERNAL, "no room for a result");
    if (image->results) {
        memcpy(data, image->results[id].data, image->results[id].len);
        *ret_len = image->results[id].len;
    } else {
        image_fill(image, id, data);
        *ret_len = image_raw_len(image, id);
    }
    *ret_kind = CHUNK_DATA;
    if (image_kind(image, id) == 'r' && !image->results)
        *ret_kind = CHUNK_ZERO;
    if (image_kind(image, id) == 'k')
        *ret_kind = CHUNK_SAME;
    return 0;
}

static uint32_t gathered(void *opaque, uint64_t id)
{
    const struct image *image = opaque;

    return image->gathered ? *image->gathered : image_raw_len(image, id);
}

/* Is for whoever runs the pool. */
static int unpack_never(void *opaque, const struct chunk_sink *sink, struct chunk_sink *ret,
                        struct err *err)
{
    (void)opaque;
    (void)sink;
    (void)ret;
    return err_set(err, ERR_INTERNAL, "the pool does not unpack");
}

struct chunk_source image_source(struct image *image)
{
    return (struct chunk_source){
        .opaque = image,
        .name = image->name,
        .count = image_chunks(image),
        .chunk_size = image->chunk_size,
        .raw_size = image->raw_size,
        .look = look,
        .read = read_chunk,
        .unpack = image->unpacks ? unpack_never : NULL,
        .gathered = image->gathered || strchr(image->pattern, 'g') ? gathered : NULL,
    };
}

/* An outline and its chunk make the result that is kept. */
static int complete(struct stored *stored, const struct chunk_output *output, struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;
    struct result result;

    if (result_parse_outline(output->data, output->len, output->raw, &result, err) < 0)
        return -1;
    while (result_next(&result, &cursor, &block)) {
        if (block.data)
            memcpy(stored->data + stored->len, block.data, block.stored_len);
        stored->len += block.stored_len;
    }
    return 0;
}

static int put_one(struct image *image, const struct chunk_output *output, struct err *err)
{
    if (image->on_put)
        image->on_put(image, output->id);
    if (output->id == image->put_error_at)
        return err_set(err, ERR_NO_SPACE, "the sink is full");
    image->puts_in_order = image->puts_in_order && output->id == image->puts;
    image->puts++;
    image->zero_puts += output->kind == CHUNK_ZERO;
    if (!image->keep)
        return 0;
    if (!image->stored)
        image->stored = mem_array(image_chunks(image), sizeof(*image->stored));
    struct stored *stored = &image->stored[output->id];
    if (stored->put)
        return err_set(err, ERR_INTERNAL, "chunk %llu came twice", (unsigned long long)output->id);
    *stored = (struct stored){
        .put = true, .kind = output->kind, .raw_len = output->raw_len, .len = output->len};
    if (output->digest)
        memcpy(stored->digest, output->digest, sizeof(stored->digest));
    if (output->block_digests) {
        size_t size = chunk_digest_blocks_size(output->raw_len);
        stored->block_digests = mem_alloc(size);
        memcpy(stored->block_digests, output->block_digests, size);
    }
    if (output->leaf_digests) {
        size_t size = chunk_digest_leaves_size(output->raw_len);
        stored->leaf_digests = mem_alloc(size);
        memcpy(stored->leaf_digests, output->leaf_digests, size);
    }
    if (output->data) {
        stored->data = mem_alloc(output->len + (output->raw ? output->raw_len : 0));
        memcpy(stored->data, output->data, output->len);
        if (output->raw)
            return complete(stored, output, err);
    }
    return 0;
}

static int put_chunk(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct image *image = opaque;
    struct chunk_output one = *output;

    image->longest_run = output->count > image->longest_run ? output->count : image->longest_run;
    for (; one.id < output->id + output->count; one.id++) {
        if (put_one(image, &one, err) < 0)
            return -1;
        if (one.digest && one.kind == CHUNK_SAME)
            one.digest += DIGEST_SIZE;
    }
    return 0;
}

static void chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    struct image *image = opaque;

    for (uint64_t i = 0; i < count; i++) {
        const struct stored *stored = &image->stored[image->chained++];
        image->chained_right =
            image->chained_right && stored->put && memcmp(stored->digest, digest, DIGEST_SIZE) == 0;
    }
}

struct chunk_sink image_sink(struct image *image)
{
    return (struct chunk_sink){
        .opaque = image,
        .ordered = image->ordered,
        .runs = image->runs,
        .same = image->same_digests || strchr(image->pattern, 'k'),
        .block_digests = image->block_digests,
        .digests_known = image->digests_known,
        .put = put_chunk,
        .chain = image->chain ? chain : NULL,
    };
}

void image_clear(struct image *image)
{
    for (uint64_t i = 0; image->stored && i < image_chunks(image); i++) {
        free(image->stored[i].data);
        free(image->stored[i].block_digests);
        free(image->stored[i].leaf_digests);
    }
    free(image->stored);
    image->stored = NULL;
}

int image_run(struct image *image, struct pool *pool, struct pool_stats *ret_stats, struct err *err)
{
    struct chunk_source source = image_source(image);
    struct chunk_sink sink = image_sink(image);

    return pool_run(pool, &(struct pool_plugs){.source = &source, .sink = &sink}, ret_stats, err);
}

struct child_settings image_settings(const struct image *image, const char *codec, bool decode)
{
    struct child_settings settings = {
        .decode = decode,
        .chunk_size = image->chunk_size,
        .block_digests = image->block_digests,
        .digests_known = image->digests_known,
    };

    if (codec_parse(codec, &settings.codec, NULL) < 0)
        abort();
    settings.memory_limit = codec_decoder_memory(&settings.codec);
    return settings;
}

static bool wrong(uint64_t id, const char *what)
{
    fprintf(stderr, "# chunk %llu: %s\n", (unsigned long long)id, what);
    return false;
}

/* Each block has the digest that it would have as a chunk. */
static bool blocks_right(const struct image *image, const struct stored *stored, const uint8_t *raw)
{
    const uint8_t *block = stored->block_digests;
    uint8_t digest[DIGEST_SIZE];

    if (!image->block_digests || stored->kind != CHUNK_DATA)
        return !block;
    for (uint32_t at = 0; block && at < stored->raw_len; at += 65536, block += DIGEST_SIZE) {
        uint32_t left = stored->raw_len - at;
        documented_chunk_digest(raw + at, left < 65536 ? left : 65536, digest);
        if (memcmp(block, digest, DIGEST_SIZE) != 0)
            return false;
    }
    return block;
}

/* What is decoded comes with the digests of its leaves. */
static bool leaves_right(const struct image *image, const struct stored *stored, const uint8_t *raw)
{
    const uint8_t *leaf = stored->leaf_digests;
    uint8_t digest[DIGEST_SIZE];

    if (!stored->block_digests || !image->results)
        return !leaf;
    for (uint32_t at = 0; leaf && at < stored->raw_len; at += 32768, leaf += DIGEST_SIZE) {
        uint32_t left = stored->raw_len - at;
        digest_of(raw + at, left < 32768 ? left : 32768, digest);
        if (memcmp(leaf, digest, DIGEST_SIZE) != 0)
            return false;
    }
    return leaf;
}

static bool stored_right(const struct image *image, uint64_t id, const uint8_t *raw)
{
    const struct stored *stored = &image->stored[id];
    uint32_t raw_len = image_raw_len(image, id);
    uint8_t digest[DIGEST_SIZE];

    documented_chunk_digest(raw, raw_len, digest);
    if (image->digests_known)
        memset(digest, 0, sizeof(digest));
    if (!stored->put)
        return wrong(id, "was not put");
    if (stored->raw_len != raw_len)
        return wrong(id, "has another raw length");
    if (memcmp(stored->digest, digest, DIGEST_SIZE) != 0)
        return wrong(id, "has another digest");
    if (!blocks_right(image, stored, raw))
        return wrong(id, "has other digests of blocks");
    if (!leaves_right(image, stored, raw))
        return wrong(id, "has other digests of leaves");
    if ((stored->kind == CHUNK_ZERO) != !has_data(image, id) && !image->results)
        return wrong(id, "is zero or not, but says otherwise");
    return true;
}

bool image_encoded_right(const struct image *image, const char *codec)
{
    struct child_settings settings = image_settings(image, codec, true);
    CLEANUP(decoder_freep)
    struct decoder *decoder =
        decoder_new(settings.codec.type, image->chunk_size, settings.memory_limit, NULL);
    CLEANUP_FREE uint8_t *raw = mem_alloc(image->chunk_size);
    CLEANUP_FREE uint8_t *back = mem_alloc(image->chunk_size);

    for (uint64_t id = 0; id < image_chunks(image); id++) {
        const struct stored *stored = &image->stored[id];
        uint8_t digest[DIGEST_SIZE];
        struct codec_room room = {back, image->chunk_size};
        image_fill(image, id, raw);
        if (!stored_right(image, id, raw))
            return false;
        if (decoder_decode(decoder, stored->data, stored->len, &room, digest, NULL) < 0)
            return wrong(id, "does not decode");
        if (room.len != image_raw_len(image, id) || memcmp(raw, back, room.len) != 0)
            return wrong(id, "decodes to something else");
    }
    return true;
}

bool image_decoded_right(const struct image *image)
{
    CLEANUP_FREE uint8_t *raw = mem_alloc(image->chunk_size);

    for (uint64_t id = 0; id < image_chunks(image); id++) {
        const struct stored *stored = &image->stored[id];
        image_fill(image, id, raw);
        if (!stored_right(image, id, raw))
            return false;
        if (stored->kind == CHUNK_ZERO && !stored->data)
            continue;
        if (!stored->data || stored->len != image_raw_len(image, id) ||
            memcmp(raw, stored->data, stored->len) != 0)
            return wrong(id, "came out changed");
    }
    return true;
}

char *test_path(const char *name)
{
    const char *dir = getenv("TMPDIR");

    return mem_printf("%s/vb-%s-%d", dir ? dir : "/tmp", name, (int)getpid());
}

char *test_script(const char *name, const char *text)
{
    char *path = test_path(name);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700);

    if (fd < 0 || io_write(fd, text, strlen(text), NULL) < 0)
        abort();
    close(fd);
    return path;
}

int run_apart(int (*function)(void *opaque), void *opaque)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(function(opaque));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}
