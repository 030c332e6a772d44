/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <fcntl.h>
#include <string.h>

#include "base/io.h"

struct xml_doc *sample_load(const char *name)
{
    CLEANUP_CLOSE int dir = open(SAMPLES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    assert_true(dir >= 0);
    assert_int_equal(io_read_file(dir, name, XML_MAX_SIZE, &text, &len, &err), 0);
    return sample_parse(text);
}

struct xml_doc *sample_parse(const char *text)
{
    struct xml_doc *doc = xml_parse(text, strlen(text), NULL);

    assert_non_null(doc);
    return doc;
}

struct xml_doc *sample_devices(const char *text)
{
    CLEANUP_FREE char *whole = mem_printf("<domain><devices>%s</devices></domain>", text);

    return sample_parse(whole);
}

struct xml_node *sample_disk(const struct xml_doc *doc, const char *target)
{
    struct xml_node *disk = xml_find(xml_root(doc), "devices/disk");

    while (disk && strcmp(xml_find_attr(disk, "target", "dev"), target) != 0)
        disk = xml_next_same(disk);
    assert_non_null(disk);
    return disk;
}

const struct definition_disk *sample_find(const struct definition_disks *disks, const char *target)
{
    const struct definition_disk *found = NULL;

    for (size_t i = 0; i < disks->count; i++)
        if (strcmp(disks->disks[i].target, target) == 0)
            found = &disks->disks[i];
    assert_non_null(found);
    return found;
}

void sample_expect(struct err *err, enum err_kind kind, const char *part)
{
    assert_non_null(err->text);
    assert_string_equal(err_kind_name(err->kind), err_kind_name(kind));
    if (!strstr(err->text, part))
        fail_msg("the error is \"%s\", without \"%s\"", err->text, part);
    assert_null(strchr(err->text, '\n'));
    err_clear(err);
}
