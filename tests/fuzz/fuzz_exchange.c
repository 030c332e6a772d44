/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The journal of an exchange in an archive. The checksum at its end is put there.
 */
#include "fuzz.h"

#include <string.h>

#include "archive/exchange.h"
#include "archive/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct buf text = {0}, again = {0};
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    buf_append(&text, data, size);
    digest_of(data, size, sha256);
    digest_to_hex(sha256, hex);
    buf_printf(&text, "sha256 %s\n", hex);
    if (exchange_parse((const char *)text.data, text.len, &exchange, &err) < 0) {
        FUZZ_CHECK(err.kind == ERR_CORRUPT);
        return 0;
    }
    for (size_t i = 0; i < exchange.file_count; i++)
        FUZZ_CHECK(archive_check_owned_name(exchange.domain, exchange.files[i].to, NULL) == 0 &&
                   archive_own_kind(exchange.files[i].from, NULL) == ARCHIVE_OWN_PART);
    for (size_t i = 0; i < exchange.removal_count; i++)
        FUZZ_CHECK(archive_check_owned_name(exchange.domain, exchange.removals[i], NULL) == 0);
    FUZZ_CHECK(exchange_format(&exchange, &again, NULL) == 0);
    FUZZ_CHECK(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
    return 0;
}
