/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/qemu_img.h"

#include "base/process.h"
#include "base/text.h"

/* The caller names the image, too, and qemu-img has no way to say less. */
int qemu_img_run(const char *const argv[], const char *image, struct buf *output, struct err *err)
{
    CLEANUP_FREE char *start = mem_printf("qemu-img: Could not open '%s': ", image);
    CLEANUP_ERR struct err run_err = ERR_INIT;

    if (process_run(argv, output, &run_err) == 0)
        return 0;
    const char *why = text_after(run_err.text, start);
    return why ? err_set(err, run_err.kind, "qemu-img: %s", why) : err_move(err, &run_err);
}

int qemu_img_info(const char *path, const char *format, struct json **ret, struct err *err)
{
    /* --force-share: so that an image used by a running guest can be examined too. */
    const char *const argv[] = {"qemu-img", "info", "--output=json", "--force-share", "-f", format,
                                path,       NULL};
    CLEANUP_BUF struct buf output = {0};

    if (qemu_img_run(argv, path, &output, err) < 0)
        return -1;
    *ret = json_parse((const char *)output.data, output.len, err);
    return *ret ? 0 : err_prefix(err, "the output of qemu-img info");
}
