/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to capture*.c: the backup job through which the disks of a running guest are read.
 */
#pragma once

#include "ops/backup/capture.h"

/* Chooses names for the job's socket and scratch files that nothing else has, and puts them and the
 * checkpoint into the intent. *ret_folder is that of the scratch files; the caller frees. */
int capture_job_name(struct capture *capture, char **ret_folder, struct err *err);
/* Fixes the disks, and makes the checkpoint. Does nothing for a guest without any. */
int capture_job_begin(struct capture *capture, struct err *err);
/* From here on a full scratch file system can stop the guest. */
int capture_job_watch(struct capture *capture, const char *folder, struct err *err);
