/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/page_cache.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/io.h"
#include "base/units.h"

/* For kernel headers before 6.5; these two architectures number their calls differently. */
#if !defined(SYS_cachestat) && !defined(__alpha__) && !defined(__mips__)
#define SYS_cachestat 451
#endif

/* The file is read through windows of this size. We find out what is cached in a window before we
 * come so near to it that the kernel reads ahead into it. */
#define CACHE_WINDOW (UINT64_C(8) << 20)
#define NO_WINDOW UINT64_MAX
/* Ranges this small are not halved any further. */
#define LOOK_AT_EACH (UINT64_C(256) << 10)
/* How far to look ahead if the kernel's own limit is not known, and the maximum. */
#define UNKNOWN_READ_AHEAD (UINT64_C(4) << 20)
#define MAX_READ_AHEAD (UINT64_C(64) << 20)

struct cache_window {
    uint64_t index;    /* NO_WINDOW: unused */
    unsigned char *in; /* one byte per page: bit 0 is set if it was cached before we came */
};

struct page_cache {
    int fd;
    uint64_t size;
    uint64_t page_size;
    uint64_t current;             /* index of the window being read */
    size_t window_count;          /* this one and those that the kernel may read ahead into */
    struct cache_window *windows; /* window i is at i % window_count */
};

/* The most bytes that the kernel reads ahead in this file. */
static uint64_t read_ahead_limit(int fd)
{
    static const char *const places[][2] = {
        {"/sys/dev/block", "queue/read_ahead_kb"},
        {"/sys/dev/block", "../queue/read_ahead_kb"}, /* for a partition */
        {"/sys/class/bdi", "read_ahead_kb"},
    };
    struct stat st;
    unsigned kib = 0;

    if (fstat(fd, &st) < 0)
        return UNKNOWN_READ_AHEAD;
    dev_t dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        CLEANUP_FREE char *path =
            mem_printf("%s/%u:%u/%s", places[i][0], major(dev), minor(dev), places[i][1]);
        CLEANUP_FCLOSE FILE *file = fopen(path, "re");
        if (file && fscanf(file, "%u", &kib) == 1)
            return (uint64_t)kib << 10 < MAX_READ_AHEAD ? (uint64_t)kib << 10 : MAX_READ_AHEAD;
    }
    return UNKNOWN_READ_AHEAD;
}

struct page_cache *page_cache_new(int fd, uint64_t size)
{
    struct page_cache *cache = mem_alloc(sizeof(*cache));
    /* Sequential reading doubles the limit, and while one range of that length is being used the
     * next one is being read. */
    uint64_t ahead = 4 * read_ahead_limit(fd);

    cache->fd = fd;
    cache->size = size;
    cache->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    cache->current = NO_WINDOW;
    cache->window_count = (size_t)units_div_up(ahead, CACHE_WINDOW) + 2;
    cache->windows = mem_array(cache->window_count, sizeof(*cache->windows));
    for (size_t i = 0; i < cache->window_count; i++)
        cache->windows[i] =
            (struct cache_window){NO_WINDOW, mem_alloc(CACHE_WINDOW / cache->page_size)};
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return cache;
}

/* Length of a window: only the last one is shorter. 0 after the end. */
static uint64_t window_len(const struct page_cache *cache, uint64_t index)
{
    uint64_t start = index * CACHE_WINDOW;

    if (start >= cache->size)
        return 0;
    return cache->size - start < CACHE_WINDOW ? cache->size - start : CACHE_WINDOW;
}

/* The number of cached pages; false if it is unknown: kernels before 6.5. Costs far less than
 * looking at each page. */
static bool count_cached(const struct page_cache *cache, uint64_t start, uint64_t len,
                         uint64_t *ret_pages)
{
#ifdef SYS_cachestat
    /* cachestat(2), as in linux/mman.h */
    struct {
        uint64_t offset, len;
    } range = {start, len};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } ret;

    if (syscall(SYS_cachestat, cache->fd, &range, &ret, 0) < 0)
        return false;
    *ret_pages = ret.cached;
    return true;
