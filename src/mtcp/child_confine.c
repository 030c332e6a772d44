/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/child.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "base/units.h"
#include "mtcp/shared.h"

/* Heap fragmentation, and small allocations. */
#define CHILD_SLACK (64 * MIB)

int child_prove_sandbox(struct err *err)
{
    if (sandbox_prove(err) == 0)
        return 0;
    err_prefix(err, "child processes cannot be put in a sandbox on this host");
    return err_append(err, "to run without it, use --no-sandbox");
}

/* Beside the segment, which is mapped already. */
static uint64_t child_memory(const struct child_settings *settings, const struct child_place *place)
{
    struct shared_layout layout;
    uint64_t codec = settings->decode ? codec_decoder_memory(&settings->codec)
                                      : codec_encoder_memory(&settings->codec);

    if (settings->decode && settings->memory_limit > codec)
        codec = settings->memory_limit;
    shared_layout(settings, &layout);
    return codec + codec / 8 + (place->shared ? 0 : layout.area_size) + CHILD_SLACK;
}

static bool is_regular_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int child_confine(const struct child_settings *settings, const struct child_place *place,
                  pid_t parent, struct err *err)
{
    struct sandbox_plan plan = {
        .read_fds = SANDBOX_FD(place->in_fd),
        .write_fds = SANDBOX_FD(place->out_fd),
        .memory = child_memory(settings, place),
        .grows_file = is_regular_file(place->out_fd),
        .parent = parent,
    };

    if (place->keep_stderr) {
        plan.write_fds |= SANDBOX_FD(STDERR_FILENO);
        plan.grows_file = plan.grows_file || is_regular_file(STDERR_FILENO);
    }
    return sandbox_enter(&plan, err);
}
