/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A table of places, with open addressing, leads from an id to a block. The ids themselves lie by
 * pack and block: so a block can also be compared at a place where it is expected. Ids are as good as
 * random for whoever lacks the repository's salt, so the first bits of one are its hash.
 */
#include "repository/known.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"

/* At most two thirds of the table are taken. */
#define FILL_NUMERATOR 2u
#define FILL_DENOMINATOR 3u
#define TABLE_MIN 1024u

/* A place in the table: from the top 24 bits of the id's hash, which spare most looks at ids that
 * differ, 24 bits of the pack's number + 1, 16 of the block's. 0: free. */
#define ENTRY_PACK_SHIFT 16
#define ENTRY_MARK_SHIFT 40
#define ENTRY_PACK_MASK UINT64_C(0xffffff)
#define ENTRY_BLOCK_MASK UINT64_C(0xffff)

/* The base, partial points, that of another guest, and the session. */
_Static_assert(3 * UINT64_C(1) * LIMITS_POINT_PACKS + LIMITS_PACK_NUMBER < ENTRY_PACK_MASK,
               "numbers of packs have 24 bits");
_Static_assert(LIMITS_PACK_BLOCKS - 1 <= ENTRY_BLOCK_MASK, "numbers of blocks have 16 bits");

struct known_pack {
    struct id *ids;      /* owned; NULL: nothing is known of it */
    uint8_t *frame_bits; /* owned; a bit for each block: it is the first of a frame */
    uint32_t count;
    bool usable;           /* not of the session's own, like the next */
    enum codec_type codec; /* of its frames */
    bool left;             /* its blocks are known no more */
};

struct known {
    size_t max_bytes;
    size_t bytes; /* of the table, ids and frame bits */
    uint64_t *table;
    uint64_t table_size; /* a power of two */
    uint64_t count;      /* places taken */
    struct known_pack *packs;
    uint32_t pack_count;
    struct known_pack *own;
    uint32_t own_packs;
    uint64_t own_count;
    bool own_full; /* no room for further blocks of the session */
    bool has_codec;
    enum codec_type codec; /* blocks in frames of others are passed over, */
    uint64_t own_first;    /* as are the session's own before this one */
};

static size_t bytes_of_blocks(uint64_t blocks)
{
    return (size_t)blocks * ID_SIZE + (size_t)blocks / 8 + 1;
}

static bool needs_larger_table(uint64_t size, uint64_t count)
{
    return count * FILL_DENOMINATOR > size * FILL_NUMERATOR;
}

static uint64_t table_size_for(uint64_t size, uint64_t count)
{
    while (needs_larger_table(size, count))
        size *= 2;
    return size;
}

struct known *known_new(size_t memory)
{
    struct known *known = mem_alloc(sizeof(*known));

    known->max_bytes = memory;
    known->table_size = TABLE_MIN;
    known->table = mem_array(TABLE_MIN, sizeof(*known->table));
    known->bytes = TABLE_MIN * sizeof(*known->table);
    return known;
}

static void clear_packs(struct known_pack *packs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(packs[i].ids);
        free(packs[i].frame_bits);
    }
    free(packs);
}

void known_free(struct known *known)
{
    if (!known)
        return;
    clear_packs(known->packs, known->pack_count);
    clear_packs(known->own, known->own_packs);
    free(known->table);
    free(known);
}

/* ---- places ---------------------------------------------------------------------------------- */

static const struct known_pack *pack_of(const struct known *known, uint32_t number)
{
    if (number < known->pack_count)
        return &known->packs[number];
    number -= known->pack_count;
    return number < known->own_packs ? &known->own[number] : NULL;
}

void known_set_codec(struct known *known, enum codec_type codec)
{
    if (known->has_codec && known->codec != codec)
        known->own_first = known->own_count;
    known->has_codec = true;
    known->codec = codec;
}

