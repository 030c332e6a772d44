/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "archive/image.h"
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

char *sample_read(const char *folder, const char *name, size_t *ret_len)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &st), 0);
    char *data = mem_alloc((size_t)st.st_size + 1);
    assert_int_equal(io_read(fd, data, (size_t)st.st_size, NULL), 0);
    if (ret_len)
        *ret_len = (size_t)st.st_size;
    return data;
}

bool sample_exists(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

char *sample_names(const char *folder)
{
    struct dirent **entries = NULL;
    struct buf text = {0};
    int count = scandir(folder, &entries, not_dots, by_bytes);

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "%s%s", i ? " " : "", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    buf_append_str(&text, "");
    return text.data ? buf_take_str(&text) : mem_strdup("");
}

void sample_check_names(const char *folder, const char *expected)
{
    CLEANUP_FREE char *names = sample_names(folder);

    assert_string_equal(names, expected);
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
    disk->stored.name = archive_disk_name(manifest->domain_name, target, CODEC_NONE, NULL);
    disk->stored.size = len;
    disk->stored.chunk_size = CODEC_CHUNK_MIN;
    disk->stored.raw_size = len;
    digest_of(data, len, disk->stored.content);
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
    disk->stored.name = mem_strdup("web-vda.raw.xz");
    disk->stored.size = 4096;
    disk->stored.has_sha256 = true;
    fill(disk->stored.sha256, 1);
    disk->stored.codec =
        (struct codec_spec){.type = CODEC_LZMA, .level = 9, .extreme = true, .dict_size = 1 << 20};
    disk->stored.chunk_size = 1 << 23;
    disk->stored.raw_size = UINT64_C(20) << 30;
    fill(disk->stored.content, 2);

    disk = sample_add_disk(manifest, "vdb", "abc", 3);
    free(disk->type);
    disk->type = mem_strdup("network");
}

static void add_full_rest(struct manifest *manifest)
{
    struct manifest_stored *memory = mem_alloc(sizeof(*memory));

    memory->name = mem_strdup("web.sav");
    memory->size = 70000;
    memory->has_sha256 = true;
    fill(memory->sha256, 3);
    memory->codec = (struct codec_spec){.type = CODEC_ZSTD, .level = 3};
    memory->chunk_size = 1 << 20;
    memory->raw_size = 100000000;
    fill(memory->content, 4);
    manifest->memory = memory;

    struct manifest_extra *extra = manifest_add_extra(manifest);
    extra->kind = mem_strdup("nvram");
    extra->path = mem_strdup("/nvram/web_VARS.fd");
    extra->format = mem_strdup("raw");
    fill_owner(&extra->owner);
    extra->stored.name = mem_strdup("web-nvram.fd");
    extra->stored.size = extra->stored.raw_size = 131072;
    extra->stored.has_sha256 = true;
    extra->stored.chunk_size = 1 << 20;
    fill(extra->stored.sha256, 5);
    fill(extra->stored.content, 6);

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

char *sample_format(const struct manifest *manifest, size_t *ret_len)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct buf text = {0};

    CHECK(manifest_format(manifest, &text, &err), &err);
    *ret_len = text.len;
    return buf_take_str(&text);
}

/* ---- whole backups ------------------------------------------------------------- */

int sample_backup(struct archive_writer *writer, const char *domain, const char *uuid,
                  const char *tag, const char *const *targets, bool replace, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest(domain, uuid);
    CLEANUP(backup_set_abortp) struct backup_set *set = NULL;

    if (backup_set_begin(writer, domain, uuid, replace, &set, err) < 0)
        return -1;
    for (; *targets; targets++) {
        CLEANUP_FREE char *data = mem_printf("%s %s", tag, *targets);
        const struct manifest_disk *disk = sample_add_disk(manifest, *targets, data, strlen(data));
        int fd = -1;
        if (backup_set_create(set, disk->stored.name, &fd, err) < 0 ||
            io_write(fd, data, strlen(data), err) < 0)
            return -1;
    }
    return backup_set_commit(TAKE_PTR(set), manifest, err);
}

struct archive_writer *sample_open_writer(const char *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct archive_writer *writer = NULL;

    CHECK(archive_writer_open(folder, &writer, &err), &err);
    return writer;
}

struct archive_reader *sample_open_reader(const char *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct archive_reader *reader = NULL;

    CHECK(archive_reader_open(folder, &reader, &err), &err);
    return reader;
}

void sample_back_up(const char *folder, const char *domain, const char *uuid, const char *tag,
                    const char *const *targets, bool replace)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);

    CHECK(sample_backup(writer, domain, uuid, tag, targets, replace, &err), &err);
}

void sample_check_list(const char *folder, const char *expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CLEANUP_BUF struct buf text = {0};
    char **names = NULL;
    size_t count = 0;

    CHECK(archive_reader_list(reader, &names, &count, &err), &err);
    buf_append(&text, "", 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? " " : "", names[i]);
    buf_put_u8(&text, 0);
    archive_names_free(names, count);
    assert_string_equal((const char *)text.data, expected);
}

void sample_check_backup(const char *folder, const char *domain, const char *tag,
                         const char *const *targets)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    size_t count = 0;

    CHECK(archive_reader_open(folder, &reader, &err), &err);
    CHECK(archive_reader_manifest(reader, domain, &manifest, &err), &err);
    for (; *targets; targets++, count++) {
        CLEANUP_FREE char *data = mem_printf("%s %s", tag, *targets);
        CLEANUP_CLOSE int fd = -1;
        char stored[64] = "";
        uint8_t content[DIGEST_SIZE];

        assert_true(count < manifest->disk_count);
        CHECK(archive_reader_open_file(reader, &manifest->disks[count].stored, &fd, &err), &err);
        CHECK(io_read(fd, stored, strlen(data), &err), &err);
        assert_string_equal(stored, data);
        digest_of(stored, strlen(stored), content);
        assert_memory_equal(content, manifest->disks[count].stored.content, DIGEST_SIZE);
    }
    assert_int_equal(manifest->disk_count, count);
}

void sample_write_image(int fd, const struct codec_spec *spec, const uint8_t *image, size_t len,
                        const char *head, struct manifest_stored *ret)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(spec, SAMPLE_CHUNK, &err);
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;
    size_t cap = codec_result_bound(spec, SAMPLE_CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);

    CHECK(image_writer_new(fd, spec, SAMPLE_CHUNK, len, head, strlen(head), &writer, &err), &err);
    for (size_t offset = 0; offset < len; offset += SAMPLE_CHUNK) {
        size_t piece = len - offset < SAMPLE_CHUNK ? len - offset : SAMPLE_CHUNK;
        size_t result_len = 0;
        CHECK(encoder_encode(encoder, image + offset, piece, result, cap, &result_len, &err), &err);
        const struct image_result part = {result, result_len, NULL};
        CHECK(image_writer_put(writer, offset / SAMPLE_CHUNK, &part, &err), &err);
        image_writer_chain(writer, result, 1);
    }
    CHECK(image_writer_finish(writer, ret, &err), &err);
}
