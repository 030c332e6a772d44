/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session in a folder, and the clock that it goes by. To be linked with --wrap=clock_gettime.
 */
#pragma once

#include <string.h>
#include <time.h>

#include "base/units.h"
#include "folder_store.h"
#include "made_session.h"
#include "repository/listing.h"

/* ---- the clock that counts suspension -------------------------------------------------------- */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

static int64_t slept_ms;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int rc = __real_clock_gettime(clock, ret);

    if (clock == CLOCK_BOOTTIME)
        ret->tv_sec += slept_ms / 1000;
    return rc;
}

/* ---- a repository and a guest in it ---------------------------------------------------------- */

struct fixture {
    struct folder_repository folder;
    struct session_request request;
    struct session *session;
};

static inline void fixture_end(struct fixture *fixture)
{
    session_end(fixture->session);
    folder_end(&fixture->folder);
    slept_ms = 0;
}

static inline void fixture_begin(struct fixture *fixture)
{
    folder_begin(&fixture->folder);
    fixture->request = made_request(7);
}
#define FIXTURE                                                                                    \
    CLEANUP(fixture_end) struct fixture fixture = {0};                                             \
    fixture_begin(&fixture);                                                                       \
    struct repository *const repository = fixture.folder.repository;                               \
    struct session_request *const request = &fixture.request;                                      \
    const struct stored_scope scope = {repository->store, repository->id, REPOSITORY_SCOPE};       \
    (void)request;                                                                                 \
    (void)scope

static inline void begin_again(struct fixture *fixture)
{
    session_end(TAKE_PTR(fixture->session));
    fixture->session = made_session_begin(fixture->folder.repository, &fixture->request);
}

static inline struct point_id own_point(const struct fixture *fixture)
{
    return (struct point_id){fixture->request.guest, *session_id(fixture->session)};
}

static inline enum slot_kind kind_of(const struct stored_scope *scope, const struct id *guest,
                                     const struct id *session)
{
    const struct point_id id = {*guest, *session};
    enum slot_kind kind = 0;

    assert_int_equal(objects_slot_kind(scope, &id, &kind, NULL), 0);
    return kind;
}

/* Whatever is there. */
static inline void put_tombstone(const struct stored_scope *scope, const struct point_id *point,
                                 enum slot_kind kind)
{
    const struct slot_id id = {scope->repository, point->session, point->guest};
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, point, 0);
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {.name = name, .data = bytes, .len = sizeof(bytes)};

    slot_format_tombstone(kind, &id, bytes);
    assert_int_equal(store_replace(scope->store, &object, NULL), 0);
}

/* expected NULL: there is no point of that number. */
static inline void assert_known(const struct session *session, size_t number,
                                const struct id *expected)
{
    const struct stored_point *point = session_known(session, number);

    if (!expected) {
        assert_null(point);
        return;
    }
    assert_non_null(point);
    assert_memory_equal(&point->id.session, expected, ID_SIZE);
}

static inline void assert_error(const struct err *err, enum err_kind kind, const char *text)
{
    assert_int_equal(err->kind, kind);
    if (!strstr(err->text, text))
        fail_msg("the error is: %s", err->text);
}
