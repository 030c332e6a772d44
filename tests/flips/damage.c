/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "damage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "ops/memory.h"
#include "ops/points/points.h"
#include "ops/verbs.h"

#define MAX_SHOWN 20

static void on_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

static void on_progress(void *opaque, const struct progress *progress)
{
    (void)opaque;
    (void)progress;
}

static const struct report silence = {.event = on_event, .progress = on_progress};

/* The same cases for the same seed, whoever tries them. */
static bool is_drawn(const struct damage *damage)
{
    uint64_t x = (damage->number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ damage->seed;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53 < damage->share;
}

bool damage_next(struct damage *damage)
{
    damage->number++;
    return damage->number % damage->parts == damage->part && is_drawn(damage);
}

bool damage_is_found(const struct damage *damage, const char *path, const char *guest)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct outcome outcome = {0};
    const struct verify_options options = {
        .source = {.path = path},
        .domains = {&guest, guest ? 1 : 0},
        .children = {.children = 1},
    };
    int result = verify_run(&options, damage->spawner, &silence, &outcome, &err);

    if (result < 0 && (err.kind == ERR_USAGE || err.kind == ERR_INTERNAL))
        sample_fail("verify", &err);
    return result < 0 || outcome.failed > 0;
}

void damage_check(struct damage *damage, struct counts *counts, const struct sample *sample,
                  const char *guest, const char *what, uint64_t at)
{
    counts->tried++;
    if (damage_is_found(damage, sample->path, guest))
        return;
    counts->silent++;
    if (damage->shown++ < MAX_SHOWN)
        printf("silent: %s: %s at %llu\n", sample->path, what, (unsigned long long)at);
}

/* ---- restoring --------------------------------------------------------------------- */

static int restore_disk(struct damage *damage, const struct sample *sample, const char *to)
{
    const char *guest = "web", *target = "vda";
    struct outcome outcome = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct restore_options options = {
        .source = {.path = sample->path},
        .destination = to,
        .domains = {&guest, 1},
        .disks = {&target, 1},
        .children = {.children = 1},
    };

    return restore_run(&options, damage->spawner, &silence, &outcome, &err) < 0 || outcome.failed
               ? -1
               : 0;
}

static int restore_memory(struct damage *damage, const struct sample *sample, const char *path)
{
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP(points_closep) struct point *backup = NULL;
    const struct children_options options = {.children = 1};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct children children CLEANUP_CHILDREN = {
        .spawner = damage->spawner, .options = &options, .decode = true};
    const struct points_place place = {.path = sample->path};

    if (points_store_open(&place, &store, &err) < 0 ||
        points_open(store, "web", NULL, &backup, &err) < 0 || !points_manifest(backup)->memory)
        return -1;
    const struct memory_restore restore = {
        .children = &children,
        .report = &silence,
        .guest = "web",
        .backup = backup,
    };
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return memory_restore(&restore, fd, "<domain/>", true, &err);
}

/* The file ends with these bytes. */
static bool ends_with(const char *path, const uint8_t *bytes, size_t len)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE uint8_t *data = mem_alloc(len);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= len &&
           io_pread(fd, data, len, (uint64_t)st.st_size - len, NULL) == 0 &&
           memcmp(data, bytes, len) == 0;
}

void damage_restore(struct damage *damage, struct counts *counts, const struct sample *sample)
{
    CLEANUP_FREE char *folder = mem_printf("%s/restored", damage->folder);
    CLEANUP_FREE char *disk = mem_printf("%s/web-vda.img", folder);
    CLEANUP_FREE char *image = mem_printf("%s/restored.sav", damage->folder);
    bool memory = !sample->vda;

    counts->restores++;
    if (memory && restore_memory(damage, sample, image) == 0 &&
        !ends_with(image, sample->memory, sample->memory_len))
        counts->wrong++;
    if (!memory && restore_disk(damage, sample, folder) == 0 &&
        !ends_with(disk, sample->vda, sample->vda_len))
        counts->wrong++;
    (void)unlink(image);
    (void)unlink(disk);
    (void)rmdir(folder);
}
