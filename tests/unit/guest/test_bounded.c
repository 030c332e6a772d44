/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Calls that libvirt does not answer: a limit and a signal end them, and nothing else of the process
 * is disturbed. libvirt is its test driver here, with a socket as its drivers for daemons have one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/quit.h"
#include "base/units.h"
#include "guest/bounded.h"
#include "guest/guest.h"
#include "guest/hypervisor.h"

#define SHORT_MS 100
#define LONG_MS (UINT64_C(60) * 1000)

static struct {
    int socket[2]; /* ours and libvirtd's */
    unsigned opened;
    unsigned signals; /* sent by a call before it waits */
    bool answers;     /* at once */
    bool lost;
} peer;

static struct hypervisor *hypervisor;
static struct guest *guest;

/* ---- libvirt ------------------------------------------------------------------------------ */

static void close_peer(void)
{
    for (size_t i = 0; i < 2 && peer.opened; i++)
        close(peer.socket[i]);
}

virConnectPtr virConnectOpen(const char *uri)
{
    virConnectPtr (*real)(const char *) =
        (virConnectPtr(*)(const char *))dlsym(RTLD_NEXT, "virConnectOpen");

    close_peer();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peer.socket) < 0)
        return NULL;
    peer.opened++;
    peer.lost = false;
    return real(uri);
}

int virConnectIsAlive(virConnectPtr connection)
{
    (void)connection;
    return !peer.lost;
}

/* As libvirt's client does: it waits for its socket. */
static int ask(void)
{
    char answer;

    for (unsigned i = 0; i < peer.signals; i++)
        raise(SIGTERM);
    if (peer.answers)
        return 0;
    while (read(peer.socket[0], &answer, 1) < 0 && errno == EINTR)
        ;
    peer.lost = true;
    return -1;
}

int virDomainSuspend(virDomainPtr domain)
{
    (void)domain;
    return ask();
}

int virDomainCreateWithFlags(virDomainPtr domain, unsigned flags)
{
    (void)domain;
    (void)flags;
    return ask();
}

int virDomainRestoreFlags(virConnectPtr connection, const char *path, const char *xml,
                          unsigned flags)
{
    (void)connection;
    (void)path;
    (void)xml;
    (void)flags;
    return ask();
}

/* ---- set-up -------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    quit_forget();
    memset(&peer, 0, sizeof(peer));
    if (quit_install(NULL) < 0 || hypervisor_open("test:///default", &hypervisor, NULL) < 0)
        return -1;
    return guest_find(hypervisor, "test", &guest, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    guest_free(guest);
    hypervisor_close(hypervisor);
    close_peer();
    close(quit_fd());
    return 0;
}

static int suspend_within(struct bounded_times times, struct err *err)
{
    BOUNDED_CALLS(&times);

    return guest_suspend(guest, err);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void a_call_without_an_answer_ends_at_its_limit(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
    assert_int_equal(err.errnum, ETIMEDOUT);
    assert_non_null(strstr(err.text, "libvirt did not answer within"));
    assert_non_null(strstr(err.text, "may still do"));
}

static void starts_and_restores_have_a_limit_too(void **state)
{
    CLEANUP_ERR struct err start_err = ERR_INIT;
    CLEANUP_ERR struct err restore_err = ERR_INIT;
    const struct bounded_times times = {.limit_ms = SHORT_MS};

    (void)state;
    BOUNDED_CALLS(&times);
    assert_int_equal(guest_start(guest, false, &start_err), -1);
    assert_int_equal(start_err.kind, ERR_TRANSIENT);
    assert_int_equal(guest_restore(hypervisor, "/none.sav", NULL, true, &restore_err), -1);
    assert_int_equal(restore_err.kind, ERR_TRANSIENT);
}

static void the_next_guest_gets_a_new_connection(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct guest_status status;

    (void)state;
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, &err), -1);
    assert_false(hypervisor_alive(hypervisor));
    hypervisor_revive(hypervisor);
    assert_true(hypervisor_alive(hypervisor));
    assert_int_equal(peer.opened, 2);
    assert_int_equal(guest_get_status(guest, &status, NULL), 0);
    /* the new connection's socket is known as well */
    err_clear(&err);
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
}

static void other_sockets_stay_open(void **state)
{
    int other[2];
    char got = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
    assert_int_equal(hypervisor_reconnect(hypervisor, LONG_MS, NULL), 0);
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, NULL), -1);
    assert_int_equal(write(other[0], "x", 1), 1);
    assert_int_equal(read(other[1], &got, 1), 1);
    close(other[0]);
    close(other[1]);
}

