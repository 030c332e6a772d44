/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/id.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/random.h"

#define TIME_SIZE 6 /* bytes of the time in a session's id */

const char *id_text(const struct id *id, char text[static ID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ID_SIZE; i++) {
        text[2 * i] = digits[id->bytes[i] >> 4];
        text[2 * i + 1] = digits[id->bytes[i] & 0xf];
    }
    text[ID_TEXT_SIZE - 1] = '\0';
    return text;
}

const char *id_uuid(const struct id *id, char text[static ID_UUID_SIZE])
{
    char digits[ID_TEXT_SIZE];

    id_text(id, digits);
    snprintf(text, ID_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
             digits + 16, digits + 20);
    return text;
}

static bool parse_digit(char digit, uint8_t *ret)
{
    if (digit >= '0' && digit <= '9')
        *ret = (uint8_t)(digit - '0');
    else if (digit >= 'a' && digit <= 'f')
        *ret = (uint8_t)(digit - 'a' + 10);
    else
        return false;
    return true;
}

bool id_parse(const char *text, struct id *ret)
{
    struct id id;

    for (size_t i = 0; i < ID_SIZE; i++) {
        uint8_t high = 0, low = 0;
        if (!parse_digit(text[2 * i], &high) || !parse_digit(text[2 * i + 1], &low))
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = id;
    return true;
}

bool id_parse_uuid(const char *text, struct id *ret)
{
    char digits[ID_TEXT_SIZE] = "", again[ID_UUID_SIZE];
    size_t len = 0;
    struct id id;

    for (size_t i = 0; text[i] && len < ID_TEXT_SIZE - 1; i++) {
        if (text[i] != '-')
            digits[len++] = text[i];
    }
    /* Whether the dashes are in their places is seen when it is written again. */
    if (!id_parse(digits, &id) || strcmp(id_uuid(&id, again), text) != 0)
        return false;
    *ret = id;
    return true;
}

int id_compare(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, ID_SIZE);
}

int id_random(struct id *ret, struct err *err)
{
    return random_bytes(ret->bytes, ID_SIZE, err);
}

int id_of_time(int64_t time_ms, struct id *ret, struct err *err)
{
    struct id id;

    if (time_ms < 0 || time_ms >> (8 * TIME_SIZE) != 0)
        return err_set(err, ERR_IO, "%lld ms since 1970 cannot be the time", (long long)time_ms);
    if (id_random(&id, err) < 0)
        return -1;
    for (int i = 0; i < TIME_SIZE; i++)
        id.bytes[i] = (uint8_t)(time_ms >> (8 * (TIME_SIZE - 1 - i)));
    *ret = id;
    return 0;
}

int64_t id_time_ms(const struct id *id)
{
    int64_t time_ms = 0;

    for (int i = 0; i < TIME_SIZE; i++)
        time_ms = time_ms << 8 | id->bytes[i];
    return time_ms;
}
