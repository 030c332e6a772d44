/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checkpoints of a hypervisor that knows neither them nor snapshots, as libvirt's drivers for Xen and
 * LXC: there are none, which is no failure.
 */
#include "guest/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "fake_libvirt.h"
#include "guest/hypervisor.h"

#define NAME "vb-0123456789abcdef-00112233445566778899aabbccddeeff"

/* ---- libvirt's functions ----------------------------------------------------------------------- */

static int code;

int virDomainListAllSnapshots(virDomainPtr domain, virDomainSnapshotPtr **ret, unsigned flags)
{
    (void)domain;
    (void)ret;
    (void)flags;
    return fake_libvirt_fail(code, VIR_FROM_NONE, "no snapshots");
}

int virDomainListAllCheckpoints(virDomainPtr domain, virDomainCheckpointPtr **ret, unsigned flags)
{
    (void)domain;
    (void)ret;
    (void)flags;
    return fake_libvirt_fail(code, VIR_FROM_NONE, "no checkpoints");
}

virDomainCheckpointPtr virDomainCheckpointLookupByName(virDomainPtr domain, const char *name,
                                                       unsigned flags)
{
    (void)domain;
    (void)name;
    (void)flags;
    (void)fake_libvirt_fail(code, VIR_FROM_NONE, "no such checkpoint");
    return NULL;
}

/* ---- tests ------------------------------------------------------------------------------------- */

struct answers {
    int listed;
    int safe;
    int deleted;
    bool is_safe;
    size_t count;
};

static struct answers ask(int with_code)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = NULL;
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_STRINGS struct strings names = {0};
    const struct strings targets = {0};
    const struct guest_checkpoint checkpoint = {NAME, &targets};
    struct answers answers = {0};
    bool off = false;

    code = with_code;
    assert_int_equal(hypervisor_open("test:///default", &hypervisor, NULL), 0);
    assert_int_equal(guest_find(hypervisor, "test", &guest, NULL), 0);
    answers.safe = guest_checkpoint_is_safe(guest, &answers.is_safe, NULL);
    answers.listed = guest_checkpoint_list(guest, NULL, &names, NULL);
    answers.deleted = guest_checkpoint_delete(guest, &checkpoint, &off, NULL);
    answers.count = names.count;
    return answers;
}

static void who_knows_no_checkpoints_has_none(void **state)
{
    static const int codes[] = {VIR_ERR_NO_SUPPORT, VIR_ERR_OPERATION_UNSUPPORTED};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        struct answers answers = ask(codes[i]);
        assert_int_equal(answers.safe, 0);
        assert_true(answers.is_safe);
        assert_int_equal(answers.listed, 0);
        assert_int_equal(answers.count, 0);
        assert_int_equal(answers.deleted, 0);
    }
}

static void who_fails_to_tell_may_have_some(void **state)
{
    (void)state;
    struct answers answers = ask(VIR_ERR_OPERATION_FAILED);
    assert_int_equal(answers.safe, -1);
    assert_int_equal(answers.listed, -1);
    assert_int_equal(answers.deleted, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_no_checkpoints_has_none),
        cmocka_unit_test(who_fails_to_tell_may_have_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
