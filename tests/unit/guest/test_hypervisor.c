/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Connections, against libvirt's test driver, which runs in this process.
 */
#include "sample.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

#include "base/quit.h"
#include "guest/guest.h"
#include "guest/hypervisor.h"

#define NODE "test://" SAMPLES "/node.xml"

static struct hypervisor *open_node(void)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor *hypervisor = NULL;

    if (hypervisor_open(NODE, &hypervisor, &err) < 0)
        fail_msg("%s", err.text);
    return hypervisor;
}

static void a_connection_knows_where_it_is(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();

    (void)state;
    assert_string_equal(hypervisor_uri(hypervisor), NODE);
    assert_true(hypervisor_version(hypervisor) > 1000000);
    assert_int_not_equal(strlen(hypervisor_host(hypervisor)), 0);
}

static void the_default_uri_is_libvirts(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = NULL;

    (void)state;
    setenv("LIBVIRT_DEFAULT_URI", "test:///default", 1);
    assert_int_equal(hypervisor_open(NULL, &hypervisor, NULL), 0);
    assert_string_equal(hypervisor_uri(hypervisor), "test:///default");
    unsetenv("LIBVIRT_DEFAULT_URI");
}

static void connections_can_be_open_together_and_one_after_the_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        CLEANUP(hypervisor_closep) struct hypervisor *first = open_node();
        CLEANUP(hypervisor_closep) struct hypervisor *second = open_node();
        assert_ptr_not_equal(first, second);
    }
    hypervisor_close(NULL);
}

/* ---- what else runs when a connection is closed ------------------------------------------------ */

static unsigned count_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static struct {
    unsigned limit;   /* threads that may run when a connection is closed; 0: any number */
    unsigned threads; /* that ran */
} closing;

int __wrap_virConnectClose(virConnectPtr connection);
int __real_virConnectClose(virConnectPtr connection);

/* A thread that was joined may be listed a little longer. */
int __wrap_virConnectClose(virConnectPtr connection)
{
    for (unsigned i = 0; closing.limit > 0 && i < 1000; i++) {
        closing.threads = count_threads();
        if (closing.threads <= closing.limit)
            break;
        usleep(1000);
    }
    return __real_virConnectClose(connection);
}

static void the_event_loop_stands_still_when_the_last_connection_is_closed(void **state)
{
    unsigned ours = count_threads();
    struct hypervisor *first = open_node();
    struct hypervisor *second = open_node();

    (void)state;
    closing.limit = ours + 2; /* the loop and what watches the limits of calls */
    hypervisor_close(first);
    assert_int_equal(closing.threads, ours + 2);
    closing.limit = ours + 1;
    hypervisor_close(second);
    assert_int_equal(closing.threads, ours + 1);
    closing.limit = 0;
}

static void check_refused(const char *uri, const char *server)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor *hypervisor = NULL;

    assert_int_equal(hypervisor_open(uri, &hypervisor, &err), -1);
    CLEANUP_FREE char *part =
        mem_printf("the disk images are on %s, so run virt-backup there", server);
    sample_expect(&err, ERR_UNSUPPORTED, part);
}

static void uris_of_other_hosts_are_refused_unasked(void **state)
{
    (void)state;
    check_refused("qemu+ssh://web.example/system", "web.example");
    check_refused("qemu+ssh://root@web.example:2222/system?keyfile=/k", "web.example");
    check_refused("qemu+tls://web.example/system", "web.example");
    check_refused("qemu+tcp://[2001:db8::7]:16509/system", "2001:db8::7");
    check_refused("qemu://10.0.0.1/system", "10.0.0.1");
    check_refused("xen+libssh2://web.example", "web.example");
    check_refused("esx://vcenter.example/dc/host?no_verify=1", "vcenter.example");
    check_refused("qemu://127.0.0.1.example/system", "127.0.0.1.example");
    check_refused("qemu://localhost.example/system", "localhost.example");
    setenv("LIBVIRT_DEFAULT_URI", "qemu+ssh://web.example/system", 1);
    check_refused(NULL, "web.example");
    unsetenv("LIBVIRT_DEFAULT_URI");
}

/* The test driver takes no server; that it, or a socket, is asked shows that the
 * URI was not refused before. */
static void uris_of_this_host_are_tried(void **state)
{
    char own[256] = "";
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor *hypervisor = NULL;

    (void)state;
    assert_int_equal(gethostname(own, sizeof(own) - 1), 0);
    CLEANUP_FREE char *by_name = mem_printf("qemu+tcp://%s:1/system", own);
    const char *const uris[] = {"qemu+tcp://localhost:1/system", "qemu+tcp://127.0.0.1:1/system",
                                "qemu+tcp://u@[::1]:1/system",
                                "qemu+unix:///system?socket=/nonexistent/socket", by_name};
    for (size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
        assert_int_equal(hypervisor_open(uris[i], &hypervisor, &err), -1);
        sample_expect(&err, ERR_IO, "cannot connect to libvirt at");
    }
}

