/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether points can be restored. Each level covers those before it:
 *
 *   LEVEL_OBJECTS  the point and its manifest are readable, and each of its packs is there, of the right length: a
 *                  listing of packs, and no pack is opened
 *   LEVEL_STORED   each pack is what was written, by its SHA-256, and the one that the point means
 *   LEVEL_DATA     each frame can be decoded, and each block has its id
 *
 * A pack that several points share is looked at once. What was found is noted in the repository if
 * whoever checks may write there: a pack that is bad, so that no backup builds on it; one that is good
 * again; and of each point when it was checked.
 */
#pragma once

#include "base/strings.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "repository/format/small_object.h"
#include "repository/stored_point.h"

struct points_check;

/* Runs a source of frames through child processes that decode this codec, in chunks of
 * source->chunk_size, and tell the digests of blocks. Corrupt: one cannot be decoded, or what the
 * sink says. */
struct check_children {
    void *opaque;
    int (*decode)(void *opaque, enum codec_type codec, const struct chunk_source *source,
                  const struct chunk_sink *sink, struct err *err);
};

struct check_request {
    const struct stored_scope *scope; /* borrowed, like all of these */
    const uint8_t *id_salt;           /* of the repository, DIGEST_SIZE bytes */
    enum small_level level;
    const struct check_children *children; /* LEVEL_DATA */
    const char *host;                      /* that checks; NULL: nothing is noted */
    /* Whether a complete point's manifest can be read, and is that of the point; NULL: not looked at.
     * Corrupt, unsupported: no, for a reason that does not name the slot. */
    int (*look_at_manifest)(const struct stored_point *point, const struct parser *parser,
                            struct err *err);
    /* After each pack that was read, with its bytes; NULL: not wanted. */
    void (*progress)(void *opaque, uint64_t bytes);
    void *opaque;
};

/* Lists the packs of the scope. */
int check_open(const struct check_request *request, struct points_check **ret, struct err *err);
void check_close(struct points_check *check); /* accepts NULL */
DEFINE_CLEANUP(struct points_check *, check_closep, check_close)

/* Of all packs of the scope, as they were listed. */
uint64_t check_listed_bytes(const struct points_check *check);

struct check_result {
    bool good;
    bool gone;          /* there is no point, or it was removed while it was checked: no finding */
    uint32_t packs;     /* of the point; 0 if it is unreadable */
    uint32_t bad_packs; /* of them */
    struct strings findings;  /* texts for people, at most CHECK_FINDINGS; empty if it is good */
    struct strings unwritten; /* texts of errors: what could not be noted */
};

#define CHECK_FINDINGS 20u

void check_result_clear(struct check_result *result);
#define CLEANUP_CHECK_RESULT CLEANUP(check_result_clear)

/* That the point is damaged or unreadable, or that a later version made it, is no error. An error says
 * nothing about the point: the check could not be made. */
int check_point(struct points_check *check, const struct point_id *id, struct check_result *ret,
                struct err *err);
