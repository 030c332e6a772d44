/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "repository/listing.h"
#include "repository/restored_image.h"
#include "repository/stored_point.h"
#include "storm.h"

struct expected {
    struct storm_image image;
    uint64_t chunks;
};

static int compare_chunk(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct expected *expected = opaque;
    static uint8_t data[STORM_CHUNK];
    static const uint8_t zeros[STORM_CHUNK];

    for (uint64_t i = 0; i < output->count; i++) {
        storm_image_chunk(&expected->image, output->id + i, data);
        if (memcmp(data, output->kind == CHUNK_ZERO ? zeros : output->data, STORM_CHUNK) != 0)
            return err_set(err, ERR_CORRUPT, "chunk %" PRIu64 " has other bytes", output->id + i);
    }
    expected->chunks += output->count;
    return 0;
}

static void pass_digest(void *opaque, const uint8_t *digest, uint64_t count)
{
    (void)opaque;
    (void)digest;
    (void)count;
}

static int restore_point(const struct storm *storm, const struct stored_point *point,
                         struct err *err)
{
    CLEANUP(restored_image_closep) struct restored_image *image = NULL;
    struct expected expected = {0};
    const struct chunk_sink sink = {
        .opaque = &expected, .put = compare_chunk, .chain = pass_digest};
    const struct restored_request request = {&storm->scope, storm->repository->id_salt, point, 0};
    struct chunk_sink unpacked;

    if (!storm_image_parse((const char *)point->manifest.data, point->manifest.len,
                           &expected.image))
        return err_set(err, ERR_CORRUPT, "its manifest is not the one that was written");
    if (restored_image_open(&request, &image, err) < 0)
        return -1;
    const struct chunk_source source = restored_image_source(image);
    if (source.unpack(source.opaque, &sink, &unpacked, err) < 0 ||
        storm_decode(&source, &unpacked, restored_image_codec(image), err) < 0 ||
        source.check(source.opaque, err) < 0)
        return -1;
    if (expected.chunks != STORM_CHUNKS)
        return err_set(err, ERR_CORRUPT, "%" PRIu64 " chunks came back", expected.chunks);
    return 0;
}

static int count_entry(void *opaque, const struct name *name, const struct store_entry *entry,
                       struct err *err)
{
    (void)name;
    (void)entry;
    (void)err;
    ++*(unsigned *)opaque;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const struct pack_id *x = a;
    const struct pack_id *y = b;
    int order = id_compare(&x->session, &y->session);

    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

struct used_packs {
    struct pack_id *ids; /* owned */
    size_t count;
};

static void note_packs(const struct stored_point *point, struct used_packs *used)
{
    used->ids = mem_resize(used->ids, used->count + point->packs.count, sizeof(*used->ids));
    for (uint32_t i = 0; i < point->packs.count; i++)
        used->ids[used->count++] = stored_point_pack(point, i);
}

static unsigned count_once(struct used_packs *used)
{
    unsigned count = 0;

    qsort(used->ids, used->count, sizeof(*used->ids), compare_ids);
    for (size_t i = 0; i < used->count; i++)
        count += i == 0 || compare_ids(&used->ids[i - 1], &used->ids[i]) != 0;
    free(used->ids);
    return count;
}

/* When nothing else runs: all points that are not in the trash must come back as they were. Packs
 * that no point in a slot needs are garbage. */
int storm_check(struct storm *storm)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_LISTING struct listing listing = {0};
    unsigned good = 0, bad = 0, trashed = 0, packs = 0;
    const struct objects_each each = {.call = count_entry, .opaque = &packs};
    struct used_packs used = {0};

    if (listing_read(&storm->scope, NULL, NULL, &listing, &err) < 0 ||
        objects_list(&storm->scope, "d", NULL, &each, &err) < 0)
        return storm_failed("check", &err);
    for (size_t i = 0; i < listing.count; i++) {
        const struct listed_point *listed = &listing.points[i];
        CLEANUP(stored_point_freep) struct stored_point *point = NULL;
        CLEANUP_ERR struct err why = ERR_INIT;
        char text[ID_TEXT_SIZE];
        if (listed->tombstone)
            continue;
        if (stored_point_read(&storm->scope, &listed->id, &point, &why) == 0)
            note_packs(point, &used);
        if (listed->trashed) {
            trashed++;
        } else if (!point || restore_point(storm, point, &why) < 0) {
            printf("bad %s: %s\n", id_text(&listed->id.session, text), why.text);
            bad++;
        } else {
            good++;
        }
    }
    unsigned needed = count_once(&used);
    printf("restored %u, bad %u, in the trash %u; packs %u, needed %u\n", good, bad, trashed, packs,
           needed);
    return bad > 0;
}
