/* SPDX-License-Identifier: Apache-2.0
 * proxy/http1.h - reads the heads of HTTP/1.1 requests and responses, strictly (RFC 9110, 9112).
 *
 * Pure: no system call, no allocation, no copy. A head is found first and read second:
 * struct bsc_head_scan (a few bytes, kept with the connection) remembers how far the search for its
 * end came, so a head that arrives byte by byte costs O(n); struct bsc_request or bsc_response is
 * written only when the head is complete, so a worker owns one of each for all its connections.
 * Slices are offsets into the buffer that was parsed, which the caller may move or grow, not
 * change.
 *
 * Whatever two readers could understand differently is refused, not repaired.
 */
#ifndef BASCULE_PROXY_HTTP1_H
#define BASCULE_PROXY_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BSC_HEAD_FIELDS = 100,
    BSC_HEAD_BYTES = 32 * 1024, /* the whole head, its empty line included: else 431 */
    BSC_LINE_BYTES = 8 * 1024,  /* one line without CRLF: else 414 (request line) or 431 */
    BSC_CONNECTION_OPTIONS = 32 /* that one message may name: else 400 */
};

enum bsc_parse {
    BSC_PARSE_MORE,   /* the head is not complete */
    BSC_PARSE_DONE,   /* it is */
    BSC_PARSE_REFUSED /* answer with the fault's status and close */
};

/* Why a message was refused. */
struct bsc_fault {
    unsigned status;  /* what to answer: 400, 414, 417, 431, 501, 505; 502 for responses */
    const char *text; /* for people, static: "more than one Content-Length" */
};

/* Where the search for the end of a head stands. Zeroed: at its beginning. */
struct bsc_head_scan {
    uint16_t at;   /* bytes already searched */
    uint16_t line; /* where the line that they end in begins */
    uint16_t lines;
};

struct bsc_slice {
    uint16_t at, size;
};

/* Field names that somebody in the proxy cares about. */
enum bsc_field_id {
    BSC_FIELD_OTHER,
    BSC_FIELD_ACCEPT,
    BSC_FIELD_CONNECTION,
    BSC_FIELD_CONTENT_LENGTH,
    BSC_FIELD_COOKIE,
    BSC_FIELD_EXPECT,
    BSC_FIELD_FORWARDED,
    BSC_FIELD_HOST,
    BSC_FIELD_KEEP_ALIVE,
    BSC_FIELD_PROXY_AUTHENTICATE,
    BSC_FIELD_PROXY_AUTHENTICATION_INFO,
    BSC_FIELD_PROXY_AUTHORIZATION,
    BSC_FIELD_PROXY_CONNECTION,
    BSC_FIELD_TE,
    BSC_FIELD_TRACEPARENT,
    BSC_FIELD_TRACESTATE,
    BSC_FIELD_TRAILER,
    BSC_FIELD_TRANSFER_ENCODING,
    BSC_FIELD_UPGRADE,
    BSC_FIELD_X_BASCULE_MIRROR,
    BSC_FIELD_X_BASCULE_REASON,
    BSC_FIELD_X_FORWARDED, /* X-Forwarded-Port, -Server, -Ssl ...; X-Real-Ip */
    BSC_FIELD_X_FORWARDED_FOR,
    BSC_FIELD_X_FORWARDED_HOST,
    BSC_FIELD_X_FORWARDED_PROTO,
    BSC_FIELD_X_REQUEST_ID,
    BSC_FIELD_ID_COUNT
};

struct bsc_field {
    struct bsc_slice name;
    struct bsc_slice value; /* without white space around it */
    uint8_t id;             /* enum bsc_field_id */
    bool named;             /* the Connection field names it: it ends here */
    bool alias;             /* a known name written with '_' for '-': it ends here, too, because CGI
                             * and its descendants cannot tell the two apart */
};

enum bsc_framing {
    BSC_FRAMING_NONE,       /* no body */
    BSC_FRAMING_LENGTH,     /* Content-Length: exactly `length` bytes, possibly 0 */
    BSC_FRAMING_CHUNKED,    /* see proxy/chunked.h */
    BSC_FRAMING_UNTIL_CLOSE /* responses only */
};

