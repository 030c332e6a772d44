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
            buf_printf(out, " --%s %s", row->name, row->metavar);
    }
    buf_append_str(out, " [OPTION...]\n\n");
}

static void put_option(const char *name, const char *metavar, const char *help, struct buf *out)
{
    CLEANUP_FREE char *left =
        mem_printf("--%s%s%s", name, metavar ? " " : "", metavar ? metavar : "");

    buf_printf(out, "  %-*s %s\n", OPTION_COLUMN, left, help);
}

void help_verb(const struct verb *verb, struct buf *out)
{
    bool has_names = false;
    bool has_size = false;

    put_synopsis(verb, out);
    buf_printf(out, "%s\n\n", verb->description);
    for (size_t i = 0; i < verb->options.count; i++) {
        const struct options_row *row = &verb->options.rows[i];
        put_option(row->name, row->metavar, row->help, out);
        has_names |= row->kind == OPTION_NAMES;
        has_size |= row->metavar && strcmp(row->metavar, "SIZE") == 0;
    }
    put_option("help", NULL, "show this help", out);
    if (has_names)
        buf_append_str(
            out,
            "\nA list is separated by commas; \\, stands for a comma in a name. Every further\n"
            "argument up to the next option is such a list too. A name that begins with a\n"
            "dash is written --domain-names=-NAME.\n");
    if (has_size)
        buf_append_str(out, "\nSIZE is in bytes, or with a unit: 512K, 60MiB, 1.5G.\n");
}