#else
    (void)cache, (void)start, (void)len, (void)ret_pages;
    return false;
#endif
}

static bool look_at_each(const struct page_cache *cache, uint64_t start, uint64_t len,
                         unsigned char *ret_in)
{
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, cache->fd, (off_t)start);

    if (map == MAP_FAILED)
        return false;
    bool known = mincore(map, len, ret_in) == 0;
    munmap(map, len);
    return known;
}

/* Halves ranges that are partly cached, so that only few pages are checked one by one. */
static bool look_at_range(const struct page_cache *cache, uint64_t start, uint64_t len,
                          unsigned char *ret_in)
{
    uint64_t pages = units_div_up(len, cache->page_size);
    uint64_t half = pages / 2 * cache->page_size;
    uint64_t cached = 0;

    if (!count_cached(cache, start, len, &cached))
        return look_at_each(cache, start, len, ret_in);
    if (cached == 0 || cached >= pages) {
        memset(ret_in, cached > 0, pages);
        return true;
    }
    if (len <= LOOK_AT_EACH)
        return look_at_each(cache, start, len, ret_in);
    return look_at_range(cache, start, half, ret_in) &&
           look_at_range(cache, start + half, len - half, ret_in + pages / 2);
}

/* If the kernel does not tell us, everything counts as cached before, and stays. */
static void look_at_window(const struct page_cache *cache, struct cache_window *window,
                           uint64_t index)
{
    uint64_t len = window_len(cache, index);

    window->index = NO_WINDOW;
    if (len > 0 && look_at_range(cache, index * CACHE_WINDOW, len, window->in))
        window->index = index;
}

static void drop_window(const struct page_cache *cache, struct cache_window *window)
{
    if (window->index == NO_WINDOW)
        return;
    uint64_t start = window->index * CACHE_WINDOW;
    uint64_t len = window_len(cache, window->index);
    size_t pages = (size_t)((len + cache->page_size - 1) / cache->page_size);
    size_t first = 0;
    for (size_t i = 0; i <= pages; i++) {
        if (i < pages && !(window->in[i] & 1))
            continue;
        if (i > first)
            posix_fadvise(cache->fd, (off_t)(start + first * cache->page_size),
                          (off_t)((i - first) * cache->page_size), POSIX_FADV_DONTNEED);
        first = i + 1;
    }
    window->index = NO_WINDOW;
}

void page_cache_enter(struct page_cache *cache, uint64_t offset)
{
    uint64_t index = offset / CACHE_WINDOW;

    if (cache->current == index)
        return;
    cache->current = index;
    for (uint64_t i = index; i < index + cache->window_count; i++) {
        struct cache_window *window = &cache->windows[i % cache->window_count];
        if (window->index == i)
            continue;
        drop_window(cache, window);
        look_at_window(cache, window, i);
    }
}

int page_cache_read(struct page_cache *cache, uint64_t offset, void *data, size_t len,
                    struct err *err)
{
    for (size_t at = 0; at < len;) {
        uint64_t from = offset + at;
        uint64_t window = CACHE_WINDOW - from % CACHE_WINDOW;
        size_t part = len - at < window ? len - at : (size_t)window;
        size_t got = 0;
        page_cache_enter(cache, from);
        if (io_pread_some(cache->fd, (char *)data + at, part, from, &got, err) < 0)
            return -1;
        if (got < part)
            return err_set(err, ERR_IO,
                           "cannot read at byte %" PRIu64 ": the image shrank while it was read",
                           from + got);
        at += part;
    }
    return 0;
}

void page_cache_free(struct page_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->window_count; i++) {
        drop_window(cache, &cache->windows[i]);
        free(cache->windows[i].in);
    }
    free(cache->windows);
    free(cache);
}
