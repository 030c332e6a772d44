/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: storm create URL
 *        storm write URL SEED GUEST GUESTS ROUNDS
 *        storm prune URL SEED ROUNDS
 *        storm collect URL SEED STATE SILENCE_MS ROUNDS
 *        storm check URL
 *
 * What tests/storm/run starts and kills. Linked with --wrap of what decides when a pack is full (with
 * one frame, so there are many) and of the store's time, in which all writing is two hours ago, so
 * that prune may drop what was just written.
 */
#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repository/format/pack.h"
#include "repository/keep/marks.h"
#include "repository/keep/prune.h"
#include "repository/listing.h"
#include "store/folder_internal.h"
#include "../unit/chance.h"

#define PAST_MS (INT64_C(2) * 60 * 60 * 1000)

static bool writes;

bool __wrap_pack_writer_fits(const struct pack_writer *writer, uint32_t stored_len,
                             uint32_t block_count);
bool __wrap_pack_writer_fits(const struct pack_writer *writer, uint32_t stored_len,
                             uint32_t block_count)
{
    (void)stored_len;
    (void)block_count;
    return pack_writer_frame_count(writer) == 0;
}

int __real_store_folder_now(struct store *store, int64_t *ret_ms, struct err *err);
int __wrap_store_folder_now(struct store *store, int64_t *ret_ms, struct err *err);
int __wrap_store_folder_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    int rc = __real_store_folder_now(store, ret_ms, err);

    if (rc == 0 && writes)
        *ret_ms -= PAST_MS;
    return rc;
}

int storm_failed(const char *what, const struct err *err)
{
    printf("%s failed: %s\n", what, err->text);
    return 1;
}

static void pass_event(void *opaque, const struct prune_event *event)
{
    if (event->kind == PRUNE_DAMAGED) {
        ++*(unsigned *)opaque;
        printf("damaged: %s\n", event->text);
    }
}

/* Somebody who looks at points now and then, and changes his mind. What he comes too late for is no
 * failure. */
static int mark_any(struct storm *storm)
{
    static const struct mark mark = {"storm", "chance"};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_LISTING struct listing listing = {0};
    bool changed;

    if (listing_read(&storm->scope, NULL, NULL, &listing, &err) < 0)
        return storm_failed("prune", &err);
    if (listing.count == 0)
        return 0;
    const struct listed_point *any = &listing.points[chance_below(&storm->chance, listing.count)];
    int rc = any->trashed ? marks_undelete(&storm->scope, &any->id, &changed, &err)
             : chance_below(&storm->chance, 3)
                 ? marks_release(&storm->scope, &any->id, &changed, &err)
                 : marks_hold(&storm->scope, &any->id, &mark, &changed, &err);
    return rc < 0 && err.kind != ERR_NOT_FOUND ? storm_failed("prune", &err) : 0;
}

int storm_prune(struct storm *storm, unsigned rounds)
{
    unsigned damaged = 0;
    const struct prune_events events = {pass_event, &damaged};

    for (unsigned round = 0; round < rounds; round++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct prune_settings settings = {.policy = {.force = true}};
        struct prune_result result = {0};
        settings.policy.keep[RETENTION_LAST] = 1 + (uint32_t)chance_below(&storm->chance, 3);
        if (prune_run(&storm->scope, &settings, &events, &result, &err) < 0)
            return storm_failed("prune", &err);
        printf("dropped %llu, kept %llu\n", (unsigned long long)result.points_dropped,
               (unsigned long long)result.points_kept);
        if (mark_any(storm) != 0)
            return 1;
    }
    return damaged > 0;
}

static int create(const char *url)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    return repository_create(url, REPOSITORY_SCOPE, &repository, &err) < 0
               ? storm_failed("create", &err)
               : 0;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    const char *verb = argc > 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(verb, "create") == 0 && argc == 3)
        return create(argv[2]);
    if (argc < 3 || repository_open(argv[2], NULL, &repository, &err) < 0)
        return argc < 3 ? 2 : storm_failed("open", &err);
    struct storm storm = {.repository = repository,
                          .scope = {repository->store, repository->id, REPOSITORY_SCOPE},
                          .chance = argc > 3 ? strtoull(argv[3], NULL, 10) : 0};
    writes = strcmp(verb, "write") == 0;
    if (writes && argc == 7)
        return storm_write(&storm, number(argv[4]), number(argv[5]), number(argv[6]));
    if (strcmp(verb, "prune") == 0 && argc == 5)
        return storm_prune(&storm, number(argv[4]));
    if (strcmp(verb, "collect") == 0 && argc == 7)
        return storm_collect(&storm, argv[4], number(argv[5]), number(argv[6]));
    if (strcmp(verb, "check") == 0 && argc == 3)
        return storm_check(&storm);
    return 2;
}
