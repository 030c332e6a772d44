/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions that put one small pack, and a point whose maps are like made_point_usual's.
 */
#pragma once

#include "made_point.h"
#include "repository/session.h"

/* A guest by a number, and its request from the host "alpha". */
struct id made_guest(uint8_t number);
struct session_request made_request(uint8_t guest);

/* These must succeed. */
struct session *made_session_begin(const struct repository *repository,
                                   const struct session_request *request);
void made_session_put_pack(struct session *session);
/* The bytes of a point of the session; the caller frees them. */
struct buf made_session_point(const struct repository *repository,
                              const struct session_request *request, const struct session *session,
                              uint32_t flags);

/* A whole session; returns its id. */
struct id made_session_run(const struct repository *repository,
                           const struct session_request *request, uint32_t flags);
/* The same of a guest that is not called "web". */
struct id made_session_run_named(const struct repository *repository,
                                 const struct session_request *request, uint32_t flags,
                                 const char *name);

/* A session whose point has its packs: two of its own, and one of the base or a third of its own. It may
 * fail; *ret_id is set when it is known. */
int made_session_back_up(const struct repository *repository, const struct session_request *request,
                         struct id *ret_id, struct err *err);
/* Each point of the scope can be read and has its packs; returns how many there are. */
unsigned made_session_assert_whole(const struct stored_scope *scope);
