/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/child.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/units.h"
#include "codec/chunk_digest.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"

struct serving {
    const struct child_settings *settings;
    int in_fd;
    int out_fd;
    uint32_t pid;
    struct shared_layout layout;
    uint8_t *shared;         /* borrowed; NULL: only C is spoken */
    unsigned turn;           /* which of its areas the next M is about */
    uint8_t *own;            /* an area for C; NULL until the first one comes */
    struct shared_area area; /* of the present chunk */
    struct encoder *encoder; /* made for the first chunk, so that a failure can be told in E */
    struct decoder *decoder;
    bool gone; /* the other side has hung up, or has said Q */
};

static void serving_clear(struct serving *serving)
{
    free(serving->own);
    encoder_free(serving->encoder);
    decoder_free(serving->decoder);
}

/* ---- reading and writing --------------------------------------------------- */

static int receive_bytes(struct serving *serving, void *data, size_t len, struct err *err)
{
    size_t got = 0;
    if (io_read_some(serving->in_fd, data, len, &got, err) < 0)
        return err_prefix(err, "cannot read a message");
    if (got < len)
        return err_set(err, ERR_IO, "the stream ended in the middle of a message");
    return 0;
}

/* The head of the next message; sets `gone` when there is none. */
static int receive_message(struct serving *serving, struct message *ret, struct err *err)
{
    uint8_t head[MESSAGE_HEAD_MAX];
    size_t len = 0;
    int missing;

    CLEANUP_ERR struct err failed = ERR_INIT;
    int status = io_read_some(serving->in_fd, head, MESSAGE_HEAD_MIN, &len, &failed);
    /* a socket tells of an end with bytes of ours unread in this way */
    if (status < 0 && failed.errnum != ECONNRESET) {
        err_prefix(&failed, "cannot read a message");
        return err_move(err, &failed);
    }
    if (len == 0) {
        serving->gone = true;
        return 0;
    }
    if (len < MESSAGE_HEAD_MIN)
        return err_set(err, ERR_IO, "the stream ended in the middle of a message");
    while ((missing = message_decode(head, len, MESSAGE_TO_CHILD, ret, err)) > 0) {
        assert(len + (size_t)missing <= sizeof(head));
        if (receive_bytes(serving, head + len, (size_t)missing, err) < 0)
            return -1;
        len += (size_t)missing;
    }
    if (missing < 0)
        return -1;
    if (ret->pid != serving->pid)
        return err_set(err, ERR_CORRUPT, "got a message for process %u, but this is process %u",
                       ret->pid, serving->pid);
    if (ret->command == 'Q')
        serving->gone = true;
    return 0;
}

static int send_bytes(struct serving *serving, const void *data, size_t len, struct err *err)
{
    CLEANUP_ERR struct err failed = ERR_INIT;

    if (serving->gone || len == 0 || io_write(serving->out_fd, data, len, &failed) == 0)
        return 0;
    /* Nobody is left to read it: the same as the end of input. */
    if (failed.errnum == EPIPE || failed.errnum == ECONNRESET) {
        serving->gone = true;
        return 0;
    }
    err_prefix(&failed, "cannot send a message");
    return err_move(err, &failed);
}

static int send_message(struct serving *serving, char command, uint64_t id, const void *data,
                        size_t len, struct err *err)
{
    struct message message = {
        .pid = serving->pid, .command = command, .id = id, .size = (uint32_t)len};
    uint8_t head[MESSAGE_HEAD_MAX];

    if (send_bytes(serving, head, message_encode(&message, head), err) < 0)
        return -1;
    return command == 'M' ? 0 : send_bytes(serving, data, len, err);
}

static int send_error(struct serving *serving, uint64_t id, const struct err *why, struct err *err)
{
    const char *text = why->text ? why->text : "unknown error";
    size_t len = strlen(text);

    return send_message(serving, 'E', id, text, len < MESSAGE_TEXT_MAX ? len : MESSAGE_TEXT_MAX,
                        err);
}

/* ---- one chunk ------------------------------------------------------------- */

static int discard_bytes(struct serving *serving, size_t len, struct err *err)
{
    uint8_t waste[16384];

    while (len > 0) {
        size_t piece = len < sizeof(waste) ? len : sizeof(waste);
        if (receive_bytes(serving, waste, piece, err) < 0)
            return -1;
        len -= piece;
    }
    return 0;
}

/* Checks that the chunk can be done, and finds the area that it is in, or (C) will be. */
static int prepare_chunk(struct serving *serving, const struct message *message, struct err *why)
{
    if (message->size == 0)
        return err_set(why, ERR_CORRUPT, "a chunk without data");
    if (message->size > serving->layout.input_size)
        return err_set(why, ERR_CORRUPT, "%u bytes of data, where at most %zu are possible",
                       message->size, serving->layout.input_size);
    if (message->command == 'M') {
        if (!serving->shared)
            return err_set(why, ERR_UNSUPPORTED, "no shared buffer: send C, not M");
        serving->area = shared_area(&serving->layout, serving->shared, serving->turn);
        return 0;
    }
    if (!serving->own)
        serving->own = malloc(serving->layout.area_size);
    if (!serving->own)
        return err_set_errno(why, ENOMEM, "cannot get the memory for a chunk");
    serving->area = shared_area(&serving->layout, serving->own, 0);
    return 0;
}