static void an_unreachable_libvirt_is_told_with_the_remedy(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor *hypervisor = NULL;

    (void)state;
    assert_int_equal(
        hypervisor_open("qemu+unix:///system?socket=/nonexistent/socket", &hypervisor, &err), -1);
    sample_expect(&err, ERR_IO, "is libvirtd (or virtqemud) running?");
    assert_int_equal(hypervisor_open("nothing", &hypervisor, &err), -1);
    sample_expect(&err, ERR_USAGE, "nothing");
}

static void all_guests_are_listed_by_name(void **state)
{
    static const char *const names[] = {".a", "b \"two\", 100%s", "c", "d", "ä"};
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();
    struct guest **guests = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(hypervisor_list(hypervisor, &guests, &count, NULL), 0);
    assert_int_equal(count, sizeof(names) / sizeof(*names));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(guest_name(guests[i]), names[i]);
    guest_list_free(guests, count);
}

static void a_volume_is_resolved(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();
    CLEANUP_HYPERVISOR_VOLUME struct hypervisor_volume volume = {0};

    (void)state;
    assert_int_equal(hypervisor_volume(hypervisor, "images", "v 1.qcow2", &volume, NULL), 0);
    assert_string_equal(volume.path, "/images/v 1.qcow2");
    assert_string_equal(volume.format, "qcow2");
    assert_string_equal(volume.type, "file");
}

static void a_missing_volume_or_pool_is_named(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor_volume volume = {0};

    (void)state;
    assert_int_equal(hypervisor_volume(hypervisor, "images", "none", &volume, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "volume 'none' of storage pool 'images'");
    assert_int_equal(hypervisor_volume(hypervisor, "gone", "v", &volume, &err), -1);
    sample_expect(&err, ERR_NOT_FOUND, "storage pool 'gone'");
}

static void what_the_host_has_is_told_from_what_it_lacks(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();

    (void)state;
    assert_int_equal(hypervisor_has(hypervisor, HOST_NETWORK, "inner"), HOST_HAS);
    assert_int_equal(hypervisor_has(hypervisor, HOST_NETWORK, "default"), HOST_LACKS);
    assert_int_equal(hypervisor_has(hypervisor, HOST_POOL, "images"), HOST_HAS);
    assert_int_equal(hypervisor_has(hypervisor, HOST_POOL, "iso"), HOST_LACKS);
    assert_int_equal(hypervisor_has(hypervisor, HOST_INTERFACE, "lo"), HOST_HAS);
    assert_int_equal(hypervisor_has(hypervisor, HOST_INTERFACE, "virbr7"), HOST_LACKS);
    assert_int_equal(hypervisor_has_volume(hypervisor, "images", "v 1.qcow2"), HOST_HAS);
    assert_int_equal(hypervisor_has_volume(hypervisor, "images", "v 2.qcow2"), HOST_LACKS);
    assert_int_equal(hypervisor_has_volume(hypervisor, "iso", "v 1.qcow2"), HOST_LACKS);
}

static void what_libvirt_cant_tell_counts_as_there(void **state)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = open_node();
    bool can = false;

    (void)state; /* the test driver has no secrets */
    assert_int_equal(hypervisor_has(hypervisor, HOST_SECRET_USAGE, "ceph"), HOST_HAS);
    assert_int_equal(
        hypervisor_has(hypervisor, HOST_SECRET_UUID, "00000000-0000-4000-8000-0000000000cc"),
        HOST_HAS);
    assert_int_equal(hypervisor_can_open(hypervisor, "/nonexistent", &can, NULL), 0);
    assert_true(can);
}

/* The last test: the signal stays. */
static void a_signal_ends_the_wait_for_a_libvirt_that_never_answers(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *tmp = getenv("TMPDIR");
    CLEANUP_FREE char *folder = mem_printf("%.40s/test-hypervisor-XXXXXX", tmp ? tmp : "/tmp");
    CLEANUP_ERR struct err err = ERR_INIT;
    struct hypervisor *hypervisor = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    CLEANUP_CLOSE int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(silent, 5), 0);
    assert_int_equal(quit_install(NULL), 0);
    assert_int_equal(raise(SIGTERM), 0);
    CLEANUP_FREE char *uri = mem_printf("qemu+unix:///system?socket=%s", address.sun_path);
    assert_int_equal(hypervisor_open(uri, &hypervisor, &err), -1);
    sample_expect(&err, ERR_CANCELLED, "SIGTERM");
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_knows_where_it_is),
        cmocka_unit_test(the_default_uri_is_libvirts),
        cmocka_unit_test(connections_can_be_open_together_and_one_after_the_other),
        cmocka_unit_test(the_event_loop_stands_still_when_the_last_connection_is_closed),
        cmocka_unit_test(uris_of_other_hosts_are_refused_unasked),
        cmocka_unit_test(uris_of_this_host_are_tried),
        cmocka_unit_test(an_unreachable_libvirt_is_told_with_the_remedy),
        cmocka_unit_test(all_guests_are_listed_by_name),
        cmocka_unit_test(a_volume_is_resolved),
        cmocka_unit_test(a_missing_volume_or_pool_is_named),
        cmocka_unit_test(what_the_host_has_is_told_from_what_it_lacks),
        cmocka_unit_test(what_libvirt_cant_tell_counts_as_there),
        cmocka_unit_test(a_signal_ends_the_wait_for_a_libvirt_that_never_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
