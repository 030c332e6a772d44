/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: year [--nights N] [--size MIB] [--every N] [--changes BLOCKS] [--large-every N] [--full-read] [--no-refresh]
 *
 * A guest is backed up every night, into a repository in memory, and once a week points are pruned to 7
 * daily, 4 weekly and 12 monthly ones, and what is left over is collected. About 1 % of its disk
 * changes each day, half of that in the same tenth of it. Nights are increments, but for one in 30, which
 * reads all of the disk. Before one in 180 most of the disk is written anew: that night takes several
 * sessions, or it is stopped, and begins again. Every so often it is told what the newest point is made
 * of. In the end each point that stands is compared with the disk as it was.
 *
 * --full-read: no increments. --no-refresh: as of `backup`; small packs are not joined then, either.
 */
#include <getopt.h>
#include <string.h>

#include "../../chance.h"
#include "../backups.h"
#include "base/array.h"
#include "base/units.h"
#include "keep_world.h"
#include "repository/frame_plan.h"
#include "repository/keep/prune.h"

#define BLOCK ((size_t)LIMITS_BLOCK)
#define WEEK 7u
#define FULL_READ_EVERY 30u
/* What the newest point may be made of, however many nights there were. */
#define DECODED_MOST 2.0
#define SMALL_PACKS_MOST 101u

struct night {
    struct id session;
    uint32_t *versions; /* of the blocks, owned */
};

struct year {
    struct keep_world world;
    struct backup_disk disk;
    struct backup backup;
    uint8_t *data;
    uint8_t *former;
    uint32_t *versions; /* 0: zeros */
    uint32_t blocks;
    uint32_t version;
    uint64_t chance;
    struct night *nights;
    unsigned count;
    unsigned parts;      /* partial points */
    uint64_t new_blocks; /* but of large nights */
    uint32_t changes;    /* blocks of a day */
    unsigned large_every;
    bool full_read;
};

/* ---- the disk -------------------------------------------------------------------------------- */

static void fill_block(const struct year *year, uint32_t block)
{
    uint8_t *data = year->data + block * BLOCK;

    if (year->versions[block])
        backup_fill(data, BLOCK, (uint64_t)block << 32 | year->versions[block]);
    else
        memset(data, 0, BLOCK);
}

static void write_block(struct year *year, uint32_t block)
{
    bool zeros = chance_below(&year->chance, 50) == 0;

    year->versions[block] = zeros ? 0 : ++year->version;
    fill_block(year, block);
}

static void live(struct year *year, bool large)
{
    uint32_t hot = year->blocks / 10;
    uint32_t changes = large ? year->blocks * 2 : year->changes;

    memcpy(year->former, year->data, year->blocks * BLOCK);
    for (uint32_t i = 0; i < changes; i++)
        write_block(year,
                    (uint32_t)chance_below(&year->chance, i % 2 && !large ? hot : year->blocks));
}

static void year_begin(struct year *year, unsigned nights, uint64_t size)
{
    keep_world_begin(&year->world);
    year->chance = chance_seed();
    year->blocks = (uint32_t)(size / BLOCK);
    year->data = mem_alloc(size);
    year->former = mem_alloc(size);
    year->versions = mem_array(year->blocks, sizeof(*year->versions));
    year->nights = mem_array(nights, sizeof(*year->nights));
    /* A quarter of it is empty yet. */
    for (uint32_t i = 0; i < year->blocks; i++)
        if (i % 64 < 48)
            write_block(year, i);
    year->disk = (struct backup_disk){
        .target = "vda", .size = size, .data = year->data, .data_len = size, .all_read = true};
    year->backup = (struct backup){.repository = year->world.repository,
                                   .guest = {{7}},
                                   .codec = CODEC_NONE,
                                   .disks = &year->disk,
                                   .disk_count = 1,
                                   .follow = true};
}

static void year_end(struct year *year)
{
    for (unsigned i = 0; i < year->count; i++)
        free(year->nights[i].versions);
    free(year->nights);
    free(year->versions);
    free(year->former);
    free(year->data);
    keep_world_end(&year->world);
}

/* ---- a night --------------------------------------------------------------------------------- */

