/* SPDX-License-Identifier: Apache-2.0
 * proxy/head.h - builds the heads that the proxy sends: requests to upstreams, responses to
 * clients, and answers of its own.
 *
 * Pure; writes into the caller's buffer and returns the number of bytes, 0 when it is too small.
 * Fields that end here (RFC 9110 section 7.6.1: Connection and what it names, Keep-Alive,
 * Proxy-*, TE, Transfer-Encoding, Upgrade) are dropped, framing is stated anew, all others are
 * copied byte for byte in their order.
 */
#ifndef BASCULE_PROXY_HEAD_H
#define BASCULE_PROXY_HEAD_H

#include "proxy/http1.h"

enum {
    BSC_HEAD_ADDED_BYTES = 2048, /* at most; an out buffer of bytes + this is always large enough */
    BSC_REQUEST_ID_BYTES = 128,  /* longest that is taken over from a client */
    BSC_ANSWER_BYTES = 2048,     /* an own answer is never longer */
};

/* What the proxy knows besides the request. Strings are NUL-terminated and plain. */
struct bsc_forwarding {
    const char *client;      /* peer's numeric address, without port: X-Forwarded-For */
    const char *scheme;      /* "http", "https": X-Forwarded-Proto */
    const char *certificate; /* the subject of the client's verified certificate; NULL: none */
    const char *host;        /* Host for a request that has none (HTTP/1.0) */
    const char *request_id;  /* X-Request-Id when the client's is missing or odd; <= 128 bytes */
    const char *traceparent; /* for a request without a valid one; NULL: pass on what there is */
    bool trusted;            /* the peer is a proxy: what it says of the way here is kept */
    bool close;              /* ask the upstream to close: the connection will not be reused */
};

/* The request head for an upstream, always HTTP/1.1. The body goes as request->head.framing says:
 * chunked stays chunked. Expect goes along. An Upgrade goes along only when the request asks for
 * one properly (head.upgrade). */
size_t bsc_request_build(const struct bsc_request *request, const char *bytes,
                         const struct bsc_forwarding *with, char *out, size_t capacity);

/* The client's X-Request-Id when there is one, once, of visible ASCII and of bearable length: then
 * it is kept. Else NULL. */
const struct bsc_field *bsc_request_id(const struct bsc_head *head, const char *bytes);

/* How the body of `response` reaches a client of HTTP/1.`minor`: chunked and until-close become
 * chunked for 1.1, until-close for 1.0. */
enum bsc_framing bsc_response_framing(const struct bsc_response *response, unsigned minor);

struct bsc_answering {
    uint8_t minor;     /* of the client's request */
    bool keep_alive;   /* this connection goes on; ignored when the framing is until-close */
    const char *added; /* complete lines at the end, at most 512 bytes; used when there are any */
    size_t added_size;
};

/* The response head for the client. Interim responses are built too (never send them to HTTP/1.0);
 * 101 keeps Upgrade. */
size_t bsc_response_build(const struct bsc_response *response, const char *bytes,
                          const struct bsc_answering *with, char *out, size_t capacity);

/* An answer of the proxy itself, head and body. */
struct bsc_answer {
    unsigned status;        /* 308, 400 .. 599 that bsc_status_text knows */
    const char *reason;     /* X-Bascule-Reason, a word: "no-route", "no-instance" ... */
    const char *text;       /* one sentence for people; it is escaped */
    unsigned retry_after_s; /* 0: none */
    const char *page;       /* in place of ours (pages.h), of the kind that `json` says; or NULL */
    const char *request_id; /* for the page; NULL: not known */
    const char *location;   /* NULL: none */
    bool json;              /* else HTML: see bsc_request_wants_json */
    bool head;              /* answer to HEAD: no body */
    bool keep_alive;        /* else Connection: close */
    uint8_t minor;          /* of the request; 1 when it is not known */
};
/* Room for its page besides BSC_ANSWER_BYTES. */
size_t bsc_answer_page_bytes(const struct bsc_answer *answer);
/* A NUL stands behind it. */
size_t bsc_answer_build(const struct bsc_answer *answer, char *out, size_t capacity);

/* By Accept: true when JSON is named and HTML is not. */
bool bsc_request_wants_json(const struct bsc_request *request, const char *bytes);

/* "Not Found"; "" for a status that is not known. */
const char *bsc_status_text(unsigned status);

#endif
