/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/work.h"

void work_add(struct work *work, const struct pool_stats *stats, unsigned children, unsigned cpus)
{
    unsigned used = children < cpus ? children : cpus;

    work->reading_ms += stats->wait_source_ms;
    work->children_ms += stats->wait_children_ms;
    work->writing_ms += stats->wait_sink_ms;
    work->cpu_ms += stats->children_cpu_ms;
    work->capacity_ms += stats->elapsed_ms * used;
}

static uint64_t share_percent(uint64_t part, uint64_t whole)
{
    return whole ? (part * 100 + whole / 2) / whole : 0;
}

static enum event_bound longest_wait(const struct work *work)
{
    if (work->children_ms >= work->reading_ms && work->children_ms >= work->writing_ms)
        return BOUND_CHILDREN;
    return work->reading_ms >= work->writing_ms ? BOUND_READING : BOUND_WRITING;
}

void work_tell(const struct work *work, const struct report *report)
{
    uint64_t waited = work->reading_ms + work->children_ms + work->writing_ms;

    if (waited > 0)
        report_event(report, &(struct event){
                                 .kind = EVENT_BOTTLENECK,
                                 .bottleneck = {
                                     .bound = longest_wait(work),
                                     .reading = share_percent(work->reading_ms, waited),
                                     .children = share_percent(work->children_ms, waited),
                                     .writing = share_percent(work->writing_ms, waited),
                                     .children_cpu_ms = work->cpu_ms,
                                     .efficiency = share_percent(work->cpu_ms, work->capacity_ms),
                                 }});
}
