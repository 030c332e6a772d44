/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/manifest.h"
#include "record_sample.h"

static const struct seal_key other_key = {"that of another host, 32 bytes.."};

static char *sealed_text(const char *target, size_t *ret_len)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);

    sample_add_disk(manifest, target, "abc", 3);
    manifest->seal_key = &sample_key;
    return sample_format(manifest, ret_len);
}

static void check_state(const char *text, const struct seal_key *key, enum seal_state expected)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    CHECK(manifest_read(&(struct xml_text){.text = text, .len = strlen(text)}, &manifest, &err),
          &err);
    assert_string_equal(seal_state_name(seal_check(&manifest->seal, key)),
                        seal_state_name(expected));
}

/* With its own digest made right again. */
static void check_forged_state(const char *text, const char *from, const char *to,
                               enum seal_state expected)
{
    CLEANUP_FREE char *forged = sample_forge(text, from, to);

    check_state(forged, &sample_key, expected);
}

/* The attribute with its value, such as ` seal="..."`. */
static char *attribute(const char *text, const char *name)
{
    CLEANUP_FREE char *mark = mem_printf(" %s=\"", name);
    const char *found = strstr(text, mark);

    assert_non_null(found);
    return mem_strndup(found, (size_t)(strchr(found + strlen(mark), '"') + 1 - found));
}

static void a_seal_fits_with_the_key_that_made_it(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);

    (void)state;
    check_state(text, &sample_key, SEAL_FITS);
    check_state(text, &other_key, SEAL_FOREIGN);
    check_state(text, NULL, SEAL_FOREIGN);
}

static void without_a_key_nothing_is_sealed(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    (void)state;
    assert_null(strstr(text, " seal="));
    check_state(text, &sample_key, SEAL_NONE);
}

static void a_change_breaks_the_seal(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);

    (void)state;
    check_forged_state(text, "<devices/>", "<devices> </devices>", SEAL_BROKEN);
    check_forged_state(text, "path=\"/images/", "path=\"/imagex/", SEAL_BROKEN);
    check_forged_state(text, "tool=\"0.1.0\"", "tool=\"0.1.1\"", SEAL_BROKEN);
    check_forged_state(text, "</domain>", "</domain>\n", SEAL_BROKEN);
}

static void the_seal_of_another_manifest_is_broken(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);
    CLEANUP_FREE char *other = sealed_text("vdb", &len);
    CLEANUP_FREE char *own = attribute(text, "seal");
    CLEANUP_FREE char *copied = attribute(other, "seal");

    (void)state;
    assert_string_not_equal(own, copied);
    check_forged_state(text, own, copied, SEAL_BROKEN);
}

static void another_keys_name_makes_it_foreign(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);
    CLEANUP_FREE char *key = attribute(text, "key");

    (void)state;
    check_forged_state(text, key, " key=\"0123456789abcdef\"", SEAL_FOREIGN);
}

static void what_is_not_a_seal_is_corrupt(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);
    CLEANUP_FREE char *key = attribute(text, "key");
    CLEANUP_FREE char *seal = attribute(text, "seal");
    CLEANUP_FREE char *both = mem_printf("%s%s", seal, key);
    CLEANUP_FREE char *swapped = mem_printf("%s%s", key, seal);

    (void)state;
    sample_check_forged(text, key, "", ERR_CORRUPT, "a seal without a key");
    sample_check_forged(text, seal, "", ERR_CORRUPT, "a seal without a key");
    sample_check_forged(text, both, swapped, ERR_CORRUPT, "its seal is not in its place");
    sample_check_forged(text, seal, " seal=\"\"", ERR_CORRUPT, "'seal'");
    sample_check_forged(text, seal, " seal=\"0123\"", ERR_CORRUPT, "not 64 digits long");
    sample_check_forged(text, key, " key=\"0123\"", ERR_CORRUPT, "'key'");
    sample_check_forged(text, key, " key=\"0123456789ABCDEF\"", ERR_CORRUPT, "'key'");
    check_forged_state(text, both, "", SEAL_NONE);
}

static void a_manifest_of_the_former_format_has_no_seal(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);
    CLEANUP_FREE char *key = attribute(text, "key");
    CLEANUP_FREE char *seal = attribute(text, "seal");
    CLEANUP_FREE char *both = mem_printf("%s%s", seal, key);
    CLEANUP_FREE char *bare = sample_forge(text, both, "");

    (void)state;
    sample_check_forged(text, "format=\"3\"", "format=\"2\"", ERR_CORRUPT, "unknown attribute");
    sample_check_forged(bare, "format=\"3\"", "format=\"2\"", ERR_CORRUPT,
                        "unknown attribute 'host-uuid'");
    CLEANUP_FREE char *host = attribute(bare, "host-uuid");
    CLEANUP_FREE char *former = sample_forge(bare, host, "");
    check_forged_state(former, "format=\"3\"", "format=\"2\"", SEAL_NONE);
}

static void the_documented_formula_holds(void **state)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sealed_text("vda", &len);
    CLEANUP_FREE char *seal = attribute(text, "seal");
    CLEANUP_FREE char *key = attribute(text, "key");
    const char *digits = strstr(text, " sha256=\"") + strlen(" sha256=\"");
    const char *next = strstr(text, seal) + strlen(" seal=\"");
    CLEANUP_FREE char *empty =
        mem_printf("%.*s\" seal=\"%s", (int)(digits - text), text, next + 64);
    uint8_t mac[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    (void)state;
    digest_of(empty, strlen(empty), mac);
    digest_hmac(sample_key.secret, SEAL_SECRET_SIZE, mac, DIGEST_SIZE, mac);
    digest_to_hex(mac, hex);
    CLEANUP_FREE char *expected = mem_printf(" seal=\"%s\"", hex);
    assert_string_equal(seal, expected);
    digest_hmac(sample_key.secret, SEAL_SECRET_SIZE, "virt-backup seal key", 20, mac);
    digest_to_hex(mac, hex);
    CLEANUP_FREE char *name = mem_printf(" key=\"%.16s\"", hex);
    assert_string_equal(key, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seal_fits_with_the_key_that_made_it),
        cmocka_unit_test(without_a_key_nothing_is_sealed),
        cmocka_unit_test(a_change_breaks_the_seal),
        cmocka_unit_test(the_seal_of_another_manifest_is_broken),
        cmocka_unit_test(another_keys_name_makes_it_foreign),
        cmocka_unit_test(what_is_not_a_seal_is_corrupt),
        cmocka_unit_test(a_manifest_of_the_former_format_has_no_seal),
        cmocka_unit_test(the_documented_formula_holds),
    };

    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
