/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <ftw.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "harness.h"
#include "mtcp/shared.h"
#include "mtcp/sizing.h"
#include "mtcp/sizing_host.h"

/* ---- the formula ----------------------------------------------------------- */

static void test_child_count_follows_the_formula(void **state)
{
    (void)state;
    assert_int_equal(sizing_child_count(1957 * MIB, 60 * MIB), 28);
    assert_int_equal(sizing_child_count(1957 * MIB, 800 * MIB), 2);
}

static void test_child_count_is_zero_when_nothing_fits(void **state)
{
    (void)state;
    assert_int_equal(sizing_child_count(0, 60 * MIB), 0);
    assert_int_equal(sizing_child_count(256 * MIB, 1), 0);
    assert_int_equal(sizing_child_count(256 * MIB + 1, 1), 1);
    assert_int_equal(sizing_child_count(315 * MIB, 60 * MIB), 0);
    assert_int_equal(sizing_child_count(316 * MIB, 60 * MIB), 1);
    assert_int_equal(sizing_child_count(1957 * MIB, 0), 0);
    assert_true(sizing_child_count(UINT64_MAX, UINT64_MAX) == 0);
}

/* ---- the plan -------------------------------------------------------------- */

static struct sizing_host big_host(void)
{
    return (struct sizing_host){.total_memory = 64 * GIB,
                                .available_memory = 64 * GIB,
                                .cgroup_limit = UINT64_MAX,
                                .cpus = 4};
}

static struct sizing_request request_of(const char *codec)
{
    struct sizing_request request = {0};

    assert_int_equal(codec_parse(codec, &request.codec, NULL), 0);
    return request;
}

static struct sizing_plan plan_of(const struct sizing_host *host,
                                  const struct sizing_request *request)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;

    if (sizing_plan(host, request, &plan, &err) < 0)
        fail_msg("%s", err.text);
    return plan;
}

static void expect_refused(const struct sizing_host *host, const struct sizing_request *request,
                           const char *first, const char *second)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;

    assert_int_equal(sizing_plan(host, request, &plan, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.text, first) || !strstr(err.text, second))
        fail_msg("'%s' and '%s' are expected in: %s", first, second, err.text);
}

static void test_a_child_takes_encoder_buffers_and_window(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:6");
    struct sizing_plan plan = plan_of(&host, &request);
    struct child_settings settings = {.codec = plan.codec, .chunk_size = plan.chunk_size};
    struct shared_layout layout;

    (void)state;
    shared_layout(&settings, &layout);
    assert_int_equal(plan.chunk_size, codec_default_chunk_size(&request.codec));
    assert_int_equal(plan.encoder_memory, codec_encoder_memory(&plan.codec));
    assert_int_equal(plan.child_memory,
                     plan.encoder_memory + layout.total_size + layout.output_size + SIZING_PROCESS);
    assert_int_equal(plan.control_memory, plan.children * layout.output_size);
    assert_int_equal(plan.children_allowed, (64 * GIB - 256 * MIB) / plan.child_memory);
    assert_false(plan.buffer_overridden);
}

static void test_a_few_children_more_than_cpus(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("zstd");

    (void)state;
    assert_int_equal(plan_of(&host, &request).children, 5);
    request.decode = true;
    assert_int_equal(plan_of(&host, &request).children, 7);
    request = request_of("none");
    assert_int_equal(plan_of(&host, &request).children, 7);
    request = request_of("zstd");
    request.children = 17;
    assert_int_equal(plan_of(&host, &request).children, 17);
    request.image_chunks = 3;
    assert_int_equal(plan_of(&host, &request).children, 3);
}

static void test_total_is_the_least_of_machine_group_and_limit(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("none");

    (void)state;
    assert_true(plan_of(&host, &request).total_memory == 64 * GIB);
    host.cgroup_limit = 8 * GIB;
    assert_true(plan_of(&host, &request).total_memory == 8 * GIB);
    request.memory_limit = 9 * GIB;
    assert_true(plan_of(&host, &request).total_memory == 8 * GIB);
    request.memory_limit = 2 * GIB;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_true(plan.total_memory == 2 * GIB);
    assert_int_equal(plan.children_allowed, sizing_child_count(2 * GIB, plan.child_memory));
}

