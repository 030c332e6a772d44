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

/* "Z", "+02:00" in seconds. */
static bool when_parse_zone(const char *text, long *ret)
{
    unsigned hours = 0;
    unsigned minutes = 0;
    int used = 0;

    *ret = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if ((*text != '+' && *text != '-') ||
        sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 || text[1 + used] != '\0')
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
