/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/bitmap.h"

#include <fcntl.h>
#include <string.h>

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

/* The image alone: what it is based on is not opened, which is none of this bitmap's concern. */
static char *name_alone(const char *path, bool block_device)
{
    CLEANUP(json_freep) struct json *image = json_new_object();
    struct json *file = json_new_object();

    json_set_str(file, "driver", block_device ? "host_device" : "file");
    json_set_str(file, "filename", path);
    json_set_str(image, "driver", "qcow2");
    json_set(image, "file", file);
    json_set_str(image, "backing", NULL);
    CLEANUP_FREE char *text = json_format(image);
    return mem_printf("json:%s", text);
}

static int remove_bitmap(const char *path, const char *name, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
    bool found = false;

    if (local_open(path, O_RDONLY, &file, err) < 0 || has_bitmap(path, name, &found, err) < 0)
        return -1;
    if (!found)
        return 0;
    CLEANUP_FREE char *image = name_alone(path, file.block_device);
    const char *const argv[] = {"qemu-img", "bitmap", "--remove", image, name, NULL};
    return qemu_img_run(argv, image, NULL, err);
}

int disk_bitmap_remove(const char *path, const char *name, struct err *err)
{
    if (disk_check_unused(path, err) < 0)
        return -1;
    return remove_bitmap(path, name, err) < 0 ? err_prefix(err, "%s", path) : 0;
}
