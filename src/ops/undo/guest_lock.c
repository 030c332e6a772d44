/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/guest_lock.h"

#include <stdbool.h>
#include <string.h>

#include "base/dir.h"
#include "base/text.h"
#include "ops/undo/intent.h"

int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct lock_file **ret,
                    struct err *err)
{
    CLEANUP_FREE char *name = mem_printf("%s.lock", uuid);

    return lock_file_take_under(state_fd, name, intent_exists(state_fd, uuid), wait_ms, ret, err);
}

void guest_lock_leave(struct lock_file *lock, int state_fd, const char *uuid)
{
    if (lock && intent_exists(state_fd, uuid))
        lock_file_leave(lock);
}

/* ---- leftovers of dead runs ---------------------------------------------------------- */

/* "UUID.lock", or ".UUID.intent.PID.new" as io_publish names it; NULL: neither. */
static char *uuid_of_leftover(const char *name)
{
    const char *dot = strchr(name + 1, '.');

    if (text_ends(name, ".lock"))
        return mem_strndup(name, strlen(name) - strlen(".lock"));
    if (name[0] == '.' && text_ends(name, ".new") && dot)
        return mem_strndup(name + 1, (size_t)(dot - name - 1));
    return NULL;
}

/* While we hold the guest's lock, nobody else writes its notes. */
static void sweep_one(int state_fd, const char *name)
{
    CLEANUP_FREE char *uuid = uuid_of_leftover(name);
    CLEANUP_FREE char *lock_name = uuid ? mem_printf("%s.lock", uuid) : NULL;
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;

    if (!uuid || guest_lock_take(state_fd, uuid, 0, &lock, NULL) < 0)
        return;
    if (strcmp(name, lock_name) != 0)
        (void)unlinkat(state_fd, name, 0);
    guest_lock_leave(lock, state_fd, uuid);
}

void guest_lock_sweep(int state_fd)
{
    CLEANUP_STRINGS struct strings names = {0};

    /* Nothing relies on this: the next run sweeps what this one missed. */
    (void)dir_list(state_fd, ".", &names, NULL);
    for (size_t i = 0; i < names.count; i++)
        sweep_one(state_fd, names.items[i]);
}
