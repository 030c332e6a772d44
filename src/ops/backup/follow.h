/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How the disks of a guest are followed from one point of a store to the next: the facts for
 * ops/backup/increment.h are looked up, and what a point is to keep for the next one is put together.
 */
#pragma once

#include "disk/reader.h"
#include "ops/backup/capture.h"
#include "ops/backup/increment.h"
#include "ops/points/points.h"

struct follow_request {
    const struct source *source;
    struct points_set *set;
    const struct report *report;
    const char *guest;
    const char *uuid;
    const char *host;
    int state_fd;
    bool full_read;
};

struct follow {
    struct follow_request request; /* what it points to is borrowed */
    struct capture_track *tracks; /* owned; of each disk: for the capture. NULL: none is followed */
    struct increment_facts *facts; /* owned, as all below; of each disk */
    char *owner;                   /* of the checkpoints; the set's own goes with the commit */
    char *note;                    /* the name of the guest's (ops/point_notes.h) ... */
    char *noted;                   /* ... and what it says */
    bool kept;                     /* the point keeps how some disk goes on */
};

/* Does nothing for a store that keeps nothing. */
void follow_begin(struct follow *follow, const struct follow_request *request);
void follow_clear(struct follow *follow);
/* When the capture has begun: tells why disks are read whole. */
void follow_settle(struct follow *follow);
/* Whether of this disk, which was opened, only what was written is to be read. Reads the witnesses:
 * *ret_read bytes. */
int follow_disk(struct follow *follow, const struct source_disk *disk, struct disk_reader *reader,
                bool *ret_increment, uint64_t *ret_read, struct err *err);
/* The disk was stored: the point keeps how it goes on, if the new checkpoint records it. */
void follow_keep(struct follow *follow, const struct capture *capture,
                 const struct source_disk *disk, uint64_t size);
/* The point was committed. */
void follow_note(const struct follow *follow, const char *point);
