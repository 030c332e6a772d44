/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state of guests: for people a table, for a monitoring system what its plugins print.
 */
#include "cli/events_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/terminal.h"
#include "base/units.h"
#include "base/when.h"
#include "ops/status.h"

#define MINUTE_S 60
#define HOUR_S (60 * MINUTE_S)
#define DAY_S (24 * HOUR_S)

static const char *const state_words[STATUS_STATES] = {
    [STATUS_STATE_OK] = "ok",       [STATUS_STATE_FAILED] = "failed",
    [STATUS_STATE_STALE] = "stale", [STATUS_STATE_NEVER] = "never",
    [STATUS_STATE_GONE] = "gone",
};

/* "35m", "26h", "3d": what has passed, in the unit that tells enough. */
static const char *age_text(int64_t seconds, char text[static UNITS_TEXT_SIZE])
{
    int64_t past = seconds < 0 ? 0 : seconds;

    if (past < HOUR_S)
        snprintf(text, UNITS_TEXT_SIZE, "%" PRId64 "m", past / MINUTE_S);
    else if (past < 2 * DAY_S)
        snprintf(text, UNITS_TEXT_SIZE, "%" PRId64 "h", past / HOUR_S);
    else
        snprintf(text, UNITS_TEXT_SIZE, "%" PRId64 "d", past / DAY_S);
    return text;
}

static const char *age_at(const struct status *status, int64_t when_ms,
                          char text[static UNITS_TEXT_SIZE])
{
    return age_text((status->now_ms - when_ms) / 1000, text);
}

/* ---- a guest ------------------------------------------------------------------------------------ */

static int name_width(const struct status *status)
{
    size_t width = strlen("GUEST");

    for (size_t i = 0; i < status->count; i++)
        if (strlen(status->guests[i].name) > width)
            width = strlen(status->guests[i].name);
    return (int)(width < 40 ? width : 40);
}

static void put_failure(const struct status *status, const struct status_guest *guest,
                        struct buf *text)
{
    char age[UNITS_TEXT_SIZE];

    if (!guest->failure.verb) {
        buf_append_str(text, "never");
        return;
    }
    buf_printf(text, "%s ago, %s on %s: ", age_at(status, guest->failure.ended_s * 1000, age),
               guest->failure.verb, guest->failure.host);
    if (guest->failure.reason)
        buf_append_str(text, results_reason(guest->failure.reason, guest->name));
    else
        buf_printf(text, "exit status %d", guest->failure.status);
}

static void put_guest_remarks(const struct status_guest *guest, struct buf *text)
{
    if (guest->damaged)
        buf_printf(text, "; %zu of its %zu points damaged", guest->damaged, guest->points);
    if (guest->ahead)
        buf_printf(text, "; %zu of its %zu points of the future: a clock was wrong", guest->ahead,
                   guest->points);
    if (guest->unreadable)
        buf_printf(text, "; its points cannot be listed: %s",
                   results_reason(guest->unreadable, guest->name));
}

static void put_raw_row(const struct status *status, const struct status_guest *guest,
                        struct buf *text)
{
    char utc[WHEN_TEXT_SIZE], when[WHEN_TEXT_SIZE], age[UNITS_TEXT_SIZE];
    char verified[UNITS_TEXT_SIZE], size[UNITS_TEXT_SIZE], stored[UNITS_TEXT_SIZE];

    buf_printf(text, "%-*s  %-6s  ", name_width(status), guest->name, state_words[guest->state]);
    if (guest->point)
        buf_printf(text, "%-25s  %4s  %10s  %10s", when_local(when_utc(guest->taken_ms, utc), when),
                   age_at(status, guest->taken_ms, age), units_format_size(guest->size, size),
                   units_format_size(guest->stored, stored));
    else
        buf_printf(text, "%-25s  %4s  %10s  %10s", "never", "-", "-", "-");
    buf_printf(text, "  %8s  ",
               guest->verified_ms ? age_at(status, guest->verified_ms, verified) : "never");
    put_failure(status, guest, text);
    put_guest_remarks(guest, text);
}

/* Names and reasons, which may come from others, must not look like another row. */
static void put_row(const struct status *status, const struct status_guest *guest, struct buf *text)
{
    struct buf row = {0};

    put_raw_row(status, guest, &row);
    CLEANUP_FREE char *raw = buf_take_str(&row);
    CLEANUP_FREE char *line = terminal_safe_line(raw);
    buf_append_str(text, line);
}

static void write_status(const struct event *event, struct buf *text)
{
    const struct event_status *status = &event->status;

    if (status->first)
        buf_printf(text, "%-*s  %-6s  %-25s  %4s  %10s  %10s  %8s  %s\n", name_width(status->all),
                   "GUEST", "STATE", "NEWEST GOOD POINT", "AGE", "SIZE", "NEW", "VERIFIED",
                   "LAST FAILURE");
    put_row(status->all, status->guest, text);
}

static void put_failure_fields(const struct status_guest *guest, struct json *fields)
{
    struct json *failure = json_new_object();
    char utc[WHEN_TEXT_SIZE];

    json_set_str(failure, "time", when_utc(guest->failure.ended_s * 1000, utc));
    json_set_str(failure, "verb", guest->failure.verb);
    json_set_str(failure, "job", guest->failure.job);
    json_set_str(failure, "host", guest->failure.host);
    json_set_u64(failure, "status", (uint64_t)guest->failure.status);
    json_set_str(failure, "reason", guest->failure.reason);
    json_set_bool(failure, "open", guest->failure.open);
    json_set(fields, "last-failure", failure);
}

