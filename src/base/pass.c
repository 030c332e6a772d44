/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pass.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union pass_control {
    struct cmsghdr align;
    char space[CMSG_SPACE(PASS_MAX * sizeof(int))];
};

int pass_send(int sock, const void *data, size_t len, const int fds[], size_t fd_count)
{
    union pass_control control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    size_t count = 0;
    ssize_t sent;

    assert(fd_count <= PASS_MAX);
    while (count < fd_count && fds[count] >= 0)
        count++;
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    do {
        sent = sendmsg(sock, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0 && (size_t)sent != len)
        errno = EMSGSIZE;
    return sent == (ssize_t)len ? 0 : -1;
}

ssize_t pass_receive(int sock, void *data, size_t size, int fds[], size_t fd_count)
{
    union pass_control control;
    int came[PASS_MAX];
    size_t count = 0;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t len;

    assert(fd_count <= PASS_MAX);
    do {
        len = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
    } while (len < 0 && errno == EINTR);
    struct cmsghdr *header = len > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        count = count < PASS_MAX ? count : PASS_MAX;
        memcpy(came, CMSG_DATA(header), count * sizeof(int));
    }
    for (size_t i = 0; i < fd_count; i++)
        fds[i] = i < count ? came[i] : -1;
    for (size_t i = fd_count; i < count; i++)
        close(came[i]);
    return len;
}
