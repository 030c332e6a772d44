/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "ops/staging.h"

/* ---- where its files are ------------------------------------------------------------------ */

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash > path ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup("/");
}

/* A folder of our own is removed with its contents: if it is missing, that proves nothing. */
static bool is_own_folder(const struct intent *intent, const char *folder)
{
    for (size_t i = 0; i < intent->file_count; i++)
        if (strcmp(intent->files[i].path, folder) == 0)
            return true;
    return staging_is_own(folder, intent->uuid);
}

static const struct place *find_place(const struct intent *intent, const char *folder)
{
    for (size_t i = 0; i < intent->place_count; i++)
        if (strcmp(intent->places[i].folder, folder) == 0)
            return &intent->places[i];
    return NULL;
}

static void add_place(struct intent *intent, const struct place *place)
{
    intent->places = mem_resize(intent->places, intent->place_count + 1, sizeof(*intent->places));
    intent->places[intent->place_count++] = *place;
}

/* Adds its folder as it is now; for a folder of our own, also the one above it. */
static void note_place(struct intent *intent, const char *path)
{
    CLEANUP_FREE char *folder = folder_of(path);
    struct place place = {0};

    if (!find_place(intent, folder) && place_of(folder, &place) == 0)
        add_place(intent, &place);
    if (is_own_folder(intent, folder) && strcmp(folder, "/") != 0)
        note_place(intent, folder);
}

void intent_note_places(struct intent *intent)
{
    intent_each_path(intent, note_place);
}

/* Returns 0 if a file that is not in the folder is certainly gone. */
static int check_place(const struct intent *intent, const char *folder, struct err *err)
{
    const struct place *known = find_place(intent, folder);
    struct place now = {0};
    enum place_state state = PLACE_SAME;

    if (known)
        state = place_look(known);
    else if (place_of(folder, &now) < 0) /* not in a journal of version 1 */
        state = PLACE_MISSING;
    place_clear(&now);
    if (state == PLACE_SAME)
        return 0;
    if (state == PLACE_MISSING && is_own_folder(intent, folder) && strcmp(folder, "/") != 0) {
        CLEANUP_FREE char *above = folder_of(folder);
        return check_place(intent, above, err);
    }
    if (state == PLACE_MISSING)
        err_set(err, ERR_TRANSIENT, "its folder '%s' is missing", folder);
    else
        err_set(err, ERR_TRANSIENT, "its folder '%s' is no longer the same folder", folder);
    err_append(err,
               "mount its file system, or rename the folder back, then run: virt-backup recover");
    return err_note_remedy(err, ERR_REMEDY_RECOVER);
}

int intent_look(const struct intent *intent, const char *path, struct err *err)
{
    CLEANUP_FREE char *folder = folder_of(path);
    struct stat st;

    if (lstat(path, &st) == 0)
        return 1;
    if (errno != ENOENT && errno != ENOTDIR)
        return err_set_errno(err, errno, "%s: cannot stat it", path);
    return check_place(intent, folder, err) < 0 ? err_prefix(err, "%s", path) : 0;
}

/* ---- their text ----------------------------------------------------------------------- */

/* JSON's numbers are signed. */
static void set_hex(struct json *object, const char *name, uint64_t value)
{
    CLEANUP_FREE char *text = mem_printf("%" PRIx64, value);

    json_set_str(object, name, text);
}

static bool get_hex(const struct json *object, const char *name, uint64_t *ret)
{
    const char *text = json_get_str(object, name);
    char *end = NULL;

    if (!text || !*text || text[strspn(text, "0123456789abcdef")])
        return false;
    *ret = strtoull(text, &end, 16);
    return *end == '\0';
}

struct json *intent_json_of_places(const struct intent *intent)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < intent->place_count; i++) {
        const struct place *place = &intent->places[i];
        struct json *entry = json_new_object();
        json_set_bytes(entry, "path", place->folder);
        set_hex(entry, "device", place->id.device);
        set_hex(entry, "inode", place->id.inode);
        set_hex(entry, "born", place->id.born);
        set_hex(entry, "filesystem", place->filesystem);
        set_hex(entry, "type", place->type);
        json_add(array, entry);
    }
    return array;
}

int intent_read_places(const struct json *array, struct intent *intent)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        bool bad = false;
        struct place place = {.folder = json_get_bytes(entry, "path", &bad)};
        if (!place.folder || !get_hex(entry, "device", &place.id.device) ||
            !get_hex(entry, "inode", &place.id.inode) || !get_hex(entry, "born", &place.id.born) ||
            !get_hex(entry, "filesystem", &place.filesystem) ||
            !get_hex(entry, "type", &place.type)) {
            place_clear(&place);
            return -1;
        }
        add_place(intent, &place);
    }
    return 0;
}
