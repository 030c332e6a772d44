/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Arrays whose length is known where they stand.
 */
#pragma once

/* The number of elements. */
#define ARRAY_COUNT(array) (sizeof(array) / sizeof(*(array)))
