/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to guardian*.c: the guardian's own process, and what the run sends to it.
 */
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"
#include "ops/undo/guardian.h"

enum guardian_verb {
    GUARDIAN_DONE, /* the run is over, and all is well; there is no answer */
    GUARDIAN_CONNECT,
    GUARDIAN_HOLD, /* a descriptor comes with it */
    GUARDIAN_DROP,
};

struct guardian_request {
    enum guardian_verb verb;
    unsigned number; /* the answer has it too: the run may have given up waiting for another one */
    enum disk_hold_kind kind;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

struct guardian_answer {
    unsigned number;
    enum err_kind kind; /* ERR_NONE: done */
    int errnum;
    char text[256];
};

/* Serves process `run` at the other end of the socket until it ends, then ends. */
void __attribute__((noreturn)) guardian_process_run(const struct guardian_settings *settings,
                                                    int sock, pid_t run);
