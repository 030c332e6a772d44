/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A child process's side of MTCP: the loop that turns chunks into results or
 * back, over a pair of descriptors (a socket twice, or a pipe each way).
 */
#pragma once

#include "base/err.h"
#include "mtcp/spawner.h"

/* What a child can reach. */
struct child_place {
    int in_fd;
    int out_fd;
    bool keep_stderr; /* descriptor 2 stays, for writing */
    uint8_t *shared;  /* the segment that M messages use; NULL: M is refused */
    size_t shared_size;
};

/* sandbox_prove, with the remedy in the error. */
int child_prove_sandbox(struct err *err);
/* Enters the sandbox for good, with this place and the memory that the settings
 * call for. parent: as in base/sandbox.h. */
int child_confine(const struct child_settings *settings, const struct child_place *place,
                  pid_t parent, struct err *err);
/* Speaks the protocol until Q or until in_fd ends (both: 0). A chunk that cannot be
 * done is answered with E, and the loop goes on; a message that is not in the
 * protocol ends it (-1). */
int child_serve(const struct child_settings *settings, const struct child_place *place,
                struct err *err);
