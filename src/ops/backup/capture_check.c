/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/capture_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "guest/definition/definition.h"
#include "record/sav.h"

/* libvirt runs elsewhere, as another user, perhaps in another mount namespace: an empty file shows
 * whether it can reach the folder. */
int capture_check_access(const struct capture_request *request, struct err *err)
{
    const char *path = staging_memory_path(request->staging);
    bool can = false;
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create", path);
    close(fd);
    int asked = request->calls->can_open(request->hypervisor, path, &can, err);
    (void)unlink(path);
    if (asked < 0)
        return -1;
    if (!can)
        return err_set(err, ERR_DENIED,
                       "libvirt cannot open %s; name a folder that libvirt's service can access "
                       "with --staging-path",
                       path);
    return 0;
}

/* With those that were gathered its memory could not be resumed. */
int capture_check_machine(const struct capture_request *request, struct err *err)
{
    CLEANUP_FREE char *text = NULL;

    if (request->calls->get_xml(request->guest, GUEST_XML_LIVE, &text, err) < 0)
        return -1;
    CLEANUP(xml_freep) struct xml_doc *now = xml_parse(text, strlen(text), err);
    if (!now)
        return err_prefix(err, "the XML that libvirt gave");
    if (definition_same_machine(request->source->live, now))
        return 0;
    return err_set(err, ERR_BUSY,
                   "a device or a disk of the guest was changed, plugged in or removed before its "
                   "memory was copied; start the backup again");
}

/* What libvirt has written next to the memory is the guest as it was at that instant. */
int capture_check_saved(const struct capture *capture, struct err *err)
{
    const char *path = capture->intent.memory;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_DEFINITION_DISKS struct definition_disks gathered = {0};
    CLEANUP_DEFINITION_DISKS struct definition_disks saved = {0};
    CLEANUP_ERR struct err sav_err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "its memory image %s", path);
    if (sav_read(fd, (uint64_t)st.st_size, &sav, &sav_err) < 0) {
        if (sav_err.kind == ERR_UNSUPPORTED) /* of another hypervisor: nothing is known */
            return 0;
        err_move(err, &sav_err);
        return err_prefix(err, "its memory image %s", path);
    }
    CLEANUP(xml_freep) struct xml_doc *xml = xml_parse(sav.xml, strlen(sav.xml), err);
    if (!xml || definition_read_disks(xml, &saved, err) < 0 ||
        definition_read_disks(capture->request.source->live, &gathered, err) < 0)
        return err_prefix(err, "its memory image %s", path);
    if (definition_same_disks(&gathered, &saved))
        return 0;
    CLEANUP_FREE char *line = shell_virsh("domblklist", capture->intent.name);
    return err_set(
        err, ERR_BUSY,
        "the guest's disks were changed before its memory was saved, and a disk may have "
        "a new overlay; to list them, run: %s; then start the backup again",
        line);
}

/* libvirt would wait half a minute for another job, and then refuse. */
int capture_check_no_job(const struct capture_request *request, struct err *err)
{
    CLEANUP_FREE char *socket = NULL;
    enum guest_job job = GUEST_JOB_NONE;

    if (request->mode == CAPTURE_OFFLINE)
        return 0;
    if (request->calls->get_job(request->guest, &job, &socket, err) < 0)
        return -1;
    if (job == GUEST_JOB_BACKUP) {
        CLEANUP_FREE char *line = shell_virsh("domjobabort", request->name);
        return err_set(err, ERR_BUSY,
                       "the guest has a backup job of another program (socket %s); try again when "
                       "it has ended, or, if it was left behind, end it: %s",
                       socket ? socket : "unknown", line);
    }
    if (job == GUEST_JOB_NO_DATA)
        return err_set(err, ERR_BUSY,
                       "libvirt reports a backup job without any data; try again in a moment; if "
                       "that does not help, libvirtd lost track of the job, and accepts another "
                       "one only after the guest has been shut down and started");
    if (job == GUEST_JOB_OTHER) {
        CLEANUP_FREE char *line = shell_virsh("domjobinfo", request->name);
        return err_set(
            err, ERR_BUSY,
            "another job is running on this guest; try again when it has ended; to see it, run: %s",
            line);
    }
    return 0;
}
