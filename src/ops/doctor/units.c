/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether systemd will run the jobs that are written down. Units are enabled by links, which are looked
 * at here as systemctl does.
 */
#include "ops/doctor/doctor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/shell.h"
#include "base/text.h"

#define JOB_END ".conf"

static bool is_enabled(const char *units, const char *job)
{
    static const char *const templates[] = {"virt-backup", "virt-backup-repository"};
    CLEANUP_STRINGS struct strings folders = {0};

    (void)dir_list(AT_FDCWD, units, &folders, NULL);
    for (size_t i = 0; i < folders.count; i++)
        for (size_t j = 0; j < 2 && text_ends(folders.items[i], ".wants"); j++) {
            CLEANUP_FREE char *link =
                mem_printf("%s/%s/%s@%s.timer", units, folders.items[i], templates[j], job);
            if (faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return true;
        }
    return false;
}

static void look_at_job(struct doctor *doctor, const char *units, const char *file)
{
    CLEANUP_FREE char *job = mem_strndup(file, strlen(file) - strlen(JOB_END));
    CLEANUP_FREE char *timer = mem_printf("virt-backup@%s.timer", job);
    CLEANUP_FREE char *quoted = shell_quote(timer);
    CLEANUP_FREE char *remedy =
        mem_printf("systemctl %senable --now %s", geteuid() == 0 ? "" : "--user ", quoted);
    const struct doctor_subject subject = {.area = "timer", .place = timer};

    if (is_enabled(units, job) || (geteuid() == 0 && is_enabled("/run/systemd/system", job)))
        doctor_tell(doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("the timer of job '%s' is enabled", job));
    else
        doctor_tell(doctor, &subject, FINDING_WARNING, remedy,
                    mem_printf("the timer of job '%s' is not enabled: nothing runs it", job));
}

static size_t look_at_jobs(struct doctor *doctor, const char *units, const char *folder)
{
    CLEANUP_STRINGS struct strings files = {0};
    size_t count = 0;

    (void)dir_list(AT_FDCWD, folder, &files, NULL);
    for (size_t i = 0; i < files.count; i++)
        if (text_ends(files.items[i], JOB_END)) {
            look_at_job(doctor, units, files.items[i]);
            count++;
        }
    return count;
}

/* Where a user's settings are; the caller frees. */
static char *user_config(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    return config && *config == '/' ? mem_strdup(config)
                                    : mem_printf("%s/.config", home ? home : "");
}

void doctor_units(struct doctor *doctor)
{
    static const struct doctor_subject subject = {.area = "timer"};
    bool root = geteuid() == 0;
    CLEANUP_FREE char *config = root ? mem_strdup("/etc") : user_config();
    CLEANUP_FREE char *units = mem_printf("%s/systemd/%s", config, root ? "system" : "user");
    CLEANUP_FREE char *own = mem_printf("%s/virt-backup", config);
    CLEANUP_FREE char *jobs = mem_printf("%s/jobs.d", own);

    if (access("/run/systemd/system", F_OK) < 0)
        return;
    if (look_at_jobs(doctor, units, own) + look_at_jobs(doctor, units, jobs) == 0)
        doctor_tell(
            doctor, &subject, FINDING_NOTE, NULL,
            mem_printf(
                "there is no job in %s: nothing backs up guests by itself, unless another program "
                "runs virt-backup",
                jobs));
}
