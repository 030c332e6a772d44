/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/help.h"

#include <string.h>

#define OPTION_COLUMN 28

void help_general(const struct verb *const *verbs, size_t count, struct buf *out)
{
    buf_append_str(out, "usage: virt-backup VERB [OPTION...]\n\n"
                        "Backs up and restores libvirt guests.\n\n");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    buf_append_str(out, "\n"
                        "  virt-backup help VERB   shows the options of a verb\n"
                        "  virt-backup --version   shows the version\n\n"
                        "Exit status: 0 all done; 1 failed; 2 wrong usage; 3 some guests failed;\n"
                        "4 damage found; 5 a guest is not in its former state; 6 busy;\n"
                        "128+N stopped by signal N.\n");
}

static void put_synopsis(const struct verb *verb, struct buf *out)
{
    buf_printf(out, "usage: virt-backup %s", verb->name);
    for (size_t i = 0; i < verb->options.count; i++) {
        const struct options_row *row = &verb->options.rows[i];
        if (row->required)
            buf_printf(out, " --%s%s%s", row->name, row->metavar ? " " : "",
                       row->metavar ? row->metavar : "");
    }
    if (verb->options.words)
        buf_printf(out, " %s", verb->options.words->metavar);
    buf_append_str(out, " [OPTION...]\n\n");
}

static void put_option(const struct options_row *row, struct buf *out)
{
    const char *metavar = row->metavar ? row->metavar : "";
    CLEANUP_FREE char *left = row->optional
                                  ? mem_printf("--%s[=%s]", row->name, metavar)
                                  : mem_printf("--%s%s%s", row->name, *metavar ? " " : "", metavar);

    buf_printf(out, "  %-*s %s\n", OPTION_COLUMN, left, row->help);
}

void help_verb(const struct verb *verb, struct buf *out)
{
    bool has_names = false;
    bool has_size = false;
    bool has_time = false;

    put_synopsis(verb, out);
    buf_printf(out, "%s\n\n", verb->description);
    if (verb->options.words)
        buf_printf(out, "  %-*s %s\n", OPTION_COLUMN, verb->options.words->metavar,
                   verb->options.words->help);
    for (size_t i = 0; i < verb->options.count; i++) {
        const struct options_row *row = &verb->options.rows[i];
        put_option(row, out);
        has_names |= row->kind == OPTION_NAMES;
        has_time |= row->metavar && strcmp(row->metavar, "TIME") == 0;
        has_size |= row->metavar && strcmp(row->metavar, "SIZE") == 0;
    }
    put_option(&(struct options_row){.name = "help", .help = "show this help"}, out);
    if (has_names)
        buf_append_str(
            out,
            "\nA list is separated by commas; \\, stands for a comma in a name. Every further\n"
            "argument up to the next option is another such list. A name that begins with\n"
            "a dash is written --domain-names=-NAME.\n");
    if (has_time)
        buf_append_str(out, "\nTIME is in seconds, or has a unit: 90s, 10m, 2h, 1d, 3w, 2y.\n");
    if (has_size)
        buf_append_str(out, "\nSIZE is in bytes, or has a unit: 512K, 60MiB, 1.5G.\n");
}
