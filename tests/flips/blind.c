/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A known mistake, to see that it is found: stored files are not compared with their
 * SHA-256. Then only what is decoded is looked at.
 */
#include "archive/image.h"

int __wrap_image_check_file(int fd, const struct manifest_stored *stored, struct err *err);

int __wrap_image_check_file(int fd, const struct manifest_stored *stored, struct err *err)
{
    (void)fd;
    (void)stored;
    (void)err;
    return 0;
}
