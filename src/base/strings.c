/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/strings.h"

#include <string.h>

void strings_take(struct strings *strings, char *text)
{
    strings->items = mem_resize(strings->items, strings->count + 1, sizeof(*strings->items));
    strings->items[strings->count++] = text;
}

void strings_add(struct strings *strings, const char *text)
{
    strings_take(strings, mem_strdup(text));
}

bool strings_has(const struct strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], text) == 0)
            return true;
    return false;
}

static int strings_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strings_sort(struct strings *strings)
{
    if (strings->count > 1)
        qsort(strings->items, strings->count, sizeof(*strings->items), strings_compare);
}

void strings_clear(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct strings){0};
}
