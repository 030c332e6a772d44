/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "structure.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define MAX_FILE (UINT64_C(1) << 24)

struct content {
    char *data; /* owned */
    size_t len;
};

/* ---- files --------------------------------------------------------------------------- */

static int is_of_web(const struct dirent *entry)
{
    return strncmp(entry->d_name, "web", 3) == 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void list(const char *path, int (*choose)(const struct dirent *),
                 struct structure_files *ret)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, choose, alphasort);

    if (count < 0)
        sample_fail(path, NULL);
    ret->names = mem_array((size_t)count, sizeof(*ret->names));
    for (int i = 0; i < count; i++) {
        ret->names[ret->count++] = mem_strdup(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void structure_list(const char *path, struct structure_files *ret)
{
    list(path, is_of_web, ret);
}

void structure_files_clear(struct structure_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->names[i]);
    free(files->names);
    *files = (struct structure_files){0};
}

static int open_folder(const char *path)
{
    int fd = -1;

    if (io_open_dir(path, &fd, NULL) < 0)
        sample_fail(path, NULL);
    return fd;
}

static struct content take(const char *path, const char *name)
{
    CLEANUP_CLOSE int dir = open_folder(path);
    struct content content = {0};

    if (io_read_file(dir, name, MAX_FILE, &content.data, &content.len, NULL) < 0)
        sample_fail(name, NULL);
    return content;
}

static void put(const char *path, const char *name, const struct content *content)
{
    CLEANUP_CLOSE int dir = open_folder(path);
    CLEANUP_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || io_write(fd, content->data, content->len, NULL) < 0)
        sample_fail(name, NULL);
}

uint64_t structure_size(const char *path, const struct structure_files *files)
{
    CLEANUP_CLOSE int dir = open_folder(path);
    uint64_t size = 0;
    struct stat st;

    for (size_t i = 0; i < files->count; i++)
        if (fstatat(dir, files->names[i], &st, 0) == 0)
            size += (uint64_t)st.st_size;
    return size;
}

/* ---- cut off ------------------------------------------------------------------------- */

static void cut_file(struct damage *damage, const struct sample *sample, const char *name)
{
    struct counts *counts = &damage->structure;
    CLEANUP_FREE char *path = mem_printf("%s/%s", sample->path, name);
    struct content whole = take(sample->path, name);

    /* From the end, so that each cut is one call. */
    for (size_t len = whole.len; len-- > 0;) {
        if (!damage_next(damage))
            continue;
        if (truncate(path, (off_t)len) < 0)
            sample_fail(path, NULL);
        damage_check(damage, counts, sample, NULL, name, len);
    }
    put(sample->path, name, &whole);
    if (damage->part == 0) {
        if (truncate(path, (off_t)whole.len + 1) < 0)
            sample_fail(path, NULL);
        damage_check(damage, counts, sample, NULL, "one byte more", whole.len);
        /* A backup whose manifest is gone is none: it is missed by name. */
        if (unlink(path) < 0)
            sample_fail(path, NULL);
        damage_check(damage, counts, sample, "web", "file gone", 0);
        damage_restore(damage, counts, sample);
        put(sample->path, name, &whole);
    }
    free(whole.data);
}

void structure_cut(struct damage *damage, const struct sample *sample,
                   const struct structure_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        cut_file(damage, sample, files->names[i]);
}

/* ---- one in the place of another --------------------------------------------------------- */

static void swap_files(struct damage *damage, const struct sample *sample, const char *first,
                       const char *second)
{
    struct content one = take(sample->path, first), two = take(sample->path, second);

    put(sample->path, first, &two);
    put(sample->path, second, &one);
    damage_check(damage, &damage->structure, sample, NULL, first, 0);
    damage_restore(damage, &damage->structure, sample);
    put(sample->path, first, &one);
    put(sample->path, second, &two);
    free(one.data);
    free(two.data);
}

static void swap_all(struct damage *damage, enum sample_kind kind)
{
    CLEANUP_FREE char *path = mem_printf("%s/swap-%s", damage->folder, sample_names[kind]);
    struct structure_files files = {0};
    struct sample sample;

    sample_make(path, kind, 1, &sample);
    sample_add(&sample, "database", kind, 2);
    list(path, is_visible, &files);
    for (size_t i = 0; i < files.count; i++)
        for (size_t j = i + 1; j < files.count; j++)
            swap_files(damage, &sample, files.names[i], files.names[j]);
    structure_files_clear(&files);
    sample_clear(&sample);
}

/* ---- two backups mixed --------------------------------------------------------------------- */

static void put_mixture(const struct sample *sample, const struct structure_files *files,
                        const struct content (*contents)[2], unsigned choice)
{
    for (size_t i = 0; i < files->count; i++)
        put(sample->path, files->names[i], &contents[i][choice >> i & 1]);
}

static void mix(struct damage *damage, enum sample_kind kind)
{
    CLEANUP_FREE char *path = mem_printf("%s/mix-%s", damage->folder, sample_names[kind]);
    CLEANUP_FREE char *older = mem_printf("%s/older-%s", damage->folder, sample_names[kind]);
    struct structure_files files = {0};
    struct sample sample, old;
    struct content contents[16][2];

    sample_make(path, kind, 1, &sample);
    sample_make(older, kind, 2, &old);
    structure_list(path, &files);
    for (size_t i = 0; i < files.count && i < 16; i++) {
        contents[i][0] = take(path, files.names[i]);
        contents[i][1] = take(older, files.names[i]);
    }
    unsigned all = (1U << files.count) - 1;
    for (unsigned choice = 1; choice < all; choice++) {
        put_mixture(&sample, &files, contents, choice);
        damage_check(damage, &damage->structure, &sample, NULL, "mixture", choice);
    }
    /* All of the older one is a backup. */
    put_mixture(&sample, &files, contents, all);
    if (damage_is_found(damage, path, NULL))
        sample_fail("verify finds damage in a whole older backup", NULL);
    for (size_t i = 0; i < files.count; i++) {
        free(contents[i][0].data);
        free(contents[i][1].data);
    }
    structure_files_clear(&files);
    sample_clear(&sample);
    sample_clear(&old);
}

void structure_exchange(struct damage *damage)
{
    if (damage->part != 0)
        return;
    for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
        swap_all(damage, kind);
        mix(damage, kind);
    }
}
