/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's programs: qemu-img says what an image is, qemu-nbd reads it.
 */
#include "ops/doctor/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "base/process.h"

/* "qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)", "qemu-nbd 7.2.22 (...)": 7002022; 0: not known. */
static unsigned long version_in(const char *line)
{
    char *end = NULL;
    unsigned long version = 0;

    line += strcspn(line, "0123456789");
    for (int part = 0; part < 3; part++) {
        version = version * 1000 + strtoul(line, &end, 10);
        line = *end == '.' ? end + 1 : end;
    }
    return version;
}

static void tell_program(struct doctor *doctor, const struct doctor_subject *subject,
                         const char *line)
{
    unsigned long emulator = doctor->hypervisor && hypervisor_is_qemu(doctor->hypervisor)
                                 ? hypervisor_emulator_version(doctor->hypervisor)
                                 : 0;
    unsigned long version = version_in(line);

    if (version / 1000000 < emulator / 1000000)
        doctor_tell(
            doctor, subject, FINDING_WARNING, "apt-get install qemu-utils",
            mem_printf(
                "%s is older than the QEMU that libvirt runs (%lu.%lu): images of guests may be "
                "beyond it",
                line, emulator / 1000000, emulator / 1000 % 1000));
    else
        doctor_tell(doctor, subject, FINDING_GOOD, NULL, mem_printf("%s", line));
}

static void look_at_program(struct doctor *doctor, const char *program)
{
    const char *const argv[] = {program, "--version", NULL};
    const struct doctor_subject subject = {.area = program};
    CLEANUP_BUF struct buf output = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (process_run(argv, &output, &err) < 0) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, "apt-get install qemu-utils",
                    mem_printf("%s", err.text));
        return;
    }
    CLEANUP_FREE char *text = buf_take_str(&output);
    text[strcspn(text, "\n")] = '\0';
    tell_program(doctor, &subject, text);
}

void doctor_programs(struct doctor *doctor)
{
    look_at_program(doctor, "qemu-img");
    look_at_program(doctor, "qemu-nbd");
}
