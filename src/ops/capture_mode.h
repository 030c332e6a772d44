/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ways in which a guest is captured (ops/backup/capture.h).
 */
#pragma once

enum capture_mode {
    CAPTURE_OFFLINE, /* shut off: disks are read directly, and a start is noticed */
    CAPTURE_SAVE,    /* virDomainSave: down while its disks are read directly */
    CAPTURE_PAUSE,   /* stopped while its memory is copied and its disks are fixed */
    CAPTURE_LIVE,    /* stopped only for the last part of that */
    CAPTURE_DISKS,   /* never stopped; no memory; frozen for a moment if it has an agent */
};
