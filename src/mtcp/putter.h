/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The thread that hands results to the sink. Writing may block - on the page
 * cache, the device, another process - and the children must not starve meanwhile:
 * the pool reads and feeds while this thread writes. Only this thread calls the
 * sink.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "codec/chunks.h"

/* The most bytes of equal results that the sink is given in one call, which cannot be
 * interrupted. A single result may be larger. */
#define PUTTER_RUN_BYTES (UINT64_C(16) << 20)

struct putter;

/* Results to be put, or digests to be chained. What output points to stays as it is until
 * the job is done. */
struct put_job {
    bool chain;                 /* digests; output is not looked at */
    struct chunk_output output; /* except for count and digest, which the putter sets */
    uint64_t count;             /* of chunks in a row, of which output is the first */
    uint8_t digest[DIGEST_SIZE];
    /* One for each chunk; NULL: all have `digest`, or, if they are SAME, none is known. */
    const uint8_t *digests;
};

/* Starts the thread. At most `jobs` results, and as many digests, are posted and not collected
 * at a time. */
struct putter *putter_new(size_t jobs, struct err *err);
/* Ends the thread. No run may be open. Accepts NULL. */
void putter_free(struct putter *putter);
DEFINE_CLEANUP(struct putter *, putter_freep, putter_free)

/* Readable when a result was put. */
int putter_fd(const struct putter *putter);

/* A run of jobs for this sink (borrowed). */
void putter_begin(struct putter *putter, const struct chunk_sink *sink);
/* Jobs are done in the order in which they were posted. */
void putter_post(struct putter *putter, const struct put_job *job);
/* The first result that was put and was not collected yet: its output.id in *ret_id, and 1 is
 * returned; 0 if there is none. -1: a put has failed; nothing more is put in this run. */
int putter_collect(struct putter *putter, uint64_t *ret_id, struct err *err);
/* Raw bytes put in this run so far: in the middle of long jobs too. */
uint64_t putter_raw_done(const struct putter *putter);
/* Waits until all that was posted is done. */
void putter_drain(struct putter *putter);
/* Waits until the thread is done with the sink. Jobs that were not begun are dropped. */
void putter_end(struct putter *putter);
