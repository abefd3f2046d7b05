/* SPDX-License-Identifier: Apache-2.0
 * api/stream.h - an answer that stays open: live events, followed logs.
 *
 * A stream holds little text at a time. When that was sent it asks `fill` for more; a reader that
 * is slow is therefore asked later, and what it missed is read again from where it lies (the store,
 * the log file). A reader that takes nothing at all is cut by libmicrohttpd's time-out.
 */
#ifndef BASCULE_API_STREAM_H
#define BASCULE_API_STREAM_H

#include "api/request.h"

enum { BSC_API_STREAM_BYTES = 64 * 1024 }; /* of text that waits; one more entry may go over it */

struct bsc_api_stream {
    struct bsc_list node; /* of bsc_api.streams */
    struct bsc_api *api;
    struct MHD_Connection *connection;
    struct bsc_text text; /* from `sent` on not yet given to libmicrohttpd */
    size_t sent;
    bool suspended, ended;
    const char *heartbeat; /* sent after 15 s of silence; NULL: none */
    int64_t last_ms;       /* boot clock: when something was sent */
    const char *service;   /* only of this; NULL: all. Freed with the stream */

    void (*fill)(struct bsc_api_stream *stream); /* adds to `text` what there is; may add nothing */
    void (*audit)(struct bsc_api_stream *stream, const struct bsc_audit_row *row); /* may be NULL */
    void (*changed)(struct bsc_api_stream *stream, const char *service);           /* may be NULL */
    void (*refresh)(struct bsc_api_stream *stream); /* its service changed: may look; may be NULL */
    void (*tick)(struct bsc_api_stream *stream);    /* several times a second; may be NULL */
    void (*release)(struct bsc_api_stream *stream); /* frees what its owner put around it */
};

/* Answers `request` with `stream`, which is taken: freed through `release`. With
 * BSC_API_STREAMS_MAX open already, answers 503 instead. */
void bsc_api_stream_answer(struct bsc_api_request *request, struct bsc_api_stream *take_stream,
                           const char *type);
/* There may be something to fill in. */
void bsc_api_stream_wake(struct bsc_api_stream *stream);
void bsc_api_stream_end(struct bsc_api_stream *stream); /* after what is in `text` */

/* Several times a second: ticks, heartbeats, and the end of those whose reader has left. */
void bsc_api_streams_sweep(struct bsc_api *api, int64_t now_ms);
void bsc_api_streams_end(struct bsc_api *api);

#endif
