/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "disk/format.h"
#include "disk/local.h"
#include "disk/qemu_img.h"
#include "disk/qemu_lock.h"

/* libvirt's own limit. */
#define MAX_CHAIN 200

/* In the header of a VDI image: type 1 is dynamic, 2 is static. Little-endian. */
#define VDI_TYPE_OFFSET 0x4c
#define VDI_TYPE_STATIC 2

void disk_info_clear(struct disk_info *info)
{
    for (size_t i = 0; i < info->option_count; i++) {
        free(info->options[i].name);
        free(info->options[i].value);
    }
    for (unsigned i = 0; i < info->chain_length; i++)
        free(info->chain_paths[i]);
    free(info->options);
    free(info->chain_paths);
    free(info->data_file);
    *info = (struct disk_info){0};
}

/* True if QEMU would take the name for a protocol ("nbd:...", "json:...") instead of a file. */
static bool names_protocol(const char *name)
{
    size_t len = strcspn(name, ":/");

    return name[len] == ':';
}

/* qemu-img writes U+FFFD for a byte that is not UTF-8: then the name is not that of the file. */
static int check_told_name(const char *what, const char *name, struct err *err)
{
    if (!strstr(name, "\xef\xbf\xbd"))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "the name of its %s is not UTF-8, and qemu-img cannot report it ('%s'); rename "
                   "that file, then record the new name with qemu-img rebase or amend",
                   what, name);
}

static int record_data_file(const struct json *json, unsigned depth, struct disk_info *info,
                            struct err *err)
{
    const char *name = json_get_str(json, "format-specific.data.data-file");

    if (!name)
        return 0;
    if (names_protocol(name))
        return err_set(err, ERR_UNSUPPORTED, "its data file '%s' is not a local file", name);
    if (check_told_name("data file", name, err) < 0)
        return -1;
    if (depth == 0)
        info->data_file = mem_strdup(name);
    return 0;
}

static int record_vdi(const struct local_file *file, struct disk_info *info, struct err *err)
{
    uint8_t raw[4];

    if (io_pread(file->fd, raw, sizeof(raw), VDI_TYPE_OFFSET, err) < 0)
        return -1;
    info->options = mem_resize(info->options, info->option_count + 1, sizeof(*info->options));
    info->options[info->option_count++] = (struct disk_option){
        mem_strdup("static"), mem_strdup(get_le32(raw) == VDI_TYPE_STATIC ? "on" : "off")};
    return 0;
}

/* A fixed image has its footer only at the end; any other also has a copy at the beginning. */
static int record_vpc(const struct local_file *file, struct disk_info *info, struct err *err)
{
    static const char cookie[8] = {'c', 'o', 'n', 'e', 'c', 't', 'i', 'x'};
    char begin[sizeof(cookie)];

    if (io_pread(file->fd, begin, sizeof(begin), 0, err) < 0)
        return -1;
    if (memcmp(begin, cookie, sizeof(cookie)) == 0)
        return 0;
    info->options = mem_resize(info->options, info->option_count + 1, sizeof(*info->options));
    info->options[info->option_count++] =
        (struct disk_option){mem_strdup("subformat"), mem_strdup("fixed")};
    return 0;
}

static int record_top(const struct local_file *file, const struct format *format,
                      const struct json *json, struct disk_info *info, struct err *err)
{
    info->snapshots = (unsigned)json_length(json_get(json, "snapshots"));
    if (!json_get_u64(json, "virtual-size", &info->image_size))
        return err_set(err, ERR_IO, "qemu-img does not report the size of the image");
    disk_format_record(format, json, info);
    info->unwritable = !format->writable;
    if (strcmp(format->name, "vpc") == 0)
        return record_vpc(file, info, err);
    return strcmp(format->name, "vdi") == 0 ? record_vdi(file, info, err) : 0;
}

static bool is_plain_image(const struct local_file *file, const struct format *format,
                           const struct json *json)
{
    if (file->block_device)
        return false;
    return format->is_raw || (strcmp(format->name, "qcow2") == 0 &&
                              !json_get(json, "format-specific.data.data-file"));
}

/* A local file may be named in JSON, as libvirt and QEMU do for some options:
 * json:{"driver":"raw","file":{"driver":"file","filename":"/path"}}. If there is more in it, the
 * guest does not simply see the file. NULL: not such a name. */
