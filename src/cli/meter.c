/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/meter.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"

/* The rate forgets what happened longer ago than about this. */
#define MEMORY_MS 3000

void meter_update(struct meter *meter, const struct progress *progress)
{
    CLEANUP_FREE char *subject = mem_printf("%s%s%s", progress->guest ? progress->guest : "",
                                            progress->guest && progress->what ? " " : "",
                                            progress->what ? progress->what : "");

    if (!meter->subject || strcmp(meter->subject, subject) != 0 || progress->done < meter->done ||
        progress->elapsed_ms < meter->elapsed_ms) {
        meter_clear(meter);
        meter->subject = TAKE_PTR(subject);
    }
    /* Bytes arrive a chunk at a time: the time until the next chunk is done is not idle time. */
    if (progress->elapsed_ms == meter->elapsed_ms || progress->done == meter->done)
        return;
    double passed = (double)(progress->elapsed_ms - meter->elapsed_ms);
    double now = (double)(progress->done - meter->done) / passed;
    bool first = meter->elapsed_ms == 0;
    meter->rate = first ? now : meter->rate + (now - meter->rate) * passed / (passed + MEMORY_MS);
    meter->done = progress->done;
    meter->elapsed_ms = progress->elapsed_ms;
}

void meter_clear(struct meter *meter)
{
    free(meter->subject);
    *meter = (struct meter){0};
}

static unsigned percent(const struct progress *progress)
{
    if (progress->done >= progress->total)
        return 100;
    return (unsigned)((double)progress->done * 100 / (double)progress->total);
}

char *meter_line(const struct meter *meter, const struct progress *progress)
{
    char done[UNITS_TEXT_SIZE];
    char total[UNITS_TEXT_SIZE];
    char text[UNITS_TEXT_SIZE];
    struct buf line = {0};

    buf_printf(&line, "%s: %u%%  %s of %s", meter->subject, percent(progress),
               units_format_size(progress->done, done), units_format_size(progress->total, total));
    if (meter->rate > 0)
        buf_printf(&line, "  %s/s", units_format_size((uint64_t)(meter->rate * 1000), text));
    if (progress->done > 0)
        buf_printf(&line, "  ratio %.2f", (double)progress->stored / (double)progress->done);
    if (meter->rate > 0 && progress->done < progress->total)
        buf_printf(
            &line, "  %s left",
            units_format_seconds(
                (uint64_t)((double)(progress->total - progress->done) / meter->rate / 1000), text));
    return buf_take_str(&line);
}
