/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_head.h - fields of HTTP/2 become heads of HTTP/1.1 (RFC 9113 section 8).
 *
 * Pure. The fields of one message come one by one and are written down as a head. Only what could
 * not be written, or would mean something else there, is malformed; the strict parser of http1.h
 * judges the rest. A head that is too large is cut behind the parser's limit, so it is refused for
 * its size.
 */
#ifndef BASCULE_PROXY_H2_HEAD_H
#define BASCULE_PROXY_H2_HEAD_H

#include "proxy/http1.h"
#include "proxy/memory.h"

enum {
    BSC_H2_LIST_BYTES = 128 * 1024, /* a list of fields that nobody sends by mistake */
};

/* Zeroed: at the beginning of a head. */
struct bsc_h2_head {
    struct bsc_buffer *text; /* the head; its owner may take it after the end */
    struct bsc_slice method, scheme, path, authority, protocol; /* in front of the text */
    uint16_t status;                                            /* of a response */
    uint32_t list_bytes;                                        /* RFC 9113 section 6.5.2 */
    uint32_t cookie_end; /* where the one Cookie field may grow; 0: there is none yet */
    bool begun : 1;      /* the first line is written */
    bool sized : 1;      /* there is a Content-Length */
    bool tunnel : 1;     /* extended CONNECT (RFC 8441) */
    bool grpc : 1;       /* Content-Type is application/grpc... */
    bool is_head : 1;    /* the method is HEAD */
};

/* False: the message is malformed. */
bool bsc_h2_request_field(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *name,
                          size_t name_size, const char *value, size_t value_size);
/* All fields were there. `body`: DATA follows; without a length it is to come chunked, in a tunnel
 * as it is. `key`: Sec-WebSocket-Key of a tunnel. */
bool bsc_h2_request_end(struct bsc_buffers *buffers, struct bsc_h2_head *head, bool body,
                        const char *key);

/* The same for the head of a response; several may come one after the other into one text. */
bool bsc_h2_response_field(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *name,
                           size_t name_size, const char *value, size_t value_size);
/* False: there was no status. Afterwards head->status and head->sized are those of this head, until
 * the next one begins. */
bool bsc_h2_response_end(struct bsc_buffers *buffers, struct bsc_h2_head *head, bool body);

/* A field of a trailer section, written behind what is in *text already. */
bool bsc_h2_trailer_field(struct bsc_buffers *buffers, struct bsc_buffer **text, const char *name,
                          size_t name_size, const char *value, size_t value_size);

#endif
