/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repository/block_id.h"

/* As virt-backup-repository(5) says it: the first 16 bytes of the HMAC. Made with Python's hmac:
 * hmac.new(bytes(range(32)), bytes(range(32, 64)), 'sha256').hexdigest()[:32] */
static void an_id_is_the_start_of_the_hmac(void **state)
{
    uint8_t salt[DIGEST_SIZE], digest[DIGEST_SIZE];
    char text[ID_TEXT_SIZE];
    struct id id;

    (void)state;
    for (uint8_t i = 0; i < DIGEST_SIZE; i++) {
        salt[i] = i;
        digest[i] = i + DIGEST_SIZE;
    }
    CLEANUP(block_ids_freep) struct block_ids *ids = block_ids_new(salt);
    for (int i = 0; i < 2; i++) {
        block_id_of(ids, digest, &id);
        assert_string_equal(id_text(&id, text), "62215de7bddcea7e2c4047ff6bb94f8d");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_the_start_of_the_hmac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
