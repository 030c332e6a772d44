/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/units.h"
#include "mtcp/child.h"

/* ---- the segment ------------------------------------------------------------ */

void spawner_child_clear_segment(struct spawner_child_segment *segment)
{
    if (segment->data)
        munmap(segment->data, segment->size);
    if (segment->fd >= 0)
        close(segment->fd);
}

/* Takes all pages now: a machine that does not have them fails here, and not with a SIGBUS in
 * the middle of a chunk. The size is sealed for the same reason. */
int spawner_child_make_segment(struct spawner_child_segment *segment, struct err *err)
{
    char text[UNITS_TEXT_SIZE];
    int failed = 0;

    segment->fd = memfd_create("vb-chunks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment->fd < 0 || ftruncate(segment->fd, (off_t)segment->size) < 0)
        failed = errno;
    while (!failed && fallocate(segment->fd, 0, 0, (off_t)segment->size) < 0) {
        if (errno != EINTR)
            failed = errno;
    }
    if (!failed && fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        failed = errno;
    if (!failed) {
        void *data = mmap(NULL, segment->size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
        if (data != MAP_FAILED) {
            segment->data = data;
            return 0;
        }
        failed = errno;
    }
    /* "no space left on device" would send the reader looking for a disk */
    return err_set_errno(err, failed == ENOSPC ? ENOMEM : failed,
                         "cannot get %s of memory for the buffers of a child process",
                         units_format_size(segment->size, text));
}

/* ---- what a new process does first ------------------------------------------ */

void spawner_child_die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
}

void spawner_child_keep_only(int sock)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[] = {null, null, -1, sock};

    _Static_assert(SPAWNER_CHILD_SOCK == 3, "it is the fourth");
    if (fds_place(fds, 4) < 0)
        _exit(EXIT_FAILURE);
    fcntl(SPAWNER_CHILD_SOCK, F_SETFD, FD_CLOEXEC);
    fds_close_from(SPAWNER_CHILD_SOCK + 1);
}

/* ---- the child -------------------------------------------------------------- */

void spawner_child_run(const struct child_settings *settings, int sock,
                       const struct spawner_child_segment *segment, pid_t parent)
{
    struct child_place place = {
        .in_fd = SPAWNER_CHILD_SOCK,
        .out_fd = SPAWNER_CHILD_SOCK,
        .shared = segment->data,
        .shared_size = segment->size,
    };

    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-child");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    spawner_child_keep_only(sock);
    if (!settings->unconfined && child_confine(settings, &place, parent, NULL) < 0)
        _exit(EXIT_FAILURE);
    _exit(child_serve(settings, &place, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
