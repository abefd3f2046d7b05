/* SPDX-License-Identifier: Apache-2.0
 * The chunked coding as a machine over bytes; data is skipped in runs. */
#include "proxy/chunked.h"

#include <string.h>

#include "proxy/bytes.h"

enum state {
    SIZE, /* zero: the beginning */
    EXTENSION_BEGIN,
    EXTENSION_NAME,
    EXTENSION_VALUE_BEGIN,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED
};

/* What a reader that merges trailers into the head would frame, route or authorise by, and what
 * ends at each hop (RFC 9110 section 6.5.1). A name with "-" at its end stands for all that begin
 * with it. */
static const char *const forbidden[] = {
    "authorization",    "connection",
    "content-encoding", "content-length",
    "content-range",    "content-type",
    "cookie",           "expect",
    "forwarded",        "host",
    "keep-alive",       "proxy-",
    "set-cookie",       "te",
    "trailer",          "transfer-encoding",
    "upgrade",          "x-bascule-reason",
    "x-forwarded-",     "x-real-ip",
    "x-request-id",
};

static const char *step_size(struct bsc_chunked *chunked, char byte)
{
    if (bsc_byte_is(byte, BSC_BYTE_HEX)) {
        if (++chunked->digits > 16 || chunked->left > INT64_MAX >> 4)
            return "chunk size is too large";
        chunked->left = chunked->left << 4 | bsc_byte_hex(byte);
        return NULL;
    }
    if (chunked->digits == 0 || (byte != ';' && byte != '\r'))
        return "invalid chunk size";
    chunked->state = byte == ';' ? EXTENSION_BEGIN : SIZE_LF;
    return NULL;
}

/* ";" or CR after a whole extension. */
static const char *end_extension(struct bsc_chunked *chunked, char byte)
{
    if (byte != ';' && byte != '\r')
        return "invalid chunk extension";
    chunked->state = byte == ';' ? EXTENSION_BEGIN : SIZE_LF;
    return NULL;
}

static const char *step_extension(struct bsc_chunked *chunked, char byte)
{
    bool token = bsc_byte_is(byte, BSC_BYTE_TOKEN);
    if (++chunked->line_bytes > BSC_CHUNK_LINE_BYTES ||
        ++chunked->extension_bytes > BSC_CHUNK_EXTENSION_BYTES)
        return "chunk extensions are too long";
    switch ((enum state)chunked->state) {
    case EXTENSION_BEGIN:
        chunked->state = EXTENSION_NAME;
        return token ? NULL : "invalid chunk extension";
    case EXTENSION_NAME:
        if (token)
            return NULL;
        if (byte != '=')
            return end_extension(chunked, byte);
        chunked->state = EXTENSION_VALUE_BEGIN;
        return NULL;
    case EXTENSION_VALUE_BEGIN:
        chunked->state = byte == '"' ? EXTENSION_QUOTED : EXTENSION_VALUE;
        return token || byte == '"' ? NULL : "invalid chunk extension";
    case EXTENSION_VALUE:
        return token ? NULL : end_extension(chunked, byte);
    case EXTENSION_QUOTED:
        if (byte == '"' || byte == '\\')
            chunked->state = byte == '"' ? EXTENSION_QUOTED_END : EXTENSION_ESCAPED;
        return bsc_byte_is(byte, BSC_BYTE_VALUE) ? NULL : "invalid chunk extension";
    case EXTENSION_ESCAPED:
        chunked->state = EXTENSION_QUOTED;
        return bsc_byte_is(byte, BSC_BYTE_VALUE) ? NULL : "invalid chunk extension";
    default:
        return end_extension(chunked, byte);
    }
}

static bool name_is_forbidden(const struct bsc_chunked *chunked)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        size_t size = strlen(forbidden[i]);
        bool fits =
            forbidden[i][size - 1] == '-' ? chunked->digits >= size : chunked->digits == size;
        if (fits && memcmp(forbidden[i], chunked->name, size) == 0)
            return true;
    }
    return false;
}

static const char *step_trailer_name(struct bsc_chunked *chunked, char byte)
{
    if (bsc_byte_is(byte, BSC_BYTE_TOKEN)) {
        if (chunked->digits < sizeof chunked->name)
            chunked->name[chunked->digits] = byte == '_' ? '-' : bsc_byte_lower(byte);
        if (chunked->digits <= sizeof chunked->name) /* longer is as good as longest */
            chunked->digits++;
        chunked->state = TRAILER_NAME;
        return NULL;
    }
    if (byte != ':' || chunked->digits == 0)
        return "invalid trailer";
    chunked->state = TRAILER_VALUE;
    return name_is_forbidden(chunked) ? "this field may not be a trailer" : NULL;
}