static bool has_wanted_codec(const struct known *known, const struct known_block *block)
{
    if (!known->has_codec)
        return true;
    if (block->pack < known->pack_count)
        return known->packs[block->pack].codec == known->codec;
    return (uint64_t)(block->pack - known->pack_count) * KNOWN_OWN_BLOCKS + block->block >=
           known->own_first;
}

bool known_is(const struct known *known, const struct known_block *block, const struct id *id)
{
    const struct known_pack *pack = pack_of(known, block->pack);

    return pack && !pack->left && block->block < pack->count && has_wanted_codec(known, block) &&
           memcmp(pack->ids[block->block].bytes, id->bytes, ID_SIZE) == 0;
}

static struct known_block entry_block(uint64_t entry)
{
    return (struct known_block){
        .pack = (uint32_t)(entry >> ENTRY_PACK_SHIFT & ENTRY_PACK_MASK) - 1,
        .block = (uint32_t)(entry & ENTRY_BLOCK_MASK),
    };
}

/* Where in the table the block is, or would be. *ret_there says which. */
static uint64_t known_place_of(const struct known *known, const struct id *id, bool *ret_there)
{
    uint64_t hash = get_be64(id->bytes);
    uint64_t mask = known->table_size - 1;

    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
        uint64_t entry = known->table[at];
        struct known_block block = entry_block(entry);
        *ret_there = entry != 0 && entry >> ENTRY_MARK_SHIFT == hash >> ENTRY_MARK_SHIFT &&
                     known_is(known, &block, id);
        if (*ret_there || entry == 0)
            return at;
    }
}

/* One that is there already stays as it is. */
static void put_block(struct known *known, const struct id *id, const struct known_block *block)
{
    bool there = false;
    uint64_t at = known_place_of(known, id, &there);

    if (there)
        return;
    known->table[at] = get_be64(id->bytes) >> ENTRY_MARK_SHIFT << ENTRY_MARK_SHIFT |
                       ((uint64_t)block->pack + 1) << ENTRY_PACK_SHIFT | block->block;
    known->count++;
}

/* False: there is no memory for that. */
static bool make_table(struct known *known, uint64_t size)
{
    uint64_t old_size = known->table_size;
    uint64_t *old = known->table;
    uint64_t *made = calloc((size_t)size, sizeof(*made));

    if (!made)
        return false;
    known->table = made;
    known->table_size = size;
    known->bytes += (size_t)(size - old_size) * sizeof(*made);
    known->count = 0;
    for (uint64_t i = 0; i < old_size; i++) {
        struct known_block block = entry_block(old[i]);
        if (old[i] != 0)
            put_block(known, &pack_of(known, block.pack)->ids[block.block], &block);
    }
    free(old);
    return true;
}

bool known_fits(const struct known *known, uint64_t blocks)
{
    uint64_t size = table_size_for(known->table_size, known->count + blocks);
    size_t bytes = known->bytes + bytes_of_blocks(blocks);

    if (size > known->table_size) /* for a moment there are both */
        bytes += (size_t)size * sizeof(*known->table);
    return bytes <= known->max_bytes;
}

void known_expect(struct known *known, uint64_t blocks)
{
    uint64_t size = table_size_for(known->table_size, known->count + blocks);

    if (size > known->table_size)
        make_table(known, size);
}

/* ---- packs ----------------------------------------------------------------------------------- */

static void mark_frame(struct known_pack *pack, uint32_t block)
{
    pack->frame_bits[block / 8] |= (uint8_t)(1u << block % 8);
}

static bool begins_frame(const struct known_pack *pack, uint32_t block)
{
    return pack->frame_bits[block / 8] >> block % 8 & 1;
}

static struct known_pack *next_pack(struct known_pack **packs, uint32_t *count)
{
    if ((*count & (*count - 1)) == 0)
        *packs = mem_resize(*packs, *count ? (size_t)*count * 2 : 1, sizeof(**packs));
    (*packs)[*count] = (struct known_pack){0};
    return &(*packs)[(*count)++];
}

