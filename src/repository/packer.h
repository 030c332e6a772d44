/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The packs of a backup. Frames are put into a pack until it is full; full ones are written by
 * threads, while the next is being filled. Blocks are numbered from 0 in the order in which they
 * come, over all images, and in the end it is told which pack has which.
 *
 * A pack is closed early, even if it is empty, when the session is due to show by one that it is
 * alive.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "repository/format/pack.h"

/* Packs in memory at a time, of up to LIMITS_PACK bytes each: one that is filled, and those that are
 * being written. */
#define PACKER_BUFFERS 4u

/* Where packs go. */
struct pack_target {
    void *opaque;
    /* Closes the pack under the session's next number, and puts it. Called by several threads. */
    int (*put)(void *opaque, struct pack_writer *writer, struct pack_digest *ret_digest,
               struct pack_id *ret_id, struct err *err);
    /* Whether one is to be put now. */
    bool (*due)(void *opaque);
};

struct packer;

/* buffers: 1 to PACKER_BUFFERS. Starts the threads. */
struct packer *packer_new(const struct pack_target *target, unsigned buffers, struct err *err);
/* Waits for the packs that are being written, and drops the rest. Accepts NULL. */
void packer_free(struct packer *packer);
DEFINE_CLEANUP(struct packer *, packer_freep, packer_free)

/* All below are called by one thread at a time. A pack that could not be written fails the next
 * call, with the reason, and all further ones. */

/* Where the bytes of a frame may be put before it is added, as the next call: so they need not be
 * copied. Waits if all buffers are full. NULL, and an error. */
uint8_t *packer_room(struct packer *packer, uint32_t stored_len, uint32_t block_count,
                     struct err *err);
/* Copies the frame, if its bytes are not in packer_room already. Waits if all buffers are full. */
int packer_add(struct packer *packer, const void *data, const struct pack_index_added *frame,
               struct err *err);
/* Called now and then: closes the pack if one is due. */
int packer_tick(struct packer *packer, struct err *err);
/* Closes the last pack, if it has frames, and waits until all are written. More may be added. */
int packer_finish(struct packer *packer, struct err *err);

struct packer_pack {
    struct pack_id id;
    struct pack_digest digest;
    uint64_t first_block; /* by the numbering of the backup */
};

/* How many blocks were added; in how many packs that were closed since, and of how many bytes. */
uint64_t packer_block_count(const struct packer *packer);
uint32_t packer_closed(const struct packer *packer, uint64_t *ret_bytes);
/* After packer_finish: all packs, by their first block; the empty ones too. Borrowed. */
const struct packer_pack *packer_packs(const struct packer *packer, uint32_t *ret_count);
