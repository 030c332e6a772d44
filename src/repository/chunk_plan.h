/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What becomes of the blocks of a chunk: zeros are left out, known ones are referred to, the others
 * make one frame. So that a restore need not read many frames for one chunk, single known blocks that
 * have come from elsewhere are stored again where the chunk is in PLAN_PIECES pieces or more.
 *
 * Those that are where the base has them are not: pages of a database change here and there each day, and
 * what lies between them would be stored every week or so. A restore decodes their frames for this
 * chunk alone, each once, and refresh.h sees to packs of which little is used.
 *
 * A piece is a run of the chunk's blocks that follow each other in one frame, or are the same block
 * again; all that is stored anew is one piece, and zeros do not count.
 */
#pragma once

#include "repository/known.h"

#define PLAN_BLOCKS LIMITS_FRAME_BLOCKS_LZMA /* of a chunk, at most */
#define PLAN_PIECES 8u

enum planned_kind {
    PLANNED_ZERO,
    PLANNED_KNOWN,
    PLANNED_NEW, /* or the same as an earlier one of this chunk that is new */
};

struct planned_block {
    enum planned_kind kind;
    struct known_block at; /* KNOWN */
    uint32_t number;       /* NEW: in the frame */
};

struct chunk_plan {
    struct planned_block blocks[PLAN_BLOCKS];
    uint32_t count;
    /* The frame: which blocks of the chunk it has, ascending, and their ids. */
    uint32_t frame[PLAN_BLOCKS];
    struct id ids[PLAN_BLOCKS];
    uint32_t frame_count;
};

struct planned_input {
    const struct id *ids;               /* of each block; not looked at of zeros */
    const bool *zeros;                  /* of each block: whether it is all zeros */
    const struct known_block *expected; /* of each block: where it was in the base; pack is
                                         * UINT32_MAX: nowhere */
    uint32_t count;                     /* 1 to PLAN_BLOCKS */
    /* Bit n: block n was not read, since it is what the base had, where it is expected (nowhere: zeros).
     * It stays there. */
    uint64_t same;
};

void chunk_plan_make(const struct known *known, const struct planned_input *input,
                     struct chunk_plan *ret);
