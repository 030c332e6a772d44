/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of transfers share: an image that is a file, results in a store that is in memory
 * (mtcp/harness.h), and real children between them.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../mtcp/harness.h"
#include "base/quit.h"
#include "ops/transfer/disk_chunks.h"
#include "ops/transfer/file_chunks.h"
#include "ops/transfer/transfer.h"

#define CHUNK ((uint64_t)CODEC_CHUNK_MIN)
#define CHUNKS 24
#define TAIL 4608
/* Which chunks have data, in a row that repeats. */
#define PATTERN "ddzdzz"
#define START 512 /* of the stream in a file */

extern struct children children;
extern char from[96], to[96];
/* What the store holds, or is given, and what the manifest says of it. */
extern struct image stored;
extern struct manifest_image facts;
extern struct transfer transfer; /* of disk vda of guest web */
/* The last report of progress, and how many there were. */
extern struct progress last;
extern unsigned ticks;

int start_all(void **state);
int end_all(void **state);
int set_up(void **state);
int tear_down(void **state);

/* The image as the content of a file, and whether it is that. */
void write_content(const char *path, uint64_t start);
bool same_content(const char *path, uint64_t start);
/* That kind of error, with this part in it once. */
void expect_error(const struct err *err, enum err_kind kind, const char *part);

int put_in(const struct chunk_source *source, struct err *err);
/* The file `from` as a disk. shrunk_to: it loses its end once it is open. */
int disk_in(uint64_t shrunk_to, struct err *err);
/* The same, which must go well. */
void store_it(void);

/* The store knows no zeros: each chunk has a result. */
struct chunk_source store_source(void);
/* Of the results that are in the store by now. sink NULL: to nowhere. */
int take_out(struct chunk_source *source, const struct chunk_sink *sink, struct err *err);
int out_in_memory(struct err *err);
