/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SELINUX_XATTR "security.selinux"
/* The kernel limits a context to one page. */
#define MAX_CONTEXT ((size_t)4096)
#define PERMISSION_BITS 07777u
#define MAX_NAME_BUFFER ((size_t)64 << 10)

void attributes_clear(struct attributes *attributes)
{
    free(attributes->user);
    free(attributes->group);
    free(attributes->selinux);
    *attributes = (struct attributes){0};
}

/* The name of an id, or NULL; a name service that does not answer is not a reason to fail. */
static char *user_name(uid_t uid)
{
    CLEANUP_FREE char *buffer = mem_alloc(MAX_NAME_BUFFER);
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwuid_r(uid, &entry, buffer, MAX_NAME_BUFFER, &found) != 0 || !found)
        return NULL;
    return mem_strdup(found->pw_name);
}

static char *group_name(gid_t gid)
{
    CLEANUP_FREE char *buffer = mem_alloc(MAX_NAME_BUFFER);
    struct group entry;
    struct group *found = NULL;

    if (getgrgid_r(gid, &entry, buffer, MAX_NAME_BUFFER, &found) != 0 || !found)
        return NULL;
    return mem_strdup(found->gr_name);
}

static bool means_none(int errnum)
{
    return errnum == ENODATA || errnum == ENOTSUP || errnum == ENOSYS;
}

static int read_context(const char *path, char **ret, struct err *err)
{
    char context[MAX_CONTEXT + 1];
    ssize_t len = getxattr(path, SELINUX_XATTR, context, MAX_CONTEXT);

    if (len < 0 && means_none(errno))
        return 0;
    if (len < 0)
        return err_set_errno(err, errno, "%s: cannot read its SELinux context", path);
    context[len] = '\0'; /* the stored value may or may not end with a NUL */
    *ret = mem_strdup(context);
    return 0;
}

int attributes_read(const char *path, struct attributes *ret, struct err *err)
{
    CLEANUP_ATTRIBUTES struct attributes found = {0};
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot read its owner and mode", path);
    if (read_context(path, &found.selinux, err) < 0)
        return -1;
    found.uid = st.st_uid;
    found.gid = st.st_gid;
    found.user = user_name(st.st_uid);
    found.group = group_name(st.st_gid);
    found.mode = st.st_mode & PERMISSION_BITS;
    *ret = found;
    found = (struct attributes){0};
    return 0;
}

static bool is_lack_of_rights(int errnum)
{
    return errnum == EPERM || errnum == EACCES || errnum == EINVAL;
}

/* An ordinary user may not give files away, but may give them to a group they belong to. */
static int apply_owner(int fd, const struct stat *st, const struct attributes *attributes,
                       bool *partial, struct err *err)
{
    if (st->st_uid == attributes->uid && st->st_gid == attributes->gid)
        return 0;
    if (fchown(fd, attributes->uid, attributes->gid) == 0)
        return 0;
    if (!is_lack_of_rights(errno))
        return err_set_errno(err, errno, "cannot set its owner");
    *partial = true;
    if (fchown(fd, (uid_t)-1, attributes->gid) < 0 && !is_lack_of_rights(errno))
        return err_set_errno(err, errno, "cannot set its group");
    return 0;
}

static int apply_context(int fd, const struct attributes *attributes, bool *partial,
                         struct err *err)
{
    if (!attributes->selinux)
        return 0;
    if (fsetxattr(fd, SELINUX_XATTR, attributes->selinux, strlen(attributes->selinux) + 1, 0) == 0)
        return 0;
    if (is_lack_of_rights(errno) || means_none(errno)) {
        *partial = true;
        return 0;
    }
    return err_set_errno(err, errno, "cannot set its SELinux context");
}

int attributes_apply(int fd, const struct attributes *attributes, bool *ret_partial,
                     struct err *err)
{
    mode_t mode = attributes->mode & PERMISSION_BITS;
    bool partial = false;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat it");
    /* First allow only what both the current and the recorded mode allow: between the change of
     * owner and the final mode nobody may do more than either permits. */
    if (fchmod(fd, st.st_mode & mode & 0777u) < 0)
        return err_set_errno(err, errno, "cannot set its mode");
    if (apply_owner(fd, &st, attributes, &partial, err) < 0 ||
        apply_context(fd, attributes, &partial, err) < 0)
        return -1;
    /* Set-id bits are only for the recorded owner. */
    if (fchmod(fd, partial ? mode & 0777u : mode) < 0)
        return err_set_errno(err, errno, "cannot set its mode");
    *ret_partial = partial;
    return 0;
}
