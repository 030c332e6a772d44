/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Media of a definition from outside: a drive keeps what is surely one, and is emptied else.
 */
#include "sample.h"

#include "guest/definition/check.h"

#define IMAGES "/var/lib/libvirt/images/"

static void drives_whose_media_could_be_anything_are_emptied(void **state)
{
    static const struct {
        const char *disk;
        bool kept;
    } cases[] = {
        {"<disk type='file' device='cdrom'><source file='/etc/shadow'/>", false},
        {"<disk type='file' device='cdrom'><source file='" IMAGES "../x.iso'/>", false},
        {"<disk type='file' device='cdrom'><driver type='qcow2'/><source file='" IMAGES "x.iso'/>",
         false},
        {"<disk type='block' device='cdrom'><source dev='/dev/sda'/>", false},
        {"<disk type='network' device='cdrom'><source protocol='http' name='/x.iso'><host "
         "name='h'/></source>",
         false},
        {"<disk type='dir' device='floppy'><driver type='fat'/><source dir='/etc'/>", false},
        {"<disk type='file' device='floppy'><source file='" IMAGES "x.vfd'/>", false},
        {"<disk type='file' device='cdrom'><source file='" IMAGES "x.iso'/>", true},
        {"<disk type='volume' device='cdrom'><source pool='p' volume='x.iso'/>", true},
        {"<disk type='file' device='cdrom'>", true},
    };
    const struct definition_host host = {.name = "web"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP_FREE char *text = mem_printf(
            "<domain><devices>%s<target dev='sda'/></disk></devices></domain>", cases[i].disk);
        CLEANUP(xml_freep) struct xml_doc *doc = sample_parse(text);
        CLEANUP_FINDINGS struct definition_findings findings = {0};
        CLEANUP_STRINGS struct strings emptied = {0};
        definition_eject_media(doc, &host, &emptied);
        assert_int_equal(emptied.count, !cases[i].kept);
        assert_int_equal(strings_has(&emptied, "sda"), !cases[i].kept);
        if (!cases[i].kept)
            assert_null(xml_find(xml_root(doc), "devices/disk/source"));
        definition_check(doc, &host, &findings);
        assert_int_equal(findings.count, 0);
    }
}

static void a_disk_is_no_medium(void **state)
{
    CLEANUP(xml_freep)
    struct xml_doc *doc = sample_parse("<domain><devices><disk type='file' device='disk'>"
                                       "<source file='/etc/x.iso'/><target dev='vda'/></disk>"
                                       "</devices></domain>");
    const struct definition_host host = {.name = "web"};
    CLEANUP_STRINGS struct strings emptied = {0};

    (void)state;
    definition_eject_media(doc, &host, &emptied);
    assert_int_equal(emptied.count, 0);
    assert_non_null(xml_find(xml_root(doc), "devices/disk/source"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drives_whose_media_could_be_anything_are_emptied),
        cmocka_unit_test(a_disk_is_no_medium),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
