/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One folder at a time is held in memory. It is read twice: a rename over a name may hide the name
 * from whoever is reading, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "store/folder_internal.h"

/* As deep as the names of objects go, and one more. */
#define MAX_DEPTH 8

struct folder_walk {
    const struct store_folder *folder;
    const struct store_each *each;
};

/* A folder comes where the names below it belong: with its '/'. */
struct folder_item {
    char *name; /* owned; of a folder with '/' at its end */
    uint64_t size;
    int64_t time_ms;
    bool folder;
    bool odd; /* no regular file */
};

struct folder_items {
    struct folder_item *items; /* owned */
    size_t count;
};

static void folder_items_clear(struct folder_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        free(items->items[i].name);
    free(items->items);
    *items = (struct folder_items){0};
}
#define CLEANUP_FOLDER_ITEMS CLEANUP(folder_items_clear)

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct folder_item *)a)->name, ((const struct folder_item *)b)->name);
}

/* What is gone again is passed over. */
static int add_item(int dir_fd, const char *name, struct folder_items *items, struct err *err)
{
    struct folder_item *item = &items->items[items->count];
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, errno, "cannot stat '%s'", name);
    *item = (struct folder_item){
        .name = mem_printf("%s%s", name, S_ISDIR(st.st_mode) ? "/" : ""),
        .size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0,
        .time_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .folder = S_ISDIR(st.st_mode),
        .odd = !S_ISREG(st.st_mode),
    };
    items->count++;
    return 0;
}

static int read_twice(int dir_fd, struct folder_items *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(dir_fd, ".", &names, err) < 0 || dir_list(dir_fd, ".", &names, err) < 0)
        return -1;
    strings_sort(&names);
    ret->items = mem_array(names.count + 1, sizeof(*ret->items));
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i][0] == '.' || (i > 0 && strcmp(names.items[i], names.items[i - 1]) == 0))
            continue;
        if (add_item(dir_fd, names.items[i], ret, err) < 0)
            return -1;
    }
    qsort(ret->items, ret->count, sizeof(*ret->items), compare_items);
    return 0;
}

static int tell_file(const struct folder_walk *walk, const struct folder_item *item,
                     const char *name, struct err *err)
{
    const struct store_entry entry = {.name = name, .size = item->size, .time_ms = item->time_ms};
    int (*call)(void *, const struct store_entry *, struct err *) =
        item->odd ? walk->each->odd : walk->each->call;

    return call ? call(walk->each->opaque, &entry, err) : 0;
}

/* Of a folder that is not entered the name loses its '/'. */
static bool may_enter(const struct folder_walk *walk, char *name)
{
    char *end = name + strlen(name) - 1;

    *end = '\0';
    if (walk->each->may_be_folder && !walk->each->may_be_folder(name))
        return false;
    *end = '/';
    return true;
}

/* prefix: the name of the folder, with '/' at its end. */
static int walk_folder(const struct folder_walk *walk, const char *prefix, int depth,
                       struct err *err)
{
    CLEANUP_FREE char *path = mem_strndup(prefix, strlen(prefix) - 1);
    CLEANUP_FOLDER_ITEMS struct folder_items items = {0};
    CLEANUP_CLOSE int dir_fd = -1;

    if (depth > MAX_DEPTH)
        return err_set(err, ERR_CORRUPT, "%s: folders are nested too deeply", path);
    if (store_folder_open_dir(walk->folder, path, &dir_fd, err) < 0)
        return err_prefix(err, "%s/%s", walk->folder->store.url, path);
    if (dir_fd < 0)
        return 0;
    if (read_twice(dir_fd, &items, err) < 0)
        return err_prefix(err, "%s/%s", walk->folder->store.url, path);
    for (size_t i = 0; i < items.count; i++) {
        const struct folder_item *item = &items.items[i];
        CLEANUP_FREE char *name = mem_printf("%s%s", prefix, item->name);
        if (item->folder && may_enter(walk, name) ? walk_folder(walk, name, depth + 1, err) < 0
                                                  : tell_file(walk, item, name, err) < 0)
            return -1;
    }
    return 0;
}

int store_folder_list(struct store *store, const char *prefix, const struct store_each *each,
                      struct err *err)
{
    struct folder_walk walk = {.folder = (struct store_folder *)store, .each = each};

    return walk_folder(&walk, prefix, 0, err);
}
