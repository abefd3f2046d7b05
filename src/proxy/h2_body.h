/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_body.h - bodies between DATA frames and the framing of HTTP/1.1, both ways.
 *
 * Each way has one buffer, which is bounded: what arrives by the window that the other side was
 * given, what goes out by refusing more. Buffers are lent while there is something in them.
 */
#ifndef BASCULE_PROXY_H2_BODY_H
#define BASCULE_PROXY_H2_BODY_H

#include <sys/types.h>

#include "proxy/chunked.h"
#include "proxy/memory.h"

/* DATA on its way to a reader of HTTP/1.1. Zeroed: no body. */
struct bsc_h2_inbound {
    struct bsc_buffer *data;     /* not read yet */
    struct bsc_buffer *trailers; /* "name: value\r\n" ... */
    uint32_t chunk;              /* of the chunk being read: bytes left */
    uint8_t staged, staged_size; /* what was read of the framing below */
    bool chunked : 1;            /* else as it is */
    bool ended : 1;              /* all of it arrived */
    bool said : 1;               /* and its end was written */
    char staging[BSC_CHUNK_FRAME_BYTES + 2];
};

/* Takes DATA in. */
void bsc_h2_inbound_put(struct bsc_buffers *buffers, struct bsc_h2_inbound *inbound,
                        const void *bytes, size_t size);
/* Reads up to `size` bytes as HTTP/1.1; returns how many, 0 when nothing is there. *data_bytes of
 * them are DATA. */
size_t bsc_h2_inbound_read(struct bsc_buffers *buffers, struct bsc_h2_inbound *inbound, char *out,
                           size_t size, size_t *data_bytes);
/* Takes up to `size` bytes out of *text, and gives it back when it is empty. */
size_t bsc_h2_text_read(struct bsc_buffers *buffers, struct bsc_buffer **text, char *out,
                        size_t size);

/* A body of HTTP/1.1 on its way into DATA. */
struct bsc_h2_outbound {
    struct bsc_buffer *data;     /* not sent yet */
    struct bsc_buffer *trailers; /* a trailer section as it stands in the body */
    uint64_t left;               /* BSC_FRAMING_LENGTH */
    uint8_t framing;             /* enum bsc_framing; until-close: finished by its writer */
    bool complete;               /* the last byte is in `data` */
    struct bsc_chunked chunked;
};

void bsc_h2_outbound_begin(struct bsc_h2_outbound *outbound, enum bsc_framing framing,
                           uint64_t length);
/* Takes in as much as there is room for; returns how much, -1 when the framing is wrong. */
ssize_t bsc_h2_outbound_put(struct bsc_buffers *buffers, struct bsc_h2_outbound *outbound,
                            const char *bytes, size_t size);
/* Takes out what was sent. */
void bsc_h2_outbound_sent(struct bsc_buffers *buffers, struct bsc_h2_outbound *outbound,
                          size_t size);

#endif
