/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to capture*.c: the checkpoint that is made with a capture.
 */
#pragma once

#include "ops/backup/capture.h"

/* Finds out what of the tracks is possible, before the guest is touched. */
int capture_settle_tracks(const struct capture_request *request, struct err *err);
/* Gives the checkpoint a name and puts it into the intent, if there is to be one. */
int capture_name_checkpoint(struct capture *capture, struct err *err);
