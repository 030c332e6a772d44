/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For capture*.c, and whoever foretells what it does: the backup job through which the disks of a running guest are read.
 */
#pragma once

#include "ops/backup/capture.h"

/* The folder of the scratch files: --scratch-path, or this one, the guest's private folder. Denied: others
 * can change it. The caller frees. */
int capture_job_folder(const char *scratch_path, const char *private_folder, char **ret,
                       struct err *err);
/* No space: a guest with images of so many bytes may overwrite more than fits into that folder. */
int capture_job_check_room(const char *folder, uint64_t image_size, struct err *err);
/* Chooses names for the job's socket and scratch files that nothing else has, and puts them and the
 * checkpoint into the intent. *ret_folder is that of the scratch files; the caller frees. */
int capture_job_name(struct capture *capture, char **ret_folder, struct err *err);
/* Fixes the disks, and makes the checkpoint. Does nothing for a guest without any. */
int capture_job_begin(struct capture *capture, struct err *err);
/* From here on a full scratch file system can stop the guest. */
int capture_job_watch(struct capture *capture, const char *folder, struct err *err);
