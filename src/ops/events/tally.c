/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/events/tally.h"

#include "base/units.h"

void tally_stored(struct tally *tally, const struct manifest_stored *stored,
                  const struct tally_image *image)
{
    const struct sizes sizes = {
        .image = stored->image.raw_size,
        .stored = stored->place == PLACE_FILE ? stored->file.size : image->usage,
        .usage = image->usage,
    };

    sizes_add(&tally->sizes, &sizes);
    report_event(tally->report,
                 &(struct event){.kind = EVENT_IMAGE_STORED,
                                 .guest = tally->guest,
                                 .image_stored = {image->what, stored->file.name, sizes,
                                                  image->read, image->increment}});
}

void tally_done(struct tally *tally, const struct manifest *manifest)
{
    struct event event = {
        .kind = EVENT_BACKED_UP, .guest = tally->guest, .point_id = tally->point_id};

    for (size_t i = 0; i < manifest->extra_count; i++) {
        uint64_t size = manifest->extras[i].stored.image.raw_size;
        sizes_add(&tally->sizes, &(struct sizes){size, size, size});
    }
    event.backed_up = (struct event_backed_up){
        .done = {.disks = manifest->disk_count,
                 .memory = manifest->memory != NULL,
                 .sizes = tally->sizes,
                 .elapsed_ms = units_now_ms() - tally->started_ms},
        .consistency = manifest->consistency,
        .downtime = {manifest->has_downtime && !tally->copied, manifest->downtime_ms},
        .copied = tally->copied,
    };
    report_event(tally->report, &event);
}
