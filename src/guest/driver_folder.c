/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/driver_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

static char *decode_percent(const char *text, size_t len)
{
    char *decoded = mem_strndup(text, len);
    char *to = decoded;

    for (const char *from = decoded; *from; to++) {
        unsigned value = 0;
        int used = 0;
        if (*from == '%' && sscanf(from, "%%%2x%n", &value, &used) == 1 && used == 3 && value) {
            *to = (char)value;
            from += used;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return decoded;
}

/* For the driver of a session, an embedded one, or the system's. */
static char *choose_folder(const char *uri, const char *of_session, const char *of_embedded,
                           const char *of_system)
{
    const char *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *path = strstr(uri, ":///");

    if (path && text_begins(path, ":///session")) {
        if (config && *config)
            return mem_printf("%s/libvirt/qemu%s", config, of_session);
        return mem_printf("%s/.config/libvirt/qemu%s", home ? home : "", of_session);
    }
    if (path && text_begins(path, ":///embed")) {
        const char *root = strstr(path, "root=");
        CLEANUP_FREE char *decoded =
            root ? decode_percent(root + 5, strcspn(root + 5, "&;#")) : NULL;
        return mem_printf("%s%s", decoded ? decoded : "", of_embedded);
    }
    return mem_strdup(of_system);
}

char *driver_folder(const char *uri)
{
    return choose_folder(uri, "/lib", "/lib/qemu", "/var/lib/libvirt/qemu");
}

static void flush_driver_folder(const char *path)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (io_open_dir(path, &fd, &err) < 0 || io_sync_dir(fd, &err) < 0)
        log_detail(
            "%s: %s; a power cut within the next seconds may undo what libvirt has recorded there",
            path, err.text);
}

void driver_flush_definitions(const char *uri)
{
    CLEANUP_FREE char *folder = choose_folder(uri, "", "/etc/qemu", "/etc/libvirt/qemu");
    CLEANUP_FREE char *autostart = mem_printf("%s/autostart", folder);

    if (!text_begins(uri, "qemu"))
        return;
    flush_driver_folder(folder);
    flush_driver_folder(autostart);
}
