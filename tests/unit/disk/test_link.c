/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * NBD servers that answer late or never: nothing waits for them longer than it must.
 */
#include "disk/hold.h"
#include "disk/nbd_link.h"

#include <endian.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"

#define SIZE (UINT64_C(1) << 20)
#define PATIENCE_MS 10000

/* ---- a server that shakes hands, and then does nothing ----------------------------------------- */

enum { FLAGS = 1 | 4 /* flush */ };
enum { OPT_GO = 7, REP_ACK = 1, REP_INFO = 3 };
#define REP_UNSUPPORTED UINT32_C(0x80000001)

struct option {
    uint64_t magic;
    uint32_t number;
    uint32_t len;
} __attribute__((packed));

static void reply(int sock, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
    const struct {
        uint64_t magic;
        uint32_t option, type, len;
    } __attribute__((packed)) head = {htobe64(UINT64_C(0x3e889045565a9)), htobe32(option),
                                      htobe32(type), htobe32(len)};

    (void)io_write(sock, &head, sizeof(head), NULL);
    (void)io_write(sock, data, len, NULL);
}

static void negotiate(int sock)
{
    const struct {
        uint64_t magic, option_magic;
        uint16_t flags;
    } __attribute__((packed)) hello = {htobe64(UINT64_C(0x4e42444d41474943)),
                                       htobe64(UINT64_C(0x49484156454f5054)), htobe16(3)};
    const struct {
        uint16_t type;
        uint64_t size;
        uint16_t flags;
    } __attribute__((packed)) info = {0, htobe64(SIZE), htobe16(FLAGS)};
    struct option option;
    uint32_t flags;
    char data[4096];

    (void)io_write(sock, &hello, sizeof(hello), NULL);
    if (recv(sock, &flags, sizeof(flags), MSG_WAITALL) != sizeof(flags))
        return;
    while (recv(sock, &option, sizeof(option), MSG_WAITALL) == sizeof(option)) {
        uint32_t number = be32toh(option.number);
        uint32_t len = be32toh(option.len);
        if (len > sizeof(data) || (len && recv(sock, data, len, MSG_WAITALL) != (ssize_t)len))
            return;
        if (number == OPT_GO) {
            reply(sock, number, REP_INFO, &info, sizeof(info));
            reply(sock, number, REP_ACK, NULL, 0);
            return;
        }
        reply(sock, number, REP_UNSUPPORTED, NULL, 0);
    }
}

struct nbd_handle;

static bool talks; /* it says something, but no answer */
static bool fails; /* what arrives cannot be processed */

int __wrap_nbd_aio_notify_read(struct nbd_handle *nbd);
int __real_nbd_aio_notify_read(struct nbd_handle *nbd);

int __wrap_nbd_aio_notify_read(struct nbd_handle *nbd)
{
    return fails ? -1 : __real_nbd_aio_notify_read(nbd);
}

/* Opens a link to it; the server is a process that is killed in the end. */
static struct nbd_link *open_link(pid_t *ret_server)
{
    int ends[2];
    struct nbd_link *link = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *ret_server = fork();
    if (*ret_server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the test is killed for waiting too long */
        close(ends[0]);
        negotiate(ends[1]);
        (void)io_write(ends[1], "?", talks ? 1 : 0, NULL);
        for (;;)
            pause();
    }
    close(ends[1]);
    if (nbd_link_open(ends[0], "", NULL, &link, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(nbd_link_size(link), SIZE);
    return link;
}

static void end_server(pid_t server)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

/* ---- a server that answers no write before all have come ---------------------------------------- */

enum { WRITE = 1, FLUSH = 3, WRITES = 3 };

struct request {
    uint32_t magic;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t len;
} __attribute__((packed));

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 12));
}

static void fill(uint8_t *data, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(offset + i);
}

static void answer(int sock, uint64_t cookie, uint32_t error)
{
    const struct {
        uint32_t magic, error;
        uint64_t cookie;
    } __attribute__((packed)) head = {htobe32(0x67446698), htobe32(error), cookie};

    (void)io_write(sock, &head, sizeof(head), NULL);
}

