/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../chance.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "base/units.h"

#define MAX_LOOPS 8

static char folder[128];
static char loops[MAX_LOOPS][64];

/* ---- the folder --------------------------------------------------------------- */

int support_setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof(folder), "%s/disk-test-XXXXXX", base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Without process_run, which runs nothing any more once a test has raised a signal. */
int support_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < MAX_LOOPS; i++)
        if (loops[i][0])
            loop_detach(loops[i]);
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *at(const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

const char *at_n(const char *name, unsigned number)
{
    char both[64];

    snprintf(both, sizeof(both), "%s-%u", name, number);
    return at(both);
}

void skip_because(const char *reason)
{
    print_message("# skipped: %s\n", reason);
    skip();
}

void need_root(void)
{
    if (geteuid() != 0)
        skip_because("needs root");
}

void need_program(const char *name)
{
    const char *const argv[] = {name, "--version", NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    char text[64];

    snprintf(text, sizeof(text), "%s is not installed", name);
    if (process_run(argv, NULL, &err) < 0 && strstr(err.text, "cannot run it"))
        skip_because(text);
}

/* ---- programs ----------------------------------------------------------------- */

static int run_list(const char *program, va_list args, struct buf *output, struct err *err)
{
    const char *argv[32] = {program};
    size_t n = 1;

    while ((argv[n] = va_arg(args, const char *)))
        assert_true(++n < sizeof(argv) / sizeof(*argv));
    return process_run(argv, output, err);
}

void run(const char *program, ...)
{
    struct err err = ERR_INIT;
    va_list args;

    va_start(args, program);
    int result = run_list(program, args, NULL, &err);
    va_end(args);
    if (result < 0)
        fail_msg("%s", err.text);
}

char *run_output(const char *program, ...)
{
    struct err err = ERR_INIT;
    struct buf output = {0};
    va_list args;

    va_start(args, program);
    int result = run_list(program, args, &output, &err);
    va_end(args);
    if (result < 0)
        fail_msg("%s", err.text);
    return buf_take_str(&output);
}

char *run_failing(const char *program, ...)
{
    struct err err = ERR_INIT;
    va_list args;

    va_start(args, program);
    int result = run_list(program, args, NULL, &err);
    va_end(args);
    if (result == 0)
        fail_msg("%s succeeded", program);
    return err.text;
}

bool in_child(bool (*check)(void *opaque), void *opaque)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        bool good = check(opaque);
        fflush(NULL);
        _exit(good ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct qemu_writer qemu_writer_start(const char *path, const char *format)
{
    int in[2];
    int out[2];
    char text[256];

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execlp("qemu-io", "qemu-io", "-f", format, path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    /* Its prompt: the image is open. */
    assert_true(read(out[0], text, sizeof(text)) > 0);
    close(out[0]);
    return (struct qemu_writer){pid, in[1]};
}

void qemu_writer_stop(struct qemu_writer *writer)
{
    close(writer->in_fd);
    assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
}

int only_child(void)
{
    char path[64];
    char text[64] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return 0;
    return (int)strtol(text, NULL, 10);
}

/* ---- images ------------------------------------------------------------------- */

static uint64_t random_state;

uint64_t seed_start(void)
{
    random_state = chance_seed();
    return random_state;
}

uint64_t random_next(void)
{
    return chance_next(&random_state);
}

uint64_t random_below(uint64_t limit)
{
    return random_next() % limit;
}

static void fill_random(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t value = random_next();
        memcpy(data + i, &value, len - i < sizeof(value) ? len - i : sizeof(value));
    }
}

struct image image_make(const char *name, uint64_t size)
{
    struct image image = {calloc(1, size), size, ""};

    snprintf(image.path, sizeof(image.path), "%s", at(name));
    CLEANUP_CLOSE int fd = open(image.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(image.data && fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    for (uint64_t offset = 0; offset < size;) {
        uint64_t len = 4096 << random_below(7);
        unsigned kind = (unsigned)random_below(5);
        if (len > size - offset)
            len = size - offset;
        if (kind < 2)
            fill_random(image.data + offset, len);
        if (kind < 3)
            assert_int_equal(pwrite(fd, image.data + offset, len, (off_t)offset), len);
        offset += len;
    }
    assert_int_equal(fsync(fd), 0);
    return image;
}

void image_free(struct image *image)
{
    free(image->data);
    image->data = NULL;
}

const char *option_of(const struct disk_info *info, const char *name)
{
    for (size_t i = 0; i < info->option_count; i++)
        if (strcmp(info->options[i].name, name) == 0)
            return info->options[i].value;
    return "none";
}

/* ---- loop devices -------------------------------------------------------------- */

const char *loop_attach(const char *file)
{
    size_t i = 0;

    while (loops[i][0])
        assert_true(++i < MAX_LOOPS);
    CLEANUP_FREE char *device = run_output("losetup", "-f", "--show", file, NULL);
    device[strcspn(device, "\n")] = '\0';
    snprintf(loops[i], sizeof(loops[i]), "%s", device);
    return loops[i];
}

void loop_detach(const char *device)
{
    const char *const argv[] = {"losetup", "-d", device, NULL};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (process_run(argv, NULL, &err) < 0)
        print_error("%s\n", err.text);
    for (size_t i = 0; i < MAX_LOOPS; i++)
        if (strcmp(loops[i], device) == 0)
            memset(loops[i], 0, sizeof(loops[i]));
}

const char *old_device(unsigned number)
{
    const char *file = at_n("device", number);
    char *data = malloc(DEVICE_SIZE);
    CLEANUP_CLOSE int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    memset(data, 0xaa, DEVICE_SIZE);
    assert_int_equal(pwrite(fd, data, DEVICE_SIZE, 0), DEVICE_SIZE);
    free(data);
    return loop_attach(file);
}

/* ---- errors -------------------------------------------------------------------- */

void assert_err(struct err *err, enum err_kind kind, const char *part)
{
    assert_non_null(err->text);
    if (err->kind != kind || !strstr(err->text, part))
        fail_msg("not %s with '%s', but %s: %s", err_kind_name(kind), part,
                 err_kind_name(err->kind), err->text);
    assert_null(strchr(err->text, '\n'));
    err_clear(err);
}
