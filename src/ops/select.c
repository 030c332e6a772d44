/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/select.h"

#include <string.h>

bool select_in_list(const struct name_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return true;
    return false;
}

static int check_known(const struct name_list *list, const struct name_list *known,
                       const char *where, struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!select_in_list(known, list->names[i]))
            return err_set(err, ERR_NOT_FOUND, "%s has no guest '%s'", where, list->names[i]);
    return 0;
}

int select_names(const char *const *names, size_t count, const struct name_list *wanted,
                 const struct name_list *excluded, const char *where, bool *ret_chosen,
                 struct err *err)
{
    const struct name_list known = {names, count};
    size_t chosen = 0;

    if (check_known(wanted, &known, where, err) < 0 ||
        check_known(excluded, &known, where, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        ret_chosen[i] = (wanted->count == 0 || select_in_list(wanted, names[i])) &&
                        !select_in_list(excluded, names[i]);
        chosen += ret_chosen[i];
    }
    if (chosen == 0)
        return err_set(err, ERR_NOT_FOUND, "%s has no guest to work on", where);
    return 0;
}

int select_from_archive(struct archive_reader *archive, const struct name_list *wanted,
                        const struct name_list *excluded, struct selection *ret, struct err *err)
{
    CLEANUP_FREE char *where = mem_printf("archive %s", archive_reader_path(archive));
    struct selection selection = {0};

    if (archive_reader_list(archive, &selection.names, &selection.count, err) < 0)
        return -1;
    selection.chosen = mem_array(selection.count, sizeof(*selection.chosen));
    if (select_names((const char *const *)selection.names, selection.count, wanted, excluded, where,
                     selection.chosen, err) < 0) {
        selection_clear(&selection);
        return -1;
    }
    *ret = selection;
    return 0;
}

void selection_clear(struct selection *selection)
{
    archive_names_free(selection->names, selection->count);
    free(selection->chosen);
    *selection = (struct selection){0};
}