/* What requests and responses have in common. */
struct bsc_head {
    uint16_t start;     /* offset of the first line: 2 when an empty line came before it, else 0 */
    uint16_t bytes;     /* the body begins here, at this offset in the buffer */
    uint16_t fields_at; /* offset of the first field line */
    uint8_t minor;      /* HTTP/1.minor: 0 or 1 */
    uint8_t framing;    /* enum bsc_framing */
    bool keep_alive;    /* the sender would go on with the connection after this message */
    bool te_trailers;   /* TE: trailers */
    uint64_t length; /* of the body; BSC_FRAMING_LENGTH only (HEAD, 304: what a GET would have) */
    uint64_t seen;   /* bit per enum bsc_field_id: it is there at least once */
    struct bsc_slice upgrade; /* value of Upgrade when Connection asks for it too, else empty */
    uint16_t field_count;
    struct bsc_field fields[BSC_HEAD_FIELDS];
};

enum bsc_method {
    BSC_METHOD_OTHER, /* any other token; never replayed */
    BSC_METHOD_GET,
    BSC_METHOD_HEAD,
    BSC_METHOD_POST,
    BSC_METHOD_PUT,
    BSC_METHOD_DELETE,
    BSC_METHOD_OPTIONS,
    BSC_METHOD_PATCH,
    BSC_METHOD_CONNECT, /* always refused: 501 */
    BSC_METHOD_TRACE    /* always refused: 501 (it would show the client what only upstreams see) */
};

struct bsc_request {
    struct bsc_head head;
    uint8_t method;       /* enum bsc_method */
    bool idempotent;      /* RFC 9110 section 9.2.2 */
    bool replayable;      /* idempotent and without a body: it may be sent twice */
    bool expect_continue; /* HTTP/1.1 and a body follows after "100 Continue" */
    bool absolute;        /* the target was in absolute form */
    struct bsc_slice method_name;
    struct bsc_slice target;    /* path and query byte for byte; "*" for OPTIONS *. From an absolute
                                 * form it may lack its first "/": empty or "?query". */
    struct bsc_slice authority; /* host and port as sent; empty only in HTTP/1.0 */
    struct bsc_slice host;      /* without the port; an IPv6 address keeps its brackets */
};

/* Reads the request head at the start of `bytes`. Call it again with the same scan and the longer
 * buffer after BSC_PARSE_MORE; zero the scan before the next message. One empty line before the
 * head is skipped (RFC 9112 section 2.2). Before BSC_PARSE_DONE *out is undefined. After
 * BSC_PARSE_REFUSED *fault says why. */
enum bsc_parse bsc_request_parse(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                 struct bsc_request *out, struct bsc_fault *fault);

struct bsc_response {
    struct bsc_head head; /* the framing already knows about 1xx, 204, 304 and HEAD */
    uint16_t status;      /* 100 .. 599 */
    struct bsc_slice reason;
};

/* The same for the head of a response to a request with method `method`. An interim response (1xx
 * but 101) is complete in itself: the next head begins at head.bytes. Faults are all 502. */
enum bsc_parse bsc_response_parse(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                  enum bsc_method method, struct bsc_response *out,
                                  struct bsc_fault *fault);

static inline bool bsc_response_interim(const struct bsc_response *response)
{
    return response->status < 200 && response->status != 101;
}

static inline bool bsc_head_has(const struct bsc_head *head, enum bsc_field_id id)
{
    return head->seen >> id & 1;
}

/* The first field with that id; there is one. */
const struct bsc_field *bsc_head_first(const struct bsc_head *head, enum bsc_field_id id);
/* The same, or NULL. */
static inline const struct bsc_field *bsc_head_find(const struct bsc_head *head,
                                                    enum bsc_field_id id)
{
    return bsc_head_has(head, id) ? bsc_head_first(head, id) : NULL;
}

#endif
