/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a child sends to the control process. The first byte says what the child is doing;
 * then come messages, whose PIDs are put right where they can be found.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "mtcp/worker.h"

#define PID UINT32_C(4711)
#define OUTPUT_SIZE 256
#define BLOCKS 2
#define INPUT_OFFSET ((1 + BLOCKS) * DIGEST_SIZE)
#define AREA_SIZE (INPUT_OFFSET + 1 + OUTPUT_SIZE)

static void put_pids_right(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= MESSAGE_HEAD_MIN;) {
        struct message message = {0};
        size_t have = size - at < MESSAGE_HEAD_MAX ? size - at : MESSAGE_HEAD_MAX;
        if (data[at] != 0xff) /* so that wrong ones come too */
            set_be32(data + at, PID);
        if (message_decode(data + at, have, MESSAGE_TO_CONTROL, &message, NULL) != 0)
            return;
        uint8_t head[MESSAGE_HEAD_MAX];
        size_t len = message_encode(&message, head);
        FUZZ_CHECK(memcmp(head, data + at, len) == 0);
        if (message.command == 'B' || message.command == 'C' || message.command == 'E')
            len += message.size;
        at = len < size - at ? at + len : size;
    }
}

/* They are taken as those of a chunk with so many blocks only. */
static void check_blocks(struct worker *worker)
{
    const size_t len = worker_last_area(worker)->blocks_len;
    const uint8_t *blocks = NULL;

    for (uint32_t count = 1; worker->layout.blocks_size > 0 && count <= BLOCKS; count++) {
        int status = worker_noted_blocks(worker, count * CODEC_CHUNK_MIN, &blocks, NULL);
        bool fits = len == 0 || len == count * DIGEST_SIZE;
        FUZZ_CHECK(!worker->foreign || (status == 0) == fits);
    }
}

/* The pool's answer: it gives an idle child a chunk. */
static void answer(struct worker *worker, enum worker_event event)
{
    const struct worker_area *area = worker_last_area(worker);

    switch (event) {
    case WORKER_SAID_IDLE:
        FUZZ_CHECK(worker_can_take(worker));
        worker_give(worker, worker->id + 1, 1);
        FUZZ_CHECK(worker_last_area(worker) != area && worker_last_area(worker)->blocks_len == 0);
        break;
    case WORKER_SAID_BLOCKS:
        FUZZ_CHECK(worker->foreign && area->blocks_len > 0);
        FUZZ_CHECK(area->blocks_len <= worker->layout.blocks_size);
        break;
    case WORKER_SAID_RESULT:
        FUZZ_CHECK(area->len > 0 && area->len <= OUTPUT_SIZE);
        check_blocks(worker);
        break;
    case WORKER_SAID_ERROR:
        FUZZ_CHECK(strlen(worker->text) <= MESSAGE_TEXT_MAX);
        break;
    case WORKER_SAID_DONE:
        FUZZ_CHECK(worker->state == WORKER_FETCHING);
        break;
    case WORKER_NOTHING:
    case WORKER_HUNG_UP:
        break;
    }
}

static void drain(int sock)
{
    uint8_t waste[4096];

    while (recv(sock, waste, sizeof(waste), MSG_DONTWAIT) > 0)
        continue;
}

static void receive_all(struct worker *worker, int peer)
{
    enum worker_event event = WORKER_NOTHING;

    while (worker_receive(worker, &event, NULL) == 0 && event != WORKER_NOTHING &&
           event != WORKER_HUNG_UP) {
        answer(worker, event);
        drain(peer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int socks[2] = {-1, -1};
    struct fuzz_input input = {data, size};
    uint8_t how = fuzz_u8(&input);
    uint8_t bytes[4 * 1024];
    uint8_t buffers[SHARED_AREAS * AREA_SIZE];
    size_t len = input.left < sizeof(bytes) ? input.left : sizeof(bytes);

    if (socks[0] < 0)
        FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, socks) == 0);
    memcpy(bytes, input.p, len);
    put_pids_right(bytes, len);
    struct worker worker = {
        .child = {.sock = socks[0], .shared = buffers, .shared_size = sizeof(buffers)},
        .foreign = how & 1,
        .pid_known = !(how & 1),
        .pid = PID,
        .id = how >> 4 & 7,
        .state = how & 2 ? WORKER_BUSY : WORKER_RESTING,
        .layout = {.blocks_size = how & 0x80 ? BLOCKS * DIGEST_SIZE : 0,
                   .input_size = 1,
                   .output_size = OUTPUT_SIZE,
                   .input_offset = INPUT_OFFSET,
                   .output_offset = INPUT_OFFSET + 1,
                   .area_size = AREA_SIZE,
                   .total_size = sizeof(buffers)},
    };
    for (unsigned i = 0; i < SHARED_AREAS; i++)
        worker.areas[i].at = shared_area(&worker.layout, buffers, i);
    /* In two pieces: a message may come in parts. */
    size_t first = len * (how >> 2 & 3) / 4;
    (void)!send(socks[1], bytes, first, MSG_NOSIGNAL);
    receive_all(&worker, socks[1]);
    (void)!send(socks[1], bytes + first, len - first, MSG_NOSIGNAL);
    receive_all(&worker, socks[1]);
    drain(socks[0]);
    drain(socks[1]);
    return 0;
}
