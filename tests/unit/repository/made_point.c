/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "made_point.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static struct id filled(uint8_t byte)
{
    struct id id;

    memset(id.bytes, byte, sizeof(id.bytes));
    return id;
}

void made_point_clear(struct made_point *made)
{
    packs_clear(&made->packs);
    info_clear(&made->info);
}

static void add_made_pack(struct made_point *made, const struct id *session, uint32_t number,
                          uint32_t blocks)
{
    struct pack_digest *digest = &made->digests[made->digest_count++];

    assert_int_equal(packs_add(&made->packs, session, number, NULL), 0);
    *digest = (struct pack_digest){.index_offset = 1000 + number, .block_count = blocks};
    digest->size = digest->index_offset + 8 + 12 + 16 * blocks + PACK_TAIL_SIZE;
}

struct made_point made_point_usual(void)
{
    static const uint8_t nvram[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 'n', 'v'};
    struct made_point made = {
        .id = {filled(1), filled(3), filled(2)},
        .info = {.name = mem_strdup("web"),
                 .guest = filled(2),
                 .host = mem_strdup("alpha"),
                 .program = mem_strdup("virt-backup"),
                 .memory = true},
        .images =
            {
                {0, 10 * LIMITS_BLOCK, {{0, 2, 1, 0}, {4, 3, 2, 1}}, 2},
                {1, 3 * LIMITS_BLOCK + 1, {{3, 1, 0, 4}}, 1},
                {SLOT_MEMORY, LIMITS_BLOCK, {{0, 1, 2, 0}}, 1},
            },
        .image_count = 3,
        .more = {{SLOT_MANIFEST, 0, "<domain/>", 9, true},
                 {SLOT_SMALL, 0, nvram, sizeof(nvram), true}},
        .more_count = 2,
    };
    const struct id other = filled(0);

    add_made_pack(&made, &other, 7, 5);
    add_made_pack(&made, &made.id.session, 0, 2);
    add_made_pack(&made, &made.id.session, 1, 4);
    info_add_disk(&made.info, "vda", made.images[0].size);
    info_add_disk(&made.info, "vdb", made.images[1].size);
    return made;
}

static void add_made_section(struct slot_writer *writer, uint16_t type, uint32_t number,
                             const struct buf *bytes, bool compress)
{
    const struct slot_added added = {type, number, bytes->data, bytes->len, compress};

    assert_int_equal(slot_writer_add(writer, &added, NULL), 0);
}

static void add_made_map(struct slot_writer *writer, const struct made_image *image)
{
    CLEANUP_MAP_WRITER struct map_writer map = {0};
    CLEANUP_BUF struct buf bytes = {0};

    map_writer_begin(&map, image->size);
    for (unsigned i = 0; i < image->run_count; i++)
        map_writer_add(&map, &image->runs[i]);
    map_writer_finish(&map, &bytes);
    add_made_section(writer, SLOT_MAP, image->number, &bytes, true);
}

struct buf made_point_bytes(const struct made_point *made)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_BUF struct buf packs = {0}, digests = {0}, info = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct buf bytes = {0};

    packs_format(&made->packs, &packs);
    packs_format_digests(made->digests, made->digest_count, &digests);
    if (info_format(&made->info, &info, &err) < 0)
        fail_msg("%s", err.text);
    add_made_section(&writer, SLOT_PACKS, 0, &packs, false);
    add_made_section(&writer, SLOT_DIGESTS, 0, &digests, true);
    add_made_section(&writer, SLOT_INFO, 0, &info, true);
    for (unsigned i = 0; i < made->image_count; i++)
        add_made_map(&writer, &made->images[i]);
    for (unsigned i = 0; i < made->more_count; i++)
        assert_int_equal(slot_writer_add(&writer, &made->more[i], NULL), 0);
    if (slot_writer_finish(&writer, &made->id, made->flags, &bytes, &err) < 0)
        fail_msg("%s", err.text);
    return bytes;
}
