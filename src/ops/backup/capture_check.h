/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For capture.c only: checks of what is about to be captured, or has been.
 */
#pragma once

#include "ops/backup/capture.h"

/* Checks that libvirt can open files in the staging folder. */
int capture_check_access(const struct capture_request *request, struct err *err);
/* Busy: the guest, whose memory was just copied, has other devices than were gathered before. */
int capture_check_machine(const struct capture_request *request, struct err *err);
/* Busy: its memory was saved with other disks than were gathered before. */
int capture_check_saved(const struct capture *capture, struct err *err);
/* Fails at once (busy) if another job holds the guest. */
int capture_check_no_job(const struct capture_request *request, struct err *err);
