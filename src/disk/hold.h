/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an open reader keeps others from doing with a disk, as descriptors that another process can
 * have too. So that process can end it, even while this one is stopped.
 */
#pragma once

enum disk_hold_kind {
    DISK_HOLD_CONNECTION, /* to an NBD server, which waits for its clients before it ends */
    DISK_HOLD_LOCK,       /* on an image file */
    DISK_HOLD_PROCESS,    /* a qemu-nbd, which has locked its image; a pidfd */
};

struct disk_hold {
    enum disk_hold_kind kind;
    int fd;
};

/* Returns once the server has closed the connection, the lock is gone, or the process has ended; in
 * any case after some seconds. From then on the reader fails, or reads what somebody else may be
 * writing. */
void disk_hold_end(const struct disk_hold *hold);
