/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest and what can be done with it. All calls block; a save runs in its own thread, so that a
 * signal can cancel it. Errors do not name the guest: the caller knows it and adds a prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "guest/hypervisor.h"

enum guest_state { GUEST_RUNNING, GUEST_PAUSED, GUEST_SHUT_OFF, GUEST_OTHER };

struct guest_status {
    enum guest_state state;
    const char *state_text; /* "running", "paused", "in shutdown", "crashed", "pmsuspended"... */
    bool booted;            /* somebody has started it, rather than resumed or restored it */
    bool resumed;           /* it certainly goes on from a saved state: it was restored, or a save
                             * was given up; false if somebody has paused it since */
    bool io_error;          /* paused because of an I/O error */
    bool persistent;
    bool autostart;
    bool managed_save; /* has a managed-save image */
};

const char *guest_name(const struct guest *guest); /* borrowed */
const char *guest_uuid(const struct guest *guest); /* borrowed, lower case with dashes */
int guest_get_status(struct guest *guest, struct guest_status *ret, struct err *err);

enum guest_xml_kind {
    GUEST_XML_PERSISTENT, /* the definition for the next start; transient: the live one */
    GUEST_XML_LIVE,       /* of the running guest, migratable */
};
/* With security information. The caller frees. */
int guest_get_xml(struct guest *guest, enum guest_xml_kind kind, char **ret_xml, struct err *err);

int guest_find(struct hypervisor *hypervisor, const char *name, struct guest **ret,
               struct err *err); /* not-found */
int guest_find_uuid(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                    struct err *err); /* not-found */
void guest_free(struct guest *guest);
DEFINE_CLEANUP(struct guest *, guest_freep, guest_free)

/* Saves memory to `path` (libvirt makes it; exists: if anything is there) and stops the guest.
 *   cancelled  a signal came: the guest is as it was before, and there is no file; a signal
 *              that comes too late to stop the save is left to the caller's quit_check
 *   busy       a backup job is open on the guest (fails at once), or another job did not end
 *              in the 30 s that libvirt waits for it; only our own job is ever aborted
 *   transient  the connection to libvirt was lost and it is unknown whether libvirt
 *              completes the save: the file may be all that is left of the guest and must
 *              not be removed
 *   others     the guest is as it was before, and there is no file
 * One that makes no progress for ten minutes is aborted. If libvirt does not end an aborted one within
 * a minute, or one that cannot be aborted because QEMU hangs and has copied nothing, it is left to
 * libvirt: the error says so, and guest_is_stuck.
 * *ret_downtime_start_ms: the monotonic clock (units_now_ms) when libvirt's event reported that
 * the guest had stopped; without the event, the time of the call. */
int guest_save(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
               struct err *err);
/* True once a save, or a copy of its memory, was left to libvirt, which had not ended it: whoever waits
 * for the guest now may wait in vain. */
bool guest_is_stuck(const struct guest *guest);
/* Undoes a save, with this XML instead of the image's own (NULL: the image's own; Xen's driver
 * accepts only that, anything else is unsupported there); running or paused as asked, whatever the
 * image says. Does not stop for signals. */
int guest_restore(struct hypervisor *hypervisor, const char *path, const char *xml, bool running,
                  struct err *err);

/* Defines a new persistent guest. The XML is not validated against libvirt's schema, so that what
 * libvirt once accepted can come back. A guest with the same name and UUID gets this definition; if
 * another guest has only one of them: exists. */
int guest_define(struct hypervisor *hypervisor, const char *xml, struct guest **ret,
                 struct err *err);
/* Removes the definition, and libvirt's records of its snapshots and checkpoints; NVRAM, TPM state
 * and disks stay. Refused while active (busy), and by libvirt if there is a managed-save image. */
int guest_undefine(struct guest *guest, struct err *err);
int guest_set_autostart(struct guest *guest, bool autostart, struct err *err);
/* If there is a managed-save image, libvirt restores and removes it instead. */
int guest_start(struct guest *guest, bool paused, struct err *err);
/* Both do nothing, and succeed, if the guest is already in the requested state. */
int guest_suspend(struct guest *guest, struct err *err);
int guest_resume(struct guest *guest, struct err *err);
/* Starts a transient guest. */
int guest_create(struct hypervisor *hypervisor, const char *xml, bool paused, struct err *err);
