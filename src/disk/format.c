/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format.h"

#include <inttypes.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/process.h"

#define VALUE_MAX ((size_t)64)

static const struct format_option no_options[] = {{NULL, NULL}};

static const struct format_option qcow2_options[] = {
    {"cluster_size", "cluster-size"},
    {"compat", "format-specific.data.compat"},
    {"compression_type", "format-specific.data.compression-type"},
    {"extended_l2", "format-specific.data.extended-l2"},
    {"lazy_refcounts", "format-specific.data.lazy-refcounts"},
    {"refcount_bits", "format-specific.data.refcount-bits"},
    {NULL, NULL},
};

static const struct format_option vmdk_options[] = {
    {"subformat", "format-specific.data.create-type"},
    {"adapter_type", NULL},
    {"hwversion", NULL},
    {NULL, NULL},
};

/* disk_inspect reads these from the image's header, because qemu-img does not report them. */
static const struct format_option vdi_options[] = {{"static", NULL}, {NULL, NULL}};

static const struct format_option vpc_options[] = {{"subformat", NULL}, {NULL, NULL}};

static const struct format_option vhdx_options[] = {
    {"block_size", "cluster-size"}, {"subformat", NULL}, {NULL, NULL}};

static const struct format_option qed_options[] = {{"cluster_size", "cluster-size"}, {NULL, NULL}};

static const struct format formats[] = {
    {"raw", "raw", .is_raw = true, .writable = true, .on_device = true, .options = no_options},
    {"iso", "raw", .is_raw = true, .writable = true, .on_device = true, .options = no_options},
    {"qcow2", "qcow2", .writable = true, .on_device = true, .options = qcow2_options},
    {"qed", "qed", .writable = true, .on_device = true, .options = qed_options},
    {"qcow", "qcow", .writable = true, .options = no_options},
    {"vmdk", "vmdk", .writable = true, .options = vmdk_options},
    {"vdi", "vdi", .writable = true, .options = vdi_options},
    /* Without force_size the size is rounded up to whole cylinders. */
    {"vpc", "vpc", .writable = true, .always = "force_size=on", .options = vpc_options},
    {"vhdx", "vhdx", .writable = true, .options = vhdx_options},
    {"ploop", "parallels", .writable = true, .options = no_options},
    {"parallels", "parallels", .writable = true, .options = no_options},
    {"luks", "luks", .options = no_options},
    {"bochs", "bochs", .options = no_options},
    {"cloop", "cloop", .options = no_options},
    {"dmg", "dmg", .options = no_options},
};

const struct format *disk_format_find(const char *name, struct err *err)
{
    for (size_t i = 0; name && i < ARRAY_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    err_set(err, ERR_UNSUPPORTED, "unknown image format '%s'", name ? name : "");
    return NULL;
}

static void record_option(struct disk_info *info, const char *name, char *value)
{
    info->options = mem_resize(info->options, info->option_count + 1, sizeof(*info->options));
    info->options[info->option_count++] = (struct disk_option){mem_strdup(name), value};
}

static bool is_bool(const char *name)
{
    return strcmp(name, "lazy_refcounts") == 0 || strcmp(name, "extended_l2") == 0;
}

void disk_format_record(const struct format *format, const struct json *info,
                        struct disk_info *into)
{
    for (const struct format_option *o = format->options; o->name; o++) {
        uint64_t number = 0;
        if (!o->info_path || !json_get(info, o->info_path))
            continue;
        const char *text = json_get_str(info, o->info_path);
        if (text)
            record_option(into, o->name, mem_strdup(text));
        else if (is_bool(o->name))
            record_option(into, o->name,
                          mem_strdup(json_get_bool(info, o->info_path) ? "on" : "off"));
        else if (json_get_u64(info, o->info_path, &number))
            record_option(into, o->name, mem_printf("%" PRIu64, number));
    }
}

static bool value_is_plain(const char *value)
{
    size_t len = strlen(value);

    return len > 0 && len <= VALUE_MAX &&
           strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               len;
}

static bool in_table(const struct format *format, const char *name)
{
    for (const struct format_option *o = format->options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

/* Lines of `qemu-img create -o help` are "  NAME=<TYPE> - text". */
static bool in_help(const char *help, const char *name)
{
    CLEANUP_FREE char *start = mem_printf("\n  %s=", name);

    return strstr(help, start) != NULL;
}

/* A streamOptimized image cannot be written once it has data, and the formats with several files
 * would put unexpected files beside the image. */
static const char *writable_value(const struct format *format, const struct disk_option *option,
                                  const char *path)
{
    if (strcmp(format->name, "vmdk") != 0 || strcmp(option->name, "subformat") != 0 ||
        strcmp(option->value, "monolithicSparse") == 0)
        return option->value;
    log_warn("%s: a vmdk image of type %s cannot be written as a single file; it becomes "
             "monolithicSparse",
             path, option->value);
    return "monolithicSparse";
}

static void add_option(struct buf *out, const char *name, const char *value)
{
    if (out->len)
        buf_append_str(out, ",");
    buf_printf(out, "%s=%s", name, value);
}

int disk_format_create_options(const struct format *format, const char *path,
                               const struct disk_option *options, size_t count, char **ret,
                               struct err *err)
{
    const char *const argv[] = {"qemu-img", "create", "-f", format->qemu, "-o", "help", NULL};
    CLEANUP_BUF struct buf help = {0};
    CLEANUP_BUF struct buf out = {0};

    if (process_run(argv, &help, err) < 0)
        return -1;
    buf_put_u8(&help, 0);
    if (format->always)
        buf_append_str(&out, format->always);
    for (size_t i = 0; i < count; i++) {
        const struct disk_option *o = &options[i];
        if (!o->name || !o->value || !in_table(format, o->name) || !value_is_plain(o->value))
            log_warn("%s: option '%.40s' of the original %s image is left out: virt-backup does "
                     "not pass on this name or value",
                     path, o->name ? o->name : "", format->name);
        else if (!in_help((const char *)help.data, o->name))
            log_warn("%s: this host's qemu-img has no option '%s' for %s images; it is left out",
                     path, o->name, format->name);
        else
            add_option(&out, o->name, writable_value(format, o, path));
    }
    *ret = out.len ? buf_take_str(&out) : NULL;
    return 0;
}
