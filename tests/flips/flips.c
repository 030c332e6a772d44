/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Flips every bit of every file of small archives, one at a time, and sees whether verify
 * finds it; then cuts, removes, swaps and mixes files. The last line has the counts.
 *
 * usage: flips FOLDER PART PARTS SEED CASES
 *   FOLDER  empty, on a file system in memory
 *   PART    of PARTS processes: which share of the work this one does
 *   CASES   how many in all, drawn by SEED; 0: all
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"
#include "damage.h"
#include "mtcp/spawner.h"
#include "structure.h"

/* Restoring writes and flushes: only every so many flips. */
#define FLIPS_FOR_A_RESTORE 64

static void flip_file(struct damage *damage, const struct sample *sample, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", sample->path, name);
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    uint8_t byte;

    if (fd < 0 || fstat(fd, &st) < 0)
        sample_fail(path, NULL);
    for (uint64_t bit = 0; bit < (uint64_t)st.st_size * 8; bit++) {
        if (!damage_next(damage))
            continue;
        if (io_pread(fd, &byte, 1, bit / 8, NULL) < 0)
            sample_fail(path, NULL);
        byte ^= (uint8_t)(1 << bit % 8);
        if (io_pwrite(fd, &byte, 1, bit / 8, NULL) < 0)
            sample_fail(path, NULL);
        damage_check(damage, &damage->flips, sample, NULL, name, bit);
        if (damage->flips.tried % FLIPS_FOR_A_RESTORE == 0)
            damage_restore(damage, &damage->flips, sample);
        byte ^= (uint8_t)(1 << bit % 8);
        if (io_pwrite(fd, &byte, 1, bit / 8, NULL) < 0)
            sample_fail(path, NULL);
    }
}

/* The archive as it was made: nothing is found, and it is restored. */
static void check_whole(struct damage *damage, const struct sample *sample)
{
    struct counts counts = {0};

    if (damage_is_found(damage, sample->path, NULL))
        sample_fail("verify finds damage in a whole archive", NULL);
    damage_restore(damage, &counts, sample);
    if (counts.wrong)
        sample_fail("a whole archive is not restored", NULL);
}

static void flip_archive(struct damage *damage, enum sample_kind kind)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", damage->folder, sample_names[kind]);
    struct structure_files files = {0};
    struct sample sample;

    sample_make(path, kind, 1, &sample);
    structure_list(path, &files);
    check_whole(damage, &sample);
    for (size_t i = 0; i < files.count; i++)
        flip_file(damage, &sample, files.names[i]);
    structure_cut(damage, &sample, &files);
    check_whole(damage, &sample);
    structure_files_clear(&files);
    sample_clear(&sample);
}

/* How many cases there are, from a look at the files of archives like those. */
static uint64_t count_cases(struct damage *damage)
{
    uint64_t bytes = 0;

    for (enum sample_kind kind = 0; kind < SAMPLE_MIXED; kind++) {
        CLEANUP_FREE char *path = mem_printf("%s/count-%s", damage->folder, sample_names[kind]);
        struct structure_files files = {0};
        struct sample sample;
        sample_make(path, kind, 1, &sample);
        structure_list(path, &files);
        bytes += structure_size(path, &files);
        structure_files_clear(&files);
        sample_clear(&sample);
    }
    return bytes * 9; /* each bit flipped, and each byte's end cut */
}

static uint64_t number_of(const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t number = 0;

    if (units_parse_number(text, 0, UINT64_MAX, &number, &err) < 0)
        sample_fail("usage: flips FOLDER PART PARTS SEED CASES", &err);
    return number;
}

static void show(const char *what, const struct counts *counts)
{
    printf("%s %llu silent %llu restored %llu wrong %llu\n", what,
           (unsigned long long)counts->tried, (unsigned long long)counts->silent,
           (unsigned long long)counts->restores, (unsigned long long)counts->wrong);
}

int main(int argc, char **argv)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (argc != 6)
        sample_fail("usage: flips FOLDER PART PARTS SEED CASES", NULL);
    struct damage damage = {
        .folder = argv[1],
        .part = (unsigned)number_of(argv[2]),
        .parts = (unsigned)number_of(argv[3]),
        .seed = number_of(argv[4]),
        .share = 1,
        .spawner = spawner_start(NULL, &err),
    };
    uint64_t cases = number_of(argv[5]);
    if (!damage.spawner || quit_install(&err) < 0)
        sample_fail("cannot start", &err);
    if (cases)
        damage.share = (double)cases / (double)count_cases(&damage);
    for (enum sample_kind kind = 0; kind < SAMPLE_MIXED; kind++)
        flip_archive(&damage, kind);
    structure_exchange(&damage);
    spawner_free(damage.spawner);
    show("flips", &damage.flips);
    show("structure", &damage.structure);
    return damage.flips.silent + damage.flips.wrong + damage.structure.silent +
                   damage.structure.wrong
               ? 1
               : 0;
}
