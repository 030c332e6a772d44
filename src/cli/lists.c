/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/lists.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* The text up to the next comma that is not part of the name. *text is moved past that comma, or
 * becomes NULL at the end. The caller frees. */
static char *take_name(const char **text)
{
    struct buf name = {0};
    const char *c = *text;

    for (; *c && *c != ','; c++) {
        if (c[0] == '\\' && (c[1] == ',' || c[1] == '\\'))
            c++;
        buf_put_u8(&name, (uint8_t)*c);
    }
    *text = *c ? c + 1 : NULL;
    return buf_take_str(&name);
}

int lists_add_names(struct strings *list, const char *text, struct err *err)
{
    const char *rest = text;

    while (rest) {
        CLEANUP_FREE char *name = take_name(&rest);
        if (*name == '\0')
            return err_set(err, ERR_USAGE,
                           "'%s' contains an empty name (write a comma in a name as \\,)", text);
        if (!strings_has(list, name))
            strings_take(list, TAKE_PTR(name));
    }
    return 0;
}

struct name_list lists_borrow(const struct strings *list)
{
    return (struct name_list){(const char *const *)list->items, list->count};
}

int lists_add_map(struct lists_maps *list, const char *text, struct err *err)
{
    /* A guest's name may contain '=' and ':', but not '/'. */
    const char *absolute = strstr(text, "=/");
    const char *equals = absolute ? absolute : strchr(text, '=');

    if (!equals || equals == text || equals[1] == '\0')
        return err_set(err, ERR_USAGE, "'%s' is not of the form [GUEST:]TARGET=PATH", text);
    CLEANUP_FREE char *key = mem_strndup(text, (size_t)(equals - text));
    char *colon = strrchr(key, ':');
    const char *target = colon ? colon + 1 : key;
    if (colon == key || *target == '\0')
        return err_set(err, ERR_USAGE, "'%s' is not of the form [GUEST:]TARGET=PATH", text);
    if (colon)
        *colon = '\0';
    const char *guest = colon ? key : NULL;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->maps[i].target, target) == 0 &&
            (!guest || !list->maps[i].guest || strcmp(list->maps[i].guest, guest) == 0))
            return err_set(err, ERR_USAGE, "disk '%s' is mapped twice", target);
    list->maps = mem_resize(list->maps, list->count + 1, sizeof(*list->maps));
    list->maps[list->count++] =
        (struct disk_map){mem_strdup(guest), mem_strdup(target), mem_strdup(equals + 1)};
    return 0;
}

void lists_clear_maps(struct lists_maps *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free((char *)(uintptr_t)list->maps[i].guest);
        free((char *)(uintptr_t)list->maps[i].target);
        free((char *)(uintptr_t)list->maps[i].path);
    }
    free(list->maps);
    *list = (struct lists_maps){0};
}
