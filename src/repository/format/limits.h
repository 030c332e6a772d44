/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bounds of the repository's formats, as virt-backup-repository(5) has them. Whoever reads enforces
 * them; whoever writes stays within them.
 */
#pragma once

#include <stdint.h>

#include "codec/chunk_digest.h"

/* The unit of change and of deduplication: of an image, from a multiple of it on. */
#define LIMITS_BLOCK ((uint32_t)CHUNK_DIGEST_BLOCK)
#define LIMITS_IMAGE (UINT64_C(1) << 48) /* bytes */
#define LIMITS_DISKS 1024u
#define LIMITS_IMAGES (LIMITS_DISKS + 1) /* and the memory */

/* What is compressed as one. */
#define LIMITS_FRAME_BLOCKS 16u
#define LIMITS_FRAME_BLOCKS_LZMA 64u
/* A frame that compression has made longer than its bytes was made longer by no more than this. */
#define LIMITS_FRAME_GROWTH 65536u

/* Head, frames and padding. */
#define LIMITS_PACK_BODY UINT32_C(33554432)
#define LIMITS_PACK UINT32_C(35651648) /* the whole object */
#define LIMITS_PACK_BLOCKS 65536u
#define LIMITS_PACK_FRAMES 65536u
#define LIMITS_INDEX (UINT32_C(2) << 20)
#define LIMITS_PACK_NUMBER (UINT32_C(1) << 20) /* numbers are below it */
#define LIMITS_POINT_PACKS (UINT32_C(1) << 22)
#define LIMITS_POINT_SESSIONS 65536u

/* Of a point: how many sections, and their bytes before they are compressed. */
#define LIMITS_SECTIONS 2064u
#define LIMITS_PACKS (4 + LIMITS_POINT_SESSIONS * UINT64_C(20) + LIMITS_POINT_PACKS * UINT64_C(4))
#define LIMITS_DIGESTS (LIMITS_POINT_PACKS * UINT64_C(44))
#define LIMITS_INFO (UINT64_C(1) << 20)
#define LIMITS_TRUST (UINT64_C(64) << 10)
#define LIMITS_MANIFEST (UINT64_C(4) << 20)
#define LIMITS_SMALL (UINT64_C(256) << 20)
#define LIMITS_SMALL_ITEM (UINT64_C(64) << 20)
/* A map has no more than LIMITS_MAP_HEAD, and LIMITS_MAP_BLOCK for each block of the image. */
#define LIMITS_MAP ((UINT64_C(1) << 32) - 1)
#define LIMITS_MAP_HEAD (UINT64_C(64) << 10)
#define LIMITS_MAP_BLOCK 16u
#define LIMITS_POINT_TAGS 32u
#define LIMITS_WITNESSES 66u /* of a disk */
#define LIMITS_GRANULARITY_MIN 512u
#define LIMITS_GRANULARITY_MAX (UINT64_C(1) << 31)

/* Objects in JSON. */
#define LIMITS_CONFIG 4096u
#define LIMITS_SMALL_OBJECT 1024u
#define LIMITS_VERIFICATION 65536u
#define LIMITS_RESULT 16384u

#define LIMITS_MARKERS 9999u /* times that a point can be in the trash */
#define LIMITS_TAG 64u       /* bytes */
#define LIMITS_SCOPE 32u     /* bytes */
