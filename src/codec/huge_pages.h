/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory for the large tables that encoders look up at random. With huge pages, where the kernel
 * gives them on request, each look-up saves a walk through the page tables.
 */
#pragma once

#include <stddef.h>

/* As malloc; the caller frees it with free. */
void *huge_pages_take(size_t size);
