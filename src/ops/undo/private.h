/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to undo*.c.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "ops/undo/undo.h"

/* A save or snapshot whose client has gone still runs to its end. */
#define UNDO_JOB_WAIT_MS (UINT64_C(10) * 60 * 1000)
#define UNDO_TRIES 5

/* A guest that may be gone, and its state; a guest that is gone counts as shut off. */
struct undo_guest {
    const struct undo_calls *calls;
    struct guest *guest; /* NULL: libvirt does not know it */
    struct guest_status status;
};

int undo_guest_find(const struct undo_host *host, const char *uuid, struct undo_guest *ret,
                    struct err *err);
/* Its state now. */
int undo_guest_look(struct undo_guest *guest, struct err *err);
static inline bool undo_guest_is_active(const struct undo_guest *guest)
{
    return guest->status.state != GUEST_SHUT_OFF;
}
void undo_guest_clear(struct undo_guest *guest);
#define CLEANUP_UNDO_GUEST CLEANUP(undo_guest_clear)

/* libvirtd may be coming back: reconnects if needed. */
int undo_connect(const struct undo_host *host, struct err *err);

/* The folder that contains the path, and the name in it (borrowed). */
int undo_open_parent(const char *path, int *ret_fd, const char **ret_name, struct err *err);
/* Moves the files that a restore has replaced back to their places, over what it made there, and
 * deletes them from the intent. One that cannot be moved back stays, here and in its folder. */
int undo_formers(struct intent *intent, struct err *err);
