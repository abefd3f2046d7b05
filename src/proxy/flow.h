/* SPDX-License-Identifier: Apache-2.0
 * proxy/flow.h - one direction of an exchange: a head of ours, then a body that passes through.
 *
 * The body is read into the source's buffer only when everything before it is gone, so a slow
 * reader slows the sender and a body of any length needs constant memory.
 */
#ifndef BASCULE_PROXY_FLOW_H
#define BASCULE_PROXY_FLOW_H

#include "proxy/boundary.h"
#include "proxy/chunked.h"
#include "proxy/connection.h"

enum bsc_recoding {
    BSC_RECODE_NOT,
    BSC_RECODE_TO_CHUNKED, /* until-close at the source, HTTP/1.1 at the sink */
    BSC_RECODE_TO_DATA     /* chunked at the source, HTTP/1.0 at the sink */
};

struct bsc_flow {
    struct bsc_buffer *out; /* the head, and what had to be written anew; NULL when it is gone */
    uint32_t sent;          /* offset in `out` up to which it was sent */
    uint32_t ready;         /* bytes at the front of the source's buffer that may be passed on */
    uint8_t framing;        /* enum bsc_framing, of the source */
    uint8_t recoding;       /* enum bsc_recoding */
    bool keep_out;          /* for sending it again: head and body stay in `out` */
    bool past;              /* something was sent that is not in `out` */
    bool complete;          /* the last byte of the body arrived */
    bool done;              /* and was passed on */
    uint64_t left;          /* BSC_FRAMING_LENGTH: bytes that still have to arrive */
    uint64_t data_bytes;    /* of the body so far */
    uint64_t most;          /* bytes of a chunked body */
    uint32_t keep_left;     /* so much more of the body may be kept */
    struct bsc_tap *tap;    /* what goes out is kept, too (mirror.h); NULL: mostly */
    struct bsc_boundary *boundary; /* where it can be stopped (farewell.h); NULL: nowhere */
    struct bsc_chunked chunked;
};

enum bsc_flowed {
    BSC_FLOWED_WAIT,          /* nothing more can move now */
    BSC_FLOWED_AGAIN,         /* more could, but others are waiting: call later */
    BSC_FLOWED_DONE,          /* the message is through */
    BSC_FLOWED_SOURCE_ENDED,  /* too early */
    BSC_FLOWED_SOURCE_BROKEN, /* reset */
    BSC_FLOWED_SINK_BROKEN,
    BSC_FLOWED_MALFORMED, /* the body's framing is wrong */
    BSC_FLOWED_TOO_LARGE
};

void bsc_flow_begin(struct bsc_flow *flow, enum bsc_framing framing, uint64_t length);
/* Moves what can be moved. `source` may be NULL when the message has no body. */
enum bsc_flowed bsc_flow_run(struct bsc_worker *worker, struct bsc_flow *flow,
                             struct bsc_connection *source, struct bsc_connection *sink);
/* What was sent need not be kept any more. */
void bsc_flow_stop_keeping(struct bsc_worker *worker, struct bsc_flow *flow);
/* Throws away what arrived of the body already; true when that was all of it. */
bool bsc_flow_discard(struct bsc_worker *worker, struct bsc_flow *flow,
                      struct bsc_connection *source);
/* Bytes of ours that still have to go out. */
static inline uint32_t bsc_flow_unsent(const struct bsc_flow *flow)
{
    return flow->out ? flow->out->end - flow->sent : 0;
}

#endif
