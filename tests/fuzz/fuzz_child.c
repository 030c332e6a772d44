/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a child process is sent. The first byte chooses what it is for; then come messages,
 * whose PIDs are put right where they can be found.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "mtcp/child.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"

#define DECODER_MEMORY (UINT64_C(1) << 20)
#define INPUT_MAX 8192

static void put_pids_right(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= MESSAGE_HEAD_MIN;) {
        struct message message = {0};
        size_t have = size - at < MESSAGE_HEAD_MAX ? size - at : MESSAGE_HEAD_MAX;
        if (data[at] != 0xff) /* so that wrong ones come too */
            set_be32(data + at, (uint32_t)getpid());
        if (message_decode(data + at, have, MESSAGE_TO_CHILD, &message, NULL) != 0)
            return;
        uint8_t head[MESSAGE_HEAD_MAX];
        size_t len = message_encode(&message, head);
        if (message.command == 'C')
            len += message.size;
        at = len < size - at ? at + len : size;
    }
}

/* Big enough for what any of the codecs asks for; filled from the input's end, so that M
 * has something to work on. */
static uint8_t *segment(const struct child_settings *settings, const uint8_t *data, size_t size)
{
    static uint8_t *shared;
    struct shared_layout layout;

    shared_layout(settings, &layout);
    if (!shared)
        FUZZ_CHECK(shared = malloc(1 << 20));
    FUZZ_CHECK(layout.total_size <= 1 << 20);
    for (unsigned i = 0; i < SHARED_AREAS; i++)
        memcpy(shared_area(&layout, shared, i).input, data,
               size < layout.input_size ? size : layout.input_size);
    return shared;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_spec specs[] = {
        {.type = CODEC_NONE}, {.type = CODEC_LZMA, .level = 0}, {.type = CODEC_ZSTD, .level = 1}};
    static int null = -1;
    struct fuzz_input input = {data, size};
    uint8_t how = fuzz_u8(&input);
    uint8_t bytes[INPUT_MAX];
    size_t len = input.left < sizeof(bytes) ? input.left : sizeof(bytes);
    const struct child_settings settings = {
        .codec = specs[(how >> 1) % 3],
        .decode = how & 1,
        .chunk_size = CODEC_CHUNK_MIN,
        .memory_limit = DECODER_MEMORY,
        .block_digests = how & 0x40,
    };

    if (null < 0)
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    memcpy(bytes, input.p, len);
    put_pids_right(bytes, len);
    int fd = fuzz_file(bytes, len, len);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CLEANUP_ERR struct err err = ERR_INIT;
    uint8_t *shared = how & 0x80 ? segment(&settings, bytes, len) : NULL;
    const struct child_place place = {
        .in_fd = fd, .out_fd = null, .shared = shared, .shared_size = shared ? 1 << 20 : 0};
    if (child_serve(&settings, &place, &err) < 0)
        FUZZ_CHECK(err.text);
    return 0;
}
