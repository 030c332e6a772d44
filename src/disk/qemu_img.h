/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: qemu-img, run on one image, which the caller's errors name.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Like process_run. Errors do not repeat the name `image`, which is among argv. */
int qemu_img_run(const char *const argv[], const char *image, struct buf *output, struct err *err);
/* What it says about the image. format: QEMU's name of it. Works while a guest uses the image. */
int qemu_img_info(const char *path, const char *format, struct json **ret, struct err *err);
