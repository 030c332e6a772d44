/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/work.h"

#include <inttypes.h>

#include "base/log.h"

void work_add(struct work *work, const struct pool_stats *stats, unsigned children, unsigned cpus)
{
    unsigned used = children < cpus ? children : cpus;

    work->reading_ms += stats->wait_source_ms;
    work->children_ms += stats->wait_children_ms;
    work->writing_ms += stats->wait_sink_ms;
    work->cpu_ms += stats->children_cpu_ms;
    work->capacity_ms += stats->elapsed_ms * used;
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
    return whole ? (part * 100 + whole / 2) / whole : 0;
}

static const char *bound_by(const struct work *work)
{
    if (work->children_ms >= work->reading_ms && work->children_ms >= work->writing_ms)
        return "children";
    return work->reading_ms >= work->writing_ms ? "reading" : "writing";
}

void work_tell(const struct work *work, const struct report *report)
{
    uint64_t waited = work->reading_ms + work->children_ms + work->writing_ms;
    uint64_t reading = percent(work->reading_ms, waited);
    uint64_t children = percent(work->children_ms, waited);
    uint64_t writing = percent(work->writing_ms, waited);
    uint64_t efficiency = percent(work->cpu_ms, work->capacity_ms);

    if (waited == 0)
        return;
    log_detail("waited for: reading %" PRIu64 "%%, children %" PRIu64 "%%, writing %" PRIu64
               "%%; bound by %s; codec efficiency %" PRIu64 ".%02" PRIu64,
               reading, children, writing, bound_by(work), efficiency / 100, efficiency % 100);
    struct json *fields = json_new_object();
    json_set_str(fields, "bound-by", bound_by(work));
    json_set_u64(fields, "reading-percent", reading);
    json_set_u64(fields, "children-percent", children);
    json_set_u64(fields, "writing-percent", writing);
    json_set_u64(fields, "children-cpu-ms", work->cpu_ms);
    json_set_u64(fields, "codec-efficiency-percent", efficiency);
    report->event(report->opaque, "bottleneck", fields, NULL);
}
