/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "repository/point_writer.h"
#include "repository/session.h"
#include "storm.h"
#include "../unit/chance.h"

static int look_at_storm(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int read_storm(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    (void)cap;
    (void)err;
    storm_image_chunk(opaque, id, data);
    *ret_len = STORM_CHUNK;
    *ret_kind = CHUNK_DATA;
    return 0;
}

static struct id guest_of(unsigned number)
{
    struct id id = {.bytes = "storm guest"};

    id.bytes[ID_SIZE - 1] = (uint8_t)number;
    return id;
}

static int write_image(struct point_writer *writer, struct storm_image *image, struct err *err)
{
    const struct chunk_source source = {.opaque = image,
                                        .count = STORM_CHUNKS,
                                        .chunk_size = STORM_CHUNK,
                                        .raw_size = STORM_SIZE,
                                        .look = look_at_storm,
                                        .read = read_storm};
    const struct point_image disk = {.target = "vda", .source = &source, .codec = CODEC_NONE};
    struct point_plugs plugs;
    struct point_image_written written;

    if (point_writer_begin_image(writer, &disk, &plugs, err) < 0 ||
        storm_encode(&plugs.source, &plugs.sink, err) < 0 ||
        point_writer_end_image(writer, &written, err) < 0)
        return -1;
    printf("stored %" PRIu64 " blocks, knew %" PRIu64 "\n", written.new_blocks,
           written.known_blocks);
    return 0;
}

static int write_point(struct storm *storm, const struct session_request *request,
                       struct storm_image *image, struct err *err)
{
    CLEANUP(session_endp) struct session *session = NULL;
    CLEANUP(point_writer_freep) struct point_writer *writer = NULL;
    const struct point_options options = {.pack_buffers = 2};
    CLEANUP_FREE char *manifest = storm_image_text(image);
    CLEANUP_INFO struct info info = {.name = mem_printf("storm-%u", request->guest.bytes[15]),
                                     .guest = request->guest,
                                     .host = mem_strdup(request->host),
                                     .program = mem_strdup(request->program)};
    const struct small_items none = {0};
    const struct point_parts parts = {
        .info = &info, .manifest = manifest, .manifest_len = strlen(manifest), .small = &none};
    char text[ID_TEXT_SIZE];

    info_add_disk(&info, "vda", STORM_SIZE);
    if (session_begin(storm->repository, request, &session, err) < 0)
        return -1;
    info.taken_ms = session_now_ms(session);
    if (point_writer_new(storm->repository, &session, &options, &writer, err) < 0 ||
        write_image(writer, image, err) < 0 || point_writer_commit(writer, &parts, err) < 0)
        return -1;
    printf("made %s\n", id_text(session_id(session), text));
    return 0;
}

static void change_image(struct storm *storm, struct storm_image *image)
{
    for (unsigned i = 0; i < STORM_CHUNKS; i++) {
        if (chance_below(&storm->chance, 2) == 0)
            image->versions[i][chance_below(&storm->chance, STORM_BLOCKS)] =
                (uint8_t)chance_below(&storm->chance, STORM_VERSIONS);
    }
}

/* A session may be fenced, or find that something it needed is gone: that is no failure. */
int storm_write(struct storm *storm, unsigned guest, unsigned guests, unsigned rounds)
{
    struct storm_image image;

    for (unsigned i = 0; i < STORM_CHUNKS; i++)
        memset(image.versions[i], 1, STORM_BLOCKS);
    for (unsigned round = 0; round < rounds; round++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct id like = guest_of((unsigned)chance_below(&storm->chance, guests));
        struct session_request request = {.scope = REPOSITORY_SCOPE,
                                          .guest = guest_of(guest),
                                          .host = "storm",
                                          .program = "storm"};
        if (like.bytes[15] != request.guest.bytes[15] && chance_below(&storm->chance, 2))
            request.like = &like;
        change_image(storm, &image);
        if (write_point(storm, &request, &image, &err) == 0)
            continue;
        if (err.kind != ERR_BUSY && err.kind != ERR_TRANSIENT)
            return storm_failed("writer", &err);
        printf("gave up: %s\n", err.text);
    }
    return 0;
}
