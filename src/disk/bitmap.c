/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/bitmap.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/text.h"
#include "disk/image.h"
#include "disk/local.h"
#include "disk/qemu_img.h"

static int has_bitmap(const char *path, const char *name, bool *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *info = NULL;

    if (qemu_img_info(path, "qcow2", &info, err) < 0)
        return -1;
    const struct json *bitmaps = json_get(info, "format-specific.data.bitmaps");
    *ret = false;
    for (size_t i = 0; i < json_length(bitmaps); i++)
        *ret = *ret || text_same(json_get_str(json_at(bitmaps, i), "name"), name);
    return 0;
}

static int remove_bitmap(const char *path, const char *name, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
    bool found = false;

    if (local_open(path, O_RDONLY, &file, err) < 0 || has_bitmap(path, name, &found, err) < 0)
        return -1;
    if (!found)
        return 0;
    /* It does not open what the image is based on. */
    const char *const argv[] = {"qemu-img", "bitmap", "--remove", "-f", "qcow2", path, name, NULL};
    return qemu_img_run(argv, path, NULL, err);
}

int disk_bitmap_remove(const char *path, const char *name, struct err *err)
{
    if (disk_check_unused(path, err) < 0)
        return -1;
    return remove_bitmap(path, name, err) < 0 ? err_prefix(err, "%s", path) : 0;
}
