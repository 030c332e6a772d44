/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A manifest. Its own SHA-256 would stop every change at the door, so it is replaced by
 * the one that the text ought to have.
 */
#include "fuzz.h"

#include <string.h>

#include "record/manifest.h"
#include "record/manifest_check.h"
#include "archive/names.h"

static void check_files(const struct manifest *manifest)
{
    const struct manifest_stored *stored;
    bool named = archive_check_manifest(manifest, NULL) == 0;
    size_t cursor = 0;

    while ((stored = manifest_next_stored(manifest, &cursor))) {
        FUZZ_CHECK(!named ||
                   archive_check_owned_name(manifest->domain_name, stored->file.name, NULL) == 0);
        FUZZ_CHECK(!named || !strchr(stored->file.name, '/'));
        FUZZ_CHECK(stored->file.size <= INT64_MAX);
        FUZZ_CHECK(stored->image.chunk_size >= CODEC_CHUNK_MIN &&
                   stored->image.chunk_size <= CODEC_CHUNK_MAX);
    }
}

/* What was read can be written, and is the same when it is read again. */
static void check_again(const struct manifest *manifest)
{
    CLEANUP_BUF struct buf first = {0}, second = {0};
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (manifest_format(manifest, NULL, &first, &err) < 0) {
        FUZZ_CHECK(err.kind == ERR_UNSUPPORTED);
        return;
    }
    FUZZ_CHECK(manifest_read(&(struct xml_text){.text = (const char *)first.data, .len = first.len},
                             &again, NULL) == 0);
    FUZZ_CHECK(manifest_format(again, NULL, &second, NULL) == 0);
    FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static const struct seal_key key = {"nobody who makes inputs knows it"};

static void try_text(const char *text, size_t len)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (manifest_read(&(struct xml_text){.text = text, .len = len}, &manifest, &err) < 0) {
        FUZZ_CHECK(err.text && !manifest);
        FUZZ_CHECK(err.kind == ERR_CORRUPT || err.kind == ERR_NOT_FOUND ||
                   err.kind == ERR_UNSUPPORTED);
        return;
    }
    check_files(manifest);
    /* Whoever does not know the key has made it. */
    FUZZ_CHECK(seal_check(&manifest->seal, &key) != SEAL_FITS);
    check_again(manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    CLEANUP_FREE char *text = fuzz_text(&input);
    struct manifest_places places;
    char hex[DIGEST_HEX_SIZE];

    if (manifest_check_places(text, size, &places, NULL) == 0 && places.digest_len > 0) {
        manifest_check_digest(text, size, &places, hex);
        memcpy(text + places.digest, hex, places.digest_len);
    }
    try_text(text, size);
    return 0;
}
