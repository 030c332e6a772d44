/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes a connected pair of unix sockets, one of them listening, as socket activation needs it.
 * While it connects them the listening one has a name, in a folder of ours under $TMPDIR.
 */
#pragma once

#include "base/err.h"

/* The two ends: a listening one, for qemu-nbd, and one connected to it. */
int meeting_sockets(int *ret_listen, int *ret_connected, struct err *err);
/* Removes the folders of processes that died at that moment. */
void meeting_sweep(void);
