/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a disk goes on, as JSON, and as a parser that was taken over may say it. The first byte chooses.
 */
#include "fuzz.h"

#include <string.h>

#include "repository/format/trust_section.h"

static void check_section(const struct trust_section *section)
{
    const struct trust *facts = &section->facts;
    uint64_t end = 0;

    FUZZ_CHECK(strlen(facts->checkpoint) == 52 && strlen(facts->bitmap) == 52);
    FUZZ_CHECK(facts->path && facts->format && facts->host && facts->redefine);
    FUZZ_CHECK(facts->size <= LIMITS_IMAGE && section->witness_count <= LIMITS_WITNESSES);
    for (size_t i = 0; i < section->witness_count; i++) {
        FUZZ_CHECK(section->witnesses[i].offset >= end);
        FUZZ_CHECK(section->witnesses[i].offset < facts->size);
        end = section->witnesses[i].offset + LIMITS_BLOCK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    bool flat = fuzz_u8(&input) & 1;
    CLEANUP_TRUST_SECTION struct trust_section section = {0}, again = {0};
    CLEANUP_BUF struct buf bytes = {0}, text = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if ((flat ? trust_section_take(input.p, input.left, &section, &err)
              : trust_section_parse(input.p, input.left, &section, &err)) < 0) {
        FUZZ_CHECK(err.text && (err.kind == ERR_CORRUPT || err.kind == ERR_UNSUPPORTED));
        return 0;
    }
    check_section(&section);
    trust_section_flatten(&section, &bytes);
    if (flat)
        FUZZ_CHECK(bytes.len == input.left && memcmp(bytes.data, input.p, input.left) == 0);
    FUZZ_CHECK(trust_section_take(bytes.data, bytes.len, &again, NULL) == 0);
    FUZZ_CHECK(again.witness_count == section.witness_count);
    trust_section_clear(&again);
    /* Escapes may make it longer than it may be. */
    if (trust_section_format(&section, &text, NULL) == 0)
        FUZZ_CHECK(trust_section_parse(text.data, text.len, &again, NULL) == 0);
    return 0;
}
