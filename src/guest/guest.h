/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest and what can be done with it. All calls block; a save is made in a
 * thread of its own, so that a signal can cancel it in mid-way. Errors don't name
 * the guest: the caller, who knows it, prefixes.
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
    bool booted;            /* runs since somebody has started it, not resumed or restored */
    bool io_error;          /* paused because of an I/O error */
    bool persistent;
    bool autostart;
    bool managed_save; /* has a managed-save image */
};

const char *guest_name(const struct guest *guest); /* borrowed */
const char *guest_uuid(const struct guest *guest); /* borrowed, lower case with dashes */
int guest_get_status(struct guest *guest, struct guest_status *ret, struct err *err);

enum guest_xml_kind {
    GUEST_XML_PERSISTENT, /* the definition, of the next start; transient: the live one */
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

/* Saves memory to `path` (libvirt makes it; exists: something is there already) and stops the guest.
 *   cancelled  a signal came: the guest is as it was, and there is no file; one that
 *              comes too late to stop the save is left to the caller's quit_check
 *   busy       a backup job is open on the guest (told at once), or another job has
 *              not ended in the 30 s that libvirt waits for it; no job but our own
 *              is ever aborted
 *   transient  the connection to libvirt was lost and nobody knows whether libvirt
 *              completes the save: the file may be all there is of the guest and
 *              must not be removed
 *   others     the guest is as it was, and there is no file
 * *ret_downtime_start_ms: the monotonic clock (units_now_ms) when libvirt's event
 * said that the guest has stopped; without the event, the time of the call. */
int guest_save(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
               struct err *err);
/* The way back, with this XML instead of the image's own (NULL: with the image's
 * own, the only one that Xen's driver takes, others are unsupported there);
 * running or paused as asked, whatever the image says. Does not stop for signals. */
int guest_restore(struct hypervisor *hypervisor, const char *path, const char *xml, bool running,
                  struct err *err);

/* A new persistent guest. The XML is not validated against libvirt's schema, so
 * that what libvirt has once accepted comes back. A guest of the same name and
 * UUID gets this definition; if another guest has either: exists. */
int guest_define(struct hypervisor *hypervisor, const char *xml, struct guest **ret,
                 struct err *err);
/* Removes the definition, and what libvirt knows of its snapshots and checkpoints;
 * NVRAM, TPM state and disks stay. Refused while active (busy), and by libvirt if
 * there is a managed-save image. */
int guest_undefine(struct guest *guest, struct err *err);
int guest_set_autostart(struct guest *guest, bool autostart, struct err *err);
/* A managed-save image is restored instead, and removed by libvirt. */
int guest_start(struct guest *guest, bool paused, struct err *err);
/* Both: nothing to do, and no error, when it is as wanted already. */
int guest_suspend(struct guest *guest, struct err *err);
int guest_resume(struct guest *guest, struct err *err);
/* Starts a guest that will not be persistent. */
int guest_create(struct hypervisor *hypervisor, const char *xml, bool paused, struct err *err);
