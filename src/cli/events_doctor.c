/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What doctor has found.
 */
#include "cli/events_private.h"

#include "base/terminal.h"

static const char *severity_word(enum finding_severity severity)
{
    static const char *const words[FINDING_SEVERITIES] = {
        [FINDING_GOOD] = "good",
        [FINDING_NOTE] = "note",
        [FINDING_WARNING] = "warning",
        [FINDING_PROBLEM] = "problem",
    };

    return words[severity];
}

/* "problem  guest 'web', disk 'vda': ..." */
static void put_finding(const struct event *event, struct buf *text)
{
    const struct event_finding *finding = &event->finding;

    buf_printf(text, "%-8s ", severity_word(finding->severity));
    if (event->guest)
        buf_printf(text, "guest '%s'", event->guest);
    if (event->guest && finding->disk)
        buf_printf(text, ", disk '%s'", finding->disk);
    else if (!event->guest)
        buf_append_str(text, finding->area);
    if (!event->guest && finding->place)
        buf_printf(text, " %s", finding->place);
    buf_printf(text, ": %s", finding->text);
}

/* What it says of files and backups may come from others, and must not look like a remedy. */
static void write_finding(const struct event *event, struct buf *text)
{
    struct buf found = {0};

    put_finding(event, &found);
    CLEANUP_FREE char *raw = buf_take_str(&found);
    CLEANUP_FREE char *line = terminal_safe_line(raw);
    buf_append_str(text, line);
    if (event->finding.remedy)
        buf_printf(text, "\n         remedy: %s", event->finding.remedy);
}

static void write_finding_fields(const struct event *event, struct json *fields)
{
    const struct event_finding *finding = &event->finding;

    json_set_str(fields, "severity", severity_word(finding->severity));
    json_set_str(fields, "subject", finding->area);
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "disk", finding->disk);
    json_set_str(fields, "place", finding->place);
    json_set_str(fields, "text", finding->text);
    json_set_str(fields, "remedy", finding->remedy);
}

static void write_examined(const struct event *event, struct buf *text)
{
    const struct event_examined *examined = &event->examined;

    buf_printf(text, "%u problem%s, %u warning%s, %u note%s, %u good", examined->problems,
               examined->problems == 1 ? "" : "s", examined->warnings,
               examined->warnings == 1 ? "" : "s", examined->notes, examined->notes == 1 ? "" : "s",
               examined->good);
}

static void write_examined_fields(const struct event *event, struct json *fields)
{
    const struct event_examined *examined = &event->examined;

    json_set_u64(fields, "problems", examined->problems);
    json_set_u64(fields, "warnings", examined->warnings);
    json_set_u64(fields, "notes", examined->notes);
    json_set_u64(fields, "good", examined->good);
}

const struct event_form events_finding = {"finding", EVENT_AS_RESULT, write_finding,
                                          write_finding_fields};
const struct event_form events_examined = {"examined", EVENT_AS_RESULT, write_examined,
                                           write_examined_fields};
