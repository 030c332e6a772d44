/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The section TRUST of a disk, in JSON: from when on the next point need only have what was written
 * to it, and how to see whether that can be believed. See POINTS in virt-backup-repository(5).
 */
#pragma once

#include "base/buf.h"
#include "record/trust.h"
#include "repository/format/id.h"
#include "repository/format/limits.h"

/* A block that the disk had, and surely still has if nobody has written to it. */
struct trust_witness {
    uint64_t offset; /* bytes */
    struct id id;    /* of the block */
};

struct trust_section {
    struct trust facts;
    struct trust_witness *witnesses; /* owned; ascending */
    size_t witness_count;
};

void trust_section_clear(struct trust_section *section);
#define CLEANUP_TRUST_SECTION CLEANUP(trust_section_clear)

/* Appends it. Refused: what trust_section_parse would refuse, or read as something else, such as a path
 * that is not UTF-8. */
int trust_section_format(const struct trust_section *section, struct buf *ret, struct err *err);
int trust_section_parse(const void *data, size_t len, struct trust_section *ret, struct err *err);

/* The same without JSON, see repository/format/flat.h. What is taken is checked as if it were parsed. */
void trust_section_flatten(const struct trust_section *section, struct buf *ret);
int trust_section_take(const void *data, size_t len, struct trust_section *ret, struct err *err);
