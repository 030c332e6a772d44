/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/stamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *stamp_format(int64_t time_ms, char text[static STAMP_SIZE])
{
    time_t seconds = time_ms / 1000;
    char whole[STAMP_SIZE] = "";
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, STAMP_SIZE, "%.19s.%03uZ", whole, (unsigned)((uint64_t)time_ms % 1000));
    return text;
}

bool stamp_parse(const char *text, int64_t *ret_time_ms)
{
    struct tm tm = {0};
    char again[STAMP_SIZE];
    int milliseconds = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &milliseconds) != 7)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    int64_t time_ms = (int64_t)timegm(&tm) * 1000 + milliseconds;
    if (time_ms < 0 || strcmp(stamp_format(time_ms, again), text) != 0)
        return false;
    *ret_time_ms = time_ms;
    return true;
}
