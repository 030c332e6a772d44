/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/large_pages.h"

#define SIZE (3 * LARGE_PAGE + 5)

static void it_begins_with_a_large_page_and_is_zeros(void **state)
{
    (void)state;
    /* Others lie between them, so that not all are aligned by chance. */
    for (size_t i = 1; i <= 8; i++) {
        void *other = malloc(i << 20);
        uint8_t *memory = large_pages_new(SIZE);
        assert_non_null(memory);
        assert_true(large_pages_begin_at(memory));
        assert_false(large_pages_begin_at(memory + LARGE_PAGE / 2));
        assert_true(io_is_zero(memory, SIZE));
        memset(memory, 0xff, SIZE);
        large_pages_free(memory, SIZE);
        free(other);
    }
    large_pages_free(NULL, SIZE);
}

/* A line of /proc/self/smaps about the mapping that has this address. */
static bool read_flags(const void *address, char *ret, size_t size)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    bool inside = false, found = false;
    unsigned long start, end;

    while (maps && !found && fgets(ret, (int)size, maps)) {
        if (sscanf(ret, "%lx-%lx ", &start, &end) == 2)
            inside = (unsigned long)address >= start && (unsigned long)address < end;
        found = inside && strncmp(ret, "VmFlags:", 8) == 0;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void the_kernel_is_asked_for_large_pages(void **state)
{
    char flags[512] = "", table_flags[512] = "";
    void *memory = large_pages_new(SIZE);
    uint8_t *table = large_pages_malloc(SIZE);

    (void)state;
    assert_non_null(memory);
    assert_non_null(table);
    bool known = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0 &&
                 read_flags(memory, flags, sizeof(flags)) &&
                 read_flags(table + SIZE / 2, table_flags, sizeof(table_flags));
    large_pages_free(memory, SIZE);
    free(table);
    if (!known)
        skip();
    assert_non_null(strstr(flags, " hg"));
    assert_non_null(strstr(table_flags, " hg"));
}

static size_t mapped_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void nothing_stays_mapped(void **state)
{
    size_t before = mapped_bytes();

    (void)state;
    for (size_t i = 0; i < 64; i++)
        large_pages_free(large_pages_new(SIZE), SIZE);
    assert_true(mapped_bytes() < before + SIZE);
}

static void what_cannot_be_had_is_told(void **state)
{
    (void)state;
    errno = 0;
    assert_null(large_pages_new(SIZE_MAX / 2));
    assert_int_equal(errno, ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_with_a_large_page_and_is_zeros),
        cmocka_unit_test(the_kernel_is_asked_for_large_pages),
        cmocka_unit_test(nothing_stays_mapped),
        cmocka_unit_test(what_cannot_be_had_is_told),
    };

    return cmocka_run_group_tests_name("base large pages", tests, NULL, NULL);
}
