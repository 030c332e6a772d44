/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/sav.h"

#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/units.h"

/* magic 16, version 4, data length 4, was running 4, format 4, cookie offset 4,
 * unused 56; then the data: XML, NUL, cookie, NUL, padding. */
#define HEADER_SIZE 92
#define MAGIC_SIZE 16
#define UNUSED_SIZE 56
#define VERSION 2
#define STREAM_START 1024 /* more than QEMU's first section takes */

static const char magic_whole[] = "LibvirtQemudSave";
static const char magic_part[] = "LibvirtQemudPart";

struct header {
    uint32_t data_len;
    uint32_t cookie_offset; /* from the start of the data; 0: none */
};

static int check_magic(const uint8_t *magic, struct err *err)
{
    if (memcmp(magic, magic_part, MAGIC_SIZE) == 0)
        return err_set(err, ERR_CORRUPT, "is a save image that libvirt did not finish writing");
    if (memcmp(magic, magic_whole, MAGIC_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is not a save image of libvirt");
    return 0;
}

static int parse_header(const uint8_t *data, size_t len, struct sav *sav, struct header *ret,
                        struct err *err)
{
    struct reader reader = reader_of(data, len);
    const uint8_t *magic = reader_bytes(&reader, MAGIC_SIZE);

    if (reader_check(&reader, "the save image", err) < 0 || check_magic(magic, err) < 0)
        return -1;
    sav->version = reader_le32(&reader);
    ret->data_len = reader_le32(&reader);
    sav->was_running = reader_le32(&reader) != 0;
    sav->format = reader_le32(&reader);
    ret->cookie_offset = reader_le32(&reader);
    reader_bytes(&reader, UNUSED_SIZE);
    if (reader_check(&reader, "the save image's header", err) < 0)
        return -1;
    if (sav->version == __builtin_bswap32(VERSION) || sav->version == __builtin_bswap32(1))
        return err_set(err, ERR_UNSUPPORTED, "is a save image of a host with the other byte order");
    if (sav->version == 0 || sav->version > VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "is a save image of version %u; versions up to %d are known", sav->version,
                       VERSION);
    if (sav->version == 1)
        ret->cookie_offset = 0; /* still unused then */
    return 0;
}

/* The text in data[0..len), which a NUL must end. NULL if none does. */
static char *terminated_text(const char *data, size_t len)
{
    size_t text_len = strnlen(data, len);

    return text_len < len ? mem_strndup(data, text_len) : NULL;
}

static int parse_data(const char *data, const struct header *header, struct sav *sav,
                      struct err *err)
{
    uint32_t xml_room = header->cookie_offset ? header->cookie_offset : header->data_len;

    if (header->cookie_offset >= header->data_len)
        return err_set(err, ERR_CORRUPT, "is a damaged save image: its cookie is out of bounds");
    sav->xml = terminated_text(data, xml_room);
    if (!sav->xml)
        return err_set(err, ERR_CORRUPT, "is a damaged save image: its XML has no end");
    if (!header->cookie_offset)
        return 0;
    sav->cookie = terminated_text(data + xml_room, header->data_len - xml_room);
    if (!sav->cookie)
        return err_set(err, ERR_CORRUPT, "is a damaged save image: its cookie has no end");
    return 0;
}

/* QEMU tells in the first section of a stream that its pages are at places of their own, outside of
 * the stream. Where it does not, "sparse" is a mistake. */
static int correct_sparse(int fd, struct sav *sav, struct err *err)
{
    static const char stream_magic[] = "QEVM", mapped[] = "mapped-ram";
    char start[STREAM_START];
    size_t len = 0;

    if (sav->format != SAV_SPARSE)
        return 0;
    if (io_pread_some(fd, start, sizeof(start), sav->stream_offset, &len, err) < 0)
        return -1;
    if (len >= strlen(stream_magic) && memcmp(start, stream_magic, strlen(stream_magic)) == 0 &&
        !memmem(start, len, mapped, strlen(mapped)))
        sav->format = SAV_RAW;
    return 0;
}

int sav_read(int fd, uint64_t file_size, struct sav *ret, struct err *err)
{
    CLEANUP_SAV struct sav sav = {0};
    CLEANUP_FREE char *data = NULL;
    uint8_t head[HEADER_SIZE];
    struct header header = {0};
    size_t len = 0;

    if (io_pread_some(fd, head, sizeof(head), 0, &len, err) < 0 ||
        parse_header(head, len, &sav, &header, err) < 0)
        return -1;
    if (header.data_len == 0 || header.data_len > SAV_DATA_MAX || file_size < HEADER_SIZE ||
        header.data_len > file_size - HEADER_SIZE)
        return err_set(err, ERR_CORRUPT,
                       "is a damaged save image: its XML would take %u bytes of %llu",
                       header.data_len, (unsigned long long)file_size);
    data = malloc(header.data_len);
    if (!data)
        return err_set(err, ERR_INTERNAL, "no memory for %u bytes of XML", header.data_len);
    if (io_pread(fd, data, header.data_len, HEADER_SIZE, err) < 0 ||
        parse_data(data, &header, &sav, err) < 0)
        return -1;
    sav.stream_offset = HEADER_SIZE + (uint64_t)header.data_len;
    if (correct_sparse(fd, &sav, err) < 0)
        return -1;
    *ret = sav;
    sav = (struct sav){0};
    return 0;
}

void sav_clear(struct sav *sav)
{
    free(sav->xml);
    free(sav->cookie);
    *sav = (struct sav){0};
}

int sav_format_head(const char *xml, const char *cookie, bool was_running, enum sav_format format,
                    struct buf *ret, struct err *err)
{
    static const uint64_t alignment = 64 * KIB;
    static const uint64_t room_to_grow = 16 * KIB;
    size_t xml_len = strlen(xml) + 1;
    size_t cookie_len = cookie ? strlen(cookie) + 1 : 0;
    uint64_t used = HEADER_SIZE + (uint64_t)xml_len + cookie_len;
    uint64_t total = units_div_up(used + room_to_grow, alignment) * alignment;

    if (total - HEADER_SIZE > SAV_DATA_MAX)
        return err_set(err, ERR_UNSUPPORTED,
                       "the guest's XML takes %zu bytes, too many for a save image",
                       xml_len + cookie_len);
    buf_append(ret, magic_whole, MAGIC_SIZE);
    buf_put_le32(ret, VERSION);
    buf_put_le32(ret, (uint32_t)(total - HEADER_SIZE));
    buf_put_le32(ret, was_running);
    buf_put_le32(ret, format);
    buf_put_le32(ret, cookie ? (uint32_t)xml_len : 0);
    memset(buf_reserve(ret, UNUSED_SIZE), 0, UNUSED_SIZE);
    ret->len += UNUSED_SIZE;
    buf_append(ret, xml, xml_len);
    buf_append(ret, cookie, cookie_len);
    size_t padding = (size_t)(total - used);
    memset(buf_reserve(ret, padding), 0, padding);
    ret->len += padding;
    return 0;
}

const char *const *sav_decoder_argv(uint32_t format)
{
    static const char *const decoders[][3] = {
        [SAV_GZIP] = {"gzip", "-dc"}, [SAV_BZIP2] = {"bzip2", "-dc"}, [SAV_XZ] = {"xz", "-dc"},
        [SAV_LZOP] = {"lzop", "-dc"}, [SAV_ZSTD] = {"zstd", "-dc"},
    };

    if (format >= ARRAY_COUNT(decoders) || !decoders[format][0])
        return NULL;
    return decoders[format];
}
