/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/hold.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ops/points/points.h"

void restore_holds_end(struct restore_holds *holds)
{
    for (size_t i = 0; holds->made && i < holds->points->count; i++) {
        const char *guest = holds->points->names[i], *id = holds->points->points[i];
        CLEANUP_ERR struct err why = ERR_INIT;
        if (holds->made[i] && points_release(holds->store, guest, id, &why) < 0)
            log_warn_guest(guest,
                           "point %s stays held: %s; to release it, run: virt-backup release", id,
                           why.text);
    }
    free(TAKE_PTR(holds->made));
}

/* That restore releases it at its own end. */
static void warn_of_shared_hold(const struct restore_holds *holds, const char *guest,
                                const char *id)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};

    if (points_list(holds->store, guest, &list, NULL) < 0)
        return;
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.all[i].id, id) == 0 && list.all[i].held_by_restore)
            report_warning(holds->report, guest,
                           &(struct warning){WARNING_HELD_BY_RESTORE, .name = id});
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
    if (!holds->made[place])
        warn_of_shared_hold(holds, guest, *id);
    return 0;
}

int restore_holds_begin(struct restore_holds *holds, struct err *err)
{
    struct selection *points = holds->points;
    char host[HOST_NAME_MAX + 1] = "";

    if (gethostname(host, sizeof(host) - 1) < 0 || *host == '\0')
        return err_set(err, ERR_IO, "this host has no name");
    holds->made = mem_array(points->count, sizeof(*holds->made));
    for (size_t i = 0; i < points->count; i++) {
        CLEANUP_ERR struct err why = ERR_INIT;
        if (!points->chosen[i] || hold_chosen_point(holds, i, host, &why) == 0)
            continue;
        if (why.kind == ERR_CANCELLED || why.kind == ERR_TRANSIENT)
            return err_move(err, &why);
        points->chosen[i] = false;
        report_failure(holds->report, holds->outcome, points->names[i], &why);
    }
    return 0;
}
