/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/meter.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"

/* The rate forgets what happened longer ago than about this. */
#define MEMORY_MS 3000

/* Before this an estimate means nothing, and a longer one does not either. */
#define MEANINGFUL_MS 2000
#define LONGEST_S (UINT64_C(100) * 86400)

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

static unsigned percent_done(const struct progress *progress)
{
    if (progress->done >= progress->total)
        return 100;
    return (unsigned)((double)progress->done * 100 / (double)progress->total);
}

bool meter_left(uint64_t done, uint64_t rest, uint64_t passed_ms, uint64_t *ret_seconds)
{
    if (done == 0 || passed_ms < MEANINGFUL_MS)
        return false;
    double seconds = (double)passed_ms * (double)rest / (double)done / 1000;
    if (seconds > LONGEST_S)
        return false;
    *ret_seconds = (uint64_t)seconds;
    return true;
}

static void append_rate(struct buf *line, const struct meter *meter)
{
    char text[UNITS_TEXT_SIZE];

    if (meter->rate > 0)
        buf_printf(line, "  %s/s", units_format_size((uint64_t)(meter->rate * 1000), text));
}

char *meter_short_line(const struct meter *meter, const struct progress *progress)
{
    struct buf line = {0};

    buf_printf(&line, "%s: %u%%", meter->subject, percent_done(progress));
    append_rate(&line, meter);
    return buf_take_str(&line);
}

char *meter_line(const struct meter *meter, const struct progress *progress)
{
    char done[UNITS_TEXT_SIZE];
    char total[UNITS_TEXT_SIZE];
    char text[UNITS_TEXT_SIZE];
    struct buf line = {0};

    buf_printf(&line, "%s: %u%%  %s of %s", meter->subject, percent_done(progress),
               units_format_size(progress->done, done), units_format_size(progress->total, total));
    append_rate(&line, meter);
    if (progress->done > 0)
        buf_printf(&line, "  ratio %.2f", (double)progress->stored / (double)progress->done);
    uint64_t rest = progress->total > progress->done ? progress->total - progress->done : 0;
    uint64_t rate_s = (uint64_t)(meter->rate * 1000);
    if (rest > 0 && progress->elapsed_ms >= MEANINGFUL_MS && rate_s > rest / LONGEST_S)
        buf_printf(&line, "  %s left", units_format_seconds(rest / rate_s, text));
    return buf_take_str(&line);
}