/* Its status is 0 if all writes brought what they should. */
static void serve_late(int sock, uint32_t error_of_second)
{
    static uint8_t data[SIZE];
    uint64_t cookies[WRITES];
    struct request request;
    unsigned writes = 0;

    negotiate(sock);
    while (recv(sock, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
        uint64_t offset = be64toh(request.offset);
        uint32_t len = be32toh(request.len);
        if (be16toh(request.type) == FLUSH)
            answer(sock, request.cookie, 0);
        if (be16toh(request.type) != WRITE)
            continue;
        if (writes == WRITES || len > SIZE || recv(sock, data, len, MSG_WAITALL) != (ssize_t)len)
            _exit(1);
        for (uint32_t i = 0; i < len; i++)
            if (data[i] != byte_at(offset + i))
                _exit(2);
        cookies[writes++] = request.cookie;
        for (unsigned i = 0; i < WRITES && writes == WRITES; i++)
            answer(sock, cookies[i], i == 1 ? error_of_second : 0);
    }
    _exit(writes == WRITES ? 0 : 3);
}

/* ---- a server that sends more than anybody reads, and closes when it is told the end ------------- */

static pid_t start_talker(int sock, int ours)
{
    pid_t pid = fork();

    if (pid == 0) {
        char rest[4096] = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ours);
        for (int i = 0; i < 1024; i++)
            (void)io_write(sock, rest, sizeof(rest), NULL);
        _exit(recv(sock, rest, sizeof(rest), 0) == 0 ? 0 : 1);
    }
    return pid;
}

/* ---- tests ---------------------------------------------------------------------------------------- */

/* Nothing may arrive for a request that nobody waits for any more: its memory may be gone. */
static void a_link_that_failed_is_not_used_any_more(void **state)
{
    uint8_t data[4096];
    pid_t server;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    talks = true;
    struct nbd_link *link = open_link(&server);
    fails = true;
    assert_int_equal(nbd_link_fetch(link, 0, data, sizeof(data), &err), -1);
    fails = talks = false;
    assert_true(nbd_link_is_lost(link));
    assert_int_equal(nbd_link_shutdown(link, NULL), -1);
    nbd_link_free(link);
    end_server(server);
}

static void a_server_that_does_not_close_is_left(void **state)
{
    uint64_t began_ms = units_now_ms();
    pid_t server;
    struct nbd_link *link = open_link(&server);

    (void)state;
    assert_int_equal(nbd_link_shutdown(link, NULL), 0);
    nbd_link_free(link);
    assert_in_range(units_now_ms() - began_ms, 0, PATIENCE_MS);
    end_server(server);
}

/* What was written may be overwritten by then, and an error is told later. */
static void writes_do_not_wait_for_their_answers(void **state)
{
    static uint8_t data[600 << 10]; /* of which some is sent in two pieces */

    (void)state;
    for (uint32_t error = 0; error <= 5; error += 5) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct nbd_link *link = NULL;
        int ends[2], status = -1;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        pid_t server = fork();
        if (server == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(ends[0]);
            serve_late(ends[1], error);
        }
        close(ends[1]);
        assert_int_equal(nbd_link_open(ends[0], "", NULL, &link, NULL), 0);
        fill(data, 4096, sizeof(data));
        assert_int_equal(nbd_link_write(link, 4096, data, sizeof(data), NULL), 0);
        fill(data, 700 << 10, 4096);
        assert_int_equal(nbd_link_write(link, 700 << 10, data, 4096, NULL), 0);
        memset(data, 0, sizeof(data));
        assert_int_equal(nbd_link_flush(link, &err), error ? -1 : 0);
        if (error)
            assert_string_equal(err.text, "cannot write at byte 528384: Input/output error");
        assert_int_equal(nbd_link_shutdown(link, NULL), 0);
        nbd_link_free(link);
        assert_int_equal(waitpid(server, &status, 0), server);
        assert_int_equal(status, 0);
    }
}

/* Another process has a copy of the client's socket, and the client itself does nothing. */
static void a_copy_of_the_socket_ends_the_connection(void **state)
{
    int ends[2];
    int status = -1;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const struct disk_hold hold = {DISK_HOLD_CONNECTION, dup(ends[0])};
    pid_t server = start_talker(ends[1], ends[0]);
    close(ends[1]);
    disk_hold_end(&hold);
    /* It has closed by now, or it would not be certain that it no longer waits for us. */
    assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(status, 0);
    close(hold.fd);
    close(ends[0]);
}

static void a_signal_ends_the_wait_for_an_answer(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t began_ms = units_now_ms();
    char data[512];
    pid_t server;
    struct nbd_link *link = open_link(&server);

    (void)state;
    raise(SIGTERM);
    assert_int_equal(nbd_link_fetch(link, 0, data, sizeof(data), &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
    assert_true(nbd_link_is_lost(link));
    nbd_link_free(link);
    assert_in_range(units_now_ms() - began_ms, 0, PATIENCE_MS);
    end_server(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_of_the_socket_ends_the_connection),
        cmocka_unit_test(a_link_that_failed_is_not_used_any_more),
        cmocka_unit_test(a_server_that_does_not_close_is_left),
        cmocka_unit_test(writes_do_not_wait_for_their_answers),
        cmocka_unit_test(a_signal_ends_the_wait_for_an_answer), /* the last: signals stay */
    };

    alarm(60); /* a wait without end */
    if (quit_install(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
