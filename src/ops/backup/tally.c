/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/tally.h"

#include <inttypes.h>

#include "base/units.h"

const char *backup_tally_method(enum manifest_consistency consistency)
{
    switch (consistency) {
    case CONSISTENCY_LIVE:
        return "live";
    case CONSISTENCY_PAUSE:
        return "pause";
    case CONSISTENCY_SAVE:
        return "save";
    case CONSISTENCY_OFFLINE:
        return "offline";
    case CONSISTENCY_FROZEN:
    case CONSISTENCY_CRASH:
        break;
    }
    return "none";
}

const char *backup_tally_consistency(enum manifest_consistency consistency)
{
    switch (consistency) {
    case CONSISTENCY_OFFLINE:
        return "shut-off";
    case CONSISTENCY_FROZEN:
        return "frozen";
    case CONSISTENCY_CRASH:
        return "crash";
    case CONSISTENCY_LIVE:
    case CONSISTENCY_PAUSE:
    case CONSISTENCY_SAVE:
        break;
    }
    return "memory";
}

void backup_tally_stored(struct backup_tally *tally, const char *what,
                         const struct manifest_stored *stored, uint64_t usage)
{
    char raw[UNITS_TEXT_SIZE];
    char kept[UNITS_TEXT_SIZE];
    struct json *fields = json_new_object();
    const struct sizes sizes = {stored->image.raw_size, stored->file.size, usage};

    sizes_add(&tally->sizes, &sizes);
    json_set_str(fields, "guest", tally->guest);
    json_set_str(fields, "disk", what);
    json_set_str(fields, "file", stored->file.name);
    sizes_describe(&sizes, fields);
    report_event(tally->report, "disk-done", fields,
                 "guest '%s': %s: %s stored as %s, which takes %s", tally->guest, what,
                 units_format_size(stored->image.raw_size, raw), stored->file.name,
                 units_format_size(usage, kept));
}

void backup_tally_done(struct backup_tally *tally, const struct manifest *manifest)
{
    char raw[UNITS_TEXT_SIZE];
    char kept[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];
    uint64_t elapsed_ms = units_now_ms() - tally->started_ms;
    struct json *fields = json_new_object();
    CLEANUP_FREE char *down = NULL;

    for (size_t i = 0; i < manifest->extra_count; i++) {
        uint64_t size = manifest->extras[i].stored.file.size;
        sizes_add(&tally->sizes, &(struct sizes){size, size, size});
    }
    json_set_str(fields, "guest", tally->guest);
    json_set_str(fields, "method", backup_tally_method(manifest->consistency));
    json_set_str(fields, "consistency", backup_tally_consistency(manifest->consistency));
    json_set_u64(fields, "disks", manifest->disk_count);
    json_set_bool(fields, "memory", manifest->memory != NULL);
    sizes_describe(&tally->sizes, fields);
    json_set_u64(fields, "elapsed-ms", elapsed_ms);
    if (manifest->has_downtime) {
        json_set_u64(fields, "downtime-ms", manifest->downtime_ms);
        down = mem_printf(", down for %" PRIu64 ".%" PRIu64 " s", manifest->downtime_ms / 1000,
                          manifest->downtime_ms % 1000 / 100);
    }
    report_event(tally->report, "guest-done", fields,
                 "guest '%s': backed up, %zu disk%s%s: %s stored in %s, %s%s", tally->guest,
                 manifest->disk_count, manifest->disk_count == 1 ? "" : "s",
                 manifest->memory ? " and memory" : "", units_format_size(tally->sizes.image, raw),
                 units_format_size(tally->sizes.usage, kept),
                 units_format_seconds(elapsed_ms / 1000, time), down ? down : "");
}
