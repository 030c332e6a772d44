/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record_sample.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"

char *sample_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = mem_printf("%s/virt-backup-archive.XXXXXX", base ? base : "/tmp");

    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void sample_remove_folder(char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(path);
}

void sample_write(const char *folder, const char *name, const void *data, size_t len)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, data, len, NULL), 0);
}

char *sample_load(const char *folder, const char *name, size_t *ret_len)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int dir = -1;
    char *data = NULL;

    CHECK(io_open_dir(folder, &dir, &err), &err);
    CHECK(io_read_file(dir, name, 1 << 20, &data, ret_len, &err), &err);
    return data;
}

void sample_check_error(struct err *err, enum err_kind kind, const char *part)
{
    if (err->kind != kind || !strstr(err->text, part))
        fail_msg("'%s' (%s), not '%s' (%s)", err->text, err_kind_name(err->kind), part,
                 err_kind_name(kind));
    err_clear(err);
}

/* ---- manifests ----------------------------------------------------------------- */

static struct xml_doc *parse(const char *text)
{
    struct xml_doc *doc = xml_parse(text, strlen(text), NULL);

    assert_non_null(doc);
    return doc;
}

static struct xml_doc *domain_xml(const char *domain, const char *uuid, const char *more)
{
    struct xml_doc *doc = parse("<domain type='kvm'><name/><uuid/></domain>");
    CLEANUP(xml_freep) struct xml_doc *extra = parse(more);

    xml_set_text(xml_find(xml_root(doc), "name"), domain);
    xml_set_text(xml_find(xml_root(doc), "uuid"), uuid);
    for (struct xml_node *node = xml_first(xml_root(extra)); node; node = xml_next(node))
        xml_add_copy(xml_root(doc), node);
    return doc;
}

struct manifest *sample_manifest(const char *domain, const char *uuid)
{
    struct manifest *manifest = manifest_new();

    manifest->tool_version = mem_strdup("0.1.0");
    manifest->format_version = MANIFEST_FORMAT_VERSION;
    manifest->time = mem_strdup("2024-05-01T10:00:00Z");
    manifest->uri = mem_strdup("qemu:///system");
    manifest->host = mem_strdup("host.example");
    manifest->host_uuid = mem_strdup("6a1b2c3d-0000-4000-8000-00000000000a");
    manifest->domain_name = mem_strdup(domain);
    manifest->domain_uuid = mem_strdup(uuid);
    manifest->domain_type = mem_strdup("kvm");
    manifest->state = STATE_SHUT_OFF;
    manifest->persistent = true;
    manifest->consistency = CONSISTENCY_OFFLINE;
    manifest->sandbox = SANDBOX_FULL;
    manifest->definition = domain_xml(domain, uuid, "<x><devices/></x>");
    return manifest;
}

struct manifest_disk *sample_add_disk(struct manifest *manifest, const char *target,
                                      const void *data, size_t len)
{
    struct manifest_disk *disk = manifest_add_disk(manifest);

    disk->target = mem_strdup(target);
    disk->type = mem_strdup("file");
    disk->path = mem_printf("/images/%s-%s.img", manifest->domain_name, target);
    disk->format = mem_strdup("raw");
    disk->file_size = len;
    disk->stored.file.name = mem_printf("%s-%s.raw", manifest->domain_name, target);
    disk->stored.file.size = len;
    disk->stored.image.chunk_size = CODEC_CHUNK_MIN;
    disk->stored.image.raw_size = len;
    disk->stored.image.has_content = true;
    digest_of(data, len, disk->stored.image.content);
    return disk;
}

static void fill(uint8_t digest[static DIGEST_SIZE], uint8_t first)
{
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        digest[i] = (uint8_t)(first + i);
}

static void fill_owner(struct manifest_owner *owner)
{
    owner->known = true;
    owner->uid = 64055;
    owner->gid = UINT32_MAX - 1;
    owner->user = mem_strdup("libvirt-qemu");
    owner->group = mem_strdup("k\xc3\xbchl & <Co>");
    owner->mode = 04640;
    owner->selinux = mem_strdup("system_u:object_r:svirt_image_t:s0:c1,c2");
}

static void add_full_disks(struct manifest *manifest)
{
    struct manifest_disk *disk = manifest_add_disk(manifest);

    disk->target = mem_strdup("vda");
    disk->type = mem_strdup("volume");
    disk->path = mem_strdup("/images/a 'quoted' \"path\"\twith a tab\nand a line");
    disk->pool = mem_strdup("default");
    disk->volume = mem_strdup("web.qcow2");
    disk->format = mem_strdup("qcow2");
    disk->file_size = 123456789012;
    fill_owner(&disk->owner);
    struct manifest_option *option = manifest_add_option(disk);
    option->name = mem_strdup("cluster_size");
    option->value = mem_strdup("65536");
    option = manifest_add_option(disk);
    option->name = mem_strdup("compat");
    option->value = mem_strdup("1.1");
    disk->stored.file.name = mem_strdup("web-vda.raw.xz");
    disk->stored.file.size = 4096;
    disk->stored.file.has_sha256 = true;
    fill(disk->stored.file.sha256, 1);
    disk->stored.codec =
        (struct codec_spec){.type = CODEC_LZMA, .level = 9, .extreme = true, .dict_size = 1 << 20};
    disk->stored.image.chunk_size = 1 << 23;
    disk->stored.image.raw_size = UINT64_C(20) << 30;
    disk->stored.image.has_content = true;
    fill(disk->stored.image.content, 2);

    disk = sample_add_disk(manifest, "vdb", "abc", 3);
    free(disk->type);
    disk->type = mem_strdup("network");
}

