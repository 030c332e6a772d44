/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Capturing a running guest: its memory at one instant, its disks at the same
 * instant through a pull-mode backup job, and what happens to it meanwhile.
 *
 * Order of a capture (memory and disks): guest_snapshot_memory leaves the guest
 * stopped; guest_backup_begin fixes the disks; guest_resume. Of the way back: NBD
 * clients are closed first, then guest_backup_end, then guest_thaw or guest_resume.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"

/* ---- what can be done with this guest ------------------------------------------------- */

struct guest_abilities {
    bool pull_backup;  /* libvirt and the hypervisor can make pull-mode backups */
    bool manual;       /* memory snapshot that leaves the guest stopped: libvirt >= 8.2 */
    bool live_trusted; /* a memory image made while the guest runs is right: KVM, or QEMU >= 9 */
    bool agent;        /* a guest agent channel that is connected */
};
/* With the reason why memory can't be captured where that is so: the caller frees
 * *ret_why (NULL: it can). */
int guest_get_abilities(struct guest *guest, struct guest_abilities *ret, struct err *err);

/* The guest's private folder, /var/lib/libvirt/qemu/domain-ID-NAME or its like for
 * the session's or an embedded driver: QEMU may bind sockets there, nobody else
 * looks in, and it goes with the guest. The caller frees. */
int guest_private_folder(struct guest *guest, char **ret, struct err *err);

/* ---- memory ----------------------------------------------------------------------------- */

struct guest_snapshot {
    const char *path;           /* libvirt makes it; a save image */
    const char *const *targets; /* every disk of the guest, cdroms too: none gets an overlay */
    size_t target_count;
    bool live;           /* the guest runs while most of its memory is copied */
    unsigned max_passes; /* live: passes over the memory after which the guest is suspended so
                                    that the copy ends; 0: a default. Also after 2 x RAM copied. */
};
/* Returns with the guest stopped (a paused one stays paused) and the image
 * complete. A signal, or a failure: cancelled, the guest is as it was and there is
 * no image. *ret_forced: it did not converge and was suspended to finish. */
int guest_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                          bool *ret_forced, struct err *err);

int guest_suspend(struct guest *guest, struct err *err);
/* Nothing to do, and no error, when it runs already. */
int guest_resume(struct guest *guest, struct err *err);

/* ---- disks -------------------------------------------------------------------------------- */

struct guest_backup_disk {
    const char *target;
    const char
        *scratch; /* file that libvirt makes and removes; NULL: this disk is not in the job */
};
struct guest_backup {
    const char *socket; /* unix socket that QEMU listens on; exports are named like the targets */
    const struct guest_backup_disk *disks; /* every disk of the guest must be listed */
    size_t disk_count;
};
/* Fixes the disks' state. Re-activates the block nodes first where a memory
 * snapshot has left them inactive (QEMU >= 10). A failure leaves no job. */
int guest_backup_begin(struct guest *guest, const struct guest_backup *backup, struct err *err);
/* Ends the job whose socket this is and waits until its scratch files are gone
 * (bounded). Nothing to do, and no error, when there is no such job any more; a
 * job of somebody else is left alone. All NBD clients must be closed before. */
int guest_backup_end(struct guest *guest, const char *socket, struct err *err);

/* What keeps the guest busy now. */
enum guest_job { GUEST_JOB_NONE, GUEST_JOB_BACKUP, GUEST_JOB_OTHER };
/* *ret_socket (caller frees): of a backup job, NULL if it has none or it can't be told. */
int guest_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket, struct err *err);
/* Waits until no job but a backup is there; busy after timeout_ms. */
int guest_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err);

/* ---- agent ---------------------------------------------------------------------------------- */

/* Freezes the file systems within timeout_ms, or fails; after any return, success
 * or not, the guest may be frozen, now or a little later, and guest_thaw is due. */
int guest_freeze(struct guest *guest, unsigned timeout_s, struct err *err);
/* Thaws, and goes on asking until the agent says that nothing is frozen, for at
 * most timeout_s; the agent's answer limit is put back to libvirt's default. */
int guest_thaw(struct guest *guest, unsigned timeout_s, struct err *err);

/* ---- what happens to it ------------------------------------------------------------------------ */

/* Notes events of one guest from begin to end. Safe to ask from any thread. */
struct guest_watch;
struct guest_watch_news {
    uint64_t stop_us;   /* QEMU's own time of its first STOP event since begin; 0: none yet */
    uint64_t resume_us; /* of the first RESUME after that STOP; 0: none yet */
    bool io_error;      /* an I/O error has stopped it, or was reported for it */
    bool started;       /* a shut-off guest has started */
    bool ended;         /* it has shut off, crashed or gone */
    bool disconnected;  /* libvirt was lost: events may be missing */
};
int guest_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err);
void guest_watch_news(struct guest_watch *watch, struct guest_watch_news *ret);
/* Calls `on_news` from the event loop's thread at each change; set once. */
void guest_watch_call(struct guest_watch *watch, void (*on_news)(void *opaque), void *opaque);
void guest_watch_end(struct guest_watch *watch); /* accepts NULL */

/* ---- libvirtd gone and back ---------------------------------------------------------------------- */

/* False once the connection is known to be dead. */
bool hypervisor_alive(struct hypervisor *hypervisor);
/* Connects again with back-off for at most timeout_ms; guests made from this
 * hypervisor stay valid (each finds its domain again by UUID at its next use), and
 * watches go on. Stops for no signal. */
int hypervisor_reconnect(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err);
