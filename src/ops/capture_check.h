/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For capture.c only: what must be right before a guest is touched.
 */
#pragma once

#include "ops/capture.h"

/* Is there room for the memory image? */
int capture_check_room(const struct capture_request *request, struct err *err);
/* Can libvirt make files at `path`? */
int capture_check_access(struct hypervisor *hypervisor, const char *path, struct err *err);
/* Busy at once if another job holds the guest. */
int capture_check_no_job(const struct capture_request *request, struct err *err);
