/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/meeting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/text.h"

#define FOLDER_START "virt-backup-"
#define MAKE_TRIES 10

static const char *base_folder(void)
{
    const char *base = getenv("TMPDIR");

    return base && base[0] == '/' ? base : "/tmp";
}

/* ---- the sockets ------------------------------------------------------------- */

/* A socket in a folder of ours that is removed once we are connected. Its name is short, however
 * long that of the folder is. */
struct meeting {
    char *folder;
    int folder_fd; /* holds a lock while the process lives */
    struct sockaddr_un address;
};

static void meeting_clear(struct meeting *meeting)
{
    if (meeting->folder_fd >= 0)
        unlinkat(meeting->folder_fd, "nbd", 0);
    if (meeting->folder)
        rmdir(meeting->folder);
    if (meeting->folder_fd >= 0)
        close(meeting->folder_fd);
    free(meeting->folder);
}

/* Opens and locks the folder, and checks that it still exists: another process may have swept it
 * before we had the lock. */
static bool hold_folder(struct meeting *meeting)
{
    struct stat held;
    struct stat named;

    meeting->folder_fd = open(meeting->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (meeting->folder_fd >= 0 && flock(meeting->folder_fd, LOCK_EX | LOCK_NB) == 0 &&
        fstat(meeting->folder_fd, &held) == 0 && lstat(meeting->folder, &named) == 0 &&
        held.st_dev == named.st_dev && held.st_ino == named.st_ino)
        return true;
    if (meeting->folder_fd >= 0)
        close(TAKE_FD(meeting->folder_fd));
    return false;
}

static int meeting_make(struct meeting *meeting, struct err *err)
{
    for (unsigned i = 0; i < MAKE_TRIES; i++) {
        free(meeting->folder);
        meeting->folder = mem_printf("%s/" FOLDER_START "XXXXXX", base_folder());
        if (!mkdtemp(meeting->folder)) {
            err_set_errno(err, errno, "cannot create a temporary folder '%s'", meeting->folder);
            free(TAKE_PTR(meeting->folder));
            return -1;
        }
        if (hold_folder(meeting))
            break;
    }
    if (meeting->folder_fd < 0)
        return err_set_errno(err, errno, "cannot open the folder '%s'", meeting->folder);
    meeting->address.sun_family = AF_UNIX;
    snprintf(meeting->address.sun_path, sizeof(meeting->address.sun_path), "/proc/self/fd/%d/nbd",
             meeting->folder_fd);
    return 0;
}

int meeting_sockets(int *ret_listen, int *ret_connected, struct err *err)
{
    CLEANUP(meeting_clear) struct meeting meeting = {.folder_fd = -1};
    CLEANUP_CLOSE int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP_CLOSE int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *address = (const struct sockaddr *)&meeting.address;

    if (server < 0 || client < 0)
        return err_set_errno(err, errno, "cannot create a socket");
    if (meeting_make(&meeting, err) < 0)
        return -1;
    /* The connection waits in the queue until qemu-nbd accepts it. */
    if (bind(server, address, sizeof(meeting.address)) < 0 || listen(server, 1) < 0 ||
        connect(client, address, sizeof(meeting.address)) < 0)
        return err_set_errno(err, errno, "cannot connect a socket in '%s'", meeting.folder);
    *ret_listen = TAKE_FD(server);
    *ret_connected = TAKE_FD(client);
    return 0;
}

/* ---- leftovers of dead processes --------------------------------------------- */

static void sweep_meeting(int base_fd, const char *name)
{
    CLEANUP_CLOSE int fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return;
    (void)unlinkat(fd, "nbd", 0);
    (void)unlinkat(base_fd, name, AT_REMOVEDIR);
}

void meeting_sweep(void)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_CLOSE int base_fd = open(base_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* Whatever is missed now is swept by the next run. */
    if (base_fd < 0 || dir_list(base_fd, ".", &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (text_begins(names.items[i], FOLDER_START))
            sweep_meeting(base_fd, names.items[i]);
}
