/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/back_end.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/json.h"

/* They have some hundred bytes. */
#define DESCRIPTION_MAX ((size_t)64 << 10)

/* All names in all folders, hidden files aside, sorted. */
static int list_descriptions(const char *const *folders, size_t count, struct strings *names)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_STRINGS struct strings found = {0};
        if (dir_list(AT_FDCWD, folders[i], &found, &err) < 0 && err.errnum != ENOENT)
            return -1;
        for (size_t k = 0; k < found.count; k++)
            if (found.items[k][0] != '.' && !strings_has(names, found.items[k]))
                strings_add(names, found.items[k]);
    }
    strings_sort(names);
    return 0;
}

/* The one that counts; NULL if that is empty, or a link to /dev/null. */
static int read_description(const char *const *folders, size_t count, const char *name,
                            struct json **ret)
{
    CLEANUP_FREE char *text = mem_alloc(DESCRIPTION_MAX);
    CLEANUP_CLOSE int fd = -1;
    size_t len = 0;

    for (size_t i = count; fd < 0 && i-- > 0;) {
        CLEANUP_FREE char *path = mem_printf("%s/%s", folders[i], name);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
            return -1;
    }
    if (fd < 0 || io_read_some(fd, text, DESCRIPTION_MAX, &len, NULL) < 0)
        return -1;
    *ret = len > 0 ? json_parse(text, len, NULL) : NULL;
    return len > 0 && !*ret ? -1 : 0;
}

enum back_end back_end_look(const char *const *folders, size_t count, const char *type)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (list_descriptions(folders, count, &names) < 0)
        return BACK_END_UNKNOWN;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(json_freep) struct json *json = NULL;
        if (read_description(folders, count, names.items[i], &json) < 0)
            return BACK_END_UNKNOWN;
        const char *its_type = json ? json_get_str(json, "type") : NULL;
        const char *program = json ? json_get_str(json, "binary") : NULL;
        if (its_type && strcmp(its_type, type) == 0)
            return program && access(program, X_OK) == 0 ? BACK_END_PRESENT : BACK_END_ABSENT;
    }
    return BACK_END_ABSENT;
}
