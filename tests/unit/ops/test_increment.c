/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each condition of an increment, taken away by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "ops/backup/increment.h"

#define OWNER "0123456789abcdef"
#define NAME "vb-" OWNER "-00112233445566778899aabbccddeeff"
#define OTHER "vb-" OWNER "-ffeeddccbbaa99887766554433221100"
#define OLDER "01a2249b445a789c4fafc1b175d626ef"
#define NEWER "01a2249c00000000000000000000000a"

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static struct trust base;

/* All is as it was. */
static struct increment_facts sound_facts(void)
{
    base = (struct trust){
        .checkpoint = text(NAME),
        .bitmap = text(NAME),
        .granularity = 65536,
        .size = 1 << 20,
        .path = text("/images/web.qcow2"),
        .format = text("qcow2"),
        .host = text("alpha"),
        .has_inode = true,
        .inode = 17,
        .redefine = text("<domaincheckpoint/>"),
    };
    return (struct increment_facts){
        .base = &base,
        .owner = OWNER,
        .host = "alpha",
        .path = "/images/web.qcow2",
        .format = "qcow2",
        .size = 1 << 20,
        .has_inode = true,
        .inode = 17,
        .noted = OLDER,
        .base_id = OLDER,
        .state = GUEST_CHECKPOINT_FOUND,
    };
}

static void all_conditions_hold(void **state)
{
    struct increment_facts facts = sound_facts();

    (void)state;
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    facts.state = GUEST_CHECKPOINT_REDEFINED;
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    facts.noted = NULL; /* the state directory is new */
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    facts.has_inode = base.has_inode = false;
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    assert_null(increment_reason(INCREMENT_SOUND));
}

static void take_base(struct increment_facts *facts)
{
    facts->base = NULL;
}
static void ask_for_all(struct increment_facts *facts)
{
    facts->full_read = true;
}
static void change_owner(struct increment_facts *facts)
{
    facts->owner = "fedcba9876543210";
}
static void change_name(struct increment_facts *facts)
{
    (void)facts;
    base.checkpoint = text("backup.1");
}
static void change_bitmap(struct increment_facts *facts)
{
    (void)facts;
    base.bitmap = text(OTHER);
}
static void change_path(struct increment_facts *facts)
{
    facts->path = "/images/web.overlay";
}
static void take_path(struct increment_facts *facts)
{
    facts->path = NULL;
}
static void change_format(struct increment_facts *facts)
{
    facts->format = "raw";
}
static void grow(struct increment_facts *facts)
{
    facts->size++;
}
static void shrink(struct increment_facts *facts)
{
    facts->size--;
}
static void change_inode(struct increment_facts *facts)
{
    facts->inode++;
}
static void take_inode(struct increment_facts *facts)
{
    facts->has_inode = false;
}
static void take_base_inode(struct increment_facts *facts)
{
    (void)facts;
    base.has_inode = false;
}
static void set_back(struct increment_facts *facts)
{
    facts->noted = NEWER;
}
static void spoil_note(struct increment_facts *facts)
{
    facts->noted = "g";
}
static void take_writing(struct increment_facts *facts)
{
    facts->read_only = true;
    facts->state = GUEST_CHECKPOINT_ABSENT;
}
static void lose_checkpoint(struct increment_facts *facts)
{
    facts->state = GUEST_CHECKPOINT_ABSENT;
}
static void break_bitmap(struct increment_facts *facts)
{
    facts->state = GUEST_CHECKPOINT_BROKEN;
}
static void change_witness(struct increment_facts *facts)
{
    facts->witnesses_differ = true;
}

static void each_condition_is_needed(void **state)
{
    static const struct {
        void (*take)(struct increment_facts *facts);
        enum increment_doubt doubt;
        bool told;
    } cases[] = {
        {take_base, INCREMENT_UNKNOWN, false},
        {ask_for_all, INCREMENT_REFUSED, false},
        {change_owner, INCREMENT_FOREIGN, true},
        {change_name, INCREMENT_FOREIGN, true},
        {change_bitmap, INCREMENT_FOREIGN, true},
        {change_path, INCREMENT_PATH, true},
        {take_path, INCREMENT_PATH, true},
        {change_format, INCREMENT_FORMAT, true},
        {grow, INCREMENT_SIZE, true},
        {shrink, INCREMENT_SIZE, true},
        {change_inode, INCREMENT_INODE, true},
        {take_inode, INCREMENT_INODE, true},
        {take_base_inode, INCREMENT_INODE, true},
        {set_back, INCREMENT_NOTE, true},
        {spoil_note, INCREMENT_NOTE, true},
        {take_writing, INCREMENT_READ_ONLY, true},
        {lose_checkpoint, INCREMENT_ABSENT, true},
        {break_bitmap, INCREMENT_BROKEN, true},
        {change_witness, INCREMENT_WITNESS, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct increment_facts facts = sound_facts();
        cases[i].take(&facts);
        if (increment_judge(&facts) != cases[i].doubt)
            fail_msg("case %zu: %d", i, increment_judge(&facts));
        assert_int_equal(increment_reason(cases[i].doubt) != NULL, cases[i].told);
    }
}

/* A guest that has moved: inodes say nothing, and the other host has made newer points. */
static void another_host_has_other_inodes(void **state)
{
    struct increment_facts facts = sound_facts();

    (void)state;
    facts.host = "beta";
    facts.inode++;
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    facts = sound_facts();
    base.host = text("beta");
    facts.has_inode = false;
    facts.base_id = NEWER;
    assert_int_equal(increment_judge(&facts), INCREMENT_SOUND);
    facts.path = "/other/web.qcow2";
    assert_int_equal(increment_judge(&facts), INCREMENT_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_conditions_hold),
        cmocka_unit_test(each_condition_is_needed),
        cmocka_unit_test(another_host_has_other_inodes),
    };

    return cmocka_run_group_tests_name("ops increment", tests, NULL, NULL);
}
