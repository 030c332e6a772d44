/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mounts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"

#define MOUNTINFO_MAX ((size_t)16 << 20)

/* The n-th word of a line, from 0, copied; NULL: it has fewer. */
static char *mount_word(const char *line, unsigned n)
{
    for (; n > 0; n--) {
        line += strcspn(line, " \n");
        if (*line != ' ')
            return NULL;
        line++;
    }
    return mem_strndup(line, strcspn(line, " \n"));
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": spaces in paths are
 * written as \040. */
static int parse_mount(const char *line, struct mount *ret)
{
    const char *dash = strstr(line, " - ");

    if (!dash || memchr(line, '\n', (size_t)(dash - line)))
        return -1;
    CLEANUP_FREE char *own = mount_word(line, 5);
    CLEANUP_FREE char *type = mount_word(dash + strlen(" - "), 0);
    CLEANUP_FREE char *super = mount_word(dash + strlen(" - "), 2);
    if (!own || !type)
        return -1;
    ret->type = TAKE_PTR(type);
    ret->options = mem_printf("%s,%s", own, super ? super : "");
    return 0;
}

int mounts_find(const char *mountinfo, uint64_t id, struct mount *ret)
{
    while (*mountinfo) {
        char *end = NULL;
        if (strtoull(mountinfo, &end, 10) == id && *end == ' ')
            return parse_mount(mountinfo, ret);
        mountinfo += strcspn(mountinfo, "\n");
        mountinfo += *mountinfo == '\n';
    }
    return -1;
}

/* By the mount and not by the device: subvolumes of btrfs have devices that are not listed. */
int mounts_of(int fd, struct mount *ret)
{
    CLEANUP_FREE char *text = NULL;
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID) ||
        io_read_made_up("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL) < 0)
        return -1;
    return mounts_find(text, st.stx_mnt_id, ret);
}

bool mounts_has(const struct mount *mount, const char *word)
{
    for (const char *option = mount->options; *option;) {
        size_t len = strcspn(option, ",");
        CLEANUP_FREE char *one = mem_strndup(option, len);
        if (strcmp(one, word) == 0 || (text_ends(word, "=") && text_begins(one, word)))
            return true;
        option += len + (option[len] == ',');
    }
    return false;
}

void mounts_clear(struct mount *mount)
{
    free(mount->type);
    free(mount->options);
    *mount = (struct mount){0};
}
