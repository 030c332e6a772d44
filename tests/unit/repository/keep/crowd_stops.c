/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the actors of a crowd are stopped for long: between a look and what is done for it, and between a
 * change and what makes it durable.
 */
#include "../../chance.h"
#include "crowd_actors.h"

#define ANYWHERE {MEMORY_NOW, '*', 0}

static const struct crowd_stop writer_stops[] = {
    ANYWHERE,
    {MEMORY_CREATE, 's', 0},
    {MEMORY_LIST, 't', 0},
    {MEMORY_LIST, 'p', 0},
    {MEMORY_GET, 'p', 0},
    {MEMORY_CREATE, 'd', 0},
    {MEMORY_SETTLE, 'd', 0},
    {MEMORY_GET, 's', 0},
    {MEMORY_CREATE, 'p', 0},
};
static const struct crowd_stop collector_stops[] = {
    ANYWHERE,
    {MEMORY_LIST, 't', 0},
    {MEMORY_LIST, 'h', 0},
    {MEMORY_CREATE, 't', 0},
    {MEMORY_CREATE, 'c', 0},
    {MEMORY_LIST, 'v', 0},
    {MEMORY_LIST, 'd', 0},
    {MEMORY_LIST, 'p', 0},
    {MEMORY_LIST, 's', 0},
    {MEMORY_GET, 'p', 0},
    {MEMORY_GET, 'c', 0},
    {MEMORY_REPLACE, 'p', 0},
    {MEMORY_FLUSH, 'p', 0},
    {MEMORY_SETTLE, 'p', 0},
    {MEMORY_DELETE, 't', 0},
    {MEMORY_SETTLE, 't', 0},
    {MEMORY_DELETE, 'd', 0},
};
/* Of those who mark, hold and undelete. */
static const struct crowd_stop other_stops[] = {
    ANYWHERE,
    {MEMORY_LIST, 't', 0},
    {MEMORY_CREATE, 't', 0},
    {MEMORY_CREATE, 'h', 0},
    {MEMORY_GET, 'p', 0},
};

void crowd_choose_stops(struct crowd_actor *actor)
{
    struct crowd *crowd = actor->crowd;
    const struct crowd_stop *stops = other_stops;
    uint64_t count = sizeof(other_stops) / sizeof(*other_stops);

    if (actor->role == ROLE_WRITER) {
        stops = writer_stops;
        count = sizeof(writer_stops) / sizeof(*writer_stops);
    } else if (actor->role == ROLE_COLLECTOR) {
        stops = collector_stops;
        count = sizeof(collector_stops) / sizeof(*collector_stops);
    }
    for (uint64_t i = chance_below(&crowd->chance, CROWD_STOPS + 1); i-- > 0;) {
        actor->stops[i] = stops[chance_below(&crowd->chance, count)];
        actor->stops[i].times = 1 + (unsigned)chance_below(&crowd->chance, 3);
    }
}

void crowd_stop_at(struct crowd_actor *actor, enum memory_step step, const char *name)
{
    struct crowd *crowd = actor->crowd;
    struct crowd_stop *stop = &actor->stops[actor->stop_next];

    if (stop->times == 0 || (stop->top != '*' && (stop->step != step || stop->top != name[0])) ||
        --stop->times > 0)
        return;
    actor->stop_next++;
    schedule_stop(crowd->schedule, actor->number);
    if (crowd->fault == FAULT_SETBACK && crowd->snapshot_at_stop && !crowd->snapshot)
        crowd->snapshot = memory_snapshot(crowd->memory);
}
