/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/driver_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
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

char *driver_folder(const char *uri)
{
    const char *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *path = strstr(uri, ":///");

    if (path && text_begins(path, ":///session")) {
        if (config && *config)
            return mem_printf("%s/libvirt/qemu/lib", config);
        return mem_printf("%s/.config/libvirt/qemu/lib", home ? home : "");
    }
    if (path && text_begins(path, ":///embed")) {
        const char *root = strstr(path, "root=");
        CLEANUP_FREE char *decoded =
            root ? decode_percent(root + 5, strcspn(root + 5, "&;#")) : NULL;
        return mem_printf("%s/lib/qemu", decoded ? decoded : "");
    }
    return mem_strdup("/var/lib/libvirt/qemu");
}
