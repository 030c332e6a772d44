/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's save image (.sav): a 92-byte header, the domain XML, a cookie,
 * padding, then QEMU's migration stream. Layout: libvirt's
 * src/qemu/qemu_saveimage.h (virQEMUSaveHeader, version 2), host byte order,
 * which this program takes as little-endian.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* The header's `compressed` field. */
enum sav_format {
    SAV_RAW = 0,
    SAV_GZIP = 1,
    SAV_BZIP2 = 2,
    SAV_XZ = 3,
    SAV_LZOP = 4,
    SAV_ZSTD = 5,   /* libvirt >= 11 */
    SAV_SPARSE = 6, /* libvirt >= 11 */
};

/* Head of a save image, without the stream: more than any XML that libvirt writes. */
#define SAV_DATA_MAX (UINT32_C(16) << 20)

struct sav {
    uint32_t version;
    bool was_running;
    uint32_t format;        /* enum sav_format, or a value we do not know */
    char *xml;              /* owned; never to be trusted */
    char *cookie;           /* owned; NULL if there is none */
    uint64_t stream_offset; /* where QEMU's stream starts */
};

/* Reads and checks the head of a save image of versions 1 and 2; *ret is taken
 * as empty. A memory snapshot of libvirt 11.3 says "sparse" whatever its stream is:
 * when that is a plain one, format is SAV_RAW. Refused: no save image (corrupt), one that libvirt did not finish
 * (corrupt: magic LibvirtQemudPart), lengths beyond file_size, XML and cookie
 * above SAV_DATA_MAX. A later version is unsupported; the caller may then store
 * the file as it is. Errors name no file: the caller prefixes. */
int sav_read(int fd, uint64_t file_size, struct sav *ret, struct err *err);
void sav_clear(struct sav *sav);
#define CLEANUP_SAV CLEANUP(sav_clear)

/* Appends to the empty buffer *ret a head with this XML and cookie (may be NULL),
 * as libvirt writes it (version 2), padded so that the stream starts at a multiple
 * of 64 KiB, with room for the XML to grow by 16 KiB. Refused (unsupported): more
 * than SAV_DATA_MAX. */
int sav_format_head(const char *xml, const char *cookie, bool was_running, enum sav_format format,
                    struct buf *ret, struct err *err);

/* The program that decodes a stream of this format from stdin to stdout, as
 * argument vector ("xz", "-dc"), NULL if none does (raw, sparse, unknown). */
const char *const *sav_decoder_argv(uint32_t format);
