/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A process that is killed before each call with which a session changes a folder. To be linked with
 * --wrap of these calls.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder_store.h"
#include "made_session.h"
#include "repository/keep/objects.h"

/* ---- the calls ------------------------------------------------------------------------------- */

static unsigned kill_at = UINT32_MAX;
static _Atomic unsigned calls; /* of all threads */

static void count_call(void)
{
    if (calls++ == kill_at)
        raise(SIGKILL);
}

#define WRAPPED(type, name, parameters, arguments)                                                 \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        count_call();                                                                              \
        return __real_##name arguments;                                                            \
    }
WRAPPED(int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
        (from_fd, from, to_fd, to, flags))
WRAPPED(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAPPED(int, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAPPED(int, fsync, (int fd), (fd))
WRAPPED(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len))

/* ---- the sessions ---------------------------------------------------------------------------- */

/* In a process of its own, which is killed before this call. Returns whether it was; the session
 * succeeds if not. */
static bool is_killed_at(const struct repository *repository, const struct session_request *request,
                         unsigned call)
{
    struct id id;
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        calls = 0;
        kill_at = call;
        _exit(made_session_back_up(repository, request, &id, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static int count_part(void *opaque, const struct name *name, const struct store_entry *entry,
                      struct err *err)
{
    (void)entry;
    (void)err;
    assert_true(name->kind == NAME_PART);
    ++*(unsigned *)opaque;
    return 0;
}

/* What the dead have left can be told by its name, for the collector to remove it. */
static void assert_only_parts(const struct stored_scope *scope)
{
    CLEANUP_STRINGS struct strings unknown = {0};
    unsigned parts = 0;
    const struct objects_each each = {count_part, &parts, &unknown};

    assert_int_equal(objects_list(scope, "tmp", NULL, &each, NULL), 0);
    assert_int_equal(unknown.count, 0);
    assert_true(parts > 0);
}

static void a_session_may_be_killed_at_any_call(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    const struct session_request request = made_request(7);
    unsigned call = 0, points = 0;

    (void)state;
    folder_begin(&folder);
    const struct stored_scope scope = {folder.repository->store, folder.repository->id,
                                       REPOSITORY_SCOPE};
    for (; is_killed_at(folder.repository, &request, call); call++) {
        unsigned now = made_session_assert_whole(&scope);
        assert_true(now == points || now == points + 1);
        points = now;
    }
    assert_true(call > 25);
    assert_true(points > 0); /* of those that were killed after their commit */
    assert_int_equal(made_session_assert_whole(&scope), points + 1);
    assert_only_parts(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_may_be_killed_at_any_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
