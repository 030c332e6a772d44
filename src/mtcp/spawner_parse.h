/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The process that parses bytes from outside. It takes one struct spawner_parse after another, each
 * followed by its data, and answers each with a struct spawner_apart_head and `count` bytes.
 *
 * It is kept from one to the next, because there may be thousands. What it has parsed before may have
 * changed what it does, so one that fails is ended, and the last word has one that was forked for
 * these bytes alone.
 */
#pragma once

#include "mtcp/spawner_apart.h"

/* The process that a spawner keeps for that. */
struct spawner_parse_kept {
    struct spawner_apart process;
    bool unconfined;
    uint64_t memory; /* that it may take */
    uint64_t served; /* how many it has parsed, */
    uint64_t bytes;  /* and how much it took and made */
};

/* After so many, or so much, another one follows: its processor time is limited. */
#define SPAWNER_PARSE_SERVED 10000u
#define SPAWNER_PARSE_BYTES (UINT64_C(4) << 30)

void spawner_parse_begin(struct spawner_parse_kept *kept);
/* Closes its socket, which ends it. Does not wait. */
void spawner_parse_clear(struct spawner_parse_kept *kept);
struct spawner_parse_kept *spawner_kept_parser(struct spawner *spawner); /* in mtcp/spawner.c */

/* What the sandbox would forbid. To be called before the process is forked. */
void spawner_parse_warm_up(void);
/* The whole life of that process, which the spawner has forked. */
void spawner_parse_run(const struct spawner_parse_limits *limits, int sock, pid_t parent)
    __attribute__((noreturn));
/* Reads one answer of that process, pid. Fills *ret, which is empty; the caller clears it, after a
 * failure too. */
int spawner_parse_take(const struct spawner_parse *what, pid_t pid, int sock, struct buf *ret,
                       struct err *err);
