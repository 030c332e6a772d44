/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/bitmap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/quit.h"
#include "base/text.h"
#include "disk/image.h"
#include "disk/local.h"
#include "disk/qemu_img.h"

static enum disk_bitmap_state state_of_bitmap(const struct json *bitmap)
{
    const struct json *flags = json_get(bitmap, "flags");
    bool notes = false;
    bool broken = false;

    for (size_t i = 0; i < json_length(flags); i++) {
        notes = notes || text_same(json_get_str(json_at(flags, i), ""), "auto");
        broken = broken || text_same(json_get_str(json_at(flags, i), ""), "in-use");
    }
    return notes && !broken ? DISK_BITMAP_SOUND : DISK_BITMAP_BROKEN;
}

static enum disk_bitmap_state find_state(const struct json *info, const char *name)
{
    const struct json *bitmaps = json_get(info, "format-specific.data.bitmaps");

    for (size_t i = 0; i < json_length(bitmaps); i++)
        if (text_same(json_get_str(json_at(bitmaps, i), "name"), name))
            return state_of_bitmap(json_at(bitmaps, i));
    return DISK_BITMAP_ABSENT;
}

static int read_state(const char *path, const char *name, enum disk_bitmap_state *ret,
                      struct err *err)
{
    CLEANUP(json_freep) struct json *info = NULL;

    if (qemu_img_info(path, "qcow2", &info, err) < 0)
        return -1;
    *ret = find_state(info, name);
    return 0;
}

int disk_bitmap_look(const char *path, const char *name, enum disk_bitmap_state *ret,
                     struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (local_open(path, O_RDONLY, &file, err) < 0 || read_state(path, name, ret, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

int disk_bitmap_list(const char *path, struct strings *ret, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
    CLEANUP(json_freep) struct json *info = NULL;

    if (local_open(path, O_RDONLY, &file, err) < 0 || qemu_img_info(path, "qcow2", &info, err) < 0)
        return err_prefix(err, "%s", path);
    const struct json *bitmaps = json_get(info, "format-specific.data.bitmaps");
    for (size_t i = 0; i < json_length(bitmaps); i++) {
        const char *name = json_get_str(json_at(bitmaps, i), "name");
        if (name)
            strings_add(ret, name);
    }
    return 0;
}

/* ---- adding ------------------------------------------------------------------------------------ */

/* It does not open what the image is based on. It is let end: while it has the image open, all bitmaps in
 * it are marked as in use, other programs' too, and those of a process that is killed stay so. */
static int change_bitmap(const char *path, const char *change, const char *name, struct err *err)
{
    const char *const argv[] = {"qemu-img", "bitmap", change, "-f", "qcow2", path, name, NULL};
    QUIT_DEFERRED();

    return qemu_img_run(argv, path, NULL, err);
}

static int check_can_add(const char *path, const char *name, struct err *err)
{
    CLEANUP(json_freep) struct json *info = NULL;

    if (qemu_img_info(path, "qcow2", &info, err) < 0)
        return -1;
    if (text_same(json_get_str(info, "format-specific.data.compat"), "0.10"))
        return err_set(err, ERR_UNSUPPORTED, "is a qcow2 image of version 2, which has no bitmaps");
    if (find_state(info, name) != DISK_BITMAP_ABSENT)
        return err_set(err, ERR_EXISTS, "has a bitmap '%s' already", name);
    return 0;
}

static void take_bitmap_back(const char *path, const char *name)
{
    QUIT_DEFERRED();

    (void)disk_bitmap_remove(path, name, NULL);
}

static int add_to_file(const char *path, const char *name, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (local_open(path, O_RDONLY, &file, err) < 0 || check_can_add(path, name, err) < 0 ||
        change_bitmap(path, "--add", name, err) < 0)
        return -1;
    if (fsync(file.fd) == 0)
        return 0;
    err_set_errno(err, errno, "cannot flush its new bitmap");
    take_bitmap_back(path, name);
    return -1;
}

int disk_bitmap_add(const char *path, const char *name, struct err *err)
{
    if (disk_check_unused(path, err) < 0)
        return -1;
    return add_to_file(path, name, err) < 0 ? err_prefix(err, "%s", path) : 0;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static int remove_bitmap(const char *path, const char *name, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (local_open(path, O_RDONLY, &file, err) < 0 ||
        change_bitmap(path, "--remove", name, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

/* An image that others read may well be in use for weeks: what it does not have need not wait for them. */
int disk_bitmap_remove(const char *path, const char *name, struct err *err)
{
    enum disk_bitmap_state state = DISK_BITMAP_ABSENT;

    if (disk_bitmap_look(path, name, &state, err) < 0)
        return -1;
    if (state == DISK_BITMAP_ABSENT)
        return 0;
    return disk_check_unused(path, err) < 0 ? -1 : remove_bitmap(path, name, err);
}
