/* SPDX-License-Identifier: Apache-2.0
 * proxy/chunked.h - validates a chunked body while it passes through (RFC 9112 section 7.1).
 *
 * Pure, incremental, nothing is copied. Sizes are 1 to 16 hexadecimal digits, lines end in CRLF,
 * extensions follow their grammar (without the white space that RFC 9112 calls bad) and are
 * bounded, trailers are fields, bounded, and none that frames, routes or belongs to one hop. What
 * passes can be forwarded byte for byte, because every reader that follows the RFC sees the same
 * end of the message; or as data only.
 */
#ifndef BASCULE_PROXY_CHUNKED_H
#define BASCULE_PROXY_CHUNKED_H

#include <stdint.h>

#include "proxy/http1.h"

enum {
    BSC_CHUNK_LINE_BYTES = 256,         /* extensions of one chunk */
    BSC_CHUNK_EXTENSION_BYTES = 8192,   /* of the whole message */
    BSC_CHUNK_TRAILER_BYTES = 8 * 1024, /* all trailer fields */
    BSC_CHUNK_FRAME_BYTES = 18,         /* longest size line of our own: 16 digits and CRLF */
};

/* Zeroed: at the beginning of a body. */
struct bsc_chunked {
    uint64_t left;            /* of the chunk being read */
    uint16_t line_bytes;      /* of the extensions of this chunk */
    uint16_t extension_bytes; /* of the message so far */
    uint16_t trailer_bytes;
    uint8_t state;
    uint8_t digits; /* of a size; bytes of a trailer's name */
    char name[20];  /* begin of the name of the trailer being read, in lower case */
};

struct bsc_chunked_run {
    size_t used;         /* bytes of the input that were taken in */
    size_t data_at;      /* where body data begins in the input, if any */
    size_t data_size;    /* how much; the last bytes taken in, so data_at + data_size == used */
    size_t trailer_at;   /* where bytes of the trailer section begin in the input, if any */
    size_t trailer_size; /* how many, the empty line at its end included */
};

/* Takes in `bytes` up to the end of the first run of data, so call it again with what is left as
 * long as it says MORE and used something. DONE: the message ended with the bytes taken in, and
 * what follows belongs to the next one. */
enum bsc_parse bsc_chunked_next(struct bsc_chunked *chunked, const char *bytes, size_t size,
                                struct bsc_chunked_run *run, struct bsc_fault *fault);

/* Takes in all of `bytes` that belongs to the message, to be forwarded as they are. *used is less
 * than `size` only when DONE or REFUSED; then forward none of the rest. *data_bytes (may be NULL)
 * grows by the body data among them. */
enum bsc_parse bsc_chunked_pass(struct bsc_chunked *chunked, const char *bytes, size_t size,
                                size_t *used, uint64_t *data_bytes, struct bsc_fault *fault);

/* Nothing of a chunk was begun: the body could end here with a last chunk of our own. */
bool bsc_chunked_between(const struct bsc_chunked *chunked);
/* Bytes up to there, when only the end of a chunk is missing; else 0. */
size_t bsc_chunked_ending(const struct bsc_chunked *chunked);

/* Writes the size line of a chunk of ours (without NUL); returns its length. After the data goes
 * CRLF, and "0\r\n\r\n" ends the body. */
size_t bsc_chunk_frame(char out[static BSC_CHUNK_FRAME_BYTES], uint64_t size);

#endif
