/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/cluster_map.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/units.h"

/* qemu-img is started at a multiple of this, so that it never has to begin within a sector. */
#define START_ALIGN UINT64_C(65536)

/* Within this distance of what was read before, the page cache has the data or soon will. */
#define NEAR (UINT64_C(8) << 20)

struct entry { /* extends to the start of the next one */
    uint64_t start;
    uint64_t offset; /* in a file */
    uint32_t depth;
    enum cluster_kind kind;
};

struct cluster_map {
    struct cluster_image image;
    uint64_t start; /* the entries cover [start, end) */
    uint64_t end;
    struct entry *entries;
    size_t count;
    size_t room;
    size_t last;      /* where the last query was answered */
    uint64_t *behind; /* for each file: the end of what was found in it so far */
    bool useless;
};

struct cluster_map *cluster_map_new(const struct cluster_image *image)
{
    struct cluster_map *map = mem_alloc(sizeof(*map));

    map->image = *image;
    if (map->image.text_limit == 0)
        map->image.text_limit = CLUSTER_MAP_TEXT;
    map->behind = mem_array(image->file_count, sizeof(*map->behind));
    return map;
}

void cluster_map_free(struct cluster_map *map)
{
    if (!map)
        return;
    free(map->entries);
    free(map->behind);
    free(map);
}

/* ---- what qemu-img has printed ------------------------------------------------ */

static void begin_map(struct cluster_map *map, uint64_t start)
{
    map->start = map->end = start;
    map->count = 0;
    map->last = 0;
    memset(map->behind, 0, map->image.file_count * sizeof(*map->behind));
}

static bool goes_on(const struct cluster_map *map, const struct cluster_part *part)
{
    const struct entry *entry = &map->entries[map->count - 1];

    if (entry->kind != part->kind)
        return false;
    return part->kind != CLUSTER_IN_FILE ||
           (entry->depth == part->depth &&
            entry->offset + (map->end - entry->start) == part->offset);
}

static void add_part(struct cluster_map *map, const struct cluster_part *part)
{
    if (part->len == 0)
        return;
    if (map->count == 0 || !goes_on(map, part)) {
        if (map->count == map->room) {
            map->room = map->room ? 2 * map->room : 64;
            map->entries = mem_resize(map->entries, map->room, sizeof(*map->entries));
        }
        map->entries[map->count++] =
            (struct entry){map->end, part->offset, part->depth, part->kind};
    }
    map->end += part->len;
}

static bool is_worth_it(const struct cluster_map *map, const struct cluster_part *part)
{
    uint64_t behind = map->behind[part->depth];

    return part->len >= map->image.min_part ||
           (part->offset >= behind && part->offset - behind <= NEAR);
}

/* What is in a file ends with the file. An image may extend further: by the rest of the last sector
 * of a raw backing file, or by clusters that never got into the file. */
static void add_in_file(struct cluster_map *map, struct cluster_part part)
{
    uint64_t file_size = map->image.file_sizes[part.depth];
    uint64_t there = part.offset < file_size ? file_size - part.offset : 0;
    uint64_t len = part.len;

    part.len = len < there ? len : there;
    if (!is_worth_it(map, &part)) {
        add_part(map, &(struct cluster_part){CLUSTER_OTHER, .len = len});
        return;
    }
    map->behind[part.depth] = part.offset + part.len;
    add_part(map, &part);
    add_part(map, &(struct cluster_part){CLUSTER_OTHER, .len = len - part.len});
}

static int add_entry(struct cluster_map *map, const struct json *json, struct err *err)
{
    struct cluster_part part = {CLUSTER_OTHER};
    uint64_t start = 0;
    uint64_t depth = 0;
    bool placed = json_get_u64(json, "offset", &part.offset);

    if (!json_get_u64(json, "start", &start) || !json_get_u64(json, "length", &part.len) ||
        !json_get_u64(json, "depth", &depth))
        return err_set(err, ERR_IO, "an entry has no position");
    if (start != map->end || part.len == 0 || part.len > map->image.size - start ||
        depth >= map->image.file_count)
        return err_set(err, ERR_IO,
                       "an entry of %" PRIu64 " bytes at %" PRIu64 " in file %" PRIu64
                       ", where the one before it ends at byte %" PRIu64 " of %" PRIu64,
                       part.len, start, depth, map->end, map->image.size);
    part.depth = (unsigned)depth;
    if (json_get_bool(json, "zero"))
        part.kind = CLUSTER_ZERO;
    else if (placed && json_get_bool(json, "data") && !json_get_bool(json, "compressed"))
        part.kind = CLUSTER_IN_FILE;
    if (part.kind == CLUSTER_IN_FILE)
        add_in_file(map, part);
    else
        add_part(map, &part);
    return 0;
}

