/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/backup_job.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <libvirt/libvirt-qemu.h>

#include "base/json.h"
#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/xml.h"
#include "base/shell.h"
#include "guest/bounded.h"
#include "guest/checkpoint.h"
#include "guest/connection.h"
#include "guest/job.h"
#include "guest/libvirt_error.h"

#define JOB_POLL_MS 50
/* A job of which nothing is read ends within some milliseconds, while the guest stands still. */
#define QUICK_POLL_MS 2
#define QUICK_END_MS 200
/* If a job has no data by then, its data is lost. */
#define JOB_BEGIN_MS 30000
/* After this long the user is told what we are waiting for. */
#define JOB_PATIENCE_MS 5000
/* libvirt reports the end of a job before all of it is cleaned up. */
#define JOB_END_MS 30000
#define SCRATCH_END_MS 10000
#define ACTIVATES_SINCE_MAJOR 10 /* QEMU, with blockdev-set-active */

/* ---- the current job -------------------------------------------------------------------------
 *
 * A job is known by the path of its socket. It comes into being within guest_backup_begin, whose
 * answer may be lost together with libvirt, or not be waited for. So whoever has asked for a job
 * treats it as begun, and ending one that does not exist succeeds.
 *
 * It ends by guest_backup_end, which waits until libvirt has forgotten it and removed its scratch
 * files, or together with its guest. libvirtd's end does not end it: QEMU goes on, and the next
 * libvirtd finds the job, or has lost it (GUEST_JOB_NO_DATA): then nobody can end it, but nothing
 * works on the guest either. */

/* *ret is NULL if there is no backup job. */
static int get_backup_xml(virDomainPtr domain, struct xml_doc **ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *text = virDomainBackupGetXMLDesc(domain, 0);

    if (!text) {
        int code = libvirt_error_code();
        if (code != VIR_ERR_NO_DOMAIN_BACKUP && code != VIR_ERR_OPERATION_INVALID &&
            code != VIR_ERR_NO_SUPPORT)
            return libvirt_error(err, "cannot query the guest's backup job");
        *ret = NULL;
        return 0;
    }
    *ret = xml_parse(text, strlen(text), err);
    return *ret ? 0 : err_prefix(err, "the guest's backup job");
}

static const char *socket_of(const struct xml_doc *job)
{
    return xml_find_attr(xml_root(job), "server", "socket");
}

static bool is_job_at(const struct xml_doc *job, const char *socket)
{
    const char *found = job ? socket_of(job) : NULL;

    return found && strcmp(found, socket) == 0;
}

/* Ask for the backup job itself: after a restart of libvirtd the job statistics do not say what
 * kind of job it found. */
int guest_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP(xml_freep) struct xml_doc *backup = NULL;
    struct job job;

    if (connection_domain(guest, &domain, err) < 0 || get_backup_xml(domain, &backup, err) < 0 ||
        job_read(domain, &job, err) < 0)
        return -1;
    if (backup || job.operation == VIR_DOMAIN_JOB_OPERATION_BACKUP)
        *ret = GUEST_JOB_BACKUP;
    else if (job.no_data)
        *ret = GUEST_JOB_NO_DATA;
    else
        *ret = job.type == VIR_DOMAIN_JOB_NONE ? GUEST_JOB_NONE : GUEST_JOB_OTHER;
    if (ret_socket)
        *ret_socket = backup ? mem_strdup(socket_of(backup)) : NULL;
    return 0;
}

int guest_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err)
{
    uint64_t begin_ms = units_now_ms();
    bool told = false;

    for (;;) {
        enum guest_job job = GUEST_JOB_NONE;
        if (guest_get_job(guest, &job, NULL, err) < 0)
            return -1;
        if (job == GUEST_JOB_NONE || job == GUEST_JOB_BACKUP)
            return 0;
        uint64_t waited_ms = units_now_ms() - begin_ms;
        if (job == GUEST_JOB_NO_DATA && waited_ms >= JOB_BEGIN_MS) {
            log_detail("guest '%s': libvirt has lost its backup job; continuing", guest->name);
            return 0;
        }
        if (waited_ms >= JOB_PATIENCE_MS && !told)
            log_notice("guest '%s': waiting for a job (a snapshot, save or migration) to end",
                       guest->name);
        told = waited_ms >= JOB_PATIENCE_MS;
        if (waited_ms >= timeout_ms)
            return libvirt_error_job(err, "a job (a snapshot, save or migration)", guest->name);
        if (quit_sleep(JOB_POLL_MS, err) < 0)
            return err_prefix(err, "a job is running on this guest");
    }
}

