/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the state of an emulated TPM is restored to, by any version of libvirt. The
 * connection is to libvirt's test driver, and made to look like a session's of QEMU.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest/connection.h"
#include "ops/restore/job.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define OLD_LIBVIRT 9000000
#define NEW_LIBVIRT 10010000

struct fixture {
    char folder[64];
    struct restore_options options;
    struct restore_run run;
    struct restore_job job;
    struct manifest *manifest; /* the job's */
    struct err err;
};

static void use_tpm(struct fixture *fixture, const char *version, const char *source)
{
    CLEANUP_FREE char *text =
        mem_printf("<domain type='qemu'><name>web</name><uuid>" UUID "</uuid><devices><tpm>"
                   "<backend type='emulator' version='%s'>%s</backend></tpm></devices></domain>",
                   version, source);

    xml_free(fixture->manifest->definition);
    fixture->manifest->definition = xml_parse(text, strlen(text), NULL);
}

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    struct hypervisor *hypervisor = NULL;

    *fixture = (struct fixture){.folder = "/tmp/vb-tpm-XXXXXX", .err = ERR_INIT};
    if (!mkdtemp(fixture->folder) || hypervisor_open("test:///default", &hypervisor, NULL) < 0)
        return -1;
    setenv("XDG_CONFIG_HOME", fixture->folder, 1);
    free(hypervisor->uri);
    hypervisor->uri = mem_strdup("qemu:///session");
    atomic_store(&hypervisor->version, NEW_LIBVIRT);
    fixture->options.destination = fixture->folder;
    fixture->run.options = &fixture->options;
    fixture->run.hypervisor = hypervisor;
    fixture->job.run = &fixture->run;
    fixture->manifest = manifest_new();
    fixture->job.manifest = fixture->manifest;
    fixture->job.placement.name = mem_strdup("web");
    fixture->job.placement.uuid = mem_strdup(UUID);
    fixture->job.placement.folder = mem_strdup(fixture->folder);
    use_tpm(fixture, "2.0", "");
    manifest_add_extra(fixture->manifest)->kind = EXTRA_TPM;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    manifest_free(fixture->manifest);
    placement_clear(&fixture->job.placement);
    claims_clear(&fixture->run.claims);
    target_clear(&fixture->job.target);
    hypervisor_close(fixture->run.hypervisor);
    err_clear(&fixture->err);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void place_well(struct fixture *fixture)
{
    if (restore_tpm_place(&fixture->job, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

static void assert_path(const struct fixture *fixture, const char *path, const char *below)
{
    CLEANUP_FREE char *wanted = mem_printf("%s/%s", fixture->folder, below);

    assert_non_null(path);
    assert_string_equal(path, wanted);
}

static void it_goes_where_libvirt_looks_for_it(void **state)
{
    struct fixture *fixture = *state;

    place_well(fixture);
    assert_path(fixture, fixture->job.placement.tpm,
                "libvirt/qemu/swtpm/" UUID "/tpm2/tpm2-00.permall");
    assert_null(fixture->job.placement.tpm_source);
    assert_int_equal(fixture->job.placement.replaced.count, 0);
}

static void a_folder_that_the_xml_names_goes_to_the_destination(void **state)
{
    struct fixture *fixture = *state;

    use_tpm(fixture, "1.2", "<source type='dir' path='/etc'/>");
    place_well(fixture);
    assert_path(fixture, fixture->job.placement.tpm, "web-tpm/tpm-00.permall");
    assert_path(fixture, fixture->job.placement.tpm_source, "web-tpm");
}

static void a_file_that_the_xml_names_goes_to_the_destination(void **state)
{
    struct fixture *fixture = *state;

    use_tpm(fixture, "2.0", "<source type='file' path='/etc/shadow'/>");
    place_well(fixture);
    assert_path(fixture, fixture->job.placement.tpm, "web-tpm.state");
    assert_path(fixture, fixture->job.placement.tpm_source, "web-tpm.state");
}

static void what_is_in_the_destination_is_not_overwritten(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *path = mem_printf("%s/web-tpm.state", fixture->folder);

    use_tpm(fixture, "2.0", "<source type='file' path='/old'/>");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    int result = restore_tpm_place(&fixture->job, &fixture->err);
    unlink(path);
    assert_int_equal(result, -1);
    assert_int_equal(fixture->err.kind, ERR_EXISTS);
    assert_non_null(strstr(fixture->err.text, path));
}

static void an_older_libvirt_takes_a_folder_and_no_file(void **state)
{
    struct fixture *fixture = *state;

    atomic_store(&fixture->run.hypervisor->version, OLD_LIBVIRT);
    use_tpm(fixture, "2.0", "<source type='dir' path='/old'/>");
    place_well(fixture);
    assert_path(fixture, fixture->job.placement.tpm,
                "libvirt/qemu/swtpm/" UUID "/tpm2/tpm2-00.permall");
    assert_null(fixture->job.placement.tpm_source);
    use_tpm(fixture, "2.0", "<source type='file' path='/old'/>");
    assert_int_equal(restore_tpm_place(&fixture->job, &fixture->err), -1);
    assert_int_equal(fixture->err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(fixture->err.text, "10.10"));
}

static void an_unknown_place_is_refused(void **state)
{
    struct fixture *fixture = *state;

    use_tpm(fixture, "2.0", "<source type='cloud' path='x'/>");
    assert_int_equal(restore_tpm_place(&fixture->job, &fixture->err), -1);
    assert_int_equal(fixture->err.kind, ERR_UNSUPPORTED);
}

static void without_a_stored_state_only_a_named_place_moves(void **state)
{
    struct fixture *fixture = *state;
    struct manifest *manifest = fixture->manifest;

    manifest->extras[0].kind = EXTRA_NVRAM;
    place_well(fixture);
    assert_null(fixture->job.placement.tpm);
    use_tpm(fixture, "2.0", "<source type='dir' path='/old'/>");
    place_well(fixture);
    assert_null(fixture->job.placement.tpm);
    assert_path(fixture, fixture->job.placement.tpm_source, "web-tpm");
}

/* Places it where a state is already, with the guest that is replaced (NULL: none). */
static int place_over(struct fixture *fixture, const char *replaced)
{
    CLEANUP_FREE char *file = mem_printf("%s/libvirt/qemu/swtpm/%s/tpm2/tpm2-00.permall",
                                         fixture->folder, fixture->job.placement.uuid);
    size_t above = strlen(fixture->folder);

    if (replaced)
        assert_int_equal(
            guest_find(fixture->run.hypervisor, replaced, &fixture->job.target.replaced, NULL), 0);
    for (char *slash = strchr(file + above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_int_equal(mkdir(file, 0700), 0);
        *slash = '/';
    }
    close(open(file, O_CREAT | O_WRONLY, 0600));
    int result = restore_tpm_place(&fixture->job, &fixture->err);
    for ((void)unlink(file); strlen(file) > above; (void)rmdir(file))
        *strrchr(file, '/') = '\0';
    return result;
}

static void a_state_that_is_there_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(place_over(fixture, NULL), -1);
    assert_int_equal(fixture->err.kind, ERR_EXISTS);
    assert_non_null(strstr(fixture->err.text, "--new-name"));
}

static void a_guest_with_another_uuid_is_no_reason_to_replace_it(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(place_over(fixture, "test"), -1);
    assert_int_equal(fixture->err.kind, ERR_EXISTS);
}

static void the_state_of_the_guest_that_is_replaced_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(guest_freep) struct guest *guest = NULL;
    struct placement *placement = &fixture->job.placement;

    assert_int_equal(guest_find(fixture->run.hypervisor, "test", &guest, NULL), 0);
    free(placement->uuid);
    placement->uuid = mem_strdup(guest_uuid(guest));
    if (place_over(fixture, "test") < 0)
        fail_msg("%s", fixture->err.text);
    assert_true(placement_replaces(placement, placement->tpm));
}

static void disks_alone_need_no_tpm(void **state)
{
    struct fixture *fixture = *state;
    const char *const disks[] = {"vda"};

    fixture->options.disks = (struct name_list){disks, 1};
    place_well(fixture);
    assert_null(fixture->job.placement.tpm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes_where_libvirt_looks_for_it),
        TEST(a_folder_that_the_xml_names_goes_to_the_destination),
        TEST(a_file_that_the_xml_names_goes_to_the_destination),
        TEST(what_is_in_the_destination_is_not_overwritten),
        TEST(an_older_libvirt_takes_a_folder_and_no_file),
        TEST(an_unknown_place_is_refused),
        TEST(without_a_stored_state_only_a_named_place_moves),
        TEST(a_state_that_is_there_is_refused),
        TEST(a_guest_with_another_uuid_is_no_reason_to_replace_it),
        TEST(the_state_of_the_guest_that_is_replaced_is_replaced),
        TEST(disks_alone_need_no_tpm),
    };

    return cmocka_run_group_tests_name("ops restore_tpm", tests, NULL, NULL);
}
