/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A collection in the state directory, for a later run to go on with it. Integers are big-endian:
 *   8 "VBCOLL1\n", 16 id of the repository, 8 when it began, 16 token;
 *   4 number of points to be removed, of each 16 guest, 16 session;
 *   4 number of slots that were filled, of each 16 guest, 16 session, 1 whether it was a tombstone;
 *   4 number of sessions to wait for, of each 16 guest, 16 session, 8 first look, 8 since, 4 packs;
 *   4 number of sessions that have candidates, of each 16 session, 4 number of packs, of each 4 number,
 *     4 size;
 *   32 SHA-256 of the scope's name and all bytes before.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "repository/keep/collection.h"

static const char state_magic[] = "VBCOLL1\n";
#define STATE_MAGIC_SIZE 8u
#define TOKEN_SIZE (NAME_RANDOM_SIZE - 1u)
#define STATE_MAX ((size_t)1 << 30)

char *collection_file_name(const struct collection *work, const char *kind)
{
    char id[ID_TEXT_SIZE];

    return mem_printf("%s-%s-%s", kind, id_text(&work->scope.repository, id), work->scope.name);
}

static void digest_state(const struct collection *work, const void *data, size_t len,
                         uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(digest_freep) struct digest *digest = digest_new();

    digest_add(digest, work->scope.name, strlen(work->scope.name));
    digest_add(digest, data, len);
    digest_finish(digest, ret);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_point_id(struct buf *buf, const struct point_id *point)
{
    buf_append(buf, point->guest.bytes, ID_SIZE);
    buf_append(buf, point->session.bytes, ID_SIZE);
}

static void put_candidates(struct buf *buf, const struct pack_set *set)
{
    buf_put_be32(buf, set->session_count);
    for (uint32_t i = 0; i < set->session_count; i++) {
        const struct pack_set_session *session = &set->sessions[i];
        buf_append(buf, session->session.bytes, ID_SIZE);
        buf_put_be32(buf, session->count);
        for (uint32_t place = session->first; place < session->first + session->count; place++) {
            buf_put_be32(buf, set->numbers[place]);
            buf_put_be32(buf, set->sizes[place]);
        }
    }
}

int collection_save(const struct collection *work, struct err *err)
{
    CLEANUP_FREE char *name = collection_file_name(work, "collection");
    CLEANUP_BUF struct buf buf = {0};
    uint8_t sha256[DIGEST_SIZE];

    buf_append(&buf, state_magic, STATE_MAGIC_SIZE);
    buf_append(&buf, work->scope.repository.bytes, ID_SIZE);
    buf_put_be64(&buf, (uint64_t)work->begun_ms);
    buf_append(&buf, work->token, TOKEN_SIZE);
    buf_put_be32(&buf, (uint32_t)work->taken.count);
    for (size_t i = 0; i < work->taken.count; i++)
        put_point_id(&buf, &work->taken.items[i].point);
    buf_put_be32(&buf, (uint32_t)work->listed.count);
    for (size_t i = 0; i < work->listed.count; i++) {
        put_point_id(&buf, &work->listed.items[i].point);
        buf_put_u8(&buf, work->listed.items[i].tombstone);
    }
    buf_put_be32(&buf, (uint32_t)work->waits.count);
    for (size_t i = 0; i < work->waits.count; i++) {
        const struct collection_wait *wait = &work->waits.items[i];
        put_point_id(&buf, &wait->point);
        buf_put_be64(&buf, (uint64_t)wait->first_ms);
        buf_put_be64(&buf, (uint64_t)wait->since_ms);
        buf_put_be32(&buf, wait->packs);
    }
    put_candidates(&buf, &work->candidates);
    digest_state(work, buf.data, buf.len, sha256);
    buf_append(&buf, sha256, sizeof(sha256));
    struct io_file file = {
        .name = name, .data = buf.data, .len = buf.len, .mode = 0600, .replace = true};
    return io_publish(work->settings->state_fd, &file, err) < 0
               ? err_prefix(err, "cannot save the collection in the state directory")
               : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct point_id get_point_id(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, 2 * ID_SIZE);
    struct point_id point = {0};

    if (bytes) {
        memcpy(point.guest.bytes, bytes, ID_SIZE);
        memcpy(point.session.bytes, bytes + ID_SIZE, ID_SIZE);
    }
    return point;
}

static void get_slots(struct reader *reader, bool with_kind, struct collection_slots *slots)
{
    uint32_t count = reader_be32(reader);

    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct point_id point = get_point_id(reader);
        collection_slots_add(slots, &point, with_kind && reader_u8(reader) != 0);
    }
}

