/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether bytes are still those that they were: a hash that costs no more than reading them, against
 * what disks and file systems do, not against people.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 0 exactly if all bytes are zeros. */
uint64_t fingerprint_of(const void *data, size_t len);
