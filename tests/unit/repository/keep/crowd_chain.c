/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "crowd_actors.h"

/* Of the chain: who goes on, until for the given time it is about to do this, or has ended. */
static const struct scene {
    unsigned actor;
    enum memory_step step;
    const char *name;
    unsigned times; /* 0: until it has ended */
} chain_scenes[] = {
    {0, MEMORY_CREATE, "d/", 1}, /* the first session has read its base */
    {1, MEMORY_NOW, "", 0},      /* all points go into the trash */
    {2, MEMORY_GET, "c/", 1},    /* the first collection waits for that session */
    {0, MEMORY_NOW, "", 0},
    {3, MEMORY_CREATE, "d/", 1}, /* the second session has read the point of the first */
    {4, MEMORY_NOW, "", 0},      /* that goes into the trash, too */
    {5, MEMORY_GET, "c/", 1},    /* the second collection waits for the second session */
    {2, MEMORY_GET, "p/", 2},    /* the first one has listed the point, and is about to read it */
    {3, MEMORY_NOW, "", 0},
    {5, MEMORY_NOW, "", 0}, /* the second one removes it */
};
#define SCENES (sizeof(chain_scenes) / sizeof(chain_scenes[0]))

static unsigned ask_scene(void *opaque)
{
    struct crowd *crowd = opaque;

    while (crowd->scene < SCENES) {
        const struct scene *scene = &chain_scenes[crowd->scene];
        const struct crowd_actor *actor = &crowd->actors[scene->actor];
        bool there = scene->times > 0 && actor->next == scene->step &&
                     strncmp(actor->next_name, scene->name, strlen(scene->name)) == 0 &&
                     actor->next_name[0] && crowd->scene_step != crowd->steps;
        crowd->scene_times += there;
        crowd->scene_step = crowd->steps;
        if (!schedule_has_ended(crowd->schedule, scene->actor) &&
            (scene->times == 0 || crowd->scene_times < scene->times))
            return scene->actor;
        crowd->scene++;
        crowd->scene_times = 0;
        crowd->scene_step = UINT32_MAX;
    }
    return SCHEDULE_ACTORS;
}

void crowd_chain(struct crowd *crowd)
{
    struct schedule_plan plan = {.kind = SCHEDULE_ASKED, .ask = ask_scene, .opaque = crowd};

    crowd->scene = crowd->scene_times = 0;
    crowd->scene_step = UINT32_MAX;
    schedule_begin(crowd->schedule, &plan);
    for (unsigned i = 0; i < 6; i++) {
        struct crowd_actor *actor = NULL;
        if (i == 1 || i == 4) {
            crowd_add(crowd, ROLE_OTHER, crowd_prune_all);
        } else if (i == 2 || i == 5) {
            actor = crowd_add(crowd, ROLE_COLLECTOR, crowd_collect);
            actor->collector.state_fd = crowd->state_fds[i == 5];
            actor->collector.runs = 2;
        } else {
            actor = crowd_add(crowd, ROLE_WRITER, crowd_write);
            actor->writer.guest = actor->writer.sessions = actor->writer.packs = 1;
        }
    }
    crowd_play(crowd);
    if (crowd->scene < SCENES)
        ledger_violate(&crowd->ledger, NULL, "the chain was not played to its end");
}
