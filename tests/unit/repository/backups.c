/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backups.h"

#include <string.h>

#include "../chance.h"
#include "base/io.h"
#include "base/units.h"
#include "repository/format/name.h"

void backup_fill(uint8_t *block, size_t len, uint64_t seed)
{
    /* half of it can be compressed */
    for (size_t i = 0; i < len; i++)
        block[i] = (uint8_t)(i % 64 < 32 ? chance_next(&seed) : i / 64);
}

/* ---- a disk as a source ---------------------------------------------------------------------- */

struct disk_source {
    const struct backup_disk *disk;
    uint64_t chunk_size;
    uint64_t next; /* chunk that was not read yet */
    uint64_t blocks_read;
};

bool backup_disk_has(const struct backup_disk *disk, uint64_t start, uint64_t end)
{
    return start < disk->data_start + disk->data_len && end > disk->data_start;
}

void backup_disk_copy(const struct backup_disk *disk, uint64_t start, uint8_t *ret, size_t len)
{
    uint64_t from = start > disk->data_start ? start : disk->data_start;
    uint64_t to = start + len;

    memset(ret, 0, len);
    if (!backup_disk_has(disk, start, to))
        return;
    if (to > disk->data_start + disk->data_len)
        to = disk->data_start + disk->data_len;
    memcpy(ret + (from - start), disk->data + (from - disk->data_start), (size_t)(to - from));
}

static int look_at_disk(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct disk_source *source = opaque;
    const struct backup_disk *disk = source->disk;
    uint64_t start = id * source->chunk_size;

    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    if (disk->all_read || backup_disk_has(disk, start, start + source->chunk_size))
        return 0;
    uint64_t end = start < disk->data_start ? disk->data_start / source->chunk_size
                                            : units_div_up(disk->size, source->chunk_size);
    *ret = (struct chunk_run){.kind = CHUNK_ZERO, .count = end - id};
    return 0;
}

static int read_disk(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    struct disk_source *source = opaque;
    uint8_t *bytes = data;

    (void)err;
    *ret_len = (size_t)chunk_raw_len(id, source->chunk_size, source->disk->size);
    assert_true(*ret_len <= cap);
    backup_disk_copy(source->disk, id * source->chunk_size, data, *ret_len);
    if (id < source->next && id == source->disk->changed_at && id > 0)
        bytes[*ret_len / 2] ^= 1;
    source->next = id >= source->next ? id + 1 : source->next;
    *ret_kind = io_is_zero(data, *ret_len) ? CHUNK_ZERO : CHUNK_DATA;
    return 0;
}

/* ---- a disk of which some is the same --------------------------------------------------------- */

static bool is_same_block(const struct backup_disk *disk, uint64_t offset)
{
    uint64_t left = disk->size - offset;

    return memcmp(disk->data + offset, disk->former + offset,
                  (size_t)(left < LIMITS_BLOCK ? left : LIMITS_BLOCK)) == 0;
}

static int find_same(void *opaque, uint64_t id, uint64_t *ret_same, struct err *err)
{
    const struct disk_source *source = opaque;
    uint64_t start = id * source->chunk_size;
    uint64_t len = chunk_raw_len(id, source->chunk_size, source->disk->size);

    (void)err;
    *ret_same = 0;
    for (uint64_t at = 0; at < len; at += LIMITS_BLOCK)
        if (is_same_block(source->disk, start + at))
            *ret_same |= UINT64_C(1) << at / LIMITS_BLOCK;
    return 0;
}

static bool is_same_chunk(const struct disk_source *source, uint64_t id)
{
    uint64_t blocks =
        units_div_up(chunk_raw_len(id, source->chunk_size, source->disk->size), LIMITS_BLOCK);
    uint64_t same = 0;

    find_same((void *)(uintptr_t)source, id, &same, NULL);
    return same == (blocks == 64 ? UINT64_MAX : (UINT64_C(1) << blocks) - 1);
}

