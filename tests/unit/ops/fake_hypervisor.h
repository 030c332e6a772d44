/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A hypervisor of a few guests, without libvirt, that stands behind undo_calls. Each call is a
 * step; one of them may fail, or the process may die before or after its effect. Its state is
 * in shared memory: what a forked process has done before it died is there for its parent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ops/undo/calls.h"

#define FAKE_GUESTS 4
#define FAKE_TEXT 256

/* What a process that dies at a step exits with. */
#define FAKE_DEATH 77

struct fake_guest {
    char uuid[40]; /* empty: no guest */
    char xml[FAKE_TEXT];
    bool persistent;
    bool autostart;
    char snapshots[FAKE_TEXT]; /* the current one with a '*' before it */
    char checkpoints[FAKE_TEXT];
    char record[FAKE_TEXT]; /* name of a checkpoint of ours; empty: none */
    char bitmap[FAKE_TEXT]; /* name of the bitmap in its image; empty: none */
    char former[FAKE_TEXT]; /* of another there */
    bool active;
    bool paused;
    bool booted;   /* not resumed or restored */
    bool unpaused; /* by somebody, or paused by somebody: libvirt does not tell what was before */
    bool io_error; /* paused for one */
    bool frozen;
    bool damaged;           /* a step was done that must not be: restored while active, say */
    char socket[FAKE_TEXT]; /* of its backup job; empty: none */
    unsigned restored;      /* times */
    char restored_xml[FAKE_TEXT];
    bool ran_on; /* it ran after it was restored: its disks are newer than the image */
};

enum fake_fault {
    FAKE_NO_FAULT,
    FAKE_FAIL,       /* the call fails, once */
    FAKE_FAIL_ON,    /* it fails, and all later ones */
    FAKE_DIE_BEFORE, /* the process dies before the call's effect */
    FAKE_DIE_AFTER,
    FAKE_LOSE,   /* the connection is lost */
    FAKE_SILENT, /* the call is not waited for any longer, and the connection is lost by that */
};

struct fake {
    struct fake_guest guests[FAKE_GUESTS];
    bool alive;
    unsigned steps; /* counted since fake_arm */
    unsigned fault_at;
    enum fake_fault fault;
    bool refuse_restore;    /* lastingly ... */
    char opened[FAKE_TEXT]; /* ... once QEMU has changed this file; empty: none */
    bool start_in_between;  /* a guest is started when a bitmap is to be removed from its image */
    bool committing;        /* the backup is being committed ... */
    bool committed;         /* ... and it is */
};

extern const struct undo_calls fake_calls;

/* The one fake of this process, empty; mapped at the first call. */
struct fake *fake_reset(void);
void fake_arm(enum fake_fault fault, unsigned at);
/* The power fails: no guest runs any more. */
void fake_cut(void);
/* True if the step that was armed has been reached. */
bool fake_reached(void);
/* For calls that are not among undo_calls: what each begins with (-1: it is to fail) and ends with. */
int fake_step(struct err *err);
int fake_done(void);
struct hypervisor *fake_connection(void);
/* A handle, as find_uuid gives; and the guest that a handle stands for. */
struct guest *fake_handle(struct fake_guest *found);
struct fake_guest *fake_of(struct guest *guest);
/* Called at the end of a backup job, in whatever process that happens; NULL: not any more. */
void fake_on_backup_end(void (*call)(void));
struct fake_guest *fake_add(const char *uuid);
/* NULL: there is none. */
struct fake_guest *fake_find(const char *uuid);
