/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The points of a guest: its snapshots and checkpoints as libvirt knows them, which is XML only.
 * What of them lies in disk images, or in files of their own, is neither read nor changed here.
 * They are lost with the guest's definition; so they are read before, and put back with it.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"
#include "guest/guest.h"

struct guest_points {
    struct strings snapshots; /* XML with security information, parents before their children */
    struct strings checkpoints;
    char *current; /* name of the current snapshot; NULL: none is */
};

/* None if the guest's driver keeps none in libvirt. */
int guest_points_get(struct guest *guest, struct guest_points *ret, struct err *err);
/* Defines again those that the guest lacks; one that is there stays as it is, so that this may be
 * repeated. One that fails does not keep the others from being tried; the first error is told. */
int guest_points_put_back(struct guest *guest, const struct guest_points *points, struct err *err);
/* Makes libvirt forget them, children first: what is left of them after a failure can still be
 * completed by guest_points_put_back. */
int guest_points_remove(struct guest *guest, const struct guest_points *points, struct err *err);
void guest_points_clear(struct guest_points *points);
#define CLEANUP_GUEST_POINTS CLEANUP(guest_points_clear)
