/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the host itself gives: the sandbox, rights, the clock, and what confines QEMU.
 */
#include "ops/doctor/doctor.h"

#include <pwd.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sandbox.h"
#include "base/text.h"

void doctor_sandbox(struct doctor *doctor)
{
    static const struct doctor_subject sandbox = {.area = "sandbox"};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (sandbox_prove(&err) < 0)
        doctor_tell(
            doctor, &sandbox, FINDING_PROBLEM,
            "start Linux with landlock among the modules of its parameter lsm=",
            mem_printf("child processes cannot be confined, so no backup is read: %s", err.text));
    else
        doctor_tell(doctor, &sandbox, FINDING_GOOD, NULL,
                    mem_printf("child processes are confined: seccomp, Landlock version %d",
                               sandbox_landlock_version()));
}

/* The URI that libvirt will use, as far as that is said anywhere but in libvirt.conf. */
static const char *asked_uri(const struct doctor *doctor)
{
    const char *preset = getenv("LIBVIRT_DEFAULT_URI");

    return doctor->options->uri ? doctor->options->uri : preset ? preset : "";
}

void doctor_user(struct doctor *doctor)
{
    static const struct doctor_subject user = {.area = "user"};
    const struct passwd *entry = getpwuid(geteuid());
    const char *name = entry ? entry->pw_name : "unknown";
    const char *uri = asked_uri(doctor);

    if (geteuid() == 0 && text_ends(uri, "/session"))
        doctor_tell(
            doctor, &user, FINDING_WARNING, "virt-backup doctor --hypervisor-uri qemu:///system",
            mem_printf("root looks at %s, where root's own guests are, not those of the system",
                       uri));
    else if (geteuid() != 0 && text_ends(uri, "/system"))
        doctor_tell(
            doctor, &user, FINDING_WARNING, "sudo virt-backup doctor",
            mem_printf("user '%s' at %s: only root can read all images of the system's guests",
                       name, uri));
    else
        doctor_tell(doctor, &user, FINDING_GOOD, NULL, mem_printf("running as %s", name));
}

/* When this was written: a clock that was never set is at 1970, or when its firmware was made. */
#define CLOCK_LEAST 1735689600

void doctor_clock(struct doctor *doctor)
{
    static const struct doctor_subject clock = {.area = "clock"};
    struct timex state = {0};
    const char *remedy = "timedatectl set-ntp true";

    if (time(NULL) < CLOCK_LEAST)
        doctor_tell(
            doctor, &clock, FINDING_PROBLEM, remedy,
            mem_printf(
                "the clock of this host is not set: points would get times by which they are "
                "pruned too early"));
    else if (adjtimex(&state) == TIME_ERROR)
        doctor_tell(
            doctor, &clock, FINDING_NOTE, remedy,
            mem_printf("nothing keeps the clock of this host right, as far as the kernel knows"));
    else
        doctor_tell(doctor, &clock, FINDING_GOOD, NULL, mem_printf("the clock is kept right"));
}

/* ---- AppArmor and SELinux ---------------------------------------------------------------------- */

#define ABSTRACTION "/etc/apparmor.d/abstractions/virt-backup"
#define LOCAL "/etc/apparmor.d/local/abstractions/libvirt-qemu"
#define SMALL 65536

/* It is needed only for a libvirt that does not do what dist/apparmor says. */
static void look_at_apparmor(struct doctor *doctor)
{
    static const struct doctor_subject apparmor = {.area = "apparmor", .place = ABSTRACTION};
    CLEANUP_FREE char *enabled = NULL;
    CLEANUP_FREE char *local = NULL;

    if (io_read_made_up("/sys/module/apparmor/parameters/enabled", SMALL, &enabled, NULL) < 0 ||
        enabled[0] != 'Y')
        return;
    (void)io_read_made_up(LOCAL, SMALL, &local, NULL);
    if (access(ABSTRACTION, F_OK) < 0)
        doctor_tell(
            doctor, &apparmor, FINDING_NOTE, NULL,
            mem_printf(
                "AppArmor is on, and what QEMU may do for virt-backup is not installed; it is "
                "needed if QEMU is denied a file named vb-*.sock or vb-*.scratch"));
    else if (!local || !strstr(local, "abstractions/virt-backup"))
        doctor_tell(
            doctor, &apparmor, FINDING_NOTE, "echo 'include <abstractions/virt-backup>' >> " LOCAL,
            mem_printf("AppArmor is on, and " ABSTRACTION " is not used; it is needed if QEMU is "
                       "denied a file named vb-*.sock or vb-*.scratch"));
    else
        doctor_tell(doctor, &apparmor, FINDING_GOOD, NULL,
                    mem_printf("AppArmor lets QEMU use sockets and scratch files of backups"));
}

void doctor_confinement(struct doctor *doctor)
{
    static const struct doctor_subject selinux = {.area = "selinux"};
    CLEANUP_FREE char *enforcing = NULL;

    look_at_apparmor(doctor);
    if (io_read_made_up("/sys/fs/selinux/enforce", SMALL, &enforcing, NULL) == 0)
        doctor_tell(doctor, &selinux, FINDING_NOTE, NULL,
                    mem_printf("SELinux is %s; restored files get the contexts that they had",
                               enforcing[0] == '1' ? "enforcing" : "permissive"));
}
