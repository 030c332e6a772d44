/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the subjects of the verb doctor share. Each is a function that looks and tells what it has
 * found; none of them changes anything, and none fails: what it cannot look at is a finding, too.
 */
#pragma once

#include "guest/guest.h"
#include "ops/backup/source.h"
#include "ops/events/report.h"
#include "ops/verbs.h"

struct doctor {
    const struct doctor_options *options;
    const struct report *report;
    unsigned found[FINDING_SEVERITIES];
    struct hypervisor *hypervisor; /* owned; NULL: libvirt cannot be reached */
    struct guest **guests;         /* owned; all that it has */
    size_t guest_count;
    bool *chosen;      /* owned; of each of them */
    int state_fd;      /* the state directory; -1: it cannot be used */
    char *owner;       /* owned; of checkpoints for the repository; NULL: none is given */
    bool place_opened; /* the place of backups can be read */
    uint64_t volume;   /* bytes of the images of the chosen guests */
};

/* What a finding is about. */
struct doctor_subject {
    const char *area;  /* "libvirt", "guest", ... */
    const char *guest; /* NULL, like the next two: of none in particular */
    const char *disk;
    const char *place;
};

/* remedy: what to do about it, a command where there is one; NULL: nothing. Takes ownership of the text. */
void doctor_tell(struct doctor *doctor, const struct doctor_subject *subject,
                 enum finding_severity severity, const char *remedy, char *text);

/* host.c. The first one forks, so it comes before libvirt's threads. */
void doctor_sandbox(struct doctor *doctor);
void doctor_user(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_confinement(struct doctor *doctor);
/* programs.c */
void doctor_programs(struct doctor *doctor);
/* libvirt.c: opens doctor->hypervisor, and lists its guests. */
void doctor_libvirt(struct doctor *doctor);
/* state.c: opens doctor->state_fd. */
void doctor_state(struct doctor *doctor);
/* units.c */
void doctor_units(struct doctor *doctor);
/* place.c: the archive or repository, if one is given. The second one comes when the guests are known. */
void doctor_place(struct doctor *doctor);
void doctor_room(struct doctor *doctor);
/* repository.c */
void doctor_repository(struct doctor *doctor);
/* guest.c: all of a guest; the others are its parts. */
void doctor_guest(struct doctor *doctor, struct guest *guest);
/* disks.c: of a guest that can be backed up, and of one that cannot. */
void doctor_disks(struct doctor *doctor, struct guest *guest, const struct source *source);
void doctor_refused(struct doctor *doctor, struct guest *guest,
                    const struct source_request *request, const struct err *why);
/* leftovers.c */
void doctor_leftovers(struct doctor *doctor, struct guest *guest, const struct source *source);
