/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/report.h"

#include <stdarg.h>

#include "base/cleanup.h"

void report_failure(const struct report *report, struct outcome *outcome, const char *guest,
                    const struct err *err)
{
    struct json *fields = json_new_object();

    outcome->failed++;
    json_set_str(fields, "guest", guest);
    json_set_str(fields, "kind", err_kind_name(err->kind));
    json_set_str(fields, "error", err->text);
    report->event(report->opaque, "guest-failed", fields, err->text);
}

void report_no_match(const struct report *report, struct outcome *outcome, const char *option,
                     const char *name, const char *what)
{
    struct json *fields = json_new_object();
    CLEANUP_FREE char *text = mem_printf("%s: %s", option, what);

    outcome->failed++;
    json_set_str(fields, "option", option);
    json_set_str(fields, "name", name);
    json_set_str(fields, "kind", err_kind_name(ERR_NOT_FOUND));
    json_set_str(fields, "error", text);
    report->event(report->opaque, "no-match", fields, text);
}

void report_not_tried(const struct report *report, const char *guest)
{
    struct json *fields = json_new_object();

    json_set_str(fields, "guest", guest);
    report_event(report, "guest-not-tried", fields, "guest '%s': not tried", guest);
}

void report_position(const struct report *report, const struct report_position *position)
{
    if (report->position)
        report->position(report->opaque, position);
}

void report_event(const struct report *report, const char *event, struct json *fields,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP_FREE char *text = mem_vprintf(format, args);
    va_end(args);
    report->event(report->opaque, event, fields ? fields : json_new_object(), text);
}

void report_warning(const struct report *report, const char *guest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP_FREE char *text = mem_vprintf(format, args);
    va_end(args);
    struct json *fields = json_new_object();
    json_set_str(fields, "guest", guest);
    json_set_str(fields, "warning", text);
    CLEANUP_FREE char *line = guest ? mem_printf("guest '%s': %s", guest, text) : mem_strdup(text);
    report->event(report->opaque, "warning", fields, line);
}
