/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store_suite.h"

/* ---- what is flushed and linked, in order ---------------------------------------------------- */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);

static struct buf record;
static bool recording;
static int link_error;      /* linkat fails with it */
static int link_late_error; /* linkat succeeds and then says so, as after a lost answer */

/* The last two parts of the path. */
static void record_fd(const char *what, int fd)
{
    char link[64], path[PATH_MAX] = "";

    if (!recording)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    assert_true(n > 0);
    const char *last = strrchr(path, '/');
    const char *before = memrchr(path, '/', (size_t)(last - path));
    bool is_temporary = strstr(path, "/tmp/") && before && strncmp(before, "/tmp/", 5) == 0;
    buf_printf(&record, "%s %s;", what, is_temporary ? "temporary" : before + 1);
}

int __wrap_fsync(int fd)
{
    record_fd("sync", fd);
    return __real_fsync(fd);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    record_fd("link in", to_fd);
    if (link_error) {
        errno = link_error;
        return -1;
    }
    int rc = __real_linkat(from_fd, from, to_fd, to, flags);
    if (rc == 0 && link_late_error) {
        errno = link_late_error;
        return -1;
    }
    return rc;
}

/* ---- the store ------------------------------------------------------------------------------- */

/* Where stores are made: the first folder of STORE_TEST_FOLDERS, "ONE:OTHER", in which another host
 * has the other. So the suite runs on a file system that several hosts mount. */
static char *place_of_stores(bool other)
{
    const char *given = getenv("STORE_TEST_FOLDERS");
    const char *colon = given ? strchr(given, ':') : NULL;

    if (!given)
        return mem_strdup("/tmp");
    assert_non_null(colon);
    return other ? mem_strdup(colon + 1) : mem_strndup(given, (size_t)(colon - given));
}

static char *folder_elsewhere(const char *url)
{
    CLEANUP_FREE char *place = place_of_stores(true);

    return mem_printf("%s%s", place, strrchr(url, '/'));
}

static char *folder_make(void)
{
    static const char *const folders[] = {"d", "d/one", "p", "p/one", "tmp"};
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_FREE char *place = place_of_stores(false);
    char *path = mem_printf("%s/store-test.XXXXXX", place);
    struct store *store = NULL;

    assert_non_null(mkdtemp(path));
    assert_int_equal(store_open(path, &store, NULL), 0);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        strings_add(&names, folders[i]);
    assert_int_equal(store_add_folders(store, &names, NULL), 0);
    store_close(store);
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void folder_remove(char *path)
{
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(path);
}

struct fixture {
    char *path;
    struct store *store;
};

static void fixture_end(struct fixture *fixture)
{
    recording = false;
    link_error = link_late_error = 0;
    buf_clear(&record);
    store_close(fixture->store);
    folder_remove(fixture->path);
}

static void fixture_begin(struct fixture *fixture)
{
    fixture->path = folder_make();
    assert_int_equal(store_open(fixture->path, &fixture->store, NULL), 0);
}
#define FIXTURE                                                                                    \
    CLEANUP(fixture_end) struct fixture fixture = {0};                                             \
    fixture_begin(&fixture);                                                                       \
    struct store *const store = fixture.store

static char *path_in(const struct fixture *fixture, const char *name)
{
    return mem_printf("%s/%s", fixture->path, name);
}

static void assert_record(const char *expected)
{
    CLEANUP_FREE char *text = buf_take_str(&record);

    recording = false;
    assert_string_equal(text, expected);
}

static void an_object_is_durable_before_it_is_said_to_be(void **state)
{
    FIXTURE;

    (void)state;
    recording = true;
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "x"), STORE_MADE);
    assert_record("sync p/one;sync temporary;link in one/guest;sync one/guest;");
    recording = true;
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "y"), STORE_EXISTS);
    assert_record("sync temporary;link in one/guest;sync one/guest;");
}

static void a_replaced_object_is_durable_before_it_is_said_to_be(void **state)
{
    struct store_object object = {.name = "p/one/guest/a", .data = "x", .len = 1};
    FIXTURE;

    (void)state;
    store_suite_create(store, "p/one/guest/a", "y");
    recording = true;
    assert_int_equal(store_replace(store, &object, NULL), 0);
    assert_record("sync temporary;sync one/guest;");
}

static void objects_that_are_settled_later_are_flushed_themselves(void **state)
{
    CLEANUP_STRINGS struct strings folders = {0};
    struct store_object object = {
        .name = "d/one/0f/pack", .data = "x", .len = 1, .settle_later = true};
    enum store_outcome outcome = STORE_EXISTS;
    FIXTURE;

    (void)state;
    recording = true;
    assert_int_equal(store_create(store, &object, &outcome, NULL), 0);
    assert_record("sync d/one;sync temporary;link in one/0f;");
    strings_add(&folders, "d/one/0f");
    recording = true;
    assert_int_equal(store_settle(store, &folders, NULL), 0);
    assert_record("sync one/0f;");
}