static char *plain_json_name(const char *name, const char *format)
{
    static const char start[] = "json:";

    if (!text_begins(name, start))
        return NULL;
    name += strlen(start);
    CLEANUP(json_freep) struct json *given = json_parse(name, strlen(name), NULL);
    const char *driver = given ? json_get_str(given, "driver") : NULL;
    const char *path = given ? json_get_str(given, "file.filename") : NULL;
    if (!driver || !path || *path != '/' || (format && strcmp(driver, format) != 0))
        return NULL;
    CLEANUP(json_freep) struct json *plain = json_new_object();
    struct json *file = json_new_object();
    json_set_str(file, "driver", "file");
    json_set_str(file, "filename", path);
    json_set_str(plain, "driver", driver);
    json_set(plain, "file", file);
    CLEANUP_FREE char *given_text = json_format(given);
    CLEANUP_FREE char *plain_text = json_format(plain);
    return strcmp(given_text, plain_text) == 0 ? mem_strdup(path) : NULL;
}

/* *ret_path is the backing file that `json` names, or NULL. */
static int next_in_chain(const struct json *json, char **ret_path, const struct format **ret_format,
                         struct err *err)
{
    const char *path = json_get_str(json, "full-backing-filename");
    const char *format = json_get_str(json, "backing-filename-format");

    if (!path)
        path = json_get_str(json, "backing-filename");
    if (!path)
        return 0;
    if (check_told_name("backing file", path, err) < 0)
        return -1;
    CLEANUP_FREE char *plain = plain_json_name(path, format);
    if (plain)
        path = plain;
    if (path[0] != '/')
        return err_set(err, ERR_UNSUPPORTED, "its backing file '%s' is not a local file", path);
    if (!format)
        return err_set(err, ERR_UNSUPPORTED,
                       "it does not record the format of its backing file '%s', and guessing it is "
                       "not safe; record it with: qemu-img rebase -u -F raw|qcow2 -b BACKING IMAGE",
                       path);
    *ret_format = disk_format_find(format, err);
    if (!*ret_format)
        return -1;
    *ret_path = mem_strdup(path);
    return 0;
}

static bool is_in_chain(const struct disk_info *info, const char *path)
{
    for (unsigned i = 0; i < info->chain_length; i++)
        if (strcmp(info->chain_paths[i], path) == 0)
            return true;
    return false;
}

static void add_to_chain(struct disk_info *info, const char *path)
{
    info->chain_paths =
        mem_resize(info->chain_paths, info->chain_length + 1, sizeof(*info->chain_paths));
    info->chain_paths[info->chain_length++] = mem_strdup(path);
}

/* Examines one image; *ret_path is the next one in the chain. */
static int inspect_one(const char *path, const struct format *format, struct disk_info *info,
                       char **ret_path, const struct format **ret_format, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
    CLEANUP(json_freep) struct json *json = NULL;
    unsigned depth = info->chain_length;

    if (local_open(path, O_RDONLY, &file, err) < 0)
        return -1;
    add_to_chain(info, path);
    if (depth == 0) {
        info->file_size = info->image_size = file.size;
        info->plain_chain = true;
    }
    if (!format->is_raw && qemu_img_info(path, format->qemu, &json, err) < 0)
        return -1;
    info->plain_chain = info->plain_chain && is_plain_image(&file, format, json);
    if (format->is_raw)
        return 0;
    info->encrypted = info->encrypted || json_get_bool(json, "encrypted");
    info->marked_corrupt =
        info->marked_corrupt || json_get_bool(json, "format-specific.data.corrupt");
    if (record_data_file(json, depth, info, err) < 0)
        return -1;
    if (depth == 0 && record_top(&file, format, json, info, err) < 0)
        return -1;
    return next_in_chain(json, ret_path, ret_format, err);
}

int disk_inspect(const char *path, const char *format_name, struct disk_info *ret, struct err *err)
{
    CLEANUP_DISK_INFO struct disk_info info = {0};
    CLEANUP_FREE char *current = mem_strdup(path);
    const struct format *format = disk_format_find(format_name, err);

    if (!format)
        return err_prefix(err, "%s", path);
    while (current) {
        CLEANUP_FREE char *next = NULL;
        if (is_in_chain(&info, current))
            return err_set(err, ERR_UNSUPPORTED, "%s: its backing chain loops back to '%s'", path,
                           current);
        if (info.chain_length == MAX_CHAIN)
            return err_set(err, ERR_UNSUPPORTED, "%s: its backing chain has more than %d images",
                           path, MAX_CHAIN);
        if (inspect_one(current, format, &info, &next, &format, err) < 0)
            return info.chain_length > 1 || strcmp(current, path) != 0
                       ? err_prefix(err, "%s: backing file '%s'", path, current)
                       : err_prefix(err, "%s", path);
        free(current);
        current = TAKE_PTR(next);
    }
    *ret = info;
    info = (struct disk_info){0};
    return 0;
}

int disk_check_unused(const char *path, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (local_open(path, O_RDONLY, &file, err) < 0 || qemu_lock_check_unused(file.fd, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}
