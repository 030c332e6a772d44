/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The number of elements of an array whose length is known where this stands. */
#define ARRAY_COUNT(array) (sizeof(array) / sizeof(*(array)))
