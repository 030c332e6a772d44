/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether the next point of a disk need only have what was written since the newest one. All must
 * hold; any doubt costs reading the disk whole, and no room, since what has not changed is known.
 * Nothing is looked up here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/checkpoint.h"
#include "record/trust.h"

/* In the order in which they are looked for. */
enum increment_doubt {
    INCREMENT_SOUND,
    INCREMENT_UNKNOWN, /* the newest point keeps nothing of the disk, or there is no such point */
    INCREMENT_REFUSED, /* by the user */
    INCREMENT_FOREIGN, /* the checkpoint is not this repository's */
    INCREMENT_PATH,
    INCREMENT_FORMAT,
    INCREMENT_SIZE,
    INCREMENT_INODE,
    INCREMENT_NOTE,
    INCREMENT_READ_ONLY,
    INCREMENT_ABSENT,
    INCREMENT_BROKEN,
    INCREMENT_WITNESS,
    INCREMENT_DOUBTS
};

struct increment_facts {
    const struct trust *base; /* what the newest point keeps of the disk; NULL: nothing */
    bool full_read;           /* the user wants all of it to be read */
    const char *owner;        /* of this repository's checkpoints */
    /* The disk now. */
    const char *host;
    const char *path;
    const char *format;
    uint64_t size;
    bool has_inode;
    uint64_t inode;
    /* What this host notes of its last backup of the guest there, NULL: nothing; and the newest point. */
    const char *noted;
    const char *base_id;
    bool read_only; /* the guest cannot write to it */
    enum guest_checkpoint_state state;
    bool witnesses_differ;
};

/* As long as something is not known yet, it is set as if it were as it should be. */
enum increment_doubt increment_judge(const struct increment_facts *facts);

/* Why the disk is read whole; NULL: for no reason that people need to hear. */
const char *increment_reason(enum increment_doubt doubt);
