/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_plain.c - see mirror_plain.h. */
#include "proxy/mirror_plain.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/arena.h"
#include "proxy/bytes.h"

enum { AT_FIRST_BYTES = 64 * 1024, GZIP_BITS = 16 + MAX_WBITS };

enum bsc_coding bsc_coding_of(const char *value, size_t size)
{
    static const struct {
        const char *name;
        enum bsc_coding coding;
    } known[] = { { "", BSC_CODING_NONE },
                  { "identity", BSC_CODING_NONE },
                  { "gzip", BSC_CODING_GZIP },
                  { "x-gzip", BSC_CODING_GZIP },
                  { "deflate", BSC_CODING_DEFLATE } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (bsc_bytes_equal(value, size, known[i].name, strlen(known[i].name)))
            return known[i].coding;
    return BSC_CODING_OTHER;
}

/* All of it; NULL: it is malformed in this format, ends early, or is too long. */
static char *inflate_all(int bits, const char *body, size_t size, size_t *out_size)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)body, .avail_in = (uInt)size };
    size_t capacity = AT_FIRST_BYTES;
    int result = Z_OK;
    if (inflateInit2(&stream, bits) != Z_OK)
        return NULL;
    char *out = bsc_alloc(capacity);
    while (result == Z_OK) {
        if (stream.total_out == capacity) {
            if (capacity >= BSC_MIRROR_PLAIN_MAX)
                break;
            char *larger = bsc_alloc(capacity * 2);
            memcpy(larger, out, capacity);
            free(out);
            out = larger;
            capacity *= 2;
        }
        stream.next_out = (Bytef *)out + stream.total_out;
        stream.avail_out = (uInt)(capacity - stream.total_out);
        result = inflate(&stream, Z_NO_FLUSH);
    }
    *out_size = stream.total_out;
    inflateEnd(&stream);
    if (result == Z_STREAM_END)
        return out;
    free(out);
    return NULL;
}

char *bsc_mirror_plain(enum bsc_coding coding, const char *body, size_t size, size_t *out_size)
{
    if (coding == BSC_CODING_GZIP)
        return inflate_all(GZIP_BITS, body, size, out_size);
    if (coding != BSC_CODING_DEFLATE)
        return NULL;
    /* The name stands for zlib's format; some send the bare one (RFC 9110 section 8.4.1.2). */
    char *out = inflate_all(MAX_WBITS, body, size, out_size);
    return out ? out : inflate_all(-MAX_WBITS, body, size, out_size);
}
