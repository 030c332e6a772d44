/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Host devices, in a /sys of our own.
 */
#include "guest/host_device.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "sample.h"

static char sys[64];

static void make_folder(const char *path)
{
    CLEANUP_FREE char *whole = mem_printf("%s/%s", sys, path);

    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    assert_true(mkdir(whole, 0700) == 0);
}

static void make_value(const char *device, const char *name, const char *value)
{
    CLEANUP_FREE char *path = mem_printf("%s/bus/usb/devices/%s/%s", sys, device, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(value, file);
    assert_int_equal(fclose(file), 0);
}

static int make_sys(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(sys, sizeof(sys), "%.30s/test-sys-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(sys))
        return -1;
    make_folder("bus/pci/devices/0000:01:00.1");
    make_folder("bus/mdev/devices/c2177883-f1bb-47f0-914d-32a22e3a8804");
    make_folder("bus/scsi/devices/3:0:1:0");
    make_folder("bus/usb/devices/1-2.3");
    make_value("1-2.3", "idVendor", "046d\n");
    make_value("1-2.3", "idProduct", "c31c\n");
    make_value("1-2.3", "busnum", "1\n");
    make_value("1-2.3", "devnum", "14\n");
    make_folder("bus/usb/devices/1-2.3:1.0"); /* an interface of the device: no device itself */
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int remove_sys(void **state)
{
    (void)state;
    return nftw(sys, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void devices_are_looked_up_by_their_addresses(void **state)
{
    static const struct {
        const char *name;
        enum host_device found;
    } cases[] = {
        {"pci 0000:01:00.1", HOST_DEVICE_PRESENT},
        {"pci 0000:01:00.2", HOST_DEVICE_ABSENT},
        {"mdev c2177883-f1bb-47f0-914d-32a22e3a8804", HOST_DEVICE_PRESENT},
        {"mdev c2177883-f1bb-47f0-914d-32a22e3a8805", HOST_DEVICE_ABSENT},
        {"scsi scsi_host3:0:1:0", HOST_DEVICE_PRESENT},
        {"scsi scsi_host3:0:2:0", HOST_DEVICE_ABSENT},
        {"usb 046d:c31c", HOST_DEVICE_PRESENT},
        {"usb 046d:c31d", HOST_DEVICE_ABSENT},
        {"usb 1:14", HOST_DEVICE_PRESENT},
        {"usb 1:4", HOST_DEVICE_ABSENT},
        {"usb 2:14", HOST_DEVICE_ABSENT},
        {"usb port 1-2.3", HOST_DEVICE_PRESENT},
        {"usb port 1-2.4", HOST_DEVICE_ABSENT},
        {"storage /dev/sdz", HOST_DEVICE_UNKNOWN},
        {"scsi_host naa.5001405", HOST_DEVICE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (host_device_look(sys, cases[i].name) != cases[i].found)
            fail_msg("%s: %d", cases[i].name, (int)host_device_look(sys, cases[i].name));
}

static void an_address_never_leads_elsewhere(void **state)
{
    static const char *const names[] = {"pci ../../../..",      "pci ..",  "mdev /",
                                        "usb port ../x",        "usb ?:?", "pci ",
                                        "scsi scsi_host?:?:?:?"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_int_equal(host_device_look(sys, names[i]), HOST_DEVICE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_looked_up_by_their_addresses),
        cmocka_unit_test(an_address_never_leads_elsewhere),
    };

    return cmocka_run_group_tests(tests, make_sys, remove_sys);
}
