/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "archive/image.h"
#include "record/sav.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/codec.h"

#define CHUNK_SIZE CODEC_CHUNK_MIN
#define UUID_TAIL "-8d54-4b7f-9c0a-1d2e3f405162"
#define RAW_SIZE (8 * KIB)
#define NVRAM_SIZE (2 * KIB)
#define ENCODED_SIZE (2 * CHUNK_SIZE + 6 * KIB)
#define MEMORY_SIZE (CHUNK_SIZE + 2 * KIB)

const char *const sample_names[SAMPLE_KINDS] = {"raw", "lzma", "zstd", "memory", "mixed"};

void sample_fail(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err && err->text ? err->text : "failed");
    exit(2);
}

/* A little of what does not compress, text, and zeros. */
static uint8_t *content(size_t len, unsigned seed)
{
    static const char text[] = "what is on a disk compresses well; ";
    uint8_t *data = mem_alloc(len);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < len; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        if (i % CHUNK_SIZE < 512)
            data[i] = (uint8_t)state;
        else if (i % CHUNK_SIZE < 3 * KIB)
            data[i] = (uint8_t)text[(i + seed) % (sizeof(text) - 1)];
    }
    return data;
}

struct making {
    struct backup_set *set;
    struct manifest *manifest;
    const char *domain;
    unsigned variant;
};

static void store(struct making *making, char *name, const struct codec_spec *codec,
                  const struct buf *head, const uint8_t *data, size_t len,
                  struct manifest_stored *ret)
{
    struct err err = ERR_INIT;
    struct image_writer *writer = NULL;
    struct encoder *encoder = encoder_new(codec, CHUNK_SIZE, &err);
    size_t cap = codec_result_bound(codec, CHUNK_SIZE);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);
    struct codec_room room = {result, cap};
    struct image_file file = {.path = name};
    const struct image_layout layout = {*codec, CHUNK_SIZE, len, head->data, head->len};

    if (!encoder || backup_set_create(making->set, name, &file.fd, &err) < 0 ||
        image_writer_new(&file, &layout, &writer, &err) < 0)
        sample_fail(name, &err);
    const struct chunk_sink sink = image_writer_sink(writer);
    for (size_t at = 0; at < len; at += CHUNK_SIZE) {
        size_t part = len - at < CHUNK_SIZE ? len - at : CHUNK_SIZE;
        if (encoder_encode(encoder, data + at, part, &room, &err) < 0)
            sample_fail(name, &err);
        const struct chunk_output output = {
            .id = at / CHUNK_SIZE, .count = 1, .data = result, .len = room.len};
        if (sink.put(sink.opaque, &output, &err) < 0)
            sample_fail(name, &err);
        sink.chain(sink.opaque, result, 1);
    }
    if (image_writer_finish(writer, ret, &err) < 0)
        sample_fail(name, &err);
    ret->file.name = name;
    image_writer_free(writer);
    encoder_free(encoder);
}

static void add_disk(struct making *making, const char *target, const char *codec_text,
                     const uint8_t *data, size_t len)
{
    struct manifest_disk *disk = manifest_add_disk(making->manifest);
    const struct buf no_head = {0};
    struct codec_spec codec = {0};
    struct err err = ERR_INIT;

    if (codec_parse(codec_text, &codec, &err) < 0)
        sample_fail(codec_text, &err);
    disk->target = mem_strdup(target);
    disk->type = mem_strdup("file");
    disk->path = mem_printf("/images/%s-%s.img", making->domain, target);
    disk->format = mem_strdup("raw");
    disk->file_size = len;
    store(making, archive_disk_name(making->domain, target, codec.type, NULL), &codec, &no_head,
          data, len, &disk->stored);
}

static void add_nvram(struct making *making)
{
    CLEANUP_FREE uint8_t *data = content(NVRAM_SIZE, making->variant + 100);
    struct manifest_extra *extra = manifest_add_extra(making->manifest);
    const struct codec_spec none = {0};
    const struct buf no_head = {0};

    extra->kind = EXTRA_NVRAM;
    extra->path = mem_printf("/nvram/%s.fd", making->domain);
    extra->format = mem_strdup("raw");
    store(making, archive_extra_name(making->domain, EXTRA_NVRAM, NULL), &none, &no_head, data,
          NVRAM_SIZE, &extra->stored);
    digest_of(data, NVRAM_SIZE, extra->stored.file.sha256);
    extra->stored.file.has_sha256 = true;
}

static struct xml_doc *definition(const struct making *making, const char *uuid)
{
    CLEANUP_FREE char *text = mem_printf(
        "<domain type='kvm'><name>%s</name><uuid>%s</uuid><devices><disk type='file' "
        "device='disk'><source file='/images/%s-vda.img'/><target dev='vda'/></disk></devices>"
        "</domain>",
        making->domain, uuid, making->domain);

    return xml_parse(text, strlen(text), NULL);
}