/* Without a descriptor left nobody can tell which sockets were there before. */
static void sockets_stay_open_if_none_can_be_told_apart(void **state)
{
    struct rlimit usual;
    int other[2];
    char got = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, usual.rlim_max}), 0);
    struct bounded_sockets before = bounded_before_open();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    bounded_after_open(&before);
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, NULL), -1);
    assert_int_equal(write(other[0], "x", 1), 1);
    assert_int_equal(read(other[1], &got, 1), 1);
    close(other[0]);
    close(other[1]);
}

static void an_answer_in_time_is_an_answer(void **state)
{
    (void)state;
    peer.answers = true;
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = LONG_MS}, NULL), 0);
    assert_true(hypervisor_alive(hypervisor));
}

static void a_signal_ends_a_call(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    peer.signals = 1;
    assert_int_equal(suspend_within((struct bounded_times){.signal_ms = SHORT_MS}, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_non_null(strstr(err.text, "stopped by a signal"));
}

static void an_earlier_signal_does_not_hurry_the_undoing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    raise(SIGTERM);
    assert_int_equal(
        suspend_within((struct bounded_times){.limit_ms = 5 * SHORT_MS, .signal_ms = 1}, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
}

/* A signal that comes in the middle of it, and not before. */
static void a_signal_does_not_hurry_what_undoes_for_the_work(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    QUIT_DEFERRED();
    peer.signals = 1;
    assert_int_equal(
        suspend_within((struct bounded_times){.limit_ms = 5 * SHORT_MS, .signal_ms = 1}, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
}

/* The last test: that a second signal has come is never forgotten. */
static void a_second_signal_ends_the_undoing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    raise(SIGTERM);
    peer.signals = 1;
    assert_int_equal(suspend_within((struct bounded_times){.insisted_ms = SHORT_MS}, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
}

/* A call that was abandoned closes its connection in its own thread, while another one is opened. */
#define ROUNDS 3000

static void *use_again_and_again(void *opaque)
{
    unsigned *failures = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (bounded_start(NULL) == 0)
            bounded_stop();
        else
            *failures += 1;
    }
    return NULL;
}

static void several_threads_may_begin_and_end_its_use(void **state)
{
    unsigned failures[3] = {0};
    pthread_t threads[3];

    (void)state;
    bounded_stop(); /* that of the connection of the set-up: the last one ends in each round */
    alarm(100);     /* the wrong thread is waited for */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_again_and_again, &failures[i]), 0);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
    assert_int_equal(bounded_start(NULL), 0);
    alarm(0);
    /* it watches still */
    assert_int_equal(suspend_within((struct bounded_times){.limit_ms = SHORT_MS}, NULL), -1);
}

static void every_kind_of_call_has_a_limit(void **state)
{
    (void)state;
    /* what a large image takes to be flushed, in which it answers nothing about the guest */
    assert_true(bounded_usual.limit_ms >= UINT64_C(10) * 60 * 1000);
    assert_true(bounded_slow.limit_ms >= bounded_usual.limit_ms);
    assert_true(bounded_slow.signal_ms > bounded_usual.signal_ms);
    assert_true(bounded_usual.signal_ms && bounded_slow.signal_ms);
    assert_true(bounded_usual.insisted_ms && bounded_slow.insisted_ms);
    struct bounded_times reading = bounded_reading(UINT64_C(1) << 40);
    assert_true(reading.limit_ms > UINT64_C(24) * 3600 * 1000); /* 1 TiB at 4 MiB/s: 73 hours */
    assert_int_equal(reading.signal_ms, 0);
    assert_true(reading.insisted_ms);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_without_an_answer_ends_at_its_limit),
        TEST(starts_and_restores_have_a_limit_too),
        TEST(the_next_guest_gets_a_new_connection),
        TEST(other_sockets_stay_open),
        TEST(sockets_stay_open_if_none_can_be_told_apart),
        TEST(an_answer_in_time_is_an_answer),
        TEST(a_signal_ends_a_call),
        TEST(an_earlier_signal_does_not_hurry_the_undoing),
        TEST(a_signal_does_not_hurry_what_undoes_for_the_work),
        TEST(several_threads_may_begin_and_end_its_use),
        TEST(every_kind_of_call_has_a_limit),
        TEST(a_second_signal_ends_the_undoing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
