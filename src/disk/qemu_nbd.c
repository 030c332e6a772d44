/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/qemu_nbd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/io.h"
#include "base/launch.h"
#include "base/log.h"
#include "base/text.h"
#include "disk/meeting.h"

/* qemu-nbd flushes on exit, which takes as long as the storage takes. */
#define EXIT_WAIT_MS 120000
#define EXPLAIN_WAIT_MS 2000
#define MAX_SAID ((size_t)16 << 10)

struct qemu_nbd {
    struct launched process;
    int status;  /* set once it has ended */
    int said_fd; /* a memfd: its stdout and stderr */
};

/* ---- the process ------------------------------------------------------------ */

/* QEMU gets memory for each request and frees it after the answer. As glibc is set by default, that
 * memory goes back to the kernel and comes anew, page by page, which can take more time than all else;
 * so the heap keeps it. In bytes; 32 MiB is the most that the first may be (mallopt(3)). */
static const char *const keeping_memory[] = {"MALLOC_MMAP_THRESHOLD_=33554432",
                                             "MALLOC_TRIM_THRESHOLD_=67108864", NULL};

static int qemu_nbd_launch(const struct qemu_nbd_image *image, int listen_fd,
                           struct qemu_nbd *server, struct err *err)
{
    const char *argv[10] = {"qemu-nbd"};
    size_t n = 1;

    argv[n++] = image->direct ? "--cache=none" : "--cache=writeback";
    argv[n++] = "-f";
    argv[n++] = image->qemu_format;
    if (image->read_only)
        argv[n++] = "--read-only";
    if (image->bitmap) {
        argv[n++] = "--bitmap";
        argv[n++] = image->bitmap;
    }
    argv[n] = image->path;
    const int fds[] = {-1, server->said_fd, server->said_fd, listen_fd};
    const struct launch launch = {
        .argv = argv,
        .settings = keeping_memory,
        .fds = fds,
        .fd_count = 4,
        .in_folder = image->in_folder,
        .folder_fd = image->folder_fd,
        .activated = true,
    };
    if (launch_start(&launch, &server->process, err) < 0)
        return err_append(err, "it is part of QEMU's tools (qemu-utils, qemu-img)");
    return 0;
}

int qemu_nbd_start(const struct qemu_nbd_image *image, struct qemu_nbd **ret, int *ret_socket,
                   struct err *err)
{
    CLEANUP(qemu_nbd_freep) struct qemu_nbd *server = mem_alloc(sizeof(*server));
    CLEANUP_CLOSE int listen_fd = -1;
    CLEANUP_CLOSE int connected = -1;

    server->process = LAUNCHED_INIT;
    server->said_fd = memfd_create("qemu-nbd", MFD_CLOEXEC);
    if (server->said_fd < 0)
        return err_set_errno(err, errno, "cannot create a memory file");
    if (meeting_sockets(&listen_fd, &connected, err) < 0 ||
        qemu_nbd_launch(image, listen_fd, server, err) < 0)
        return -1;
    *ret = TAKE_PTR(server);
    *ret_socket = TAKE_FD(connected);
    return 0;
}

int qemu_nbd_pidfd(const struct qemu_nbd *server)
{
    return server->process.pidfd;
}

/* ---- its end ---------------------------------------------------------------- */

/* True if it ends within this many milliseconds. */
static bool wait_for_exit(struct qemu_nbd *server, unsigned timeout_ms)
{
    return server->process.pid == 0 || launch_wait(&server->process, timeout_ms, &server->status);
}

/* Its message, only the first line: the second is a question to the user ("Is another process using
 * the image?"). "" if there is none. The caller frees. */
static char *first_words(const struct qemu_nbd *server)
{
    char text[MAX_SAID + 1] = "";
    size_t len = 0;
    const char *start = text;

    if (io_pread_some(server->said_fd, text, MAX_SAID, 0, &len, NULL) < 0)
        len = 0;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (text_begins(start, "qemu-nbd: "))
        start += strlen("qemu-nbd: ");
    /* The caller adds the path. */
    const char *reason = strstr(start, "': ");
    if (text_begins(start, "Failed to blk_new_open '") && reason)
        start = reason + 3;
    return mem_strdup(start);
}

/* qemu-nbd exits with 1 whatever it could not do; only its words tell. */
static enum err_kind kind_of_words(const char *words)
{
    static const struct {
        const char *part;
        enum err_kind kind;
    } table[] = {
        {"Failed to get \"", ERR_BUSY},    {"Failed to get shared \"", ERR_BUSY},
        {"Permission denied", ERR_DENIED}, {"No space left", ERR_NO_SPACE},
        {"No such file", ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < ARRAY_COUNT(table); i++)
        if (strstr(words, table[i].part))
            return table[i].kind;
    return ERR_IO;
}

int qemu_nbd_explain(struct qemu_nbd *server, struct err *err)
{
    if (err && err->kind == ERR_CANCELLED)
        return -1;
    bool ended = wait_for_exit(server, EXPLAIN_WAIT_MS);
    CLEANUP_FREE char *words = first_words(server);
    if (*words && kind_of_words(words) == ERR_BUSY)
        return err_set(err, ERR_BUSY,
                       "is in use by a running guest or another program (qemu-nbd: %s)", words);
    if (*words && ended)
        return err_set(err, kind_of_words(words), "qemu-nbd: %s", words);
    if (ended && WIFSIGNALED(server->status))
        return err_append(err, "qemu-nbd was killed by signal %d", WTERMSIG(server->status));
    return -1;
}

int qemu_nbd_finish(struct qemu_nbd *server, struct err *err)
{
    if (!wait_for_exit(server, EXIT_WAIT_MS)) {
        qemu_nbd_free(server);
        return err_set(err, ERR_IO, "qemu-nbd did not exit");
    }
    CLEANUP_FREE char *words = first_words(server);
    int status = server->status;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (*words)
            log_detail("qemu-nbd: %s", words);
        qemu_nbd_free(server);
        return 0;
    }
    if (*words)
        err_set(err, kind_of_words(words), "qemu-nbd: %s", words);
    else if (WIFSIGNALED(status))
        err_set(err, ERR_IO, "qemu-nbd was killed by signal %d", WTERMSIG(status));
    else
        err_set(err, ERR_IO, "qemu-nbd exited with status %d", WEXITSTATUS(status));
    qemu_nbd_free(server);
    return -1;
}

void qemu_nbd_free(struct qemu_nbd *server)
{
    if (!server)
        return;
    if (!launch_kill(&server->process))
        log_warn("qemu-nbd (pid %d) does not exit; it is waiting for its storage",
                 (int)server->process.pid);
    launch_clear(&server->process);
    if (server->said_fd >= 0)
        close(server->said_fd);
    free(server);
}
