/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/doctor/doctor.h"

#include "base/text.h"

/* Since then a backup job can be had together with the guest's memory at one instant. */
#define JOBS_SINCE 6000000
#define INSTANT_SINCE 8002000

static const struct doctor_subject subject_libvirt = {.area = "libvirt"};

/* How libvirt is started depends on which of its daemons is installed. */
static const char *remedy_of(const struct err *err)
{
    return err->kind == ERR_DENIED ? "sudo virt-backup doctor"
           : err->kind == ERR_IO   ? "systemctl start libvirtd.service"
                                   : NULL;
}

static void tell_driver(struct doctor *doctor)
{
    struct hypervisor *hypervisor = doctor->hypervisor;
    unsigned long version = hypervisor_emulator_version(hypervisor);
    const struct doctor_subject qemu = {.area = "qemu"};

    if (!hypervisor_is_qemu(hypervisor))
        doctor_tell(
            doctor, &qemu, FINDING_NOTE, NULL,
            mem_printf(
                "the driver behind %s is not QEMU's: guests are down while they are backed up",
                hypervisor_uri(hypervisor)));
    else if (version == 0)
        doctor_tell(doctor, &qemu, FINDING_PROBLEM, "apt-get install qemu-system-x86",
                    mem_printf("libvirt finds no QEMU"));
    else
        doctor_tell(doctor, &qemu, FINDING_GOOD, NULL,
                    mem_printf("QEMU %lu.%lu.%lu", version / 1000000, version / 1000 % 1000,
                               version % 1000));
}

static void tell_libvirt(struct doctor *doctor)
{
    unsigned long version = hypervisor_version(doctor->hypervisor);
    const char *lacks =
        version < JOBS_SINCE ? "no backup jobs: running guests are down while they are backed up"
        : version < INSTANT_SINCE
            ? "no memory and disks of one instant: running guests are down while they "
              "are backed up"
            : NULL;

    doctor_tell(doctor, &subject_libvirt, lacks ? FINDING_WARNING : FINDING_GOOD, NULL,
                mem_printf("libvirt %lu.%lu.%lu at %s, %zu guest%s%s%s", version / 1000000,
                           version / 1000 % 1000, version % 1000,
                           hypervisor_uri(doctor->hypervisor), doctor->guest_count,
                           doctor->guest_count == 1 ? "" : "s", lacks ? "; " : "",
                           lacks ? lacks : ""));
}

void doctor_libvirt(struct doctor *doctor)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (hypervisor_open(doctor->options->uri, &doctor->hypervisor, &err) < 0) {
        doctor_tell(doctor, &subject_libvirt, FINDING_PROBLEM, remedy_of(&err),
                    mem_printf("%s", err.text));
        return;
    }
    hypervisor_spare_monitors(doctor->hypervisor);
    if (hypervisor_list(doctor->hypervisor, &doctor->guests, &doctor->guest_count, &err) < 0) {
        doctor_tell(doctor, &subject_libvirt, FINDING_PROBLEM, remedy_of(&err),
                    mem_printf("%s", err.text));
        return;
    }
    tell_libvirt(doctor);
    tell_driver(doctor);
}