static int encode_chunk(struct serving *serving, const struct message *message,
                        struct codec_room *output, struct err *why)
{
    const struct child_settings *settings = serving->settings;
    const struct shared_area *area = &serving->area;

    if (!serving->encoder)
        serving->encoder = encoder_new(&settings->codec, settings->chunk_size, why);
    if (!serving->encoder)
        return -1;
    if (settings->digests_known)
        encoder_omit_digests(serving->encoder);
    encoder_set_blocks(serving->encoder, area->blocks);
    bool outline = message->command == 'M' && shared_outlines(settings);
    int status = outline
                     ? encoder_outline(serving->encoder, area->input, message->size, output, why)
                     : encoder_encode(serving->encoder, area->input, message->size, output, why);
    if (status == 0)
        memcpy(area->digest, area->output, DIGEST_SIZE); /* a result begins with it */
    return status;
}

static int decode_chunk(struct serving *serving, const struct message *message,
                        struct codec_room *output, struct err *why)
{
    const struct child_settings *settings = serving->settings;
    const struct shared_area *area = &serving->area;

    if (!serving->decoder)
        serving->decoder =
            decoder_new(settings->codec.type, settings->chunk_size, settings->memory_limit, why);
    if (!serving->decoder)
        return -1;
    bool shared = message->command == 'M';
    decoder_set_blocks(serving->decoder, shared ? NULL : area->blocks);
    decoder_set_leaves(serving->decoder, shared ? area->leaves : NULL);
    uint64_t wanted = 0;
    if (shared && area->wanted)
        memcpy(&wanted, area->wanted, sizeof(wanted));
    decoder_set_wanted(serving->decoder, wanted);
    return decoder_decode(serving->decoder, area->input, message->size, output, area->digest, why);
}

/* Says D, waits for F, sends the result; before it, in the stream, the digests of the blocks. */
static int hand_over_result(struct serving *serving, const struct message *chunk, size_t len,
                            struct err *err)
{
    struct message flush;

    if (send_message(serving, 'D', chunk->id, NULL, 0, err) < 0 || serving->gone)
        return serving->gone ? 0 : -1;
    if (receive_message(serving, &flush, err) < 0)
        return -1;
    if (serving->gone)
        return 0;
    if (flush.command != 'F' || flush.id != chunk->id)
        return err_set(err, ERR_CORRUPT, "got %c %" PRIu64 ", expected F %" PRIu64, flush.command,
                       flush.id, chunk->id);
    uint32_t raw_len = serving->settings->decode ? (uint32_t)len : chunk->size;
    if (chunk->command == 'C' && serving->area.blocks &&
        send_message(serving, 'B', chunk->id, serving->area.blocks,
                     chunk_digest_blocks_size(raw_len), err) < 0)
        return -1;
    return send_message(serving, chunk->command, chunk->id, serving->area.output, len, err);
}

static int serve_chunk(struct serving *serving, const struct message *message, struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;

    if (message->command == 'F')
        return err_set(err, ERR_CORRUPT, "F for chunk %" PRIu64 ", which this child does not have",
                       message->id);
    int status = prepare_chunk(serving, message, &why);
    if (message->command == 'M')
        serving->turn = (serving->turn + 1) % SHARED_AREAS;
    if (status < 0) {
        if (message->command == 'C' && discard_bytes(serving, message->size, err) < 0)
            return -1;
        return send_error(serving, message->id, &why, err);
    }
    if (message->command == 'C' &&
        receive_bytes(serving, serving->area.input, message->size, err) < 0)
        return -1;
    struct codec_room output = {serving->area.output, serving->layout.output_size};
    status = serving->settings->decode ? decode_chunk(serving, message, &output, &why)
                                       : encode_chunk(serving, message, &output, &why);
    if (status < 0)
        return send_error(serving, message->id, &why, err);
    return hand_over_result(serving, message, output.len, err);
}

int child_serve(const struct child_settings *settings, const struct child_place *place,
                struct err *err)
{
    CLEANUP(serving_clear)
    struct serving serving = {
        .settings = settings,
        .in_fd = place->in_fd,
        .out_fd = place->out_fd,
        .pid = (uint32_t)getpid(),
        .shared = place->shared,
    };
    struct message message;

    if (settings->chunk_size < CODEC_CHUNK_MIN || settings->chunk_size > CODEC_CHUNK_MAX ||
        !units_is_power_of_two(settings->chunk_size))
        return err_set(err, ERR_USAGE,
                       "chunk size %" PRIu64 " is not a power of two between %" PRIu64
                       " and %" PRIu64,
                       settings->chunk_size, CODEC_CHUNK_MIN, CODEC_CHUNK_MAX);
    shared_layout(settings, &serving.layout);
    assert(!place->shared || place->shared_size >= serving.layout.total_size);

    for (;;) {
        if (send_message(&serving, 'I', 0, NULL, 0, err) < 0)
            return -1;
        if (!serving.gone && receive_message(&serving, &message, err) < 0)
            return -1;
        if (serving.gone)
            return 0;
        if (serve_chunk(&serving, &message, err) < 0)
            return -1;
    }
}