/* ---- begin --------------------------------------------------------------------------------------- */

static int check_paths(const struct guest_backup *backup, struct err *err)
{
    if (connection_check_path(backup->socket, err) < 0)
        return -1;
    for (size_t i = 0; i < backup->disk_count; i++)
        if (backup->disks[i].scratch && connection_check_path(backup->disks[i].scratch, err) < 0)
            return -1;
    return 0;
}

/* loading: only disks whose bitmaps are asked for, but without them. */
static bool is_in_job(const struct guest_backup_disk *disk, bool loading)
{
    return disk->scratch && (disk->since || !loading);
}

static char *backup_xml(const struct guest_backup *backup, bool loading)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_new("domainbackup");

    xml_set_attr(xml_root(doc), "mode", "pull");
    struct xml_node *server = xml_add(xml_root(doc), NULL, NULL, "server");
    xml_set_attr(server, "transport", "unix");
    xml_set_attr(server, "socket", backup->socket);
    struct xml_node *list = xml_add(xml_root(doc), NULL, NULL, "disks");
    for (size_t i = 0; i < backup->disk_count; i++) {
        const struct guest_backup_disk *wanted = &backup->disks[i];
        struct xml_node *disk = xml_add(list, NULL, NULL, "disk");
        xml_set_attr(disk, "name", wanted->target);
        xml_set_attr(disk, "backup", is_in_job(wanted, loading) ? "yes" : "no");
        if (!is_in_job(wanted, loading))
            continue;
        xml_set_attr(disk, "type", "file");
        xml_set_attr(disk, "exportname", wanted->target);
        if (wanted->since && !loading) {
            xml_set_attr(disk, "backupmode", "incremental");
            xml_set_attr(disk, "incremental", wanted->since);
            xml_set_attr(disk, "exportbitmap", GUEST_BACKUP_BITMAP);
        }
        struct xml_node *scratch = xml_add(disk, NULL, NULL, "scratch");
        xml_set_attr(scratch, "file", wanted->scratch);
    }
    return xml_format(doc);
}

/* A disk that is not listed would be recorded. */
static char *checkpoint_xml(const struct guest_backup *backup)
{
    if (!backup->checkpoint)
        return NULL;
    CLEANUP(xml_freep) struct xml_doc *doc = xml_new("domaincheckpoint");
    xml_set_text(xml_add(xml_root(doc), NULL, NULL, "name"), backup->checkpoint);
    struct xml_node *list = xml_add(xml_root(doc), NULL, NULL, "disks");
    for (size_t i = 0; i < backup->disk_count; i++) {
        struct xml_node *disk = xml_add(list, NULL, NULL, "disk");
        xml_set_attr(disk, "name", backup->disks[i].target);
        xml_set_attr(disk, "checkpoint", backup->disks[i].record ? "bitmap" : "no");
    }
    return xml_format(doc);
}

/* After memory was copied, QEMU has handed its block nodes over, as to another host. */
enum begin_trouble {
    BEGIN_OTHER,
    BEGIN_INACTIVE,  /* QEMU does not work with them (since 10) */
    BEGIN_NO_BITMAP, /* their bitmaps are not loaded; or they are broken */
};

static int begin_job(virDomainPtr domain, const char *xml, const char *checkpoint,
                     enum begin_trouble *ret_trouble, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    if (virDomainBackupBegin(domain, xml, checkpoint, 0) == 0)
        return 0;
    *ret_trouble = BEGIN_OTHER;
    if (libvirt_error_code() == VIR_ERR_CHECKPOINT_INCONSISTENT)
        *ret_trouble = BEGIN_NO_BITMAP;
    /* QEMU gives this error no class, and libvirt no code, so the text must be asked. */
    else if (strcasestr(virGetLastErrorMessage(), "inactive"))
        *ret_trouble = BEGIN_INACTIVE;
    return libvirt_error(err, "cannot begin the backup job");
}

/* libvirt cannot take the nodes back, and QEMU before 10 has no such command. Returns true if they
 * are ours again. libvirt marks the guest as tainted by this until it ends. */
