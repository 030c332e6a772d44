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
#include "mtcp/sizing.h"
#include "mtcp/sizing_host.h"

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

    return cmocka_run_group_tests_name("mtcp sizing_host", tests, NULL, NULL);
}