static void test_children_never_take_more_than_is_available(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:6");
    uint64_t child = plan_of(&host, &request).child_memory;

    (void)state;
    host.available_memory = 2 * child + SIZING_MARGIN;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.children_allowed, 2);
    assert_int_equal(plan.children, 2);
    host.available_memory--;
    assert_int_equal(plan_of(&host, &request).children, 1);
    request.children = 2; /* never lowered silently */
    expect_refused(&host, &request, "2 child processes with lzma:6 take", "at most 1 fit");
    request.image_chunks = 1; /* nor when the image would lower it */
    expect_refused(&host, &request, "2 child processes with lzma:6 take", "at most 1 fit");
}

static void test_no_child_fits_names_a_lower_level(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 512 * MIB;
    expect_refused(&host, &request, "not one child process fits: with lzma:9 it takes",
                   "--compression lzma:");
    /* and what it names does fit */
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;
    assert_int_equal(sizing_plan(&host, &request, &plan, &err), -1);
    struct sizing_request lower = request;
    char name[8] = {0};
    assert_int_equal(sscanf(strstr(err.text, "--compression ") + 14, "%7s", name), 1);
    assert_int_equal(codec_parse(name, &lower.codec, NULL), 0);
    assert_true(plan_of(&host, &lower).children >= 1);
}

static void test_nothing_fits_at_all(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 256 * MIB;
    expect_refused(&host, &request, "only 0 B may be used", "raise the limit");
    host.available_memory = 0;
    request = request_of("none");
    expect_refused(&host, &request, "not one child process fits", "free some memory");
}

static void test_compression_buffer_overrides_the_level(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");
    uint64_t own = plan_of(&host, &request).encoder_memory;

    (void)state;
    request.compression_buffer = 100 * MIB;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_true(plan.buffer_overridden);
    assert_true(plan.encoder_memory <= 100 * MIB && plan.encoder_memory < own);
    assert_true(plan.encoder_memory > 40 * MIB);
    assert_true(plan.codec.dict_size > 0);
    assert_int_equal(plan.encoder_memory, codec_encoder_memory(&plan.codec));

    request.compression_buffer = 1000;
    expect_refused(&host, &request, "lzma:9", "");
    request = request_of("none");
    request.compression_buffer = MIB;
    expect_refused(&host, &request, "none", "");
    request = request_of("lzma");
    request.compression_buffer = 100 * MIB;
    request.decode = true;
    expect_refused(&host, &request, "decompression", "");
}

static void test_compression_buffer_that_does_not_fit_is_refused(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 600 * MIB;
    request.compression_buffer = 2 * GIB;
    request.chunk_size = 256 * MIB;
    expect_refused(&host, &request, "not one child process fits", "600");
}

static void test_chunk_size_is_checked(void **state)
{
    static const uint64_t bad[] = {1, 32 * KIB, 65537, 100 * KIB, 1 * GIB, UINT64_MAX};
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("none");

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.chunk_size = bad[i];
        expect_refused(&host, &request, "power of two", "64 KiB");
    }
    request.chunk_size = 512 * MIB;
    assert_int_equal(plan_of(&host, &request).chunk_size, 512 * MIB);
    request.children = SIZING_MAX_CHILDREN + 1;
    expect_refused(&host, &request, "too many", "1024");
}

static void test_decoding_takes_the_decoders_memory(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.decode = true;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.encoder_memory, codec_decoder_memory(&request.codec));
    request.memory_limit = 300 * MIB;
    expect_refused(&host, &request, "not one child process fits", "raise the limit");
}

/* ---- the host -------------------------------------------------------------- */

static const char meminfo[] = "MemTotal:        2003968 kB\n"
                              "MemFree:          100000 kB\n"
                              "MemAvailable:    1500000 kB\n"
                              "HugePages_Total:       3\n";