void known_add_pack(struct known *known, struct pack_index *index)
{
    struct known_pack *pack = next_pack(&known->packs, &known->pack_count);
    uint64_t size = table_size_for(known->table_size, known->count + index->block_count);

    assert(known->own_count == 0);
    pack->usable = pack_index_codec(index, &pack->codec);
    if (pack->usable && known_fits(known, index->block_count) &&
        (size == known->table_size || make_table(known, size))) {
        pack->ids = TAKE_PTR(index->ids);
        pack->count = index->block_count;
        pack->frame_bits = mem_alloc(index->block_count / 8 + 1);
        for (uint32_t i = 0; i < index->frame_count; i++)
            mark_frame(pack, index->frames[i].first_block);
        for (uint32_t i = 0; i < pack->count; i++)
            put_block(known, &pack->ids[i], &(struct known_block){known->pack_count - 1, i});
        known->bytes += bytes_of_blocks(pack->count);
    }
    pack_index_clear(index);
}

void known_add_without_ids(struct known *known, enum codec_type codec)
{
    struct known_pack *pack = next_pack(&known->packs, &known->pack_count);

    *pack = (struct known_pack){.usable = true, .codec = codec};
}

bool known_is_usable(const struct known *known, uint32_t pack)
{
    return pack < known->pack_count && known->packs[pack].usable && !known->packs[pack].left &&
           (!known->has_codec || known->packs[pack].codec == known->codec);
}

uint32_t known_pack_count(const struct known *known)
{
    return known->pack_count;
}

void known_leave_pack(struct known *known, uint32_t number)
{
    known->packs[number].left = true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

bool known_find(const struct known *known, const struct id *id, struct known_block *ret)
{
    bool there = false;
    uint64_t at = known_place_of(known, id, &there);

    if (there)
        *ret = entry_block(known->table[at]);
    return there;
}

bool known_id(const struct known *known, const struct known_block *block, struct id *ret)
{
    const struct known_pack *pack = pack_of(known, block->pack);

    if (!pack || block->block >= pack->count)
        return false;
    *ret = pack->ids[block->block];
    return true;
}

bool known_continues(const struct known *known, const struct known_block *block,
                     const struct known_block *next)
{
    const struct known_pack *pack = pack_of(known, next->pack);

    return next->pack == block->pack && next->block == block->block + 1 && pack &&
           next->block < pack->count && !begins_frame(pack, next->block);
}

/* The pack that the next block of the session counts to; NULL: there is no room for it. */
static struct known_pack *own_pack(struct known *known)
{
    uint64_t number = known->own_count / KNOWN_OWN_BLOCKS;

    if (number < known->own_packs)
        return &known->own[number];
    if (!known_fits(known, KNOWN_OWN_BLOCKS))
        return NULL;
    struct known_pack *pack = next_pack(&known->own, &known->own_packs);
    pack->ids = malloc((size_t)KNOWN_OWN_BLOCKS * ID_SIZE);
    pack->frame_bits = calloc(KNOWN_OWN_BLOCKS / 8, 1);
    known->bytes += bytes_of_blocks(KNOWN_OWN_BLOCKS);
    return pack->ids && pack->frame_bits ? pack : NULL;
}

static bool keep_own(struct known *known, const struct id *id, bool begins)
{
    struct known_block block = known_own(known, known->own_count);
    uint64_t size = table_size_for(known->table_size, known->count + 1);
    struct known_pack *pack = own_pack(known);

    if (!pack || (size > known->table_size && (!known_fits(known, 1) || !make_table(known, size))))
        return false;
    pack->ids[block.block] = *id;
    pack->count = block.block + 1;
    if (begins)
        mark_frame(pack, block.block);
    put_block(known, id, &block);
    return true;
}

struct known_block known_add_own(struct known *known, const struct id *ids, uint32_t count)
{
    struct known_block first = known_own(known, known->own_count);

    for (uint32_t i = 0; i < count; i++) {
        known->own_full = known->own_full || !keep_own(known, &ids[i], i == 0);
        known->own_count++;
    }
    return first;
}

uint64_t known_own_count(const struct known *known)
{
    return known->own_count;
}