static void temporary_files_are_named_after_their_session(void **state)
{
    CLEANUP_STRINGS struct strings folders = {0};
    struct store_object object = {
        .name = "p/one/guest/a", .data = "x", .len = 1, .session = "one/guest/77"};
    enum store_outcome outcome = STORE_EXISTS;
    FIXTURE;

    (void)state;
    assert_int_equal(store_create(store, &object, &outcome, NULL), -1); /* no tmp/one */
    strings_add(&folders, "tmp/one");
    assert_int_equal(store_add_folders(store, &folders, NULL), 0);
    /* One that a dead process has left. */
    CLEANUP_FREE char *folder = path_in(&fixture, "tmp/one/guest");
    CLEANUP_FREE char *left = path_in(&fixture, "tmp/one/guest/77-2");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mknod(left, S_IFREG | 0600, 0), 0);
    link_error = EPERM;
    assert_int_equal(store_create(store, &object, &outcome, NULL), -1);
    link_error = 0;
    CLEANUP_FREE char *names = store_suite_names(store, "tmp/");
    assert_string_equal(names, " tmp/one/guest/77-2");
    assert_int_equal(store_create(store, &object, &outcome, NULL), 0);
    assert_int_equal(outcome, STORE_MADE);
}

static void a_file_system_without_links_is_refused_with_the_reason(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct store_abilities abilities = {0};
    FIXTURE;

    (void)state;
    link_error = EPERM;
    assert_int_equal(store_probe(store, &abilities, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "hard links"));
    link_error = 0;
    CLEANUP_FREE char *names = store_suite_names(store, "tmp/");
    assert_string_equal(names, "");
}

static void a_link_whose_answer_was_lost_is_known_as_our_own(void **state)
{
    FIXTURE;

    (void)state;
    link_late_error = EEXIST;
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "x"), STORE_MADE);
    link_late_error = 0;
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "x"), STORE_EXISTS);
}

