/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * child_serve in a thread of this process, at one end of a socketpair or of two
 * pipes; the test is the control process.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "mtcp/child.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"

struct served {
    struct child_settings settings;
    int child_in, child_out; /* the child's ends */
    int in, out;             /* ours: in is read from */
    uint8_t *shared;
    size_t shared_size;
    pthread_t thread;
    int status;
    struct err err;
};

static inline void *serve(void *opaque)
{
    struct served *served = opaque;
    const struct child_place place = {.in_fd = served->child_in,
                                      .out_fd = served->child_out,
                                      .shared = served->shared,
                                      .shared_size = served->shared_size};

    served->status = child_serve(&served->settings, &place, &served->err);
    close(served->child_in);
    if (served->child_out != served->child_in)
        close(served->child_out);
    return NULL;
}

static inline void start_thread(struct served *served, const char *codec, bool decode)
{
    if (served->settings.chunk_size == 0)
        served->settings.chunk_size = CODEC_CHUNK_MIN;
    served->settings.decode = decode;
    assert_int_equal(codec_parse(codec, &served->settings.codec, NULL), 0);
    served->settings.memory_limit = codec_decoder_memory(&served->settings.codec);
    if (served->shared_size == 1) { /* "with a segment" */
        struct shared_layout layout;
        shared_layout(&served->settings, &layout);
        served->shared = mem_alloc(layout.total_size);
        served->shared_size = layout.total_size;
    }
    assert_int_equal(pthread_create(&served->thread, NULL, serve, served), 0);
}

static inline void start(struct served *served, const char *codec, bool decode)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    served->in = served->out = pair[0];
    served->child_in = served->child_out = pair[1];
    start_thread(served, codec, decode);
}

/* Ends our side, waits for the child's loop. */
static inline void finish(struct served *served, int expected_status, const char *expected_text)
{
    if (served->out >= 0)
        close(served->out);
    if (served->in >= 0 && served->in != served->out)
        close(served->in);
    assert_int_equal(pthread_join(served->thread, NULL), 0);
    assert_int_equal(served->status, expected_status);
    if (expected_text && !strstr(served->err.text, expected_text))
        fail_msg("'%s' is expected in: %s", expected_text, served->err.text);
    err_clear(&served->err);
    free(served->shared);
}

static inline void say(struct served *served, char command, uint64_t id, uint32_t size)
{
    struct message message = {
        .pid = (uint32_t)getpid(), .command = command, .id = id, .size = size};
    uint8_t head[MESSAGE_HEAD_MAX];
    size_t len = message_encode(&message, head);

    assert_int_equal(io_write(served->out, head, len, NULL), 0);
}

static inline void hear_bytes(struct served *served, void *data, size_t len)
{
    size_t got = 0;

    assert_int_equal(io_read_some(served->in, data, len, &got, NULL), 0);
    assert_int_equal(got, len);
}

static inline struct message hear(struct served *served, char command, uint64_t id)
{
    uint8_t head[MESSAGE_HEAD_MAX];
    struct message message = {0};
    size_t len = 0;
    int missing;

    while ((missing = message_decode(head, len, MESSAGE_TO_CONTROL, &message, NULL)) > 0) {
        hear_bytes(served, head + len, (size_t)missing);
        len += (size_t)missing;
    }
    assert_int_equal(missing, 0);
    assert_int_equal(message.command, command);
    assert_int_equal(message.pid, getpid());
    if (command != 'I')
        assert_true(message.id == id);
    return message;
}

/* E with a text that holds `why`, and the child ready for more. */
static inline void hear_error(struct served *served, uint64_t id, const char *why)
{
    char text[MESSAGE_TEXT_MAX + 1] = {0};
    struct message message = hear(served, 'E', id);

    hear_bytes(served, text, message.size);
    if (!strstr(text, why))
        fail_msg("'%s' is expected in: %s", why, text);
    hear(served, 'I', 0);
}

static inline void say_chunk(struct served *served, uint64_t id, const void *data, size_t len)
{
    say(served, 'C', id, (uint32_t)len);
    assert_int_equal(io_write(served->out, data, len, NULL), 0);
}

/* The whole sequence by C; returns the answer's length. */
static inline size_t do_chunk(struct served *served, uint64_t id, const void *data, size_t len,
                              uint8_t *ret, size_t cap)
{
    say_chunk(served, id, data, len);
    hear(served, 'D', id);
    say(served, 'F', id, 0);
    struct message answer = hear(served, 'C', id);
    assert_true(answer.size <= cap);
    hear_bytes(served, ret, answer.size);
    hear(served, 'I', 0);
    return answer.size;
}

/* The same by M, whose turn this area is; the answer is in its output. */
static inline size_t do_m(struct served *served, uint64_t id, const struct shared_area *area,
                          const void *data, size_t len)
{
    memcpy(area->input, data, len);
    say(served, 'M', id, (uint32_t)len);
    hear(served, 'D', id);
    say(served, 'F', id, 0);
    struct message answer = hear(served, 'M', id);
    hear(served, 'I', 0); /* right behind: M has no data */
    return answer.size;
}

static inline struct shared_area area_of(const struct served *served, unsigned number)
{
    struct shared_layout layout;

    shared_layout(&served->settings, &layout);
    return shared_area(&layout, served->shared, number);
}
