/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A record: 16 session, 4 length of the list, the list as in the point, 32 SHA-256 over the
 * repository's id, the scope's name and the record up to there.
 */
#include "repository/keep/packs_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "repository/format/limits.h"

#define RECORD_HEAD (ID_SIZE + 4u)

struct packs_cache {
    struct stored_scope scope;
    int dir_fd; /* borrowed */
    char *name; /* owned */
    int fd;
    uint64_t offset; /* behind the last record that is right */
    uint64_t wanted;
    uint64_t unwanted; /* bytes of records */
    struct buf record;
};

static void free_packs_cache(struct packs_cache *cache)
{
    if (cache->fd >= 0)
        close(cache->fd);
    free(cache->name);
    buf_clear(&cache->record);
    free(cache);
}

void packs_cache_close(struct packs_cache *cache)
{
    if (!cache)
        return;
    if (cache->unwanted > cache->wanted)
        (void)unlinkat(cache->dir_fd, cache->name, 0);
    free_packs_cache(cache);
}

int packs_cache_open(int dir_fd, const char *name, const struct stored_scope *scope,
                     struct packs_cache **ret, struct err *err)
{
    struct packs_cache *cache = mem_alloc(sizeof(*cache));

    *cache =
        (struct packs_cache){.scope = *scope, .dir_fd = dir_fd, .name = mem_strdup(name), .fd = -1};
    if (io_open_in(dir_fd, name, O_RDWR | O_CREAT, 0600, &cache->fd, err) < 0) {
        free_packs_cache(cache);
        return err_prefix(err, "cannot open the file '%s' of the state directory", name);
    }
    *ret = cache;
    return 0;
}

static void digest_record(const struct packs_cache *cache, size_t len,
                          uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(digest_freep) struct digest *digest = digest_new();

    digest_add(digest, cache->scope.repository.bytes, ID_SIZE);
    digest_add(digest, cache->scope.name, strlen(cache->scope.name));
    digest_add(digest, cache->record.data, len);
    digest_finish(digest, ret);
}

/* The next record into cache->record, and *ret_len, that of its list; false if there is none that is
 * right. */
static bool read_cache_record(struct packs_cache *cache, size_t *ret_len)
{
    uint8_t sha256[DIGEST_SIZE];
    size_t got = 0;

    cache->record.len = 0;
    uint8_t *head = buf_reserve(&cache->record, RECORD_HEAD);
    if (io_pread_some(cache->fd, head, RECORD_HEAD, cache->offset, &got, NULL) < 0 ||
        got < RECORD_HEAD)
        return false;
    size_t len = get_be32(head + ID_SIZE);
    if (len > LIMITS_PACKS)
        return false;
    cache->record.len = RECORD_HEAD;
    uint8_t *rest = buf_reserve(&cache->record, len + DIGEST_SIZE);
    if (io_pread_some(cache->fd, rest, len + DIGEST_SIZE, cache->offset + RECORD_HEAD, &got, NULL) <
            0 ||
        got < len + DIGEST_SIZE)
        return false;
    digest_record(cache, RECORD_HEAD + len, sha256);
    if (memcmp(sha256, rest + len, DIGEST_SIZE) != 0)
        return false;
    *ret_len = len;
    return true;
}

int packs_cache_next(struct packs_cache *cache, const struct packs_cache_wanted *wanted,
                     struct id *ret_session, struct packs *ret, struct err *err)
{
    size_t len = 0;

    while (read_cache_record(cache, &len)) {
        size_t whole = RECORD_HEAD + len + DIGEST_SIZE;
        memcpy(ret_session->bytes, cache->record.data, ID_SIZE);
        cache->offset += whole;
        if (!wanted->call(wanted->opaque, ret_session)) {
            cache->unwanted += whole;
            continue;
        }
        cache->wanted += whole;
        return packs_parse(cache->record.data + RECORD_HEAD, len, ret, err) < 0 ? -1 : 1;
    }
    if (ftruncate(cache->fd, (off_t)cache->offset) < 0)
        return err_set_errno(err, errno, "cannot cut off the end of '%s' in the state directory",
                             cache->name);
    return 0;
}

int packs_cache_add(struct packs_cache *cache, const struct id *session, const struct packs *packs,
                    struct err *err)
{
    uint8_t sha256[DIGEST_SIZE];

    cache->record.len = 0;
    buf_append(&cache->record, session->bytes, ID_SIZE);
    buf_put_be32(&cache->record, 0);
    packs_format(packs, &cache->record);
    set_be32(cache->record.data + ID_SIZE, (uint32_t)(cache->record.len - RECORD_HEAD));
    digest_record(cache, cache->record.len, sha256);
    buf_append(&cache->record, sha256, sizeof(sha256));
    if (io_pwrite(cache->fd, cache->record.data, cache->record.len, cache->offset, err) < 0)
        return err_prefix(err, "cannot write '%s' in the state directory", cache->name);
    cache->offset += cache->record.len;
    cache->wanted += cache->record.len;
    return 0;
}