static void get_waits(struct reader *reader, struct collection_waits *waits)
{
    uint32_t count = reader_be32(reader);

    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        struct collection_wait wait = {.point = get_point_id(reader)};
        wait.first_ms = (int64_t)reader_be64(reader);
        wait.since_ms = (int64_t)reader_be64(reader);
        wait.packs = reader_be32(reader);
        waits->items = mem_resize(waits->items, waits->count + 1, sizeof(*waits->items));
        waits->items[waits->count++] = wait;
    }
}

static int get_candidates(struct reader *reader, struct pack_set *set, struct err *err)
{
    uint32_t sessions = reader_be32(reader);

    for (uint32_t i = 0; i < sessions && !reader->failed; i++) {
        const uint8_t *bytes = reader_bytes(reader, ID_SIZE);
        uint32_t count = reader_be32(reader);
        struct id session = {0};
        if (bytes)
            memcpy(session.bytes, bytes, ID_SIZE);
        for (uint32_t j = 0; j < count && !reader->failed; j++) {
            uint32_t number = reader_be32(reader);
            uint32_t size = reader_be32(reader);
            if (!reader->failed && pack_set_add(set, &session, number, size, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int parse_state(struct collection *work, const char *data, size_t len, struct err *err)
{
    uint8_t sha256[DIGEST_SIZE];
    struct reader reader;

    if (len < STATE_MAGIC_SIZE + ID_SIZE + DIGEST_SIZE)
        return err_set(err, ERR_CORRUPT, "too short");
    digest_state(work, data, len - DIGEST_SIZE, sha256);
    if (memcmp(sha256, data + len - DIGEST_SIZE, DIGEST_SIZE) != 0 ||
        memcmp(data, state_magic, STATE_MAGIC_SIZE) != 0 ||
        memcmp(data + STATE_MAGIC_SIZE, work->scope.repository.bytes, ID_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "its SHA-256 is wrong");
    reader = reader_of(data, len - DIGEST_SIZE);
    (void)reader_bytes(&reader, STATE_MAGIC_SIZE + ID_SIZE);
    work->begun_ms = (int64_t)reader_be64(&reader);
    const uint8_t *token = reader_bytes(&reader, TOKEN_SIZE);
    if (token)
        memcpy(work->token, token, TOKEN_SIZE);
    get_slots(&reader, false, &work->taken);
    get_slots(&reader, true, &work->listed);
    get_waits(&reader, &work->waits);
    if (get_candidates(&reader, &work->candidates, err) < 0)
        return -1;
    return reader_check(&reader, "it", err);
}

static int expect_state(struct collection *work, const char *name, struct err *err)
{
    struct stat st;

    if (fstatat(work->settings->state_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    return (uint64_t)st.st_size > STATE_MAX ? 0
                                            : collect_expect_state(work, (uint64_t)st.st_size, err);
}

int collection_load(struct collection *work, bool *ret, struct err *err)
{
    CLEANUP_FREE char *name = collection_file_name(work, "collection");
    CLEANUP_FREE char *data = NULL;
    CLEANUP_ERR struct err failure = ERR_INIT;
    size_t len = 0;

    *ret = false;
    if (expect_state(work, name, &failure) < 0 ||
        io_read_file(work->settings->state_fd, name, STATE_MAX, &data, &len, &failure) < 0) {
        if (failure.kind == ERR_NOT_FOUND)
            return 0;
        if (failure.kind == ERR_UNSUPPORTED)
            return err_move(err, &failure);
        err_move(err, &failure);
        return err_prefix(err, "cannot read '%s' in the state directory", name);
    }
    if (parse_state(work, data, len, err) < 0)
        return -1;
    *ret = true;
    return 0;
}

int collection_forget(const struct collection *work, struct err *err)
{
    CLEANUP_FREE char *name = collection_file_name(work, "collection");

    if (unlinkat(work->settings->state_fd, name, 0) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove '%s' from the state directory", name);
    return io_sync_dir(work->settings->state_fd, err) < 0 ? err_prefix(err, "the state directory")
                                                          : 0;
}
