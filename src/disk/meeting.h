/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A connected pair of unix sockets one of which is a listening one, as socket
 * activation wants it. For the moment of connecting it has a name, in a folder of
 * ours under $TMPDIR.
 */
#pragma once

#include "base/err.h"

/* Both ends: one that listens, for qemu-nbd, and one connected to it. */
int meeting_sockets(int *ret_listen, int *ret_connected, struct err *err);
/* Removes the folders of processes that died in that moment. */
void meeting_sweep(void);