static void add_full_rest(struct manifest *manifest)
{
    struct manifest_stored *memory = mem_alloc(sizeof(*memory));

    memory->file.name = mem_strdup("web.sav");
    memory->file.size = 70000;
    memory->file.has_sha256 = true;
    fill(memory->file.sha256, 3);
    memory->codec = (struct codec_spec){.type = CODEC_ZSTD, .level = 3};
    memory->image.chunk_size = 1 << 20;
    memory->image.raw_size = 100000000;
    memory->image.has_content = true;
    fill(memory->image.content, 4);
    manifest->memory = memory;

    struct manifest_extra *extra = manifest_add_extra(manifest);
    extra->kind = EXTRA_NVRAM;
    extra->path = mem_strdup("/nvram/web_VARS.fd");
    extra->format = mem_strdup("raw");
    fill_owner(&extra->owner);
    extra->stored.file.name = mem_strdup("web-nvram.fd");
    extra->stored.file.size = extra->stored.image.raw_size = 131072;
    extra->stored.file.has_sha256 = true;
    extra->stored.image.chunk_size = 1 << 20;
    fill(extra->stored.file.sha256, 5);
    extra->stored.image.has_content = true;
    fill(extra->stored.image.content, 6);

    struct manifest_left_out *left_out = manifest_add_left_out(manifest);
    left_out->target = mem_strdup("sda");
    left_out->device = mem_strdup("cdrom");
    left_out->path = mem_strdup("/iso/install.iso");
    left_out->reason = mem_strdup("cdrom");
}

struct manifest *sample_full_manifest(void)
{
    struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);

    manifest->state = STATE_PAUSED;
    manifest->autostart = true;
    manifest->consistency = CONSISTENCY_CRASH;
    manifest->sandbox = SANDBOX_FOREIGN;
    manifest->has_downtime = true;
    manifest->downtime_ms = 312;
    add_full_disks(manifest);
    add_full_rest(manifest);
    xml_free(manifest->definition);
    manifest->definition = domain_xml(
        "web", SAMPLE_UUID,
        "<x><title>a &lt;title&gt; with \"quotes\" &amp; &#xfc;mlauts</title>"
        "<metadata><app:mine xmlns:app='http://example.org/app'><app:x "
        "y='z'/></app:mine></metadata>"
        "<devices><disk type='file'/></devices>"
        "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-S'/>"
        "</q:commandline></x>");
    manifest->live = domain_xml("web", SAMPLE_UUID, "<x><cpu mode='custom'/></x>");
    return manifest;
}

const struct seal_key sample_key = {"the secret of a host, 32 bytes.."};

char *sample_format(const struct manifest *manifest, size_t *ret_len)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct buf text = {0};

    CHECK(manifest_format(manifest, NULL, &text, &err), &err);
    *ret_len = text.len;
    return buf_take_str(&text);
}

char *sample_forge(const char *text, const char *from, const char *to)
{
    static const char mark[] = " sha256=\"";
    const char *at = strstr(text, from);
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    struct buf forged = {0};

    assert_non_null(at);
    buf_append(&forged, text, (size_t)(at - text));
    buf_append_str(&forged, to);
    buf_append_str(&forged, at + strlen(from));
    CLEANUP_FREE char *whole = buf_take_str(&forged);
    const char *digits = strstr(whole, mark) + strlen(mark);
    buf_append(&forged, whole, (size_t)(digits - whole));
    buf_append_str(&forged, digits + 64);
    digest_of(forged.data, forged.len, sha256);
    digest_to_hex(sha256, hex);
    memcpy(whole + (digits - whole), hex, 64);
    buf_clear(&forged);
    return TAKE_PTR(whole);
}

void sample_check_forged(const char *text, const char *from, const char *to, enum err_kind kind,
                         const char *part)
{
    CLEANUP_FREE char *forged = sample_forge(text, from, to);
    struct manifest *parsed = NULL;
    struct err err = ERR_INIT;

    CHECK_FAILS(
        manifest_read(&(struct xml_text){.text = forged, .len = strlen(forged)}, &parsed, &err),
        &err, kind, part);
}

void sample_check_forgeries(const struct manifest *manifest, const struct sample_forgery *forgeries,
                            size_t count)
{
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    for (size_t i = 0; i < count; i++)
        sample_check_forged(text, forgeries[i].from, forgeries[i].to, ERR_CORRUPT,
                            forgeries[i].part);
}