static void add_memory(struct making *making, const uint8_t *data, const char *uuid)
{
    const struct codec_spec codec = {.type = CODEC_LZMA, .level = 0};
    CLEANUP_BUF struct buf head = {0};
    struct err err = ERR_INIT;

    making->manifest->memory = mem_alloc(sizeof(*making->manifest->memory));
    making->manifest->live = definition(making, uuid);
    CLEANUP_FREE char *xml = xml_format(making->manifest->live);
    if (sav_format_head(xml, "<cookie/>", true, SAV_XZ, &head, &err) < 0)
        sample_fail("save image", &err);
    store(making, archive_memory_name(making->domain, NULL), &codec, &head, data, MEMORY_SIZE,
          making->manifest->memory);
}

/* Whoever looks for damage has no key. */
static const struct seal_key key = {"the secret of a host, 32 bytes.."};

static struct manifest *new_manifest(struct making *making, const char *uuid, bool running)
{
    struct manifest *manifest = manifest_new();

    manifest->tool_version = mem_strdup("0.1.0");
    manifest->format_version = MANIFEST_FORMAT_VERSION;
    manifest->seal_key = &key;
    manifest->time = mem_printf("2024-05-%02uT10:00:00Z", making->variant % 28 + 1);
    manifest->uri = mem_strdup("qemu:///system");
    manifest->host = mem_strdup("host.example");
    manifest->domain_name = mem_strdup(making->domain);
    manifest->domain_uuid = mem_strdup(uuid);
    manifest->domain_type = mem_strdup("kvm");
    manifest->state = running ? STATE_RUNNING : STATE_SHUT_OFF;
    manifest->persistent = true;
    manifest->consistency = running ? CONSISTENCY_PAUSE : CONSISTENCY_OFFLINE;
    manifest->definition = definition(making, uuid);
    return manifest;
}

/* kind SAMPLE_KINDS: a guest without a file. */
static void back_up(const char *path, const char *domain, enum sample_kind kind, unsigned variant,
                    struct sample *ret)
{
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
    CLEANUP_FREE char *uuid = mem_printf("%08x%s", (unsigned)strlen(domain), UUID_TAIL);
    struct making making = {.domain = domain, .variant = variant};
    bool memory = kind == SAMPLE_MEMORY || kind == SAMPLE_MIXED;
    struct err err = ERR_INIT;

    ret->vda_len = kind == SAMPLE_RAW || kind == SAMPLE_MIXED ? RAW_SIZE : ENCODED_SIZE;
    ret->vda = content(ret->vda_len, variant);
    ret->memory_len = MEMORY_SIZE;
    ret->memory = content(ret->memory_len, variant + 200);
    const struct backup_set_request request = {.domain = domain, .uuid = uuid};
    if (archive_writer_open(path, NULL, &writer, &err) < 0 ||
        backup_set_begin(writer, &request, &making.set, &err) < 0)
        sample_fail(path, &err);
    making.manifest = new_manifest(&making, uuid, memory);
    if (kind == SAMPLE_RAW || kind == SAMPLE_MIXED)
        add_disk(&making, "vda", "none", ret->vda, ret->vda_len);
    if (kind == SAMPLE_LZMA || kind == SAMPLE_ZSTD)
        add_disk(&making, "vda", kind == SAMPLE_LZMA ? "lzma:0" : "zstd:1", ret->vda, ret->vda_len);
    if (kind == SAMPLE_MIXED) {
        add_disk(&making, "vdb", "lzma:0", ret->memory, MEMORY_SIZE);
        add_disk(&making, "vdc", "zstd:1", ret->memory, MEMORY_SIZE);
    }
    if (kind == SAMPLE_RAW || kind == SAMPLE_MIXED)
        add_nvram(&making);
    if (memory)
        add_memory(&making, ret->memory, uuid);
    if (backup_set_commit(making.set, making.manifest, &err) < 0)
        sample_fail(path, &err);
    manifest_free(making.manifest);
}

void sample_make(const char *path, enum sample_kind kind, unsigned variant, struct sample *ret)
{
    struct sample other = {0};

    *ret = (struct sample){.path = mem_strdup(path)};
    back_up(path, "web", kind, variant, ret);
    back_up(path, "other", SAMPLE_KINDS, variant, &other);
    sample_clear(&other);
    if (kind == SAMPLE_MEMORY)
        free(TAKE_PTR(ret->vda));
    if (kind != SAMPLE_MEMORY && kind != SAMPLE_MIXED)
        free(TAKE_PTR(ret->memory));
}

void sample_add(const struct sample *sample, const char *domain, enum sample_kind kind,
                unsigned variant)
{
    struct sample added = {0};

    back_up(sample->path, domain, kind, variant, &added);
    sample_clear(&added);
}

void sample_clear(struct sample *sample)
{
    free(sample->path);
    free(sample->vda);
    free(sample->memory);
    *sample = (struct sample){0};
}