static void write_status_fields(const struct event *event, struct json *fields)
{
    const struct status_guest *guest = event->status.guest;
    int64_t age_ms = event->status.all->now_ms - guest->taken_ms;
    char utc[WHEN_TEXT_SIZE];

    json_set_str(fields, "guest", guest->name);
    json_set_str(fields, "uuid", guest->uuid);
    json_set_str(fields, "state", state_words[guest->state]);
    json_set_bool(fields, "on-host", guest->on_host);
    if (guest->point) {
        json_set_str(fields, "point", guest->point[0] ? guest->point : NULL);
        json_set_str(fields, "place", guest->place);
        json_set_str(fields, "scope", guest->scope);
        json_set_str(fields, "time", when_utc(guest->taken_ms, utc));
        json_set_u64(fields, "age-seconds", age_ms < 0 ? 0 : (uint64_t)age_ms / 1000);
        json_set_u64(fields, "image-size", guest->size);
        json_set_u64(fields, "new-size", guest->stored);
    }
    json_set_u64(fields, "points", guest->points);
    json_set_u64(fields, "damaged", guest->damaged);
    json_set_u64(fields, "ahead", guest->ahead);
    json_set_str(fields, "verified", guest->verified_ms ? when_utc(guest->verified_ms, utc) : NULL);
    if (guest->unreadable)
        json_set_str(fields, "error", guest->unreadable);
    if (guest->failure.verb)
        put_failure_fields(guest, fields);
}

/* ---- all of them -------------------------------------------------------------------------------- */

static void put_state_count(const struct status *status, enum status_state state, const char *words,
                            const char **between, struct buf *text)
{
    if (status->states[state] == 0)
        return;
    buf_printf(text, "%s%zu %s", *between, status->states[state], words);
    *between = ", ";
}

static void put_state_counts(const struct status *status, struct buf *text)
{
    const char *between = "";

    put_state_count(status, STATUS_STATE_NEVER, "without a good backup", &between, text);
    put_state_count(status, STATUS_STATE_STALE, "whose newest is too old", &between, text);
    put_state_count(status, STATUS_STATE_FAILED, "with a failure since", &between, text);
    put_state_count(status, STATUS_STATE_OK, "ok", &between, text);
    put_state_count(status, STATUS_STATE_GONE, "not on this host", &between, text);
    if (status->count == 0)
        buf_append_str(text, "no guests");
    if (status->missing)
        buf_printf(text, ", %zu not found", status->missing);
}

/* Of the guests of the host that have a good point. */
static int64_t oldest_age_s(const struct status *status)
{
    int64_t oldest = 0;

    for (size_t i = 0; i < status->count; i++) {
        const struct status_guest *guest = &status->guests[i];
        int64_t age = (status->now_ms - guest->taken_ms) / 1000;
        if (guest->on_host && guest->point && age > oldest)
            oldest = age;
    }
    return oldest;
}

/* A bar separates the text from the values. */
static void put_plugin_text(const char *line, struct buf *text)
{
    for (const char *p = line; *p; p++)
        buf_append(text, *p == '|' ? "/" : *p == '\n' ? " " : p, 1);
}

static const char *plugin_word(const struct status *status)
{
    return status_is_bad(status) ? "CRITICAL" : status_is_doubtful(status) ? "WARNING" : "OK";
}

/* 'label'=value[unit];[warning above];[critical above];[least];[most] */
static void put_plugin_values(const struct status *status, struct buf *text)
{
    const size_t *states = status->states;

    buf_printf(text,
               " | oldest=%" PRId64 "s;;%" PRId64
               ";0; ok=%zu;;;0; failed=%zu;0;;0; stale=%zu;;0;0; "
               "never=%zu;;0;0; gone=%zu;;;0;",
               oldest_age_s(status), status->max_age_ms / 1000, states[STATUS_STATE_OK],
               states[STATUS_STATE_FAILED], states[STATUS_STATE_STALE], states[STATUS_STATE_NEVER],
               states[STATUS_STATE_GONE]);
}

static void write_plugin(const struct event_status_total *total, struct buf *text)
{
    const struct status *status = total->all;
    CLEANUP_BUF struct buf counts = {0};

    if (!status) {
        buf_append_str(text, "UNKNOWN - ");
        put_plugin_text(total->unknown, text);
        return;
    }
    put_state_counts(status, &counts);
    buf_put_u8(&counts, '\0');
    buf_printf(text, "%s - %s", plugin_word(status), (const char *)counts.data);
    put_plugin_values(status, text);
    for (size_t i = 0; i < status->count; i++) {
        CLEANUP_BUF struct buf row = {0};
        if (status->guests[i].state == STATUS_STATE_OK ||
            status->guests[i].state == STATUS_STATE_GONE)
            continue;
        put_row(status, &status->guests[i], &row);
        buf_put_u8(&row, '\0');
        buf_append_str(text, "\n");
        put_plugin_text((const char *)row.data, text);
    }
}

static void write_total(const struct event *event, struct buf *text)
{
    if (event->status_total.plugin)
        write_plugin(&event->status_total, text);
    else
        put_state_counts(event->status_total.all, text);
}

static void write_total_fields(const struct event *event, struct json *fields)
{
    const struct status *status = event->status_total.all;

    if (!status) {
        json_set_str(fields, "error", event->status_total.unknown);
        return;
    }
    json_set_u64(fields, "guests", status->count);
    for (size_t i = 0; i < STATUS_STATES; i++)
        json_set_u64(fields, state_words[i], status->states[i]);
    json_set_u64(fields, "max-age-seconds", (uint64_t)status->max_age_ms / 1000);
    json_set_bool(fields, "good", !status_is_bad(status));
}

const struct event_form events_status = {"guest-status", EVENT_AS_RESULT, write_status,
                                         write_status_fields};
const struct event_form events_status_total = {"status", EVENT_AS_RESULT, write_total,
                                               write_total_fields};
