/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/arguments.h"

#include <string.h>

#include "base/lock_file.h"
#include "base/priority.h"
#include "base/text.h"
#include "base/units.h"
#include "codec/codec.h"
#include "mtcp/sizing.h"
#include "ops/points/repository_words.h"

int arguments_place(const struct arguments *arguments, const char *folder, const char *option,
                    struct points_place *ret, struct err *err)
{
    if (!folder && !arguments->repository)
        return err_set(err, ERR_USAGE, "--%s PATH or --repository URL is required", option);
    if (folder && arguments->repository)
        return err_set(err, ERR_USAGE, "--%s and --repository exclude each other", option);
    if (folder && arguments->scope)
        return err_set(err, ERR_USAGE, "--scope applies to --repository only");
    *ret = (struct points_place){
        .path = folder ? folder : arguments->repository,
        .is_repository = !folder,
        .scope = arguments->scope,
    };
    return 0;
}

struct guest_choice arguments_choice(const struct arguments *arguments)
{
    return (struct guest_choice){
        .names = lists_borrow(&arguments->domains),
        .titles = lists_borrow(&arguments->domain_titles),
        .tags = lists_borrow(&arguments->domain_tags),
        .excluded = lists_borrow(&arguments->exclude_domains),
    };
}

int arguments_parse_codec(const char *text, void *ret_codec, struct err *err)
{
    return codec_parse(text, ret_codec, err);
}

int arguments_parse_scope(const char *text, void *ret_scope, struct err *err)
{
    if (points_repository_words_scope(text, err) < 0)
        return -1;
    *(const char **)ret_scope = text;
    return 0;
}

int arguments_parse_zone(const char *text, void *ret_zone, struct err *err)
{
    if (points_repository_words_zone(text, err) < 0)
        return -1;
    *(const char **)ret_zone = text;
    return 0;
}

int arguments_parse_children(const char *text, void *ret_children, struct err *err)
{
    uint64_t children = 0;

    if (units_parse_number(text, 1, SIZING_MAX_CHILDREN, &children, err) < 0)
        return -1;
    *(unsigned *)ret_children = (unsigned)children;
    return 0;
}

int arguments_parse_nice(const char *text, void *ret_nice, struct err *err)
{
    uint64_t nice = 0;

    if (units_parse_number(text, 0, PRIORITY_NICE_MAX, &nice, err) < 0)
        return -1;
    *(unsigned *)ret_nice = (unsigned)nice;
    return 0;
}

int arguments_parse_time(const char *text, void *ret_ms, struct err *err)
{
    return units_parse_time(text, ret_ms, err);
}

int arguments_parse_wait(const char *text, void *ret_ms, struct err *err)
{
    if (text)
        return units_parse_time(text, ret_ms, err);
    *(uint64_t *)ret_ms = LOCK_FILE_FOREVER;
    return 0;
}

int arguments_parse_tags(const char *text, void *list, struct err *err)
{
    return lists_add_names(list, text, err) < 0 ? -1 : points_repository_words_tags(list, err);
}

int arguments_parse_point_tags(const char *text, void *list, struct err *err)
{
    return lists_add_names(list, text, err) < 0 ? -1
                                                : points_repository_words_point_tags(list, err);
}

int arguments_parse_replace(const char *text, void *ret_replace, struct err *err)
{
    if (text && strcmp(text, "any-host") != 0)
        return err_set(err, ERR_USAGE, "unknown value '%s'; use any-host, or no value", text);
    *(enum points_replace *)ret_replace = text ? POINTS_REPLACE_ANY_HOST : POINTS_REPLACE;
    return 0;
}

int arguments_parse_chunk_size(const char *text, void *ret_size, struct err *err)
{
    uint64_t size = 0;

    if (units_parse_size(text, &size, err) < 0)
        return -1;
    if (size < CODEC_CHUNK_MIN || size > CODEC_CHUNK_MAX || !units_is_power_of_two(size))
        return err_set(err, ERR_USAGE, "'%s' is not a power of two from 64K to 512M", text);
    *(uint64_t *)ret_size = size;
    return 0;
}

int arguments_parse_guest_memory(const char *text, void *ret_memory, struct err *err)
{
    static const struct {
        const char *name;
        enum guest_memory value;
    } ways[] = {
        {"live", GUEST_MEMORY_LIVE},
        {"pause", GUEST_MEMORY_PAUSE},
        {"save", GUEST_MEMORY_SAVE},
        {"none", GUEST_MEMORY_NONE},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(text, ways[i].name) == 0) {
            *(enum guest_memory *)ret_memory = ways[i].value;
            return 0;
        }
    return err_set(err, ERR_USAGE, "unknown value '%s'; choose live, pause, save or none", text);
}

int arguments_parse_within(const char *text, void *ret_ms, struct err *err)
{
    uint64_t ms = 0;

    if (units_parse_time(text, &ms, err) < 0)
        return -1;
    *(int64_t *)ret_ms = (int64_t)ms;
    return 0;
}

int arguments_parse_age(const char *text, void *ret_ms, struct err *err)
{
    if (strcmp(text, "0") != 0)
        return units_parse_time(text, ret_ms, err);
    *(uint64_t *)ret_ms = 0;
    return 0;
}

int arguments_parse_clock(const char *text, void *ret_clock, struct err *err)
{
    static const char form[] = "00:00";
    bool good = strlen(text) == strlen(form);

    for (size_t i = 0; good && form[i]; i++)
        good = form[i] == ':' ? text[i] == ':' : text[i] >= '0' && text[i] <= '9';
    unsigned hour = good ? (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0') : 0;
    unsigned minute = good ? (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0') : 0;
    if (!good || hour > 23 || minute > 59)
        return err_set(err, ERR_USAGE, "'%s' is not a time of day; write it like 06:00", text);
    *(struct arguments_clock *)ret_clock = (struct arguments_clock){true, hour * 60 + minute};
    return 0;
}

int arguments_parse_share(const char *text, void *ret_parts, struct err *err)
{
    const char *number = text_after(text, "1/");
    uint64_t parts = 0;

    if (!number || units_parse_number(number, 1, ARGUMENTS_PARTS_MAX, &parts, NULL) < 0)
        return err_set(err, ERR_USAGE, "'%s' is not a share; write it like 1/30, at least 1/%d",
                       text, ARGUMENTS_PARTS_MAX);
    *(unsigned *)ret_parts = (unsigned)parts;
    return 0;
}