static bool activate_nodes(virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *reply = NULL;

    if (virDomainQemuMonitorCommand(
            domain, "{\"execute\":\"blockdev-set-active\",\"arguments\":{\"active\":true}}", &reply,
            0) < 0) {
        log_detail("cannot ask QEMU to activate the disks: %s", virGetLastErrorMessage());
        return false;
    }
    CLEANUP(json_freep) struct json *json = json_parse(reply, strlen(reply), NULL);
    if (json && json_get(json, "return"))
        return true;
    log_detail("QEMU does not activate the disks: %s", reply);
    return false;
}

/* A job without bitmaps works on nodes that were handed over, and makes QEMU before 10 take them
 * back and load their bitmaps. A newer QEMU refuses it, and has a command for that. */
static bool load_bitmaps(struct guest *guest, virDomainPtr domain,
                         const struct guest_backup *backup, struct err *err)
{
    CLEANUP_FREE char *xml = backup_xml(backup, true);
    CLEANUP_ERR struct err begin_err = ERR_INIT;
    enum begin_trouble trouble = BEGIN_OTHER;

    log_detail("guest '%s': a backup job of which nothing is read comes first, to load the bitmaps",
               guest->name);
    if (begin_job(domain, xml, NULL, &trouble, &begin_err) < 0) {
        if (trouble == BEGIN_INACTIVE && activate_nodes(domain))
            return true;
        err_move(err, &begin_err);
        return false;
    }
    return guest_backup_end(guest, backup->socket, err) == 0;
}

static bool asks_for_bitmaps(const struct guest_backup *backup)
{
    for (size_t i = 0; i < backup->disk_count; i++)
        if (backup->disks[i].scratch && backup->disks[i].since)
            return true;
    return false;
}

/* Before libvirt is asked for what QEMU would refuse, which takes it as long as the job itself. An
 * older QEMU may still run than the one that is installed, so each way may fail: then the answer to
 * begin_job shows the other. */
static bool take_nodes_back(struct guest *guest, virDomainPtr domain,
                            const struct guest_backup *backup, struct err *err)
{
    if (!guest->handed_over)
        return false;
    if (guest->qemu_major >= ACTIVATES_SINCE_MAJOR)
        return activate_nodes(domain);
    return asks_for_bitmaps(backup) && load_bitmaps(guest, domain, backup, err);
}

static int begin_with_active_nodes(struct guest *guest, virDomainPtr domain,
                                   const struct guest_backup *backup, struct err *err)
{
    CLEANUP_FREE char *xml = backup_xml(backup, false);
    CLEANUP_FREE char *checkpoint = checkpoint_xml(backup);
    CLEANUP_ERR struct err first = ERR_INIT;
    CLEANUP_ERR struct err load_err = ERR_INIT;
    enum begin_trouble trouble = BEGIN_OTHER;
    bool taken = take_nodes_back(guest, domain, backup, &load_err);
    if (load_err.errnum == ETIMEDOUT)
        return err_move(err, &load_err);
    if (begin_job(domain, xml, checkpoint, &trouble, &first) == 0)
        return 0;
    bool again = false;
    if (trouble == BEGIN_INACTIVE)
        again = activate_nodes(domain);
    else if (trouble == BEGIN_NO_BITMAP && !taken && load_err.kind == ERR_NONE)
        again = load_bitmaps(guest, domain, backup, &load_err);
    if (load_err.errnum == ETIMEDOUT)
        return err_move(err, &load_err);
    if (load_err.kind != ERR_NONE)
        log_detail("guest '%s': its bitmaps cannot be loaded: %s", guest->name, load_err.text);
    return again ? begin_job(domain, xml, checkpoint, &trouble, err) : err_move(err, &first);
}

/* What a failure may have left: the job itself if libvirt was lost before its answer, and libvirt's
 * record of the checkpoint if QEMU has done its part. */
static int clear_begun(struct guest *guest, const struct guest_backup *backup, struct err *err)
{
    CLEANUP_STRINGS struct strings recorded = {0};
    const struct guest_checkpoint checkpoint = {backup->checkpoint, &recorded};
    bool off = false;

    if (connection_revive(guest->hypervisor, err) < 0 ||
        guest_backup_end(guest, backup->socket, err) < 0)
        return err_prefix(err, "a backup job may have been left behind");
    for (size_t i = 0; i < backup->disk_count; i++)
        if (backup->disks[i].record)
            strings_add(&recorded, backup->disks[i].target);
    if (backup->checkpoint && guest_checkpoint_delete(guest, &checkpoint, &off, err) < 0)
        return err_prefix(err, "a checkpoint may have been left behind");
    return 0;
}

