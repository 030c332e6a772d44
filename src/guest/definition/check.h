/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks domain XML from outside, element by element, against what ordinary guests contain (the
 * tables of rows.h). Anything else could reach parts of the host beyond the guest's own files, and
 * is a finding: an emulator in another place, a host device, a shared folder, a kernel, an unknown
 * element. Needs no connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/xml.h"

/* A file or device that is the guest's own, and the only format that it may be opened with: with
 * another format QEMU would interpret what a guest has written as a header, and open the files that
 * it names. Borrows both. */
struct definition_own {
    const char *path;
    const char *format;
};

/* What is known about host and guest. Borrows all of it. */
struct definition_host {
    const char *name;  /* of the guest, as in the XML */
    const char *state; /* libvirt's folders, as in host_places.h */
    const char *nvram;
    const char
        *tpm; /* where the state of its emulated TPM is restored to, if the XML names a place; or
               * NULL */
    const struct definition_own *own;
    size_t own_count;
    const char *const *emulators; /* in addition to the usual places */
    size_t emulator_count;
    const char *const *media; /* folders of media, in addition to the usual ones */
    size_t media_count;
};

/* After this many findings the check stops. */
#define DEFINITION_MAX_FINDINGS ((size_t)1000)

struct definition_finding {
    char *text; /* owned; "devices/emulator: /tmp/qemu" */
    bool disk;  /* it is about a disk's source: a file or device that is not in the backup */
};

struct definition_findings {
    struct definition_finding *all; /* owned; each text once */
    size_t count;
};

/* Empties the CD-ROM and floppy drives whose media definition_check would not accept: media are not
 * part of a backup. Adds the drives' targets, each once. */
void definition_eject_media(struct xml_doc *domain, const struct definition_host *host,
                            struct strings *ret_targets);
/* Adds its findings to *findings. */
void definition_check(const struct xml_doc *domain, const struct definition_host *host,
                      struct definition_findings *findings);
/* The same for the cookie of a save image, which libvirt takes back with the memory. A cookie may
 * contain the processor as a domain has it, and an empty mark. */
void definition_check_cookie(const struct xml_doc *cookie, struct definition_findings *findings);
/* Adds a finding made elsewhere, not about a disk's source; the text is copied, and cut if it is
 * very long. */
void definition_findings_add(struct definition_findings *findings, const char *text);
/* Removes all findings that are not about a disk's source. */
void definition_findings_keep_disks(struct definition_findings *findings);
void definition_findings_clear(struct definition_findings *findings);
#define CLEANUP_FINDINGS CLEANUP(definition_findings_clear)