static void test_fields_are_found_by_name(void **state)
{
    uint64_t value = 7;

    (void)state;
    assert_true(sizing_host_field(meminfo, "MemTotal", &value));
    assert_int_equal(value, 1957 * MIB);
    assert_true(sizing_host_field(meminfo, "HugePages_Total", &value));
    assert_int_equal(value, 3);
    assert_true(sizing_host_field("anon 5\nfile 6\n", "file", &value));
    assert_int_equal(value, 6);
    assert_false(sizing_host_field(meminfo, "Mem", &value));
    assert_false(sizing_host_field(meminfo, "Total", &value));
    assert_false(sizing_host_field("MemTotal: x kB", "MemTotal", &value));
    assert_false(sizing_host_field("MemTotal: 99999999999999999999 kB", "MemTotal", &value));
    assert_false(sizing_host_field("MemTotal: 18446744073709551615 kB", "MemTotal", &value));
    assert_false(sizing_host_field("", "MemTotal", &value));
    assert_int_equal(value, 6);
}

static void expect_group(const char *text, const char *controller, const char *path)
{
    CLEANUP_FREE char *group = sizing_host_group(text, controller);

    if (!path)
        assert_null(group);
    else
        assert_string_equal(group, path);
}

static void test_groups_are_found_in_both_layouts(void **state)
{
    static const char v1[] = "12:cpu,cpuacct:/a\n4:memory:/b/c:d\n1:name=systemd:/e\n0::/f\n";

    (void)state;
    expect_group(v1, "cpu", "/a");
    expect_group(v1, "cpuacct", "/a");
    expect_group(v1, "memory", "/b/c:d");
    expect_group(v1, "", "/f");
    expect_group(v1, "blkio", NULL);
    expect_group(v1, "cp", NULL);
    expect_group("0::/user.slice/x.scope\n", "memory", NULL);
    expect_group("0::/user.slice/x.scope\n", "", "/user.slice/x.scope");
    expect_group("0::/../../other", "", "/");
    expect_group("", "", NULL);
    expect_group("nonsense\n:\n", "", NULL);
}

static void test_limits_and_quotas(void **state)
{
    (void)state;
    assert_true(sizing_host_limit("max\n") == UINT64_MAX);
    assert_true(sizing_host_limit("-1\n") == UINT64_MAX);
    assert_true(sizing_host_limit("9223372036854771712\n") == UINT64_MAX);
    assert_true(sizing_host_limit("99999999999999999999999\n") == UINT64_MAX);
    assert_true(sizing_host_limit("") == UINT64_MAX);
    assert_int_equal(sizing_host_limit("1073741824\n"), GIB);
    assert_int_equal(sizing_host_cpu_max("max 100000\n"), UINT_MAX);
    assert_int_equal(sizing_host_cpu_max("200000 100000\n"), 2);
    assert_int_equal(sizing_host_cpu_max("250000 100000\n"), 3);
    assert_int_equal(sizing_host_cpu_max("1000 100000\n"), 1);
    assert_int_equal(sizing_host_cpu_max("1000 0\n"), UINT_MAX);
    assert_int_equal(sizing_host_cpu_max("1000"), UINT_MAX);
}

/* A /proc and /sys of our own. */

static char *root;

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    root = test_path("sizing");
    return mkdir(root, 0700);
}

static int remove_root(void **state)
{
    (void)state;
    int status = nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
    return status;
}

static void write_file(const char *path, const char *text)
{
    CLEANUP_FREE char *whole = mem_printf("%s%s", root, path);

    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    CLEANUP_FCLOSE FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

static struct sizing_host read_host(void)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_host host;

    if (sizing_host_read(root, &host, &err) < 0)
        fail_msg("%s", err.text);
    return host;
}

static void test_a_host_without_limits(void **state)
{
    (void)state;
    write_file("/proc/meminfo", meminfo);
    struct sizing_host host = read_host();
    assert_int_equal(host.total_memory, 1957 * MIB);
    assert_int_equal(host.available_memory, 1500000 * KIB);
    assert_true(host.cgroup_limit == UINT64_MAX);
    assert_int_equal(host.cpus, UINT_MAX);
}

