/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/hold.h"

#include <limits.h>
#include <unistd.h>

#include "base/log.h"

void restore_holds_end(struct restore_holds *holds)
{
    for (size_t i = 0; holds->store && i < holds->points->count; i++) {
        const char *guest = holds->points->names[i], *id = holds->points->points[i];
        CLEANUP_ERR struct err why = ERR_INIT;
        if (holds->made[i] && points_release(holds->store, guest, id, &why) < 0)
            log_warn_guest(guest,
                           "point %s stays held: %s; to release it, run: virt-backup release", id,
                           why.text);
    }
    free(holds->made);
    *holds = (struct restore_holds){0};
}

static int hold_chosen_point(struct restore_holds *holds, size_t place, const char *by,
                             struct err *err)
{
    const char *guest = holds->points->names[place];
    char **id = &holds->points->points[place];

    if (!*id && points_find_latest(holds->store, guest, id, err) < 0)
        return err_prefix(err, "guest '%s'", guest);
    if (points_hold(holds->store, guest, *id, by, &holds->made[place], err) < 0)
        return err_prefix(err, "guest '%s': cannot hold point %s", guest, *id);
    return 0;
}

int restore_holds_begin(struct points_store *store, struct selection *points,
                        struct restore_holds *ret, struct err *err)
{
    struct restore_holds holds CLEANUP(restore_holds_end) = {
        .store = store, .points = points, .made = mem_array(points->count, sizeof(*holds.made))};
    char host[HOST_NAME_MAX + 1] = "";

    if (gethostname(host, sizeof(host) - 1) < 0 || *host == '\0')
        return err_set(err, ERR_IO, "this host has no name");
    for (size_t i = 0; i < points->count; i++)
        if (points->chosen[i] && hold_chosen_point(&holds, i, host, err) < 0)
            return -1;
    *ret = holds;
    holds = (struct restore_holds){0};
    return 0;
}
