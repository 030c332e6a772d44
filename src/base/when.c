/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/when.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *when_now(char text[static WHEN_TEXT_SIZE])
{
    time_t now = time(NULL);
    struct tm local;
    char zone[8];

    localtime_r(&now, &local);
    strftime(zone, sizeof(zone), "%z", &local);
    size_t len = strftime(text, WHEN_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &local);
    snprintf(text + len, WHEN_TEXT_SIZE - len, "%.3s:%.2s", zone, zone + 3);
    return text;
}

/* "Z", "+02:00", "+0200" in seconds. */
static bool when_parse_zone(const char *text, long *ret)
{
    unsigned hours = 0;
    unsigned minutes = 0;
    int used = 0;
    int read = 0;

    *ret = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    read = sscanf(text + 1, strchr(text, ':') ? "%2u:%2u%n" : "%2u%2u%n", &hours, &minutes, &used);
    if (read != 2 || text[1 + used] != '\0')
        return false;
    *ret = (long)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
    return true;
}

const char *when_local(const char *rfc3339, char text[static WHEN_TEXT_SIZE])
{
    struct tm fields = {0};
    long offset = 0;
    const char *zone = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &fields);

    if (zone && *zone == '.') /* a fraction of the second */
        zone += 1 + strspn(zone + 1, "0123456789");
    if (!zone || !when_parse_zone(zone, &offset)) {
        snprintf(text, WHEN_TEXT_SIZE, "%s", rfc3339);
        return text;
    }
    time_t when = timegm(&fields) - offset;
    localtime_r(&when, &fields);
    strftime(text, WHEN_TEXT_SIZE, "%Y-%m-%d %H:%M:%S %z", &fields);
    return text;
}

const char *when_utc(int64_t time_ms, char text[static WHEN_TEXT_SIZE])
{
    time_t when = (time_t)(time_ms / 1000);
    struct tm fields;

    gmtime_r(&when, &fields);
    strftime(text, WHEN_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &fields);
    return text;
}

/* What a text names: a day, or so long from a time of day. */
struct when_named {
    struct tm fields;
    bool day;
    int64_t last_ms;  /* of a time of day: its last, from the second in the fields on */
    const char *zone; /* of a time of day: what follows it; borrowed */
};

/* Reads digits, of which only the first three count. Returns a pointer to what follows the last of
 * them, or NULL if there are none. */
static const char *when_parse_fraction(const char *text, int64_t *ret_last_ms)
{
    size_t digits = strspn(text, "0123456789");

    *ret_last_ms = 0;
    for (size_t i = 0; i < 3; i++)
        *ret_last_ms = *ret_last_ms * 10 + (i < digits ? text[i] - '0' : 9);
    return digits ? text + digits : NULL;
}

static bool when_parse_fields(const char *text, struct when_named *ret)
{
    const char *end = strptime(text, "%Y-%m-%d", &ret->fields);
    const char *minute = NULL;
    const char *second = NULL;

    ret->day = end && *end == '\0';
    if (ret->day)
        return true;
    if (!end || (*end != ' ' && *end != 'T') ||
        !(minute = strptime(end + 1, "%H:%M", &ret->fields)))
        return false;
    if (*minute == ':')
        second = strptime(minute, ":%S", &ret->fields);
    ret->last_ms = second ? 999 : 59999;
    ret->zone = second ? second : minute;
    if (second && *second == '.')
        ret->zone = when_parse_fraction(second + 1, &ret->last_ms);
    return ret->zone;
}

/* mktime takes 30 February for a day in March. */
static bool when_is_in_calendar(const struct tm *fields)
{
    struct tm day = {
        .tm_year = fields->tm_year, .tm_mon = fields->tm_mon, .tm_mday = fields->tm_mday};

    (void)timegm(&day);
    return day.tm_mday == fields->tm_mday;
}

/* Days are of 23 or 25 hours, too, where clocks are changed: at midnight in some places, which is then
 * an hour that the day does not have. */
static time_t when_day_ends(const struct tm *day)
{
    struct tm next = *day;

    next.tm_mday++;
    time_t end = mktime(&next);
    if (next.tm_mday == day->tm_mday)
        end += (time_t)24 * 3600 - next.tm_hour * 3600 - next.tm_min * 60;
    return end;
}

bool when_parse(const char *text, int64_t *ret_ms)
{
    struct when_named named = {.fields.tm_isdst = -1};
    long offset = 0;

    if (!when_parse_fields(text, &named) || !when_is_in_calendar(&named.fields))
        return false;
    if (named.day) {
        *ret_ms = (int64_t)when_day_ends(&named.fields) * 1000 - 1;
    } else if (*named.zone) {
        if (!when_parse_zone(*named.zone == ' ' ? named.zone + 1 : named.zone, &offset))
            return false;
        *ret_ms = (int64_t)(timegm(&named.fields) - offset) * 1000 + named.last_ms;
    } else {
        *ret_ms = (int64_t)mktime(&named.fields) * 1000 + named.last_ms;
    }
    return true;
}
