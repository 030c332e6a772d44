/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row doctor_rows[] = {
    {"destination-path", OPTION_TEXT, "PATH", "look at this folder of backups, too",
     ARGUMENT(destination)},
    {"repository", OPTION_TEXT, "URL", "look at this repository, too", ARGUMENT(repository)},
    ROW_IN_SCOPE,
    ROW_URI,
    ROW_DOMAINS,
    {"scratch-path", OPTION_TEXT, "PATH", "the folder that backups are given with --scratch-path",
     ARGUMENT(scratch_path)},
    {"staging-path", OPTION_TEXT, "PATH", "the folder that backups are given with --staging-path",
     ARGUMENT(staging_path)},
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_doctor(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct doctor_options options = {
        .uri = arguments->uri,
        .domains = lists_borrow(&arguments->domains),
        .scratch_path = arguments->scratch_path,
        .staging_path = arguments->staging_path,
    };

    if (!arguments->repository && arguments->scope)
        return err_set(err, ERR_USAGE, "--scope applies to --repository only");
    if ((arguments->repository || arguments->destination) &&
        arguments_place(arguments, arguments->destination, "destination-path", &options.place,
                        err) < 0)
        return -1;
    options.place.parser = run->parser;
    return doctor_run(&options, &run->report, &run->outcome, err);
}

const struct verb doctor_verb = {
    .name = "doctor",
    .summary = "look for what would keep guests from being backed up or restored",
    .description =
        "Looks at libvirt, QEMU, this host, each guest, and the place of backups. Says what is\n"
        "wrong, and what to do about it. Changes nothing.",
    .options = {.rows = doctor_rows, .count = sizeof(doctor_rows) / sizeof(*doctor_rows)},
    .has_parser = true,
    .run = run_doctor,
};
