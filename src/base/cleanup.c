/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

#include "base/out.h"

static void __attribute__((noreturn)) out_of_memory(void)
{
    out_last_words("virt-backup: out of memory\n");
    /* Other threads are working, perhaps on what exit() handlers would destroy. */
    _exit(EXIT_FAILURE);
}

static void *checked_memory(void *pointer)
{
    if (!pointer)
        out_of_memory();
    return pointer;
}

void *mem_alloc(size_t size)
{
    return checked_memory(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    return checked_memory(calloc(count ? count : 1, size ? size : 1));
}

char *mem_strdup(const char *text)
{
    return text ? checked_memory(strdup(text)) : NULL;
}

char *mem_strndup(const char *text, size_t length)
{
    return checked_memory(strndup(text, length));
}

char *mem_vprintf(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    return checked_memory(text);
}

char *mem_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    return text;
}

void *mem_resize(void *pointer, size_t count, size_t size)
{
    return checked_memory(reallocarray(pointer, count ? count : 1, size ? size : 1));
}
