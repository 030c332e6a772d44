/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ownership of locals: a variable with one of these attributes frees what it
 * owns when its scope ends. Giving it away is explicit: TAKE_PTR, TAKE_FD.
 *
 * A module defines the attribute of its own type next to its _free function:
 *     DEFINE_CLEANUP(struct buf *, buf_freep, buf_free)
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Defines `name`, a function that frees the object that a pointer of this type points to; for use
 * as CLEANUP(name). */
#define DEFINE_CLEANUP(type, name, free_function)                                                  \
    static inline void name(type *object)                                                          \
    {                                                                                              \
        free_function(*object);                                                                    \
    }

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
    if (*file)
        fclose(*file);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)
#define CLEANUP_FCLOSE CLEANUP(cleanup_fclose)

/* The value of an owning variable, which then owns nothing. */
#define TAKE_PTR(pointer)                                                                          \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

/* Allocates memory. If that fails, these end the process with a message on stderr and status 1;
 * if it holds a guest then, the guardian puts the guest back. So use them only for small things, and
 * never for a size that comes from outside: for large buffers use malloc and a struct err. */
void *mem_alloc(size_t size); /* zeroed */
void *mem_array(size_t count, size_t size);
char *mem_strdup(const char *text); /* NULL gives NULL */
char *mem_strndup(const char *text, size_t length);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* Room for count elements. Keeps the contents; new elements are not zeroed. */
void *mem_resize(void *pointer, size_t count, size_t size);
