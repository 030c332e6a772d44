/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Domain XML that comes from outside, element by element against what ordinary
 * guests hold (the tables of rows.h). What is not there could reach the
 * host beside the guest's own files, and is a finding: an emulator of another
 * place, a host device, a shared folder, a kernel, an element that is not known.
 * Needs no connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/xml.h"

/* A file or device that is the guest's own, and the only format that it may be
 * opened with: with another one QEMU would take what a guest has written for a
 * header, and open the files that it names. Borrows both. */
struct definition_own {
    const char *path;
    const char *format;
};

/* What is known of host and guest. Borrows all. */
struct definition_host {
    const char *name;  /* of the guest, as in the XML */
    const char *state; /* libvirt's folders, as host_places.h has them */
    const char *nvram;
    const char
        *tpm; /* where the state of its emulated TPM is restored to, if the XML names it; or NULL */
    const struct definition_own *own;
    size_t own_count;
    const char *const *emulators; /* beside the usual places */
    size_t emulator_count;
    const char *const *media; /* folders of media, beside the usual ones */
    size_t media_count;
};

/* The first DEFINITION_MAX_FINDINGS; then the check is given up. */
#define DEFINITION_MAX_FINDINGS ((size_t)1000)

struct definition_findings {
    char **texts; /* owned; "devices/emulator: /tmp/qemu", each once */
    size_t count;
};

/* Empties the CD-ROM and floppy drives whose media are not such that definition_check accepts them:
 * media are in no backup. Adds the drives' targets, each once. */
void definition_eject_media(struct xml_doc *domain, const struct definition_host *host,
                            struct strings *ret_targets);
/* Adds to *findings what it finds. */
void definition_check(const struct xml_doc *domain, const struct definition_host *host,
                      struct definition_findings *findings);
/* The same for the cookie of a save image, which libvirt takes back with the memory: what it may
 * hold is the processor as a domain has it, and a mark without contents. */
void definition_check_cookie(const struct xml_doc *cookie, struct definition_findings *findings);
/* Adds one that stands elsewhere; the text is copied, cut if it is very long. */
void definition_findings_add(struct definition_findings *findings, const char *text);
/* Is it one of a disk's source: a file or device that is not in the backup? */
bool definition_finding_is_disk(const char *text);
void definition_findings_clear(struct definition_findings *findings);
#define CLEANUP_FINDINGS CLEANUP(definition_findings_clear)
