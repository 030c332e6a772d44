/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/arguments.h"

#include <string.h>

#include "base/units.h"

#define EXAMPLE "50M or 50M,08:00-18:00=10M,22:00-06:00=none"

static int parse_rate(const char *text, uint64_t *ret, struct err *err)
{
    uint64_t rate = 0;

    if (strcmp(text, "none") != 0 && units_parse_size(text, &rate, NULL) < 0)
        return err_set(err, ERR_USAGE, "'%s' is not a rate; write it like " EXAMPLE, text);
    if (strcmp(text, "none") != 0 && rate == 0)
        return err_set(err, ERR_USAGE, "a rate must not be zero; to have no limit, write none");
    *ret = rate;
    return 0;
}

static int parse_minute(const char *text, bool is_end, unsigned *ret, struct err *err)
{
    struct arguments_clock clock = {0};

    if (is_end && strcmp(text, "24:00") == 0) {
        *ret = 24 * 60;
        return 0;
    }
    if (arguments_parse_clock(text, &clock, err) < 0)
        return -1;
    *ret = clock.minutes;
    return 0;
}

/* Changes the text, "08:00-18:00=10M". */
static int parse_window(char *text, struct limit_window *ret, struct err *err)
{
    char *rate = strchr(text, '=');
    char *end = strchr(text, '-');

    if (!rate || !end || end > rate)
        return err_set(err, ERR_USAGE,
                       "'%s' is not a time of day and a rate; write it like " EXAMPLE, text);
    *rate++ = '\0';
    *end++ = '\0';
    if (parse_minute(text, false, &ret->begin, err) < 0 ||
        parse_minute(end, true, &ret->end, err) < 0 || parse_rate(rate, &ret->rate, err) < 0)
        return -1;
    if (ret->begin == ret->end)
        return err_set(err, ERR_USAGE, "'%s-%s' begins when it ends; a whole day is 00:00-24:00",
                       text, end);
    return 0;
}

int arguments_parse_rates(const char *text, void *ret_rates, struct err *err)
{
    CLEANUP_FREE char *copy = mem_strdup(text);
    struct limit_rates rates = {0};
    char *rest = copy;

    for (size_t i = 0; rest; i++) {
        char *part = strsep(&rest, ",");
        if (i == 0 && !strchr(part, '=')) {
            if (parse_rate(part, &rates.rate, err) < 0)
                return -1;
            continue;
        }
        if (rates.count == LIMIT_WINDOWS_MAX)
            return err_set(err, ERR_USAGE, "more than %d times of day", LIMIT_WINDOWS_MAX);
        if (parse_window(part, &rates.windows[rates.count++], err) < 0)
            return -1;
    }
    *(struct limit_rates *)ret_rates = rates;
    return 0;
}