static int check_no_job(virDomainPtr domain, struct err *err)
{
    struct job job;

    if (job_read(domain, &job, err) < 0)
        return -1;
    if (job.type == VIR_DOMAIN_JOB_NONE)
        return 0;
    return libvirt_error_job(err, "another job (a backup, snapshot, save or migration)",
                             virDomainGetName(domain));
}

static int check_socket_len(const char *socket, struct err *err)
{
    size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (strlen(socket) <= max)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "%s: the path of a socket cannot be longer than %zu bytes",
                   socket, max);
}

int guest_backup_begin(struct guest *guest, const struct guest_backup *backup, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_ERR struct err second = ERR_INIT;

    if (check_socket_len(backup->socket, err) < 0 || check_paths(backup, err) < 0 ||
        connection_domain(guest, &domain, err) < 0 || check_no_job(domain, err) < 0)
        return -1;
    if (begin_with_active_nodes(guest, domain, backup, err) == 0)
        return 0;
    /* What was not waited for is left to whoever undoes it, who waits for the guest's turn first. */
    if (err && err->errnum == ETIMEDOUT)
        return -1;
    if (clear_begun(guest, backup, &second) < 0)
        err_append(err, "%s", second.text);
    return -1;
}

/* ---- end ------------------------------------------------------------------------------------------- */

static void wait_a_little(uint64_t begin_ms)
{
    bool quick = units_now_ms() - begin_ms < QUICK_END_MS;

    usleep((quick ? QUICK_POLL_MS : JOB_POLL_MS) * 1000);
}

static int wait_for_job_end(virDomainPtr domain, const char *socket, struct err *err)
{
    uint64_t begin_ms = units_now_ms();

    for (;;) {
        CLEANUP(xml_freep) struct xml_doc *job = NULL;
        if (get_backup_xml(domain, &job, err) < 0)
            return -1;
        if (!is_job_at(job, socket))
            return 0;
        if (units_now_ms() - begin_ms >= JOB_END_MS) {
            CLEANUP_FREE char *line = shell_virsh("domjobabort", virDomainGetName(domain));
            return err_set(err, ERR_BUSY, "the backup job does not end; to end it, run: %s", line);
        }
        wait_a_little(begin_ms);
    }
}

/* What cannot be seen counts as gone. */
static bool any_scratch(const struct xml_doc *job)
{
    for (struct xml_node *disk = xml_find(xml_root(job), "disks/disk"); disk;
         disk = xml_next_same(disk)) {
        const char *path = xml_find_attr(disk, "scratch", "file");
        if (path && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static void wait_for_scratch(const struct xml_doc *job)
{
    uint64_t begin_ms = units_now_ms();

    while (any_scratch(job)) {
        if (units_now_ms() - begin_ms >= SCRATCH_END_MS) {
            log_detail("libvirt has not removed the scratch files of the backup job");
            return;
        }
        wait_a_little(begin_ms);
    }
}

static int abort_job(virDomainPtr domain, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    if (virDomainAbortJob(domain) < 0)
        return libvirt_error(err, "cannot end the backup job");
    return 0;
}

int guest_backup_end(struct guest *guest, const char *socket, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP(xml_freep) struct xml_doc *job = NULL;
    CLEANUP(xml_freep) struct xml_doc *left = NULL;
    CLEANUP_ERR struct err abort_err = ERR_INIT;

    if (connection_domain(guest, &domain, err) < 0 || get_backup_xml(domain, &job, err) < 0)
        return -1;
    if (!is_job_at(job, socket))
        return 0;
    if (abort_job(domain, &abort_err) < 0) {
        if (abort_err.errnum == ETIMEDOUT)
            return err_move(err, &abort_err);
        /* It may have ended by itself, with its guest. */
        if (get_backup_xml(domain, &left, err) < 0)
            return -1;
        if (is_job_at(left, socket))
            return err_move(err, &abort_err);
    }
    if (wait_for_job_end(domain, socket, err) < 0)
        return -1;
    wait_for_scratch(job);
    return 0;
}
