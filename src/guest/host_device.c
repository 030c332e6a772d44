/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/host_device.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* An address comes from a manifest: only what is plainly one becomes part of a path. */
static bool is_plain_address(const char *address)
{
    return *address && *address != '.' &&
           strlen(address) == strspn(address, "0123456789abcdefABCDEF:.-");
}

static enum host_device look_at_device(const char *sys, const char *folder, const char *address)
{
    CLEANUP_FREE char *all = mem_printf("%s/%s", sys, folder);
    CLEANUP_FREE char *path = mem_printf("%s/%s", all, address);

    if (!is_plain_address(address))
        return HOST_DEVICE_UNKNOWN;
    return access(path, F_OK) == 0 ? HOST_DEVICE_PRESENT : HOST_DEVICE_ABSENT;
}

/* ---- USB ------------------------------------------------------------------------------- */

/* A value of a USB device: "046d\n". -1: there is none. */
static long usb_value(const char *sys, const char *device, const char *name, int base)
{
    CLEANUP_FREE char *path = mem_printf("%s/bus/usb/devices/%s/%s", sys, device, name);
    FILE *file = fopen(path, "re");
    char text[32];
    long value = -1;

    if (file && fgets(text, sizeof(text), file))
        value = strtol(text, NULL, base);
    if (file)
        fclose(file);
    return value;
}

/* "046d:c31c" is a vendor's product, "1:4" the fourth device of bus 1, in decimal. */
static enum host_device look_at_usb(const char *sys, const char *address)
{
    CLEANUP_FREE char *path = mem_printf("%s/bus/usb/devices", sys);
    const char *port = text_after(address, "port ");
    const char *colon = strchr(address, ':');
    enum host_device found = HOST_DEVICE_ABSENT;

    if (port)
        return look_at_device(sys, "bus/usb/devices", port);
    if (!colon || !is_plain_address(address))
        return HOST_DEVICE_UNKNOWN;
    bool product = colon - address == 4;
    int base = product ? 16 : 10;
    long first = strtol(address, NULL, base);
    long second = strtol(colon + 1, NULL, base);
    DIR *dir = opendir(path);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir))
        if (*entry->d_name != '.' &&
            usb_value(sys, entry->d_name, product ? "idVendor" : "busnum", base) == first &&
            usb_value(sys, entry->d_name, product ? "idProduct" : "devnum", base) == second)
            found = HOST_DEVICE_PRESENT;
    if (dir)
        closedir(dir);
    return found;
}

/* ---- all kinds -------------------------------------------------------------------------- */

enum host_device host_device_look(const char *sys, const char *name)
{
    const char *address = NULL;

    if ((address = text_after(name, "pci ")))
        return look_at_device(sys, "bus/pci/devices", address);
    if ((address = text_after(name, "mdev ")))
        return look_at_device(sys, "bus/mdev/devices", address);
    if ((address = text_after(name, "scsi scsi_host")))
        return look_at_device(sys, "bus/scsi/devices", address);
    if ((address = text_after(name, "usb ")))
        return look_at_usb(sys, address);
    return HOST_DEVICE_UNKNOWN;
}