static void links_and_other_files_are_no_objects(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf buf = {0};
    struct store_object object = {.name = "p/one/out/a", .data = "x", .len = 1};
    enum store_outcome outcome = STORE_EXISTS;
    FIXTURE;

    (void)state;
    CLEANUP_FREE char *link_path = path_in(&fixture, "p/one/link");
    CLEANUP_FREE char *fifo = path_in(&fixture, "p/one/fifo");
    CLEANUP_FREE char *socket = path_in(&fixture, "p/one/socket");
    CLEANUP_FREE char *out = path_in(&fixture, "p/one/out");
    CLEANUP_FREE char *hidden = path_in(&fixture, "p/one/.nfs0001");
    assert_int_equal(symlink("/etc/hostname", link_path), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mknod(socket, S_IFSOCK | 0600, 0), 0);
    assert_int_equal(symlink("../../d/one", out), 0);
    assert_int_equal(mknod(hidden, S_IFREG | 0600, 0), 0);
    CLEANUP_FREE char *names = store_suite_names(store, "p/");
    assert_string_equal(names, "");
    assert_int_equal(store_read(store, "p/one/link", 1000, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(store_read(store, "p/one/fifo", 1000, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(store_read(store, "p/one/socket", 1000, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    store_suite_create(store, "d/one/b", "x");
    assert_int_equal(store_read(store, "p/one/out/b", 1000, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(store_create(store, &object, &outcome, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    store_suite_create(store, "p/one/file", "x");
    assert_int_equal(store_read(store, "p/one/file/a", 1000, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    CLEANUP_FREE char *behind = path_in(&fixture, "d/one/a");
    assert_int_equal(access(behind, F_OK), -1);
}

static int add_odd(void *opaque, const struct store_entry *entry, struct err *err)
{
    (void)err;
    buf_printf(opaque, " odd %s of %d", entry->name, (int)entry->size);
    return 0;
}

static int add_object(void *opaque, const struct store_entry *entry, struct err *err)
{
    (void)err;
    buf_printf(opaque, " %s", entry->name);
    return 0;
}

static bool is_no_slot(const char *name)
{
    return !strstr(name, "/slot");
}

static void a_folder_in_place_of_an_object_is_odd(void **state)
{
    CLEANUP_BUF struct buf found = {0};
    const struct store_each each = {add_object, &found, add_odd, is_no_slot};
    CLEANUP_STRINGS struct strings names = {0};
    FIXTURE;

    (void)state;
    store_suite_create(store, "p/one/guest/a", "x");
    store_suite_create(store, "p/one/guest/slot-1/b", "x");
    CLEANUP_FREE char *link_path = path_in(&fixture, "p/one/guest/link");
    CLEANUP_FREE char *empty = path_in(&fixture, "p/one/guest/slot-2");
    assert_int_equal(symlink("/etc", link_path), 0);
    assert_int_equal(mkdir(empty, 0700), 0);
    assert_int_equal(store_list(store, "p/one/", &each, NULL), 0);
    CLEANUP_FREE char *text = buf_take_str(&found);
    assert_string_equal(text,
                        " p/one/guest/a odd p/one/guest/link of 0 odd p/one/guest/slot-1 of 0 "
                        "odd p/one/guest/slot-2 of 0");

    /* It is deleted like an object, but with nothing of what is in it. */
    strings_add(&names, "p/one/guest/slot-2");
    assert_int_equal(store_delete(store, &names, NULL), 0);
    assert_int_equal(access(empty, F_OK), -1);
    strings_add(&names, "p/one/guest/slot-1");
    assert_int_equal(store_delete(store, &names, NULL), -1);
    CLEANUP_FREE char *left = store_suite_names(store, "p/");
    assert_string_equal(left, " p/one/guest/a p/one/guest/slot-1/b");
}

/* It hides what is there, and must not be taken for all there is. */
static void another_file_system_inside_is_refused(void **state)
{
    static const char *const places[] = {"p", "p/one", "p/one/guest"};

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    FIXTURE;
    store_suite_create(store, "p/one/guest/a", "x");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        CLEANUP_FREE char *place = path_in(&fixture, places[i]);
        CLEANUP_ERR struct err listing = ERR_INIT, reading = ERR_INIT;
        CLEANUP_BUF struct buf buf = {0};
        struct store_object object = {.name = "p/one/guest/b", .data = "x", .len = 1};
        struct store_each each = {.call = add_object, .opaque = &buf};
        enum store_outcome outcome = STORE_EXISTS;
        assert_int_equal(mount("tmpfs", place, "tmpfs", 0, "size=64k,mode=0700"), 0);
        int listed = store_list(store, "p/one/", &each, &listing);
        int got = store_read(store, "p/one/guest/a", 9, &buf, &reading);
        int made = store_create(store, &object, &outcome, NULL);
        assert_int_equal(umount(place), 0);
        assert_int_equal(listed, -1);
        assert_int_equal(got, -1);
        assert_int_equal(made, -1);
        assert_int_equal(listing.kind, ERR_IO);
        assert_int_equal(reading.kind, ERR_IO);
        assert_non_null(strstr(listing.text, "another file system is mounted"));
    }
}

static void files_and_folders_are_for_their_owner_alone(void **state)
{
    struct stat st;
    FIXTURE;

    (void)state;
    mode_t former = umask(0);
    store_suite_create(store, "p/one/guest/a", "x");
    umask(former);
    CLEANUP_FREE char *file = path_in(&fixture, "p/one/guest/a");
    CLEANUP_FREE char *folder = path_in(&fixture, "p/one/guest");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static bool is_cached(int fd)
{
    char byte;
    struct iovec iov = {&byte, 1};

    return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == 1;
}

static void what_the_page_cache_has_is_at_hand(void **state)
{
    char data[4];
    const struct store_range range = {.name = "p/one/a", .data = data, .cap = 4};
    FIXTURE;

    (void)state;
    store_suite_create(store, "p/one/a", "0123");
    CLEANUP_FREE char *path = path_in(&fixture, "p/one/a");
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (!is_cached(fd))
        skip();
    assert_true(store_get_at_hand(store, &range));
    assert_memory_equal(data, "0123", 4);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (!is_cached(fd))
        assert_false(store_get_at_hand(store, &range));
}

static void other_kinds_of_url_are_refused(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct store *store = NULL;

    (void)state;
    assert_int_equal(store_open("s3://bucket/prefix", &store, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_int_equal(store_open("/nonexistent/folder", &store, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/folder"));
}

int main(void)
{
    static const struct store_suite suite = {.name = "store folder",
                                             .make = folder_make,
                                             .remove = folder_remove,
                                             .elsewhere = folder_elsewhere};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_durable_before_it_is_said_to_be),
        cmocka_unit_test(a_replaced_object_is_durable_before_it_is_said_to_be),
        cmocka_unit_test(objects_that_are_settled_later_are_flushed_themselves),
        cmocka_unit_test(temporary_files_are_named_after_their_session),
        cmocka_unit_test(a_file_system_without_links_is_refused_with_the_reason),
        cmocka_unit_test(a_link_whose_answer_was_lost_is_known_as_our_own),
        cmocka_unit_test(links_and_other_files_are_no_objects),
        cmocka_unit_test(a_folder_in_place_of_an_object_is_odd),
        cmocka_unit_test(another_file_system_inside_is_refused),
        cmocka_unit_test(files_and_folders_are_for_their_owner_alone),
        cmocka_unit_test(what_the_page_cache_has_is_at_hand),
        cmocka_unit_test(other_kinds_of_url_are_refused),
    };

    return store_suite_run(&suite, tests, sizeof(tests) / sizeof(tests[0]));
}