static const char *step_trailer(struct bsc_chunked *chunked, char byte)
{
    if (++chunked->trailer_bytes > BSC_CHUNK_TRAILER_BYTES)
        return "trailers are too long";
    if (chunked->state == TRAILER) {
        chunked->digits = 0;
        if (byte == '\r') {
            chunked->state = LAST_LF;
            return NULL;
        }
    }
    if (chunked->state != TRAILER_VALUE)
        return step_trailer_name(chunked, byte);
    if (byte == '\r')
        chunked->state = TRAILER_LF;
    else if (!bsc_byte_is(byte, BSC_BYTE_VALUE))
        return "invalid trailer";
    return NULL;
}

/* What comes after each CR and after data. */
static const char *step_line_end(struct bsc_chunked *chunked, char byte)
{
    switch ((enum state)chunked->state) {
    case DATA_CR:
        chunked->state = DATA_LF;
        return byte == '\r' ? NULL : "chunk is longer than its size";
    case DATA_LF:
        chunked->digits = 0;
        chunked->line_bytes = 0;
        chunked->state = SIZE;
        break;
    case SIZE_LF:
        chunked->state = chunked->left ? DATA : TRAILER;
        break;
    case TRAILER_LF:
        chunked->state = TRAILER;
        break;
    default:
        chunked->state = ENDED;
        break;
    }
    return byte == '\n' ? NULL : "CR without LF in the chunked coding";
}

static const char *step(struct bsc_chunked *chunked, char byte)
{
    switch ((enum state)chunked->state) {
    case SIZE:
        return step_size(chunked, byte);
    case EXTENSION_BEGIN:
    case EXTENSION_NAME:
    case EXTENSION_VALUE_BEGIN:
    case EXTENSION_VALUE:
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPED:
    case EXTENSION_QUOTED_END:
        return step_extension(chunked, byte);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return step_trailer(chunked, byte);
    default:
        return step_line_end(chunked, byte);
    }
}

enum bsc_parse bsc_chunked_next(struct bsc_chunked *chunked, const char *bytes, size_t size,
                                struct bsc_chunked_run *run, struct bsc_fault *fault)
{
    *run = (struct bsc_chunked_run){ 0 };
    while (chunked->state != ENDED && run->used < size) {
        if (chunked->state == DATA) {
            size_t rest = size - run->used;
            run->data_at = run->used;
            run->data_size = rest < chunked->left ? rest : (size_t)chunked->left;
            run->used += run->data_size;
            chunked->left -= run->data_size;
            if (chunked->left == 0)
                chunked->state = DATA_CR;
            return BSC_PARSE_MORE;
        }
        if (chunked->state >= TRAILER && !run->trailer_size++)
            run->trailer_at = run->used;
        const char *why = step(chunked, bytes[run->used]);
        if (why) {
            *fault = (struct bsc_fault){ 400, why };
            return BSC_PARSE_REFUSED;
        }
        run->used++;
    }
    return chunked->state == ENDED ? BSC_PARSE_DONE : BSC_PARSE_MORE;
}

enum bsc_parse bsc_chunked_pass(struct bsc_chunked *chunked, const char *bytes, size_t size,
                                size_t *used, uint64_t *data_bytes, struct bsc_fault *fault)
{
    enum bsc_parse result;
    *used = 0;
    do {
        struct bsc_chunked_run run;
        result = bsc_chunked_next(chunked, bytes + *used, size - *used, &run, fault);
        *used += run.used;
        if (data_bytes)
            *data_bytes += run.data_size;
    } while (result == BSC_PARSE_MORE && *used < size);
    return result;
}

bool bsc_chunked_between(const struct bsc_chunked *chunked)
{
    return chunked->state == SIZE && chunked->digits == 0;
}

size_t bsc_chunked_ending(const struct bsc_chunked *chunked)
{
    return chunked->state == DATA_CR ? 2 : chunked->state == DATA_LF ? 1 : 0;
}

size_t bsc_chunk_frame(char out[static BSC_CHUNK_FRAME_BYTES], uint64_t size)
{
    char digits[16];
    size_t count = 0, at = 0;
    do {
        digits[count++] = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size);
    while (count)
        out[at++] = digits[--count];
    out[at++] = '\r';
    out[at++] = '\n';
    return at;
}