/* Parses one object after another, because parsing the whole document would take ten times the
 * memory of the text. The objects contain no other objects, and no text that could contain a
 * brace. */
static int parse_entries(struct cluster_map *map, const char *text, size_t len, bool more,
                         struct err *err)
{
    const char *end = text + len;
    const char *open;

    while ((open = memchr(text, '{', (size_t)(end - text)))) {
        const char *close = memchr(open, '}', (size_t)(end - open));
        if (!close && more)
            break;
        text = close ? close + 1 : end;
        CLEANUP(json_freep) struct json *json = json_parse(open, (size_t)(text - open), err);
        if (!json || add_entry(map, json, err) < 0)
            return -1;
    }
    if (more ? map->end == map->start : map->end != map->image.size)
        return err_set(err, ERR_IO, "it ends at byte %" PRIu64 " of %" PRIu64, map->end,
                       map->image.size);
    return 0;
}

int cluster_map_load(struct cluster_map *map, uint64_t start, const char *text, size_t len,
                     bool more, struct err *err)
{
    begin_map(map, start);
    if (parse_entries(map, text, len, more, err) == 0)
        return 0;
    begin_map(map, start);
    return err_prefix(err, "the output of qemu-img map");
}

/* ---- running qemu-img ----------------------------------------------------------- */

/* Options that give driver and file, as `-f FORMAT PATH` would, but also how to read: what qemu-img
 * reads must not stay in the page cache either. */
static char *image_options(const struct cluster_image *image)
{
    CLEANUP_BUF struct buf text = {0};

    buf_printf(&text,
               "driver=%s,cache.direct=%s,file.driver=file,file.filename=", image->qemu_format,
               image->direct ? "on" : "off");
    for (const char *c = image->path; *c; c++)
        buf_append(&text, *c == ',' ? ",," : c, *c == ',' ? 2 : 1);
    return buf_take_str(&text);
}

static int run_qemu_img_map(struct cluster_map *map, uint64_t start, struct err *err)
{
    CLEANUP_FREE char *options = image_options(&map->image);
    CLEANUP_FREE char *from = mem_printf("--start-offset=%" PRIu64, start);
    CLEANUP_BUF struct buf output = {0};
    const char *argv[8] = {"qemu-img", "map", "--output=json", "--image-opts", options};
    bool more = false;

    if (start > 0) { /* not supported by QEMU before 5.2 */
        argv[4] = from;
        argv[5] = options;
    }
    if (process_run_head(argv, &output, map->image.text_limit, &more, err) < 0)
        return -1;
    const char *text = output.len ? (const char *)output.data : "";
    return cluster_map_load(map, start, text, output.len, more, err);
}

static bool map_covers(const struct cluster_map *map, uint64_t offset)
{
    return offset >= map->start && offset < map->end;
}

static void fetch_map(struct cluster_map *map, uint64_t offset)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (map->useless || map_covers(map, offset))
        return;
    if (run_qemu_img_map(map, offset - offset % START_ALIGN, &err) < 0)
        log_detail("%s: all of it is read through qemu-nbd: %s", map->image.path, err.text);
    map->useless = !map_covers(map, offset);
}

static size_t find_entry(struct cluster_map *map, uint64_t offset)
{
    size_t low = 0;
    size_t high = map->count;

    if (map->entries[map->last].start <= offset)
        low = map->last;
    if (low + 1 < high && map->entries[low + 1].start > offset)
        high = low + 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (map->entries[middle].start <= offset)
            low = middle;
        else
            high = middle;
    }
    return map->last = low;
}

void cluster_map_find(struct cluster_map *map, uint64_t offset, struct cluster_part *ret)
{
    fetch_map(map, offset);
    if (map->useless) {
        *ret = (struct cluster_part){CLUSTER_OTHER, .len = map->image.size - offset};
        return;
    }
    size_t i = find_entry(map, offset);
    const struct entry *entry = &map->entries[i];
    uint64_t end = i + 1 < map->count ? entry[1].start : map->end;
    *ret = (struct cluster_part){entry->kind, end - offset, entry->depth,
                                 entry->offset + (offset - entry->start)};
}
