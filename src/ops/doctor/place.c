/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The archive or the repository, and the file system that it is on.
 */
#include "ops/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/io.h"
#include "base/mounts.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/units.h"
#include "base/when.h"
#include "ops/points/archive.h"

#define CLOCK_APART_S 60
/* A manifest, a point and its maps. */
#define ROOM_LEAST (64 * MIB)

static struct doctor_subject subject_of(const struct doctor *doctor)
{
    const struct points_place *place = &doctor->options->place;

    return (struct doctor_subject){.area = place->is_repository ? "repository" : "archive",
                                   .place = place->path};
}

/* ---- the points in it --------------------------------------------------------------------------------- */

static void look_at_points(struct doctor *doctor, struct points_store *store, const char *guest)
{
    struct doctor_subject subject = subject_of(doctor);
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    char utc[WHEN_TEXT_SIZE];
    char local[WHEN_TEXT_SIZE];
    int64_t newest_ms = 0;

    subject.guest = guest;
    if (points_list(store, guest, &list, &err) < 0) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL, mem_printf("%s", err.text));
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct points_entry *entry = &list.all[i];
        if (entry->problem)
            doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL,
                        mem_printf("a backup cannot be read: %s", entry->problem));
        else if (entry->time_ms > newest_ms)
            newest_ms = entry->time_ms;
    }
    if (newest_ms / 1000 > time(NULL) + CLOCK_APART_S)
        doctor_tell(
            doctor, &subject, FINDING_PROBLEM, "timedatectl",
            mem_printf(
                "its newest backup is of %s, which is in the future: the clock of this host, or "
                "of the one that made it, is wrong",
                when_local(when_utc(newest_ms, utc), local)));
}

static void look_at_orphans(struct doctor *doctor, struct points_store *store)
{
    const struct doctor_subject subject = subject_of(doctor);
    CLEANUP_STRINGS struct strings orphans = {0};

    if (points_store_orphans(store, &orphans, NULL) < 0)
        return;
    for (size_t i = 0; i < orphans.count; i++)
        doctor_tell(
            doctor, &subject, FINDING_WARNING, NULL,
            mem_printf(
                "no manifest names the file %s: the backup that it is part of cannot be restored",
                orphans.items[i]));
}

/* The repository is there, if not this scope of it, since it could be written to. */
static bool is_scope_to_come(const struct points_place *place, const struct err *why)
{
    CLEANUP(points_writer_closep) struct points_writer *writer = NULL;

    return place->is_repository && why->kind == ERR_NOT_FOUND && place->scope &&
           points_writer_open(place, &writer, NULL) == 0;
}

static void examine_store(struct doctor *doctor)
{
    const struct doctor_subject subject = subject_of(doctor);
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *quoted = shell_quote(subject.place);
    CLEANUP_FREE char *create = mem_printf("virt-backup repository create %s", quoted);
    bool repository = doctor->options->place.is_repository;

    if (points_store_open(&doctor->options->place, &store, &err) < 0 ||
        points_store_guests(store, &guests, &err) < 0) {
        if (is_scope_to_come(&doctor->options->place, &err)) {
            doctor_tell(doctor, &subject, FINDING_NOTE, NULL,
                        mem_printf("scope '%s' is not there yet; the first backup makes it",
                                   doctor->options->place.scope));
            return;
        }
        doctor_tell(doctor, &subject, FINDING_PROBLEM,
                    repository && err.kind == ERR_NOT_FOUND ? create : NULL,
                    mem_printf("%s", err.text));
        return;
    }
    doctor->place_opened = true;
    doctor_tell(doctor, &subject, FINDING_GOOD, NULL,
                mem_printf("can be read: backups of %zu guest%s", guests.count,
                           guests.count == 1 ? "" : "s"));
    for (size_t i = 0; i < guests.count; i++)
        look_at_points(doctor, store, guests.items[i]);
    look_at_orphans(doctor, store);
}

