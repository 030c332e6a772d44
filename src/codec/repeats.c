/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/repeats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "codec/codec.h"

#define SPACING ((size_t)4096)
/* One position per this many bytes is remembered; fewer in large chunks, so that the table stays
 * small. */
#define SLOTS ((size_t)1 << 14)
/* The bytes that identify a place: as many as a gear hash looks back on. */
#define PLACE_LEN 64

struct slot {
    uint64_t hash;
    uint32_t place; /* + 1; 0: the slot is free */
};

struct repeats {
    size_t spacing;
    uint64_t no_place;  /* bits of the hash that are 0 at a place */
    uint64_t gear[256]; /* random, one for each byte value */
    size_t slots_used;
    struct slot slots[SLOTS]; /* found by their hash */
};

_Static_assert(CODEC_CHUNK_MAX < UINT32_MAX, "a place and one more");

uint64_t repeats_memory(void)
{
    return sizeof(struct repeats);
}

/* A fixed seed: what is stored for a chunk must not depend on chance. */
static void fill_gear(uint64_t gear[static 256])
{
    for (uint64_t i = 0; i < 256; i++)
        gear[i] = XXH3_64bits(&i, sizeof(i));
}

struct repeats *repeats_new(uint64_t chunk_size, struct err *err)
{
    struct repeats *repeats = calloc(1, sizeof(*repeats));

    if (!repeats) {
        err_set_errno(err, ENOMEM, "cannot start an encoder");
        return NULL;
    }
    repeats->spacing = (size_t)chunk_size / (SLOTS / 2);
    if (repeats->spacing < SPACING)
        repeats->spacing = SPACING;
    /* The upper bits, which depend on the last PLACE_LEN bytes. */
    repeats->no_place = ~(UINT64_MAX / repeats->spacing);
    fill_gear(repeats->gear);
    return repeats;
}

void repeats_free(struct repeats *repeats)
{
    free(repeats);
}

size_t repeats_spacing(const struct repeats *repeats)
{
    return repeats->spacing;
}

void repeats_begin(struct repeats *repeats)
{
    memset(repeats->slots, 0, sizeof(repeats->slots));
    repeats->slots_used = 0;
}

/* The slot of this hash, or a free one. */
static struct slot *find_slot(struct repeats *repeats, uint64_t hash)
{
    size_t i = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;

    while (repeats->slots[i].place && repeats->slots[i].hash != hash)
        i = (i + 1) % SLOTS;
    return &repeats->slots[i];
}

void repeats_look(struct repeats *repeats, const struct repeats_part *part,
                  void (*found)(void *opaque, size_t place, size_t earlier), void *opaque)
{
    const uint8_t *data = part->chunk + part->offset;
    uint64_t hash = 0;

    for (size_t i = 0; i < part->len; i++) {
        hash = (hash << 1) + repeats->gear[data[i]];
        if ((hash & repeats->no_place) != 0 || i + 1 < PLACE_LEN)
            continue;
        struct slot *slot = find_slot(repeats, hash);
        size_t place = part->offset + i + 1;
        if (slot->place)
            found(opaque, place, slot->place - 1);
        else if (repeats->slots_used == SLOTS / 4 * 3)
            continue;
        else
            repeats->slots_used++;
        *slot = (struct slot){.hash = hash, .place = (uint32_t)place + 1};
    }
}
