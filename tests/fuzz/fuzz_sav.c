/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The head of a save image. The first byte makes the file larger than what is in it.
 */
#include "fuzz.h"

#include <string.h>

#include "record/sav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    CLEANUP_SAV struct sav sav = {0}, again = {0};
    CLEANUP_BUF struct buf head = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    uint64_t file_size = (uint64_t)fuzz_u8(&input) * 1024 + input.left;
    int fd = fuzz_file(input.p, input.left, file_size);
    if (sav_read(fd, file_size, &sav, &err) < 0) {
        FUZZ_CHECK(err.text && !sav.xml && !sav.cookie);
        return 0;
    }
    FUZZ_CHECK(sav.xml && sav.stream_offset <= file_size && strlen(sav.xml) < sav.stream_offset);
    (void)sav_decoder_argv(sav.format);
    FUZZ_CHECK(sav_format_head(sav.xml, sav.cookie, sav.was_running, SAV_XZ, &head, NULL) == 0);
    fd = fuzz_file(head.data, head.len, head.len);
    FUZZ_CHECK(sav_read(fd, head.len, &again, NULL) == 0);
    FUZZ_CHECK(strcmp(again.xml, sav.xml) == 0 && again.stream_offset == head.len);
    FUZZ_CHECK(again.was_running == sav.was_running && !again.cookie == !sav.cookie);
    return 0;
}