static void test_v2_limits_count_all_the_way_up(void **state)
{
    (void)state;
    write_file("/proc/meminfo", meminfo);
    write_file("/proc/self/cgroup", "0::/a.slice/b.scope\n");
    write_file("/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n");
    write_file("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
    write_file("/sys/fs/cgroup/a.slice/memory.max", "1073741824\n");
    write_file("/sys/fs/cgroup/a.slice/memory.current", "734003200\n"); /* 700 MiB */
    write_file("/sys/fs/cgroup/a.slice/memory.stat",
               "anon 1\ninactive_file 104857600\nactive_file 209715200\n"); /* 300 MiB */
    write_file("/sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
    struct sizing_host host = read_host();
    assert_int_equal(host.cgroup_limit, GIB);
    assert_int_equal(host.available_memory, (1024 - 400) * MIB);
    assert_int_equal(host.cpus, 2);
}

static void test_v2_high_and_the_namespaces_root_count(void **state)
{
    (void)state;
    write_file("/proc/meminfo", meminfo);
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/sys/fs/cgroup/memory.max", "1073741824\n");
    write_file("/sys/fs/cgroup/memory.high", "536870912\n");
    write_file("/sys/fs/cgroup/memory.current", "1073741824\n");
    struct sizing_host host = read_host();
    assert_int_equal(host.cgroup_limit, 512 * MIB);
    assert_int_equal(host.available_memory, 0);
}

static void test_v1_limits_count(void **state)
{
    (void)state;
    write_file("/proc/meminfo", meminfo);
    write_file("/proc/self/cgroup", "4:memory:/x/y\n3:cpu,cpuacct:/x\n0::/\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "838860800\n"); /* 800 MiB */
    write_file("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "209715200\n");
    write_file("/sys/fs/cgroup/memory/x/memory.stat",
               "inactive_file 1\ntotal_inactive_file 104857600\ntotal_active_file 0\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "300000\n");
    write_file("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
    struct sizing_host host = read_host();
    assert_int_equal(host.cgroup_limit, 800 * MIB);
    assert_int_equal(host.available_memory, 700 * MIB);
    assert_int_equal(host.cpus, 3);
}

static void test_a_host_without_meminfo_is_an_error(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_host host;

    (void)state;
    assert_int_equal(sizing_host_read(root, &host, &err), -1);
    assert_non_null(strstr(err.text, "/proc/meminfo"));
}

static void test_this_host_can_be_read(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_host host;

    (void)state;
    assert_int_equal(sizing_read_host(&host, &err), 0);
    assert_true(host.total_memory > 64 * MIB);
    assert_true(host.available_memory <= host.total_memory);
    assert_true(host.cpus >= 1 && host.cpus < 65536);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child_count_follows_the_formula),
        cmocka_unit_test(test_child_count_is_zero_when_nothing_fits),
        cmocka_unit_test(test_a_child_takes_encoder_buffers_and_window),
        cmocka_unit_test(test_a_few_children_more_than_cpus),
        cmocka_unit_test(test_total_is_the_least_of_machine_group_and_limit),
        cmocka_unit_test(test_children_never_take_more_than_is_available),
        cmocka_unit_test(test_no_child_fits_names_a_lower_level),
        cmocka_unit_test(test_nothing_fits_at_all),
        cmocka_unit_test(test_compression_buffer_overrides_the_level),
        cmocka_unit_test(test_compression_buffer_that_does_not_fit_is_refused),
        cmocka_unit_test(test_chunk_size_is_checked),
        cmocka_unit_test(test_decoding_takes_the_decoders_memory),
        cmocka_unit_test(test_fields_are_found_by_name),
        cmocka_unit_test(test_groups_are_found_in_both_layouts),
        cmocka_unit_test(test_limits_and_quotas),
        WITH_ROOT(test_a_host_without_limits),
        WITH_ROOT(test_v2_limits_count_all_the_way_up),
        WITH_ROOT(test_v2_high_and_the_namespaces_root_count),
        WITH_ROOT(test_v1_limits_count),
        WITH_ROOT(test_a_host_without_meminfo_is_an_error),
        cmocka_unit_test(test_this_host_can_be_read),
    };

    return cmocka_run_group_tests_name("mtcp sizing", tests, NULL, NULL);
}
