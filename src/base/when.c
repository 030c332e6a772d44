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

/* *ret_seconds: how long what is named lasts; *ret_zone: what follows a time of day, NULL without
 * one. */
static bool when_parse_fields(const char *text, struct tm *fields, time_t *ret_seconds,
                              const char **ret_zone)
{
    const char *end = strptime(text, "%Y-%m-%d", fields);
    const char *minute = NULL;
    const char *second = NULL;

    *ret_zone = NULL;
    *ret_seconds = (time_t)24 * 3600;
    if (end && *end == '\0')
        return true;
    if (!end || (*end != ' ' && *end != 'T') || !(minute = strptime(end + 1, "%H:%M", fields)))
        return false;
    *ret_seconds = 60;
    if (*minute == ':' && (second = strptime(minute, ":%S", fields)))
        *ret_seconds = 1;
    *ret_zone = second ? second : minute;
    return true;
}

bool when_parse(const char *text, int64_t *ret_ms)
{
    struct tm fields = {.tm_isdst = -1};
    const char *zone = NULL;
    time_t seconds = 0;
    long offset = 0;

    if (!when_parse_fields(text, &fields, &seconds, &zone))
        return false;
    if (zone && *zone) {
        if (!when_parse_zone(*zone == ' ' ? zone + 1 : zone, &offset))
            return false;
        *ret_ms = (int64_t)(timegm(&fields) - offset + seconds) * 1000 - 1;
    } else {
        *ret_ms = (int64_t)(mktime(&fields) + seconds) * 1000 - 1;
    }
    return true;
}
