/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pids of a pool's children, which tests kill or stop.
 */
#pragma once

#include <sys/types.h>

#include "mtcp/pool_private.h"

/* Returns how many it has; max of them are put at ret. */
static inline size_t pool_pids(const struct pool *pool, pid_t *ret, size_t max)
{
    for (size_t i = 0; i < pool->worker_count && i < max; i++)
        ret[i] = pool->workers[i].child.pid;
    return pool->worker_count;
}
