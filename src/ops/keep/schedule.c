/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/schedule.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/units.h"

static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* Two digits; moves on behind them. */
static bool parse_two_digits(const char **text, unsigned below, unsigned *ret)
{
    const char *c = *text;

    if (!isdigit((unsigned char)c[0]) || !isdigit((unsigned char)c[1]))
        return false;
    *ret = (unsigned)(c[0] - '0') * 10 + (unsigned)(c[1] - '0');
    *text += 2;
    return *ret < below;
}

/* "06:00,18:00" */
static bool parse_times(const char *text, struct schedule *ret)
{
    unsigned hour = 0, minute = 0;

    while (ret->count < SCHEDULE_TIMES_MAX && parse_two_digits(&text, 24, &hour) && *text == ':') {
        text++;
        if (!parse_two_digits(&text, 60, &minute))
            return false;
        ret->minutes[ret->count++] = hour * 60 + minute;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

static bool parse_weekday(const char *text, int *ret)
{
    for (int i = 0; i < 7; i++)
        if (strncmp(text, weekdays[i], 3) == 0 && text[3] == ' ') {
            *ret = i;
            return true;
        }
    return false;
}

int schedule_parse(const char *text, struct schedule *ret, struct err *err)
{
    struct schedule found = {.weekday = -1};

    if (strcmp(text, "hourly") == 0 ||
        (strncmp(text, "daily ", 6) == 0 && parse_times(text + 6, &found)) ||
        (strncmp(text, "weekly ", 7) == 0 && parse_weekday(text + 7, &found.weekday) &&
         parse_times(text + 11, &found))) {
        *ret = found;
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "'%s' does not say when backups are made; write it like \"hourly\", "
                   "\"daily 22:00\", \"daily 06:00,18:00\" or \"weekly sun 22:00\"",
                   text);
}

int64_t schedule_next(const struct schedule *schedule, int64_t after_ms)
{
    time_t after = (time_t)(after_ms / 1000);
    int64_t next_ms = INT64_MAX;
    struct tm local;

    if (schedule->count == 0)
        return (after_ms / HOUR_MS + 1) * HOUR_MS;
    localtime_r(&after, &local);
    for (int day = 0; day <= 7; day++)
        for (size_t i = 0; i < schedule->count; i++) {
            struct tm when = {.tm_year = local.tm_year,
                              .tm_mon = local.tm_mon,
                              .tm_mday = local.tm_mday + day,
                              .tm_min = (int)schedule->minutes[i],
                              .tm_isdst = -1};
            int64_t when_ms = (int64_t)mktime(&when) * 1000;
            bool fits = schedule->weekday < 0 || schedule->weekday == when.tm_wday;
            if (fits && when_ms > after_ms && when_ms < next_ms)
                next_ms = when_ms;
        }
    return next_ms;
}