/* ---- its file system -------------------------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static void tell_type(struct doctor *doctor, const struct mount *mount)
{
    static const char *const without_links[] = {"vfat", "msdos", "exfat", "udf"};
    static const char *const small_files[] = {"vfat", "msdos"};
    static const char *const no_cache[] = {"noac", "actimeo=0", "lookupcache=none",
                                           "lookupcache=pos"};
    const struct doctor_subject subject = subject_of(doctor);
    bool repository = doctor->options->place.is_repository;
    bool cached = text_begins(mount->type, "nfs");

    for (size_t i = 0; i < ARRAY_COUNT(no_cache); i++)
        cached = cached && !mounts_has(mount, no_cache[i]);
    if (repository && is_one_of(mount->type, without_links, ARRAY_COUNT(without_links)))
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL,
                    mem_printf("it is on %s, which has no hard links: a repository needs them",
                               mount->type));
    else if (is_one_of(mount->type, small_files, ARRAY_COUNT(small_files)))
        doctor_tell(doctor, &subject, FINDING_WARNING, NULL,
                    mem_printf("it is on %s, where no file can have more than 4 GiB", mount->type));
    if (!repository && points_archive_is_lone(mount->type))
        doctor_tell(
            doctor, &subject, FINDING_NOTE, NULL,
            mem_printf(
                "on %s other hosts may not see the locks of this one: let one host at a time "
                "write to it",
                mount->type));
    if (cached)
        doctor_tell(
            doctor, &subject, FINDING_NOTE, NULL,
            mem_printf(
                "it is mounted as %s with an attribute cache: a host may see late what another "
                "one has made; lookupcache=pos avoids that",
                mount->type));
}

/* A file without a name shows whether there can be one, and what time it gets, and leaves nothing. */
static void try_file(struct doctor *doctor, int fd)
{
    const struct doctor_subject subject = subject_of(doctor);
    CLEANUP_CLOSE int file = -1;
    struct stat st;

    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
        file = openat(fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL,
                    mem_printf("cannot be written to: %s", strerror(errno)));
        return;
    }
    if (file < 0 || fstat(file, &st) < 0)
        return;
    long long apart = (long long)st.st_mtim.tv_sec - (long long)time(NULL);
    if (apart > CLOCK_APART_S || apart < -CLOCK_APART_S)
        doctor_tell(doctor, &subject, FINDING_WARNING, "timedatectl",
                    mem_printf("its clock is %lld seconds %s that of this host",
                               apart > 0 ? apart : -apart, apart > 0 ? "ahead of" : "behind"));
    else
        doctor_tell(doctor, &subject, FINDING_GOOD, NULL, mem_printf("can be written to"));
}

/* Opens the folder; of an archive that is not there yet, the one that it will be made in. */
static int open_place(struct doctor *doctor, bool *ret_missing, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *path = mem_strdup(doctor->options->place.path);

    *ret_missing = access(path, F_OK) < 0 && errno == ENOENT;
    if (*ret_missing && !doctor->options->place.is_repository) {
        for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
            path[len - 1] = '\0';
        char *slash = strrchr(path, '/');
        if (slash)
            slash[slash == path] = '\0';
        return io_open_dir(slash ? path : ".", ret_fd, err);
    }
    return io_open_dir(path, ret_fd, err);
}

void doctor_place(struct doctor *doctor)
{
    const struct doctor_subject subject = subject_of(doctor);
    CLEANUP_MOUNT struct mount mount = {0};
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_ERR struct err err = ERR_INIT;
    bool missing = false;

    if (!subject.place)
        return;
    if (open_place(doctor, &missing, &fd, &err) < 0) {
        CLEANUP_FREE char *quoted = shell_quote(subject.place);
        CLEANUP_FREE char *create = mem_printf("virt-backup repository create %s", quoted);
        doctor_tell(doctor, &subject, FINDING_PROBLEM,
                    missing && doctor->options->place.is_repository ? create : NULL,
                    mem_printf("%s: %s", subject.place, err.text));
        return;
    }
    if (mounts_of(fd, &mount) == 0)
        tell_type(doctor, &mount);
    try_file(doctor, fd);
    if (missing)
        doctor_tell(doctor, &subject, FINDING_NOTE, NULL,
                    mem_printf("is not there yet; the first backup makes it"));
    else
        examine_store(doctor);
    if (doctor->place_opened && doctor->options->place.is_repository)
        doctor_repository(doctor);
}

/* ---- room -------------------------------------------------------------------------------------------------- */

static void tell_room(struct doctor *doctor, uint64_t room)
{
    const struct doctor_subject subject = subject_of(doctor);
    CLEANUP_FREE char *quoted = shell_quote(subject.place);
    CLEANUP_FREE char *collect = mem_printf("virt-backup collect --repository %s", quoted);
    char free_text[UNITS_TEXT_SIZE];
    char volume[UNITS_TEXT_SIZE];

    units_format_size(room, free_text);
    units_format_size(doctor->volume, volume);
    if (room < ROOM_LEAST)
        doctor_tell(doctor, &subject, FINDING_PROBLEM,
                    doctor->options->place.is_repository ? collect : NULL,
                    mem_printf("it is full: %s free", free_text));
    else if (room < doctor->volume)
        doctor_tell(
            doctor, &subject, FINDING_NOTE, NULL,
            mem_printf(
                "%s free; the images of the guests have %s, of which holes, zeros and what is "
                "known take no room",
                free_text, volume));
    else
        doctor_tell(doctor, &subject, FINDING_GOOD, NULL, mem_printf("%s free", free_text));
}

void doctor_room(struct doctor *doctor)
{
    CLEANUP_CLOSE int fd = -1;
    struct statvfs st;
    uint64_t room = 0;
    bool missing = false;

    if (!doctor->options->place.path || open_place(doctor, &missing, &fd, NULL) < 0 ||
        io_free_space(fd, &room, NULL) < 0)
        return;
    tell_room(doctor, room);
    if (fstatvfs(fd, &st) == 0 && st.f_files > 0 && st.f_favail < 64) {
        const struct doctor_subject subject = subject_of(doctor);
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL,
                    mem_printf("its file system has room for only %llu more files",
                               (unsigned long long)st.f_favail));
    }
}
