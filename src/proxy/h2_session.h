/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_session.h - between the files of HTTP/2: a session and its streams.
 *
 * nghttp2 calls back while it reads and writes. Those callbacks move bytes and mark connections,
 * which get their turn later (bsc_worker_later); they never run an exchange. What a turn of the
 * loop has for a connection goes out in one send, when the session gets its own turn after them.
 */
#ifndef BASCULE_PROXY_H2_SESSION_H
#define BASCULE_PROXY_H2_SESSION_H

#include "proxy/h2.h"
#include "proxy/h2_body.h"
#include "proxy/h2_calm.h"
#include "proxy/h2_head.h"

/* On the way to the end (RFC 9113 section 6.8). TO_GOAWAY: the client was asked to make no new
 * requests. OVERDUE: and has not yet acknowledged that it read so. */
enum bsc_h2_drain {
    BSC_H2_SERVING,
    BSC_H2_TO_NOTICE,
    BSC_H2_TO_GOAWAY,
    BSC_H2_OVERDUE,
    BSC_H2_LEAVING
};

struct bsc_h2_session {
    struct bsc_worker *worker;
    struct bsc_connection *connection; /* what the frames go over */
    nghttp2_session *engine;
    struct bsc_list node; /* in worker->h2->open, or in instance->sessions */
    struct bsc_list streams;
    unsigned stream_count;
    unsigned attached;             /* streams with a connection of their own */
    struct bsc_buffer *out;        /* frames that are not sent yet */
    struct bsc_h2_stream *heading; /* whose fields are arriving */
    uint32_t heading_bytes;        /* input since they began */
    int64_t heading_ms;            /* when they did */
    int64_t active_ms;             /* last time that something of a stream moved */
    struct bsc_h2_calm calm;
    int64_t due_ms; /* the next step of `drain`; 0: none */
    uint8_t drain;  /* enum bsc_h2_drain */
    bool heard;     /* the notice was acknowledged */
    bool full;      /* there is more than `out` has room for */
    bool ending;    /* no callback and no frame any more */
    bool upstream;  /* we are the client */
    bool connected;
    struct bsc_local_instance *instance; /* that gives it requests; NULL: none more */
};

struct bsc_h2_stream {
    struct bsc_h2_session *session;
    struct bsc_connection *connection; /* of its exchange; NULL: that has let go */
    struct bsc_list node;
    int32_t id;
    struct bsc_h2_head head; /* while it arrives */
    struct bsc_h2_inbound in;
    struct bsc_h2_outbound out;
    bool tunnel : 1;   /* extended CONNECT */
    bool bodiless : 1; /* the request is a HEAD */
    bool grpc : 1;
    bool headed : 1;    /* our head went to nghttp2, a final one */
    bool deferred : 1;  /* nghttp2 was told that there is no data now */
    bool sent_end : 1;  /* END_STREAM is on its way */
    bool closed : 1;    /* nghttp2 knows it no more */
    bool reset : 1;     /* and that was no good end */
    bool discarded : 1; /* an own answer's body is not passed on */
};

/* Wants a turn: there is something to send. */
void bsc_h2_session_touch(struct bsc_h2_session *session);
/* Ends every stream and frees the session; the connection below stays. */
void bsc_h2_session_destroy(struct bsc_h2_session *session);
/* Reads and writes what is possible; false: the connection is at its end or broken. */
bool bsc_h2_session_run(struct bsc_h2_session *session);
/* Only writes; false: broken. */
bool bsc_h2_session_flush(struct bsc_h2_session *session);
/* Tells the other side why and ends after that. */
void bsc_h2_session_refuse(struct bsc_h2_session *session, uint32_t error_code);
/* Sets those callbacks that both roles share. */
void bsc_h2_session_callbacks(nghttp2_session_callbacks *callbacks);

/* For its role's own fields to come. */
struct bsc_h2_session *bsc_h2_session_create(struct bsc_worker *worker,
                                             struct bsc_connection *connection);

struct bsc_h2_stream *bsc_h2_stream_create(struct bsc_h2_session *session, int32_t id);
void bsc_h2_stream_destroy(struct bsc_h2_stream *stream);
/* Gives it the connection of an exchange. */
void bsc_h2_stream_attach(struct bsc_h2_stream *stream, struct bsc_connection *connection);
/* There is something to read. */
void bsc_h2_stream_wake(struct bsc_h2_stream *stream);
/* nghttp2 closed it. */
void bsc_h2_stream_closed(struct bsc_h2_stream *stream, uint32_t error_code);
/* Of sessions in which we are the client. */
void bsc_h2_upstream_callbacks(nghttp2_session_callbacks *callbacks);

#endif
