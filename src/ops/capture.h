/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Holding a guest's memory and disks at one instant while they are read, in one
 * of the ways below, and letting it go: on every way out it ends in the state in
 * which it was found. Each effect is in the intent journal before it is made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "disk/reader.h"
#include "guest/guest.h"
#include "guest/live.h"
#include "ops/intent.h"
#include "ops/scratch_watch.h"
#include "ops/source.h"
#include "ops/staging.h"

enum capture_mode {
    CAPTURE_OFFLINE, /* shut off: disks are read directly, a start is noticed */
    CAPTURE_SAVE,    /* virDomainSave: down while its disks are read directly */
    CAPTURE_PAUSE,   /* stopped while its memory is copied and its disks are fixed */
    CAPTURE_LIVE,    /* stopped for the last part of that only */
    CAPTURE_DISKS,   /* never stopped; no memory; frozen for a moment if it has an agent */
};

/* What the user asked for (ops/verbs.h) and what the guest allows: unsupported,
 * with the reason, when they don't meet. */
int capture_choose(struct guest *guest, const struct guest_status *status, enum guest_memory wanted,
                   enum capture_mode *ret, struct err *err);
bool capture_has_memory(enum capture_mode mode);
/* True where disks are read from the running guest. */
bool capture_has_exports(enum capture_mode mode);

struct capture_request {
    struct hypervisor *hypervisor;
    struct guest *guest;
    const struct source *source;
    const char *archive;     /* the folder that the backup goes to: for the journal */
    struct staging *staging; /* for the memory image; NULL: none is captured */
    const struct report *report;
    enum capture_mode mode;
    const char *scratch_path; /* --scratch-path; NULL: the guest's private folder */
    int state_fd;
    /* Called by capture_begin while the guest is as the backup shall have it: it stands
     * still, or is down or frozen; without an agent it may run. -1 ends the capture. Of a
     * transient guest libvirt throws away what belongs to it when that is saved: then it
     * is called before that too. */
    int (*at_instant)(void *opaque, struct err *err);
    void *opaque;
};

struct capture {
    struct capture_request request; /* what it points to is borrowed */
    struct intent intent;
    struct guest_watch *watch;
    struct scratch_watch *scratch;
    bool began;          /* something may be to be undone */
    bool read_failed;    /* set by the caller before capture_end: the end of the guest may be why */
    bool stranded;       /* it could not be put back */
    bool taken;          /* we were stopped, and the guardian has let it go */
    bool thaw_failed;    /* it was waited for long enough */
    bool frozen;         /* the disks are of a moment when they were frozen */
    uint64_t stopped_ms; /* save: monotonic clock */
    bool has_downtime;
    uint64_t downtime_ms; /* set by capture_end */
};

/* After it the memory image is whole, and the disks can be read. On failure, and
 * when a signal comes, the guest is as it was (or capture->stranded is set). */
int capture_begin(struct capture *capture, const struct capture_request *request, struct err *err);
/* The memory image, a save image of libvirt's; NULL: none was captured. */
const char *capture_memory(const struct capture *capture);

/* The disk as it was at the instant. To be given back with capture_close_disk: it
 * may be cut off from another thread meanwhile. */
int capture_open_disk(struct capture *capture, const struct source_disk *disk,
                      struct disk_reader **ret, struct err *err);
void capture_close_disk(struct capture *capture, struct disk_reader *reader);

/* Puts the guest back, good or bad as the copying went; all disks are closed. -1
 * also if what was read can't be trusted: the guest started, ended, or its scratch
 * ran full meanwhile. */
int capture_end(struct capture *capture, struct err *err);
/* Forgets the memory image and the intent; undoes what is not undone yet. */
void capture_clear(struct capture *capture);
