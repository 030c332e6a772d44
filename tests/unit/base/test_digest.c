/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/digest.h"

/* FIPS 180-4 examples, and the empty message. */
static const struct {
    const char *message;
    const char *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
#define VECTOR_COUNT (sizeof(vectors) / sizeof(*vectors))
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void known_messages_have_known_digests(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        digest_of(vectors[i].message, strlen(vectors[i].message), digest);
        digest_to_hex(digest, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void a_running_hash_starts_anew_when_finished(void **state)
{
    CLEANUP(digest_freep) struct digest *running = digest_new();
    char hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        for (const char *c = vectors[i].message; *c; c++)
            digest_add(running, c, 1);
        digest_finish(running, digest);
        digest_to_hex(digest, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void a_million_letters_in_uneven_pieces(void **state)
{
    CLEANUP(digest_freep) struct digest *running = digest_new();
    char piece[997];
    char hex[DIGEST_HEX_SIZE];
    uint8_t digest[DIGEST_SIZE];

    (void)state;
    memset(piece, 'a', sizeof(piece));
    for (size_t left = 1000000; left;) {
        size_t len = left < sizeof(piece) ? left : sizeof(piece);
        digest_add(running, piece, len);
        left -= len;
    }
    digest_finish(running, digest);
    digest_to_hex(digest, hex);
    assert_string_equal(hex, MILLION_A);
}

/* The same twice, for its state is kept; other keys and messages give something else. */
static void assert_keyed(const void *key, size_t key_len, const char *message)
{
    CLEANUP(digest_keyed_freep) struct digest_keyed *keyed = digest_keyed_new(key, key_len);
    uint8_t once[DIGEST_SIZE], expected[DIGEST_SIZE];

    digest_hmac(key, key_len, message, strlen(message), expected);
    for (int i = 0; i < 2; i++) {
        digest_keyed_of(keyed, message, strlen(message), once);
        assert_memory_equal(once, expected, DIGEST_SIZE);
    }
}

static void a_key_that_is_kept_gives_the_same_codes(void **state)
{
    uint8_t key[131];

    (void)state;
    memset(key, 0xaa, sizeof(key));
    for (size_t len = 0; len <= sizeof(key); len++)
        assert_keyed(key, len, "what do ya want for nothing?");
    assert_keyed(key, 32, "");
}

/* RFC 4231, cases 2 and 6: a short key, and one longer than a block. */
static void known_keys_give_known_codes(void **state)
{
    static const char message[] = "what do ya want for nothing?";
    static const char longer[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t key[131];
    uint8_t mac[DIGEST_SIZE], other[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    (void)state;
    digest_hmac("Jefe", 4, message, strlen(message), mac);
    digest_to_hex(mac, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    digest_hmac(key, sizeof(key), longer, strlen(longer), other);
    digest_to_hex(other, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_true(digest_equal(mac, mac));
    assert_false(digest_equal(mac, other));
}

static void hexadecimal_is_read_strictly(void **state)
{
    uint8_t digest[DIGEST_SIZE] = {0};
    char hex[DIGEST_HEX_SIZE];
    char bad[DIGEST_HEX_SIZE + 1] = MILLION_A;

    (void)state;
    assert_true(digest_from_hex(MILLION_A, digest));
    digest_to_hex(digest, hex);
    assert_string_equal(hex, MILLION_A);

    assert_false(digest_from_hex("", digest));
    bad[63] = '\0'; /* one digit too few */
    assert_false(digest_from_hex(bad, digest));
    memcpy(bad, MILLION_A "0", 66);
    assert_false(digest_from_hex(bad, digest));
    memcpy(bad, MILLION_A, 65);
    bad[5] = 'g';
    assert_false(digest_from_hex(bad, digest));
    bad[5] = 'A'; /* lower case only: one digest has one text */
    assert_false(digest_from_hex(bad, digest));
    digest_to_hex(digest, hex);
    assert_string_equal(hex, MILLION_A); /* untouched by failures */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages_have_known_digests),
        cmocka_unit_test(a_running_hash_starts_anew_when_finished),
        cmocka_unit_test(a_million_letters_in_uneven_pieces),
        cmocka_unit_test(known_keys_give_known_codes),
        cmocka_unit_test(a_key_that_is_kept_gives_the_same_codes),
        cmocka_unit_test(hexadecimal_is_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
