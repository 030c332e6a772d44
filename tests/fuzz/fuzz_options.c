/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Command lines: the first byte chooses the verb, the rest is arguments with NULs between
 * them.
 */
#include "fuzz.h"

#include <string.h>

#include "cli/verb.h"

#define MAX_ARGUMENTS 64

static void read_line(const struct verb *verb, const char *const *args)
{
    struct arguments arguments = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool help = false;

    if ((verb->prepare && verb->prepare(&arguments, &err) < 0) ||
        options_read(&verb->options, args, &arguments, &help, &err) < 0)
        FUZZ_CHECK(err.text && err.kind == ERR_USAGE);
    else if (!help) {
        FUZZ_CHECK(!arguments.simulated.given ||
                   schedule_next(&arguments.simulated.schedule, 0) > 0);
        FUZZ_CHECK(arguments.change_per_10k <= 10000 && arguments.policy.within_ms >= 0);
        FUZZ_CHECK(arguments.children.chunk_size == 0 ||
                   (arguments.children.chunk_size >= CODEC_CHUNK_MIN &&
                    arguments.children.chunk_size <= CODEC_CHUNK_MAX));
    }
    options_clear(&verb->options, &arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct verb *const verbs[] = {&backup_verb,     &restore_verb,    &list_verb,
                                               &verify_verb,     &recover_verb,    &mtcp_child_verb,
                                               &repository_verb, &prune_verb,      &collect_verb,
                                               &tag_verb,        &checkpoints_verb};
    struct fuzz_input input = {data, size};
    const struct verb *verb = verbs[fuzz_u8(&input) % (sizeof(verbs) / sizeof(*verbs))];
    CLEANUP_FREE char *text = fuzz_text(&input);
    const char *args[MAX_ARGUMENTS + 1] = {NULL};
    size_t at = 0;

    for (size_t i = 0; i < MAX_ARGUMENTS && at < input.left; i++) {
        args[i] = text + at;
        at += strlen(text + at) + 1;
    }
    read_line(verb, args);
    return 0;
}
