/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/period.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"

#define ZONES "/usr/share/zoneinfo"

/* Letters as in "America/Argentina/Buenos_Aires" and "Etc/GMT+5". Neither a path that leads out of
 * the database nor a zone spelled out as POSIX has it, which would not be looked up. */
static bool is_zone_name(const char *name)
{
    return *name != '\0' && *name != '/' && !strstr(name, "..") &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                             "_+-/")] == '\0';
}

int period_check_zone(const char *name, struct err *err)
{
    const char *folder = getenv("TZDIR") ? getenv("TZDIR") : ZONES;
    struct stat st;

    if (!is_zone_name(name))
        return err_set(err, ERR_NOT_FOUND, "'%s' is not the name of a time zone", name);
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    /* libc takes a zone that it does not find for UTC, which has no file where tzdata is missing. */
    if (strcmp(name, "UTC") != 0 && (stat(path, &st) < 0 || !S_ISREG(st.st_mode)))
        return err_set(err, ERR_NOT_FOUND,
                       "time zone '%s' not found in %s; the package tzdata has them", name, folder);
    return 0;
}

int period_use_zone(const char *name, struct err *err)
{
    CLEANUP_FREE char *value = mem_printf(":%s", name);

    if (period_check_zone(name, err) < 0)
        return -1;
    if (setenv("TZ", value, 1) < 0)
        return err_set_errno(err, errno, "cannot set the time zone '%s'", name);
    tzset();
    return 0;
}

static size_t print_period(enum period_kind kind, const struct tm *local,
                           char text[static PERIOD_TEXT_SIZE])
{
    switch (kind) {
    case PERIOD_HOUR:
        return strftime(text, PERIOD_TEXT_SIZE, "%Y-%m-%d %H %z", local);
    case PERIOD_DAY:
        return strftime(text, PERIOD_TEXT_SIZE, "%Y-%m-%d", local);
    case PERIOD_WEEK:
        return strftime(text, PERIOD_TEXT_SIZE, "%G-W%V", local);
    case PERIOD_MONTH:
        return strftime(text, PERIOD_TEXT_SIZE, "%Y-%m", local);
    case PERIOD_YEAR:
        break;
    }
    return strftime(text, PERIOD_TEXT_SIZE, "%Y", local);
}

const char *period_name(enum period_kind kind, int64_t time_ms, char text[static PERIOD_TEXT_SIZE])
{
    /* Rounded down, also before 1970. */
    time_t seconds = (time_t)(time_ms / 1000 - (time_ms % 1000 < 0));
    struct tm local;

    if (!localtime_r(&seconds, &local) || print_period(kind, &local, text) == 0)
        snprintf(text, PERIOD_TEXT_SIZE, "%lld", (long long)time_ms); /* a year of many digits */
    return text;
}
