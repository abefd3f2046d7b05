/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_fields.h - heads and trailers of HTTP/1.1 become fields of HTTP/2 (RFC 9113 section 8).
 *
 * Pure. Takes only what this proxy wrote or validated itself (head.h, chunked.h), so it looks for
 * nothing that those exclude.
 */
#ifndef BASCULE_PROXY_H2_FIELDS_H
#define BASCULE_PROXY_H2_FIELDS_H

#include <nghttp2/nghttp2.h>

#include "proxy/http1.h"

enum { BSC_H2_FIELDS = BSC_HEAD_FIELDS + 16 };

/* Names and values point into the text that was read. nghttp2 writes names in lower case. */
struct bsc_h2_fields {
    size_t count;
    unsigned status;
    uint8_t framing; /* enum bsc_framing, of what follows */
    uint64_t length;
    bool own;         /* the proxy's own answer, for the reason in */
    char message[80]; /* this text: grpc-message */
    char grpc_status[4];
    nghttp2_nv nv[BSC_H2_FIELDS];
};

/* Reads the response head at the beginning of `text`; returns its size. 0: it is not whole. */
size_t bsc_h2_response_read(struct bsc_h2_fields *fields, const char *text, size_t size);

/* The same for a request head. */
size_t bsc_h2_request_read(struct bsc_h2_fields *fields, const char *text, size_t size);
/* What was read goes over TLS. */
void bsc_h2_request_secure(struct bsc_h2_fields *fields);
/* Takes a field out again. */
void bsc_h2_fields_drop(struct bsc_h2_fields *fields, const char *name);

/* Reads a trailer section, with the empty line at its end or without it. */
void bsc_h2_trailers_read(struct bsc_h2_fields *fields, const char *text, size_t size);

/* Makes of an own answer what clients of gRPC understand: only trailers
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
void bsc_h2_grpc_answer(struct bsc_h2_fields *fields);

#endif
