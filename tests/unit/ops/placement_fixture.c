/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void add_disk(struct manifest *manifest, const char *target, const char *type,
                     const char *path, const char *format)
{
    struct manifest_disk *disk = manifest_add_disk(manifest);

    disk->target = mem_strdup(target);
    disk->type = mem_strdup(type);
    disk->path = mem_strdup(path);
    disk->format = mem_strdup(format);
}

int placement_fixture_setup(void **state, const char *domain)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    struct manifest *manifest = manifest_new();

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/vb-placement-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    manifest->domain_name = mem_strdup("web");
    manifest->domain_uuid = mem_strdup("11111111-2222-4333-8444-555555555555");
    manifest->persistent = true;
    manifest->definition = xml_parse(domain, strlen(domain), NULL);
    add_disk(manifest, "vda", "file", "/old/one/disk.qcow2", "qcow2");
    add_disk(manifest, "vdb", "file", "/old/two/disk.qcow2", "raw");
    add_disk(manifest, "vdc", "block", "/dev/loop7", "raw");
    struct manifest_extra *extra = manifest_add_extra(manifest);
    extra->kind = EXTRA_NVRAM;
    extra->path = mem_strdup("/old/web_VARS.fd");
    fixture->manifest = manifest;
    *state = fixture;
    return 0;
}

int placement_fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    manifest_free(fixture->manifest);
    claims_clear(&fixture->claims);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

int place_as(struct fixture *fixture, const char *name, const struct restore_options *options,
             struct placement *ret, struct err *err)
{
    const struct placement_request request = {name, fixture->manifest, options, &fixture->claims};

    return placement_make(&request, ret, err);
}

int place(struct fixture *fixture, const struct restore_options *options, struct placement *ret,
          struct err *err)
{
    return place_as(fixture, "web", options, ret, err);
}

void assert_place(const struct fixture *fixture, const char *path, const char *name)
{
    CLEANUP_FREE char *wanted = mem_printf("%s/%s", fixture->folder, name);

    assert_string_equal(path, wanted);
}
