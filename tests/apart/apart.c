/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded by test_apart.py. The control process, which is the one that nobody has forked, dies when
 * it gives a library bytes that others have written: any that are compressed, and those in which one
 * of the words of VB_FOREIGN is, which are separated by commas. VB_HOST is the name of this host.
 *
 * All is looked up at the start: the processes that may parse can do little else.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16

static char *words[WORDS_MAX]; /* none: nothing is looked at */

static void *(*real_json_loadb)(const char *data, size_t len, size_t flags, void *error);
static void *(*real_read_memory)(void *context, const char *data, int len, const char *url,
                                 const char *encoding, int options);
static size_t (*real_decompress)(void *to, size_t size, const void *data, size_t len);
static size_t (*real_decompress_in)(void *context, void *to, size_t size, const void *data,
                                    size_t len);

static void leave_control_process(void)
{
    words[0] = NULL;
}

static void __attribute__((constructor)) begin(void)
{
    char *rest = getenv("VB_FOREIGN") ? strdup(getenv("VB_FOREIGN")) : NULL;

    for (size_t i = 0; rest && i + 1 < WORDS_MAX; i++)
        words[i] = strsep(&rest, ",");
    real_json_loadb = (__typeof__(real_json_loadb))dlsym(RTLD_NEXT, "json_loadb");
    real_read_memory = (__typeof__(real_read_memory))dlsym(RTLD_NEXT, "xmlCtxtReadMemory");
    real_decompress = (__typeof__(real_decompress))dlsym(RTLD_NEXT, "ZSTD_decompress");
    real_decompress_in = (__typeof__(real_decompress_in))dlsym(RTLD_NEXT, "ZSTD_decompressDCtx");
    pthread_atfork(NULL, NULL, leave_control_process);
}

static void die_of(const char *function)
{
    fprintf(stderr, "%s in the control process\n", function);
    abort();
}

static void die_of_words(const char *function, const char *data, size_t len)
{
    for (size_t i = 0; words[i]; i++)
        if (memmem(data, len, words[i], strlen(words[i])))
            die_of(function);
}

void *xmlCtxtReadMemory(void *context, const char *data, int len, const char *url,
                        const char *encoding, int options);
void *xmlCtxtReadMemory(void *context, const char *data, int len, const char *url,
                        const char *encoding, int options)
{
    die_of_words("xmlCtxtReadMemory", data, (size_t)len);
    return real_read_memory(context, data, len, url, encoding, options);
}

void *json_loadb(const char *data, size_t len, size_t flags, void *error);
void *json_loadb(const char *data, size_t len, size_t flags, void *error)
{
    die_of_words("json_loadb", data, len);
    return real_json_loadb(data, len, flags, error);
}

size_t ZSTD_decompress(void *to, size_t size, const void *data, size_t len);
size_t ZSTD_decompress(void *to, size_t size, const void *data, size_t len)
{
    if (words[0])
        die_of("ZSTD_decompress");
    return real_decompress(to, size, data, len);
}

size_t ZSTD_decompressDCtx(void *context, void *to, size_t size, const void *data, size_t len);
size_t ZSTD_decompressDCtx(void *context, void *to, size_t size, const void *data, size_t len)
{
    if (words[0])
        die_of("ZSTD_decompressDCtx");
    return real_decompress_in(context, to, size, data, len);
}

int gethostname(char *name, size_t size);
int gethostname(char *name, size_t size)
{
    const char *host = getenv("VB_HOST");

    snprintf(name, size, "%s", host ? host : "this-host");
    return 0;
}
