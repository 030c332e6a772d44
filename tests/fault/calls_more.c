/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Wrappers of calls that change nothing outside the process but can fail: memory, reading,
 * sockets.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim.h"

/* ---- memory ---------------------------------------------------------------------------------
 * dlsym may ask for memory itself: what it gets while the real functions are being looked
 * up comes from here, and is never given back. */
static char early[65536];
static size_t early_used;

static void *early_memory(size_t size)
{
    void *memory = early + early_used;

    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof(early) ? memory : NULL;
}

static bool is_early(const void *memory)
{
    return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

static struct {
    bool looking;
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void (*free)(void *);
} real;

static bool ready(void)
{
    if (real.free)
        return true;
    if (real.looking)
        return false;
    real.looking = true;
    *(void **)&real.malloc = shim_next("malloc");
    *(void **)&real.calloc = shim_next("calloc");
    *(void **)&real.realloc = shim_next("realloc");
    *(void **)&real.reallocarray = shim_next("reallocarray");
    *(void **)&real.free = shim_next("free");
    real.looking = false;
    return true;
}

static bool fails(const char *name, const void *caller)
{
    if (shim_meet(name, NULL, true, caller) != FAIL)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    if (!ready())
        return early_memory(size);
    return fails("malloc", CALLER) ? NULL : real.malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!ready())
        return early_memory(count * size);
    return fails("calloc", CALLER) ? NULL : real.calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    if (!ready())
        return NULL;
    return fails("realloc", CALLER) ? NULL : real.realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    if (!ready())
        return NULL;
    return fails("reallocarray", CALLER) ? NULL : real.reallocarray(memory, count, size);
}

void free(void *memory)
{
    if (!is_early(memory) && ready())
        real.free(memory);
}

/* These take memory inside the C library, out of the sight of the above. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = !ready() || fails("strdup", CALLER) ? NULL : real.malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

char *strndup(const char *text, size_t max)
{
    size_t len = strnlen(text, max);
    char *copy = !ready() || fails("strndup", CALLER) ? NULL : real.malloc(len + 1);

    if (!copy)
        return NULL;
    copy[len] = '\0';
    return memcpy(copy, text, len);
}

static int print(char **ret, const char *format, va_list args)
{
    static int (*next)(char **, const char *, va_list);

    if (!next)
        *(void **)&next = shim_next("vasprintf");
    return next(ret, format, args);
}

int vasprintf(char **ret, const char *format, va_list args)
{
    return fails("vasprintf", CALLER) ? -1 : print(ret, format, args);
}

/* What vasprintf is called as when the program is built with _FORTIFY_SOURCE. */
int __vasprintf_chk(char **ret, int flag, const char *format, va_list args);
int __vasprintf_chk(char **ret, int flag, const char *format, va_list args)
{
    (void)flag;
    return fails("vasprintf", CALLER) ? -1 : print(ret, format, args);
}

/* ---- files ------------------------------------------------------------------------------------ */

#define READ_CALL(TYPE, NAME, PARAMETERS, ARGUMENTS, FAILURE)                                      \
    WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, NULL, true, FAIL_ERRNO(FAILURE, EIO))
#define SYSTEM_CALL(TYPE, NAME, PARAMETERS, ARGUMENTS, FAILURE, ERRNO)                             \
    WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, NULL, true, FAIL_ERRNO(FAILURE, ERRNO))

READ_CALL(ssize_t, read, (int d, void *b, size_t n), (d, b, n), -1)
READ_CALL(ssize_t, pread64, (int d, void *b, size_t n, off64_t o), (d, b, n, o), -1)
READ_CALL(int, fstat64, (int d, struct stat64 *s), (d, s), -1)
READ_CALL(int, fstatat64, (int d, const char *p, struct stat64 *s, int f), (d, p, s, f), -1)
READ_CALL(off64_t, lseek64, (int d, off64_t o, int w), (d, o, w), -1)
READ_CALL(DIR *, fdopendir, (int d), (d), NULL)
READ_CALL(FILE *, fopen64, (const char *p, const char *m), (p, m), NULL)

/* ---- processes ---------------------------------------------------------------------------------- */

SYSTEM_CALL(ssize_t, recv, (int s, void *b, size_t n, int f), (s, b, n, f), -1, ENOMEM)
SYSTEM_CALL(ssize_t, recvmsg, (int s, struct msghdr *m, int f), (s, m, f), -1, ENOMEM)
SYSTEM_CALL(int, socket, (int d, int t, int p), (d, t, p), -1, EMFILE)
SYSTEM_CALL(int, socketpair, (int d, int t, int p, int v[2]), (d, t, p, v), -1, EMFILE)
SYSTEM_CALL(int, pipe2, (int v[2], int f), (v, f), -1, EMFILE)
SYSTEM_CALL(int, memfd_create, (const char *n, unsigned int f), (n, f), -1, EMFILE)
SYSTEM_CALL(void *, mmap64, (void *a, size_t n, int p, int f, int d, off64_t o), (a, n, p, f, d, o),
            MAP_FAILED, ENOMEM)
