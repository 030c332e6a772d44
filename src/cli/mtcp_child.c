/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "codec/codec.h"
#include "mtcp/child.h"

/* A control process that knows nothing of chunk sizes may send chunks of up to this size. */
#define CHUNK_SIZE_LEAST (64 * MIB)

static const struct options_row mtcp_child_rows[] = {
    ROW_COMPRESSION,
    {"decode", OPTION_FLAG, NULL, "decode results back into chunks", ARGUMENT(decode)},
    ROW_CHUNK_SIZE,
    {"block-digests", OPTION_FLAG, NULL, "send the digests of a chunk's blocks, too",
     ARGUMENT(block_digests)},
    ROW_NO_SANDBOX,
};

/* virt-backup passes the settings of a --child-command child in the environment; options on the
 * command line are read later and win. */
static int read_environment(struct arguments *arguments, struct err *err)
{
    const char *compression = getenv("MTCP_COMPRESSION");
    const char *decode = getenv("MTCP_DECODE");
    const char *chunk_size = getenv("MTCP_CHUNK_SIZE");
    const char *block_digests = getenv("MTCP_BLOCK_DIGESTS");

    if (compression && arguments_parse_codec(compression, &arguments->codec, err) < 0)
        return err_prefix(err, "MTCP_COMPRESSION");
    if (chunk_size &&
        arguments_parse_chunk_size(chunk_size, &arguments->children.chunk_size, err) < 0)
        return err_prefix(err, "MTCP_CHUNK_SIZE");
    arguments->decode = decode && strcmp(decode, "1") == 0;
    arguments->block_digests = block_digests && strcmp(block_digests, "1") == 0;
    return 0;
}

static uint64_t default_chunk_size(const struct codec_spec *codec)
{
    uint64_t size = codec_default_chunk_size(codec);

    return size > CHUNK_SIZE_LEAST ? size : CHUNK_SIZE_LEAST;
}

static const struct child_place codec_place = {
    .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .keep_stderr = true};

/* The control process is unknown here, and it may not even be the parent. */
static int confine_child(const struct child_settings *settings, struct err *err)
{
    return child_prove_sandbox(err) < 0 ? -1 : child_confine(settings, &codec_place, 0, err);
}

static int run_child(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    uint64_t chunk_size = arguments->children.chunk_size;
    struct child_settings settings = {
        .codec = arguments->codec,
        .decode = arguments->decode,
        .chunk_size = chunk_size ? chunk_size : default_chunk_size(&arguments->codec),
        .block_digests = arguments->block_digests,
    };
    /* What is decoded may have been made with a larger dictionary than the level's own, but never
     * with one larger than a chunk. */
    struct codec_spec largest = {.type = settings.codec.type, .level = settings.codec.level};

    (void)run;
    if (largest.type == CODEC_LZMA)
        largest.dict_size = CODEC_CHUNK_MAX;
    settings.memory_limit = codec_decoder_memory(&largest);
    if (arguments->children.no_sandbox)
        log_warn("--no-sandbox: a flaw in a decompressor is not contained");
    else if (confine_child(&settings, err) < 0)
        return -1;
    return child_serve(&settings, &codec_place, err);
}

const struct verb mtcp_child_verb = {
    .name = "mtcp-child",
    .summary = "run one MTCP child process on standard input and output",
    .description =
        "Compresses chunks, or decodes them, for a control process that speaks MTCP on this\n"
        "program's standard input and output.",
    .options = {.rows = mtcp_child_rows,
                .count = sizeof(mtcp_child_rows) / sizeof(*mtcp_child_rows)},
    .is_child = true,
    .prepare = read_environment,
    .run = run_child,
};