static int stop_late(void *opaque, uint64_t chunk, struct err *err)
{
    const struct year *year = opaque;

    return chunk < year->blocks * BLOCK / MIB * 4 / 5 ? 0 : err_set(err, ERR_CANCELLED, "stopped");
}

/* What it has stored so far stays as a partial point. */
static void be_stopped(struct year *year)
{
    struct backup stopped = year->backup;
    struct backup_result result;
    CLEANUP_ERR struct err err = ERR_INIT;

    stopped.before_chunk = stop_late;
    stopped.opaque = year;
    stopped.put_aside = true;
    stopped.part_bytes = 0;
    assert_int_equal(backup_try(&stopped, &result, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(result.aside);
    year->parts++;
    memory_add_time(year->world.memory, DAY_MS / 24);
}

static void back_up(struct year *year, unsigned number)
{
    bool large = number % year->large_every == year->large_every - 1;
    struct night *night = &year->nights[number];
    struct backup_result result;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (number > 0)
        live(year, large);
    bool increment = number > 0 && number % FULL_READ_EVERY != 0 && !year->full_read;
    year->disk.former = increment ? year->former : NULL;
    year->backup.seed = number;
    year->backup.part_bytes = large ? 1 : 0;
    if (large && number / year->large_every % 2 == 0)
        be_stopped(year);
    if (backup_try(&year->backup, &result, &err) < 0)
        fail_msg("night %u: %s", number, err.text);
    night->session = result.session;
    night->versions = mem_array(year->blocks, sizeof(*night->versions));
    memcpy(night->versions, year->versions, year->blocks * sizeof(*night->versions));
    year->count = number + 1;
    year->parts += result.parts;
    if (!large && number > 0)
        year->new_blocks += result.new_blocks;
    memory_add_time(year->world.memory, DAY_MS);
}

static void pass_event(void *opaque, const struct prune_event *event)
{
    (void)opaque;
    (void)event;
}

static void clean_up(struct year *year)
{
    const struct prune_settings settings = {
        .policy.keep = {[RETENTION_DAILY] = 7, [RETENTION_WEEKLY] = 4, [RETENTION_MONTHLY] = 12},
        .policy.force = true};
    const struct prune_events events = {pass_event, NULL};
    const struct collect_settings collect = keep_world_settings(&year->world);
    struct prune_result pruned;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (prune_run(&year->world.scope, &settings, &events, &pruned, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(keep_world_collect(&year->world, &collect).outcome, COLLECT_DONE);
}

/* ---- what there is --------------------------------------------------------------------------- */

struct sight {
    uint32_t packs;
    uint32_t small_packs;
    uint32_t runs;
    size_t map;
    uint64_t indexes; /* bytes, of the packs */
    uint64_t decoded; /* bytes that a restore decodes, a frame as often as it does */
    uint64_t frames;
    uint64_t needed;
    uint64_t all_packs, all_bytes; /* of the repository */
};

static void look_at_restore(const struct year *year, const struct stored_point *point,
                            struct sight *ret)
{
    CLEANUP(pack_indexes_freep)
    struct pack_indexes *indexes = pack_indexes_new(&year->world.scope, point);
    struct frame_uses uses = {0};
    CLEANUP(frame_plan_freep)
    struct frame_plan *plan = frame_plan_new(indexes, point, &point->images[0], &uses);
    struct frame_plan_step step;
    CLEANUP_ERR struct err err = ERR_INIT;
    int status;

    while ((status = frame_plan_next(plan, &step, &err)) > 0) {
        if (step.kind == FRAME_PLAN_PIECE) {
            ret->needed += step.count * BLOCK;
            continue;
        }
        ret->decoded += step.frame.raw_len;
        ret->frames++;
    }
    if (status < 0)
        fail_msg("%s", err.text);
    frame_uses_clear(&uses);
}

static void look_at_objects(const struct year *year, struct sight *ret)
{
    struct name parsed;

    for (const char *name = ""; (name = memory_next(year->world.memory, name));)
        if (name_parse(name, &parsed) && parsed.kind == NAME_PACK) {
            ret->all_packs++;
            ret->all_bytes += memory_look(year->world.memory, name).len;
        }
}

static struct sight look_at_newest(const struct year *year)
{
    CLEANUP(stored_point_freep)
    struct stored_point *point = backup_read(&year->backup, &year->nights[year->count - 1].session);
    struct sight sight = {.packs = point->packs.count, .map = point->images[0].map.len};
    struct map_reader reader;
    struct map_run run;

    stored_point_walk(point, &point->images[0], &reader);
    while (map_reader_next(&reader, &run, NULL) > 0)
        sight.runs++;
    for (uint32_t i = 0; i < point->packs.count; i++) {
        const struct pack_digest *digest = &point->digests[i];
        sight.small_packs += digest->size < 4 * MIB;
        sight.indexes += digest->size - digest->index_offset - PACK_TAIL_SIZE;
    }
    look_at_restore(year, point, &sight);
    look_at_objects(year, &sight);
    return sight;
}

static void tell(const struct year *year)
{
    const struct sight sight = look_at_newest(year);

    printf("night %u: %u packs (%u small), indexes of %.1f KiB; %u runs in %.1f KiB; a restore "
           "decodes %llu "
           "frames, %.3f of what it needs; the repository has %llu packs, %.1f MiB\n",
           year->count, sight.packs, sight.small_packs, (double)sight.indexes / 1024, sight.runs,
           (double)sight.map / 1024, (unsigned long long)sight.frames,
           (double)sight.decoded / (double)sight.needed, (unsigned long long)sight.all_packs,
           (double)sight.all_bytes / (double)MIB);
    fflush(stdout);
    assert_true((double)sight.decoded <= (double)sight.needed * DECODED_MOST);
    assert_true(year->backup.no_refresh || sight.small_packs <= SMALL_PACKS_MOST);
}

/* Each point that stands is as its disk was. */
static unsigned check_points(struct year *year)
{
    unsigned count = 0;

    year->disk.former = NULL;
    for (unsigned i = 0; i < year->count; i++) {
        const struct point_id point = {year->backup.guest, year->nights[i].session};
        if (!keep_world_restores(&year->world, &point))
            continue;
        memcpy(year->versions, year->nights[i].versions, year->blocks * sizeof(*year->versions));
        for (uint32_t block = 0; block < year->blocks; block++)
            fill_block(year, block);
        backup_check(&year->backup, &point.session);
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"nights", required_argument, NULL, 'n'},      {"size", required_argument, NULL, 's'},
        {"every", required_argument, NULL, 'e'},       {"changes", required_argument, NULL, 'c'},
        {"large-every", required_argument, NULL, 'l'}, {"full-read", no_argument, NULL, 'f'},
        {"no-refresh", no_argument, NULL, 'r'},        {0}};
    unsigned nights = 365, every = 30;
    uint64_t size = 64 * MIB;
    struct year year = {.large_every = 180};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'n':
            nights = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            size = strtoul(optarg, NULL, 10) * MIB;
            break;
        case 'e':
            every = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            year.changes = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            year.large_every = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            year.full_read = true;
            break;
        case 'r':
            year.backup.no_refresh = true;
            break;
        default:
            return 2;
        }
    if (optind < argc || nights == 0 || size == 0 || every == 0 || year.large_every == 0) {
        fprintf(stderr, "usage: year [--nights N] [--size MIB] [--every N] [--changes BLOCKS] "
                        "[--large-every N] "
                        "[--full-read] [--no-refresh]\n");
        return 2;
    }
    bool no_refresh = year.backup.no_refresh;
    if (year.changes == 0)
        year.changes = (uint32_t)(size / BLOCK / 100) + 1;
    year_begin(&year, nights, size);
    year.backup.no_refresh = no_refresh;
    for (unsigned number = 0; number < nights; number++) {
        back_up(&year, number);
        if (number % WEEK == WEEK - 1)
            clean_up(&year);
        if (number % every == 0 || number + 1 == nights)
            tell(&year);
    }
    unsigned points = check_points(&year);
    printf("%u nights: %u points stand, and are as they were; %llu blocks stored since the first, "
           "but on large nights; %u partial points\n",
           nights, points, (unsigned long long)year.new_blocks, year.parts);
    year_end(&year);
    return 0;
}
