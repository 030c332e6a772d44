/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/notify.h"

/* A service manager that listens at this name, as $NOTIFY_SOCKET has it. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(len < sizeof(address.sun_path));
    memcpy(address.sun_path, name, len);
    if (*name == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(sock, (const struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return sock;
}

static void assert_heard(int sock, const char *text)
{
    char heard[256] = {0};

    assert_true(recv(sock, heard, sizeof(heard) - 1, MSG_DONTWAIT) >= 0);
    assert_string_equal(heard, text);
}

static void a_path_is_told(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_FREE char *path = mem_printf("%s/notify", scratch->path);
    CLEANUP_CLOSE int sock = listen_at(path);

    assert_true(notify_send("READY=1"));
    assert_heard(sock, "READY=1");
    assert_true(notify_status("web: 42 %\nREADY=1\033[2J"));
    assert_heard(sock, "STATUS=web: 42 % READY=1?[2J");
}

static void an_abstract_name_is_told(void **state)
{
    CLEANUP_FREE char *name = mem_printf("@virt-backup-test-%d", (int)getpid());
    CLEANUP_CLOSE int sock = listen_at(name);

    (void)state;
    assert_true(notify_send("STOPPING=1"));
    assert_heard(sock, "STOPPING=1");
}

static void nobody_to_tell_is_no_error_and_no_wait(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_FREE char *path = mem_printf("%s/notify", scratch->path);
    CLEANUP_CLOSE int sock = listen_at(path);
    unsigned sent = 0;

    (void)sock; /* nobody reads it */
    while (notify_send("WATCHDOG=1"))
        assert_true(++sent < 1000000); /* until its queue is full */
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_false(notify_send("READY=1"));
    setenv("NOTIFY_SOCKET", "", 1);
    assert_false(notify_send("READY=1"));
    CLEANUP_FREE char *long_name = mem_printf("/%0200d", 0);
    setenv("NOTIFY_SOCKET", long_name, 1);
    assert_false(notify_send("READY=1"));
    unsetenv("NOTIFY_SOCKET");
    assert_false(notify_send("READY=1"));
}

static void the_watchdog_is_that_of_this_process(void **state)
{
    CLEANUP_FREE char *own = mem_printf("%d", (int)getpid());

    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_ms(), 30000);
    setenv("WATCHDOG_PID", own, 1);
    assert_int_equal(notify_watchdog_ms(), 30000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_PID", "x", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "nonsense", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_is_told, scratch_setup, scratch_teardown),
        cmocka_unit_test(an_abstract_name_is_told),
        cmocka_unit_test_setup_teardown(nobody_to_tell_is_no_error_and_no_wait, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(the_watchdog_is_that_of_this_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
