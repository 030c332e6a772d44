/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A result, as a foreign child may send it and as a damaged archive makes it: decoded, and
 * put into an archive; and an outline, put into one. The first byte chooses.
 */
#include "fuzz.h"

#include "archive/image.h"
#include "codec/codec.h"
#include "codec/result.h"

#define CHUNK_SIZE CODEC_CHUNK_MIN
#define DECODER_MEMORY (UINT64_C(1) << 20)

static void decode(enum codec_type type, const uint8_t *result, size_t len)
{
    static struct decoder *decoders[3]; /* each serves all inputs, as it serves many chunks */
    static uint8_t raw[CHUNK_SIZE];
    uint8_t sha256[DIGEST_SIZE];
    struct codec_room room = {raw, sizeof(raw)};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!decoders[type])
        decoders[type] = decoder_new(type, CHUNK_SIZE, DECODER_MEMORY, NULL);
    if (decoder_decode(decoders[type], result, len, &room, sha256, &err) == 0)
        FUZZ_CHECK(room.len > 0 && room.len <= sizeof(raw));
    else
        FUZZ_CHECK(err.text && err.kind == ERR_CORRUPT);
}

/* raw: as in struct chunk_output. */
static void store(const struct codec_spec *spec, const uint8_t *result, size_t len,
                  const uint8_t *raw)
{
    const struct chunk_output given = {.count = 1, .data = result, .len = len, .raw = raw};
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;
    struct manifest_stored stored = {0};
    struct result parsed;
    struct err err = ERR_INIT;
    int failed = raw ? result_parse_outline(result, len, raw, &parsed, NULL)
                     : result_parse(result, len, &parsed, NULL);

    if (failed || parsed.raw_len > CHUNK_SIZE)
        return;
    const struct image_file file = {fuzz_file(NULL, 0, 0), "image"};
    const struct image_layout layout = {*spec, CHUNK_SIZE, parsed.raw_len, NULL, 0};
    FUZZ_CHECK(image_writer_new(&file, &layout, &writer, NULL) == 0);
    const struct chunk_sink sink = image_writer_sink(writer);
    if (sink.put(sink.opaque, &given, &err) == 0) {
        sink.chain(sink.opaque, parsed.digest, 1);
        FUZZ_CHECK(image_writer_finish(writer, &stored, NULL) == 0 &&
                   stored.image.raw_size == parsed.raw_len);
    } else {
        FUZZ_CHECK(err.kind == ERR_CORRUPT);
    }
    err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_spec specs[] = {
        {.type = CODEC_NONE}, {.type = CODEC_LZMA, .level = 0}, {.type = CODEC_ZSTD, .level = 1}};
    struct fuzz_input input = {data, size};
    static const uint8_t chunk[CHUNK_SIZE] = "of an outline";
    unsigned choice = fuzz_u8(&input) % 4;

    if (choice == 3) {
        store(&specs[0], input.p, input.left, chunk);
        return 0;
    }
    decode(specs[choice].type, input.p, input.left);
    store(&specs[choice], input.p, input.left, NULL);
    return 0;
}
