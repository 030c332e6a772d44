/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_words.h"

#include "repository/format/limits.h"
#include "repository/format/name.h"
#include "repository/keep/period.h"

int points_repository_words_scope(const char *text, struct err *err)
{
    return name_is_scope(text)
               ? 0
               : err_set(err, ERR_USAGE,
                         "'%s' cannot be a scope: up to %u of a to z, 0 to 9 and '-'", text,
                         LIMITS_SCOPE);
}

int points_repository_words_zone(const char *text, struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;

    return period_check_zone(text, &why) == 0 ? 0 : err_set(err, ERR_USAGE, "%s", why.text);
}

int points_repository_words_tags(const struct strings *tags, struct err *err)
{
    for (size_t i = 0; i < tags->count; i++)
        if (!name_is_tag(tags->items[i]))
            return err_set(err, ERR_USAGE,
                           "'%s' cannot be a tag: 1 to %u letters, digits, '.', '_' and '-'",
                           tags->items[i], LIMITS_TAG);
    return 0;
}

int points_repository_words_point_tags(const struct strings *tags, struct err *err)
{
    if (points_repository_words_tags(tags, err) < 0)
        return -1;
    if (tags->count > LIMITS_POINT_TAGS)
        return err_set(err, ERR_USAGE, "%zu tags are too many: a point has at most %u", tags->count,
                       LIMITS_POINT_TAGS);
    return 0;
}
