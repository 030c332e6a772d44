/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/point_notes.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/text.h"
#include "guest/checkpoint.h"

#define NOTE_MAX 64u
#define NEWER_THAN_ANY "g" /* ids are hexadecimal digits */
#define NOTE_END ".point"
#define UUID_LEN 36u
#define DAY_S 86400

char *point_note_name(const char *uuid, const char *owner)
{
    return mem_printf("%s.%s" NOTE_END, uuid, owner);
}

char *point_note_read(int state_fd, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *text = NULL;
    size_t len = 0;

    if (io_read_file(state_fd, name, NOTE_MAX, &text, &len, &err) < 0)
        return err.kind == ERR_NOT_FOUND ? NULL : mem_strdup(NEWER_THAN_ANY);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

int point_note_write(int state_fd, const char *name, const char *point, struct err *err)
{
    CLEANUP_FREE char *text = mem_printf("%s\n", point);
    const struct io_file file = {name, text, strlen(text), .mode = 0600, .replace = true};

    return io_publish(state_fd, &file, err);
}

/* The UUID in the name of a note, which the caller frees; NULL: the file is not a note. */
static char *uuid_of_note(const char *name)
{
    size_t len = UUID_LEN + 1 + GUEST_CHECKPOINT_OWNER_LEN + strlen(NOTE_END);

    if (strlen(name) != len || name[UUID_LEN] != '.' || !text_ends(name, NOTE_END))
        return NULL;
    return mem_strndup(name, UUID_LEN);
}

void point_notes_remove(int state_fd, const char *uuid)
{
    CLEANUP_STRINGS struct strings names = {0};

    (void)dir_list(state_fd, ".", &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *found = uuid_of_note(names.items[i]);
        if (text_same(found, uuid))
            (void)unlinkat(state_fd, names.items[i], 0);
    }
}

static bool is_old(int state_fd, const char *name, int64_t now)
{
    struct stat st;

    return fstatat(state_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           now - (int64_t)st.st_mtim.tv_sec > (int64_t)POINT_NOTES_DAYS * DAY_S;
}

void point_notes_sweep(int state_fd, const struct strings *uuids, int64_t now)
{
    CLEANUP_STRINGS struct strings names = {0};

    (void)dir_list(state_fd, ".", &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *uuid = uuid_of_note(names.items[i]);
        if (uuid && !strings_has(uuids, uuid) && is_old(state_fd, names.items[i], now))
            (void)unlinkat(state_fd, names.items[i], 0);
    }
}
