/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session: one writer's work on one point of a guest. Any number of them run at once, of one guest
 * too, and while a collector removes what nobody needs. What makes that safe is the order of things:
 *
 *   1. The session announces itself: "s/SCOPE/GID/SID". A collector that begins from now on waits until
 *      the session's slot "p/SCOPE/GID/SID" is filled.
 *   2. Only then it lists the trash and the slots of its guest, and reads those points from whose packs
 *      it may take blocks over. These, and the packs that it puts itself, are the only ones that its
 *      point may refer to: they cannot go while it runs.
 *   3. It puts its packs.
 *   4. It commits: fills its slot with the point. A collector that has taken it for dead has put a
 *      tombstone there instead: whoever is first wins, and the other is told.
 *
 * A session that does not commit gives up: it puts a tombstone into its own slot. One that is killed
 * does neither; its packs go with a later collection. A session may take hours or days, but not 30 days
 * by a clock that runs on while the host sleeps.
 *
 * A long backup takes several sessions. Each but the last ends in a partial point, which has what the
 * backup has done so far, and the next one relies on that: so little is lost if the backup is not
 * completed, because the next backup knows the blocks of partial points, too.
 *
 * Errors name the object, not the guest. For one thread at a time, except for packs.
 */
#pragma once

#include "base/strings.h"
#include "repository/format/pack.h"
#include "repository/repository.h"
#include "repository/stored_point.h"
#include "repository/stored_scope.h"

struct session;

struct session_request {
    const char *scope; /* its folders are made if it is new */
    struct id guest;
    const struct id *like; /* a guest whose newest point probably has blocks of this one; NULL */
    const char *host;
    const char *program;
};

/* Steps 1 and 2. Any error ends the session. */
int session_begin(const struct repository *repository, const struct session_request *request,
                  struct session **ret, struct err *err);
/* The same once *session has committed a partial point, which must still be there (transient): a new
 * session of the same backup, in the place of *session. It takes over the known points. */
int session_go_on(const struct repository *repository, struct session **session, struct err *err);
/* Gives up unless the point was committed, and frees. Accepts NULL. */
void session_end(struct session *session);
DEFINE_CLEANUP(struct session *, session_endp, session_end)

const struct id *session_id(const struct session *session);
/* Borrowed. */
const struct stored_scope *session_scope(const struct session *session);
/* The time now by the store's clock, since 1970: that of the start, and what has passed since. */
int64_t session_now_ms(const struct session *session);

/* ---- what it builds on ----------------------------------------------------------------------- */

/* The guest's newest point that is complete, not derived and not in the trash; NULL if there is
 * none, or it was gone when the backup went on here. */
const struct stored_point *session_base(const struct session *session);
/* The points from whose packs blocks may be taken over, by their ids: the base, partial points of the
 * guest that are newer, the newest complete point of the guest it is like. NULL: there are no more. */
const struct stored_point *session_known(const struct session *session, size_t number);
/* Whether it was gone, or in the trash, when the backup went on here: then it counts no
 * more, but for what the former session's point has of it. */
bool session_known_is_gone(const struct session *session, size_t number);
/* Whether somebody has found this pack lost or damaged: none of its blocks is taken over. */
bool session_pack_is_bad(const struct session *session, const struct id *pack_session,
                         uint32_t number);

/* What people should be told. All borrowed. */
struct session_notes {
    const char *other_host; /* on which the newest point was taken; NULL: on this one, or none */
    int64_t ahead_ms;       /* how far the newest point's id is ahead of the clock, if over a day */
    const struct strings *unreadable; /* why points were passed over, an error's text each */
};
struct session_notes session_notes(const struct session *session);

/* ---- writing --------------------------------------------------------------------------------- */

/* Closes the pack and puts it under the session's next number. Exists: there is another pack of that
 * name, because this host was set back to an earlier state in the middle of the session: it cannot go
 * on. Busy: fenced, see session_commit. Several threads may put packs at the same time. */
int session_put_pack(struct session *session, struct pack_writer *writer,
                     struct pack_digest *ret_digest, uint32_t *ret_number, struct err *err);
/* True if no pack was put for so long that a collector might take the session for dead. It is then to
 * put one, an empty one if need be. For any thread. */
bool session_pack_is_due(const struct session *session);

/* How long ago it began. For any thread. */
int64_t session_age_ms(const struct session *session);

/* Step 4, once. point: all bytes of it. Busy: fenced, a collector has taken the session for dead.
 * Transient: something that the point refers to may be gone, and a new session may succeed. */
int session_commit(struct session *session, const void *point, size_t len, struct err *err);
