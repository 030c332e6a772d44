/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/claims.h"

#include <string.h>
#include <sys/stat.h>

#include "archive/names.h"

static bool same_device(const char *a, const char *b)
{
    struct stat of_a;
    struct stat of_b;

    return stat(a, &of_a) == 0 && S_ISBLK(of_a.st_mode) && stat(b, &of_b) == 0 &&
           S_ISBLK(of_b.st_mode) && of_a.st_rdev == of_b.st_rdev;
}

bool claims_has(const struct claims *claims, const char *path)
{
    for (size_t i = 0; i < claims->count; i++)
        if (strcmp(claims->list[i].path, path) == 0 || same_device(claims->list[i].path, path))
            return true;
    return false;
}

static struct claim *claim_new(struct claims *claims, const char *path, const char *guest)
{
    claims->list = mem_resize(claims->list, claims->count + 1, sizeof(*claims->list));
    claims->list[claims->count] =
        (struct claim){.path = mem_strdup(path), .guest = mem_strdup(guest)};
    return &claims->list[claims->count++];
}

void claims_add(struct claims *claims, const char *path, const char *guest)
{
    claim_new(claims, path, guest);
}

void claims_add_shareable(struct claims *claims, const char *path, const char *guest,
                          const struct manifest_disk *disk)
{
    struct claim *claim = claim_new(claims, path, guest);

    claim->original = mem_strdup(disk->path);
    claim->image = disk->stored.image;
    claim->format = mem_strdup(disk->format);
}

const struct claim *claims_find_shared(const struct claims *claims, const char *guest,
                                       const struct manifest_disk *disk, bool *ret_same)
{
    const struct manifest_image *image = &disk->stored.image;
    const struct claim *other = NULL;

    *ret_same = false;
    for (size_t i = 0; i < claims->count && !*ret_same; i++) {
        const struct claim *claim = &claims->list[i];
        if (!claim->original || strcmp(claim->guest, guest) == 0 ||
            strcmp(claim->original, disk->path) != 0)
            continue;
        other = claim;
        *ret_same =
            strcmp(claim->format, disk->format) == 0 && claim->image.raw_size == image->raw_size &&
            claim->image.chunk_size == image->chunk_size && claim->image.has_content &&
            image->has_content && memcmp(claim->image.content, image->content, DIGEST_SIZE) == 0;
    }
    return other;
}

char *claims_free_path(const struct claims *claims, const char *folder, const char *stem,
                       const char *suffix, struct err *err)
{
    for (unsigned n = 1;; n++) {
        CLEANUP_FREE char *name =
            n == 1 ? mem_printf("%s%s", stem, suffix) : mem_printf("%s-%u%s", stem, n, suffix);
        if (archive_check_name(name, err) < 0)
            return NULL;
        CLEANUP_FREE char *path = mem_printf("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
        if (!claims_has(claims, path))
            return TAKE_PTR(path);
    }
}

static void claim_clear(struct claim *claim)
{
    free(claim->path);
    free(claim->guest);
    free(claim->original);
    free(claim->format);
}

void claims_release(struct claims *claims, const char *guest)
{
    size_t kept = 0;

    for (size_t i = 0; i < claims->count; i++)
        if (strcmp(claims->list[i].guest, guest) == 0)
            claim_clear(&claims->list[i]);
        else
            claims->list[kept++] = claims->list[i];
    claims->count = kept;
}

void claims_clear(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++)
        claim_clear(&claims->list[i]);
    free(claims->list);
    *claims = (struct claims){0};
}
