/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "repository/keep/collect.h"
#include "storm.h"

#define LOOK_MS 200

static void print_event(void *opaque, const struct collect_event *event)
{
    char text[ID_TEXT_SIZE];

    (void)opaque;
    if (event->kind == COLLECT_STAYS || event->kind == COLLECT_UNKNOWN)
        printf("event %d of %s: %s\n", (int)event->kind, id_text(&event->point.session, text),
               event->text);
}

int storm_collect(struct storm *storm, const char *state, int64_t silence_ms, unsigned rounds)
{
    static const struct collect_events events = {.call = print_event};
    CLEANUP_CLOSE int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct collect_settings settings = {.scope = REPOSITORY_SCOPE,
                                              .state_fd = fd,
                                              .host = "storm",
                                              .silence_ms = silence_ms,
                                              .wait = true,
                                              .look_ms = LOOK_MS};

    for (unsigned round = 0; round < rounds; round++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct collect_result result = {0};
        if (collect_run(storm->repository, &settings, &events, &result, &err) < 0)
            return storm_failed("collect", &err);
        printf("collected %" PRIu64 " packs, %" PRIu64 " points, fenced %" PRIu64 ", outcome %d\n",
               result.packs_removed, result.points_removed, result.sessions_fenced,
               (int)result.outcome);
    }
    return 0;
}
