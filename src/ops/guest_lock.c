/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guest_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct lock_file **ret,
                    struct err *err)
{
    CLEANUP_FREE char *name = mem_printf("%s.lock", uuid);

    return lock_file_take(state_fd, name, wait_ms, ret, err);
}

/* ---- what dead runs leave ------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* "UUID.lock", or ".UUID.intent.PID.new" as io_publish names it; NULL: neither. */
static char *uuid_of_leftover(const char *name)
{
    const char *dot = strchr(name + 1, '.');

    if (ends_with(name, ".lock"))
        return mem_strndup(name, strlen(name) - strlen(".lock"));
    if (name[0] == '.' && ends_with(name, ".new") && dot)
        return mem_strndup(name + 1, (size_t)(dot - name - 1));
    return NULL;
}

/* With the guest's lock held nobody else writes a note of it. */
static void sweep_one(int state_fd, const char *name)
{
    CLEANUP_FREE char *uuid = uuid_of_leftover(name);
    CLEANUP_FREE char *lock_name = uuid ? mem_printf("%s.lock", uuid) : NULL;
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;

    if (uuid && lock_file_take(state_fd, lock_name, 0, &lock, NULL) == 0 &&
        strcmp(name, lock_name) != 0)
        (void)unlinkat(state_fd, name, 0);
}

void guest_lock_sweep(int state_fd)
{
    int fd = openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char **names = NULL;
    size_t count = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        names = mem_resize(names, count + 1, sizeof(*names));
        names[count++] = mem_strdup(entry->d_name);
    }
    closedir(dir);
    for (size_t i = 0; i < count; i++) {
        sweep_one(state_fd, names[i]);
        free(names[i]);
    }
    free(names);
}