static int look_at_increment(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct disk_source *source = opaque;
    uint64_t end = id, count = units_div_up(source->disk->size, source->chunk_size);

    (void)err;
    while (end < count && is_same_chunk(source, end))
        end++;
    *ret = end > id ? (struct chunk_run){.kind = CHUNK_SAME, .count = end - id}
                    : (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int read_blocks(void *opaque, uint64_t id, uint64_t blocks, void *data, struct err *err)
{
    struct disk_source *source = opaque;
    const struct backup_disk *disk = source->disk;
    uint64_t start = id * source->chunk_size;
    uint64_t len = chunk_raw_len(id, source->chunk_size, disk->size);

    (void)err;
    for (uint64_t at = 0; at < len; at += LIMITS_BLOCK) {
        uint64_t size = len - at < LIMITS_BLOCK ? len - at : LIMITS_BLOCK;
        bool wanted = blocks >> at / LIMITS_BLOCK & 1;
        if (wanted)
            memcpy((uint8_t *)data + at, disk->data + start + at, (size_t)size);
        else
            memset((uint8_t *)data + at, 0xee,
                   (size_t)size); /* nobody may take this for the disk */
        source->blocks_read += wanted;
    }
    return 0;
}

/* ---- in place of a pool ---------------------------------------------------------------------- */

#define WINDOW 6u

struct window_item {
    struct chunk_output output;
    uint8_t *input; /* owned, as all below */
    size_t input_len;
    uint8_t *result;
    bool done;
};

struct loop {
    const struct point_plugs *plugs;
    struct encoder *encoder;
    bool outline;
    bool lies; /* about the digests */
    size_t result_size;
    struct window_item items[WINDOW];
    unsigned count;
    uint64_t next_id;
    uint64_t random;
    uint64_t children; /* chunks given to one */
    uint64_t counted;
    const struct backup *backup;
};

static void clear_item(struct window_item *item)
{
    free(item->input);
    free(item->result);
    *item = (struct window_item){0};
}

static void loop_clear(struct loop *loop)
{
    for (unsigned i = 0; i < loop->count; i++)
        clear_item(&loop->items[i]);
    encoder_free(loop->encoder);
}

static int read_input(const struct loop *loop, struct window_item *item, struct err *err)
{
    const struct chunk_source *source = &loop->plugs->source;

    if (source->read(source->opaque, item->output.id, item->input, (size_t)source->chunk_size,
                     &item->input_len, &item->output.kind, err) < 0)
        return -1;
    item->output.raw_len =
        (uint32_t)chunk_raw_len(item->output.id, source->chunk_size, source->raw_size);
    if (item->output.kind != CHUNK_DATA)
        return 0;
    item->output.raw_len = source->gathered(source->opaque, item->output.id);
    assert_int_equal(item->output.raw_len, item->input_len);
    return 0;
}

/* Adds what comes next. */
static int load_item(struct loop *loop, struct err *err)
{
    const struct chunk_source *source = &loop->plugs->source;
    struct window_item *item = &loop->items[loop->count];
    struct chunk_run run;

    if (loop->backup->before_chunk &&
        loop->backup->before_chunk(loop->backup->opaque, loop->next_id, err) < 0)
        return -1;
    if (source->look(source->opaque, loop->next_id, &run, err) < 0)
        return -1;
    loop->count++;
    *item = (struct window_item){.output = {.id = loop->next_id, .count = 1, .kind = run.kind}};
    if (run.kind == CHUNK_DATA) {
        item->input = malloc((size_t)source->chunk_size);
        if (read_input(loop, item, err) < 0)
            return -1;
        loop->counted += source->counted(source->opaque, item->output.id);
    } else {
        /* a pool does not take all of a run at once */
        item->output.count = run.count > 1000 ? 1000 : run.count;
    }
    item->done = item->output.kind == CHUNK_SAME;
    loop->next_id += item->output.count;
    return 0;
}

/* What a child does. */
static int encode_item(struct loop *loop, struct window_item *item, struct err *err)
{
    struct codec_room room = {.cap = loop->result_size};

    if (chance_below(&loop->random, 8) == 0 && read_input(loop, item, err) < 0)
        return -1; /* the first child was lost */
    item->result = malloc(loop->result_size);
    room.data = item->result;
    bool outline = loop->outline && chance_below(&loop->random, 2) == 0;
    int status = outline ? encoder_outline(loop->encoder, item->input, item->input_len, &room, err)
                         : encoder_encode(loop->encoder, item->input, item->input_len, &room, err);
    if (status < 0)
        return -1;
    item->output.data = item->result;
    item->output.len = room.len;
    item->output.raw = outline ? item->input : NULL;
    if (loop->lies)
        item->result[7] ^= 1;
    item->output.digest = item->result;
    item->done = true;
    loop->children++;
    return 0;
}

/* In order, as the sink asks for. */
static int put_done(struct loop *loop, struct err *err)
{
    const struct chunk_sink *sink = &loop->plugs->sink;

    while (loop->count > 0 && loop->items[0].done) {
        if (sink->put(sink->opaque, &loop->items[0].output, err) < 0)
            return -1;
        clear_item(&loop->items[0]);
        memmove(loop->items, loop->items + 1, --loop->count * sizeof(*loop->items));
    }
    return 0;
}

static int run_loop(struct loop *loop, struct err *err)
{
    const struct chunk_source *source = &loop->plugs->source;

    assert_true(loop->plugs->sink.ordered && loop->plugs->sink.digests_known);
    while (loop->next_id < source->count || loop->count > 0) {
        unsigned waiting[WINDOW];
        unsigned count = 0;
        if (loop->next_id < source->count && loop->count < WINDOW) {
            if (load_item(loop, err) < 0)
                return -1;
            continue;
        }
        for (unsigned i = 0; i < loop->count; i++) {
            if (!loop->items[i].done)
                waiting[count++] = i;
        }
        if (count > 0 &&
            encode_item(loop, &loop->items[waiting[chance_below(&loop->random, count)]], err) < 0)
            return -1;
        if (put_done(loop, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- a backup -------------------------------------------------------------------------------- */

struct pack_count {
    const struct id *session;
    uint32_t count;
};

static int count_pack(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct pack_count *count = opaque;
    struct name name;

    (void)err;
    if (name_parse(entry->name, &name) && id_compare(&name.session, count->session) == 0)
        count->count++;
    return 0;
}

static uint32_t count_packs(const struct repository *repository, const struct id *session)
{
    struct pack_count count = {session, 0};
    const struct store_each each = {count_pack, &count};

    assert_int_equal(store_list(repository->store, "d/" REPOSITORY_SCOPE "/", &each, NULL), 0);
    return count.count;
}

static int write_image(const struct backup *backup, struct point_writer *writer, size_t number,
                       struct backup_result *result, struct err *err)
{
    const struct backup_disk *disk = &backup->disks[number];
    struct disk_source source = {disk, point_writer_chunk_size(backup->codec), 0};
    struct chunk_source chunks = {
        .opaque = &source,
        .count = units_div_up(disk->size, source.chunk_size),
        .chunk_size = source.chunk_size,
        .raw_size = disk->size,
        .look = look_at_disk,
        .read = read_disk,
    };
    const struct codec_spec spec = {.type = backup->codec,
                                    .level = backup->codec == CODEC_ZSTD ? 1 : 0};
    const struct point_image image = {.number = disk->target ? (uint32_t)number : SLOT_MEMORY,
                                      .target = disk->target,
                                      .source = &chunks,
                                      .codec = backup->codec};
    struct point_plugs plugs;

    if (disk->former) {
        chunks.look = look_at_increment;
        chunks.find_same = find_same;
        chunks.read_blocks = read_blocks;
    }
    if (point_writer_begin_image(writer, &image, &plugs, err) < 0)
        return -1;
    CLEANUP(loop_clear)
    struct loop loop = {.plugs = &plugs,
                        .encoder = encoder_new(&spec, source.chunk_size, err),
                        .outline = backup->codec == CODEC_NONE,
                        .lies = backup->lying_children,
                        .result_size = codec_result_bound(&spec, source.chunk_size),
                        .random = backup->seed,
                        .backup = backup};
    assert_non_null(loop.encoder);
    if (!loop.lies && chance_below(&loop.random, 2) == 0)
        encoder_omit_digests(loop.encoder); /* the others are like foreign children */
    int status =
        backup->run_image ? backup->run_image(backup->opaque, &plugs, err) : run_loop(&loop, err);
    result->counted += loop.counted;
    if (status < 0 || point_writer_end_image(writer, &result->images[number], err) < 0)
        return -1;
    result->new_blocks += result->images[number].new_blocks;
    result->chunks += loop.children;
    result->blocks_read += source.blocks_read;
    return 0;
}

static void fill_info(const struct backup *backup, const struct session *session, struct info *info)
{
    info->taken_ms = session_now_ms(session);
    info->state = STATE_SHUT_OFF;
    info->consistency = CONSISTENCY_OFFLINE;
    for (size_t i = 0; i < backup->disk_count; i++) {
        if (backup->disks[i].target)
            info_add_disk(info, backup->disks[i].target, backup->disks[i].size);
        info->memory = info->memory || !backup->disks[i].target;
    }
}

static const struct trust backup_trust = {
    .checkpoint = (char *)(uintptr_t)"vb-0123456789abcdef-0123456789abcdef0123456789abcdef",
    .bitmap = (char *)(uintptr_t)"vb-0123456789abcdef-0123456789abcdef0123456789abcdef",
    .granularity = 65536,
    .path = (char *)(uintptr_t)"/images/web.qcow2",
    .format = (char *)(uintptr_t)"qcow2",
    .host = (char *)(uintptr_t)"alpha",
    .has_inode = true,
    .inode = 17,
    .redefine = (char *)(uintptr_t)"<domaincheckpoint/>",
};

int backup_try(const struct backup *backup, struct backup_result *ret, struct err *err)
{
    const struct session_request request = {.scope = REPOSITORY_SCOPE,
                                            .guest = backup->guest,
                                            .like = backup->like,
                                            .host = "alpha",
                                            .program = "test"};
    const struct small_items small = {.items = {{ITEM_NVRAM, (const uint8_t *)"variables", 9}},
                                      .count = 1};
    CLEANUP(session_endp) struct session *session = NULL;
    CLEANUP(point_writer_freep) struct point_writer *writer = NULL;
    CLEANUP_INFO struct info info = {0};
    const struct point_options options = {.no_refresh = backup->no_refresh,
                                          .pack_buffers = 2,
                                          .part_info = &info,
                                          .part_bytes = backup->part_bytes,
                                          .part_ms = backup->part_ms};
    const char *why = NULL;

    *ret = (struct backup_result){0};
    info = (struct info){.name = mem_strdup("web"),
                         .guest = backup->guest,
                         .host = mem_strdup("alpha"),
                         .program = mem_strdup("test")};
    if (session_begin(backup->repository, &request, &session, err) < 0 ||
        point_writer_new(backup->repository, &session, &options, &writer, err) < 0)
        return -1;
    ret->session = *session_id(session);
    ret->unread = point_writer_unread(writer, &why);
    assert_int_equal(ret->unread > 0, why != NULL);
    for (size_t i = 0; i < backup->disk_count; i++) {
        if (write_image(backup, writer, i, ret, err) < 0) {
            if (backup->put_aside)
                assert_int_equal(point_writer_put_aside(writer, &ret->aside, NULL), 0);
            return -1;
        }
    }
    fill_info(backup, session, &info);
    CLEANUP_FREE const struct trust **trusts = mem_array(backup->disk_count + 1, sizeof(*trusts));
    struct trust facts[8];
    for (size_t i = 0; i < backup->disk_count; i++) {
        facts[i] = backup_trust;
        facts[i].size = backup->disks[i].size;
        trusts[i] = backup->follow && backup->disks[i].target ? &facts[i] : NULL;
    }
    const struct point_parts parts = {&info, trusts, "<domain/>", 9, &small};
    if (backup->before_commit)
        backup->before_commit(backup->opaque);
    if (point_writer_commit(writer, &parts, err) < 0)
        return -1;
    ret->session = *session_id(session);
    ret->parts = point_writer_parts(writer);
    ret->packs = count_packs(backup->repository, &ret->session);
    return 0;
}
