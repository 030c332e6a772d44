/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer_world.h"

#include "codec/chunk_digest.h"
#include "record/content_digest.h"

static const struct children_options options = {.children = 2};
static struct spawner *spawner;
struct children children;
char from[96], to[96];
static char folder[64];

struct image stored;
static struct codec_spec codec;
struct manifest_image facts;

/* ---- the report ---------------------------------------------------------------------- */

struct progress last;
unsigned ticks;

static void on_progress(void *opaque, const struct progress *progress)
{
    (void)opaque;
    last = *progress;
    ticks++;
}

static const struct report report = {.progress = on_progress};

struct transfer transfer = {
    .children = &children, .report = &report, .guest = "web", .what = "vda"};

/* ---- set-up --------------------------------------------------------------------------- */

int start_all(void **state)
{
    (void)state;
    spawner = spawner_start(NULL, NULL);
    return spawner ? 0 : -1;
}

int end_all(void **state)
{
    (void)state;
    spawner_free(spawner);
    return 0;
}

void write_content(const char *path, uint64_t start)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CLEANUP_FREE uint8_t *data = mem_alloc(CHUNK);

    assert_true(fd >= 0);
    for (uint64_t id = 0; id < image_chunks(&stored); id++) {
        if (image_kind(&stored, id) != 'd')
            continue;
        image_fill(&stored, id, data);
        ssize_t len = image_raw_len(&stored, id);
        assert_int_equal(pwrite(fd, data, (size_t)len, (off_t)(start + id * CHUNK)), len);
    }
    assert_int_equal(ftruncate(fd, (off_t)(start + stored.raw_size)), 0);
}

bool same_content(const char *path, uint64_t start)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE uint8_t *data = mem_alloc(CHUNK);
    CLEANUP_FREE uint8_t *expected = mem_alloc(CHUNK);
    bool same = fd >= 0;

    for (uint64_t id = 0; same && id < image_chunks(&stored); id++) {
        ssize_t len = image_raw_len(&stored, id);
        image_fill(&stored, id, expected);
        same = pread(fd, data, (size_t)len, (off_t)(start + id * CHUNK)) == len &&
               memcmp(data, expected, (size_t)len) == 0;
    }
    return same;
}

static void note_facts(void)
{
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    CLEANUP(chunk_digest_freep) struct chunk_digest *chunk = chunk_digest_new();
    CLEANUP_FREE uint8_t *data = mem_alloc(CHUNK);
    uint8_t digest[DIGEST_SIZE];

    for (uint64_t id = 0; id < image_chunks(&stored); id++) {
        image_fill(&stored, id, data);
        chunk_digest_of(chunk, data, image_raw_len(&stored, id), digest);
        content_digest_add(content, digest, 1);
    }
    facts = (struct manifest_image){
        .raw_size = stored.raw_size, .chunk_size = CHUNK, .has_content = true};
    content_digest_finish(content, facts.content);
}

int set_up(void **state)
{
    (void)state;
    quit_forget();
    if (quit_install(NULL) < 0 || codec_parse("zstd:1", &codec, NULL) < 0)
        return -1;
    snprintf(folder, sizeof(folder), "/tmp/test-transfer.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(from, sizeof(from), "%s/from.raw", folder);
    snprintf(to, sizeof(to), "%s/to.raw", folder);
    children = (struct children){.spawner = spawner, .options = &options};
    image_init(&stored, PATTERN, CHUNKS, TAIL);
    stored.name = "/archive/web-vda.zst";
    ticks = 0;
    last = (struct progress){0};
    note_facts();
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    children_end(&children);
    image_clear(&stored);
    unlink(from);
    unlink(to);
    close(quit_fd());
    return rmdir(folder);
}

static uint64_t stored_bytes(void *opaque)
{
    const struct image *image = opaque;

    return image->puts; /* any number that can be told apart */
}

static struct chunk_sink store_sink(void)
{
    struct chunk_sink sink = image_sink(&stored);

    sink.stored = stored_bytes;
    return sink;
}

void expect_error(const struct err *err, enum err_kind kind, const char *part)
{
    assert_int_equal(err->kind, kind);
    const char *first = strstr(err->text, part);
    if (!first || strstr(first + 1, part))
        fail_msg("'%s' is not once in: %s", part, err->text);
}

/* ---- in and out ------------------------------------------------------------------------- */

int put_in(const struct chunk_source *source, struct err *err)
{
    const struct chunk_sink sink = store_sink();

    assert_int_equal(children_pool(&children, &codec, CHUNK, CHUNKS, err), 0);
    return transfer_in(&transfer, source, &sink, err);
}

int disk_in(uint64_t shrunk_to, struct err *err)
{
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    struct disk_chunks disk;

    write_content(from, 0);
    assert_int_equal(disk_reader_open(from, "raw", &reader, err), 0);
    if (shrunk_to)
        assert_int_equal(truncate(from, (off_t)shrunk_to), 0);
    const struct chunk_source source = disk_chunks_source(&disk, reader, CHUNK, false);
    assert_int_equal(source.raw_size, stored.raw_size);
    return put_in(&source, err);
}

void store_it(void)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (disk_in(0, &err) < 0)
        fail_msg("%s", err.text);
}

int take_out(struct chunk_source *source, const struct chunk_sink *sink, struct err *err)
{
    children_end(&children);
    children.decode = true;
    stored.results = stored.stored;
    source->opaque = &stored;
    assert_int_equal(children_pool(&children, &codec, CHUNK, 0, err), 0);
    return transfer_out(&transfer, source, sink, &facts, err);
}

struct chunk_source store_source(void)
{
    stored.results = stored.stored;
    return image_source(&stored);
}

int out_in_memory(struct err *err)
{
    struct chunk_source source = store_source();

    return take_out(&source, NULL, err);
}
