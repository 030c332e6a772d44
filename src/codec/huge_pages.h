/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory for the large tables that encoders look into at random places: in huge pages,
 * where the kernel has them for who asks, each look costs a walk through the page tables less.
 */
#pragma once

#include <stddef.h>

/* As malloc; the caller frees it with free. */
void *huge_pages_take(size_t size);
