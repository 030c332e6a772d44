/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pass.h"

static int ends[2];

static int open_sockets(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_sockets(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void assert_reads(int fd, char expected)
{
    char got = 0;

    assert_int_equal(read(fd, &got, 1), 1);
    assert_int_equal(got, expected);
}

static void descriptors_come_with_their_message(void **state)
{
    int first[2];
    int second[2];
    char text[8] = "";
    int got[2];

    (void)state;
    assert_int_equal(pipe(first) | pipe(second), 0);
    assert_int_equal(pass_send(ends[0], "one", 3, (const int[]){first[0], second[0]}, 2), 0);
    assert_int_equal(pass_receive(ends[1], text, sizeof(text), got, 2), 3);
    assert_memory_equal(text, "one", 3);
    assert_int_equal(write(first[1], "f", 1) + write(second[1], "s", 1), 2);
    assert_reads(got[0], 'f');
    assert_reads(got[1], 's');
    for (int i = 0; i < 2; i++) {
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        close(got[i]);
        close(first[i]);
        close(second[i]);
    }
}

static void a_message_may_have_fewer_or_none(void **state)
{
    char text[8] = "";
    int got[2] = {7, 7};

    (void)state;
    assert_int_equal(pass_send(ends[0], "none", 4, (const int[]){-1, -1}, 2), 0);
    assert_int_equal(pass_receive(ends[1], text, sizeof(text), got, 2), 4);
    assert_int_equal(got[0], -1);
    assert_int_equal(got[1], -1);
    assert_int_equal(pass_send(ends[0], "one", 3, (const int[]){ends[0], -1}, 2), 0);
    assert_int_equal(pass_receive(ends[1], text, sizeof(text), got, 2), 3);
    assert_true(got[0] >= 0);
    assert_int_equal(got[1], -1);
    close(got[0]);
}

/* Else whoever sends them could fill our table of descriptors. */
static void descriptors_that_nobody_wants_are_closed(void **state)
{
    char text[8] = "";
    int pipe_ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(pass_send(ends[0], "x", 1, (const int[]){pipe_ends[1]}, 1), 0);
    close(pipe_ends[1]);
    assert_int_equal(pass_receive(ends[1], text, sizeof(text), NULL, 0), 1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0);
    close(pipe_ends[0]);
}

static void the_end_of_the_other_side_is_told(void **state)
{
    char text[8];
    int got;

    (void)state;
    close(ends[0]);
    assert_int_equal(pass_receive(ends[1], text, sizeof(text), &got, 1), 0);
    assert_int_equal(got, -1);
    assert_int_equal(pass_send(ends[1], "x", 1, NULL, 0), -1);
    ends[0] = dup(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(descriptors_come_with_their_message, open_sockets,
                                        close_sockets),
        cmocka_unit_test_setup_teardown(a_message_may_have_fewer_or_none, open_sockets,
                                        close_sockets),
        cmocka_unit_test_setup_teardown(descriptors_that_nobody_wants_are_closed, open_sockets,
                                        close_sockets),
        cmocka_unit_test_setup_teardown(the_end_of_the_other_side_is_told, open_sockets,
                                        close_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
