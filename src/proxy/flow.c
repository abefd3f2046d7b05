/* SPDX-License-Identifier: Apache-2.0
 * proxy/flow.c - see flow.h. */
#include "proxy/flow.h"

#include <string.h>

#include "proxy/mirror.h"
#include "proxy/worker.h"

enum {
    ROUNDS = 16,         /* reads in a row before others get their turn */
    JOINED_BYTES = 4096, /* a body this small is copied behind its head and sent with it */
    FRAME_ROOM = BSC_CHUNK_FRAME_BYTES + 2 + 5 /* size line, CRLF, and "0\r\n\r\n" */
};

void bsc_flow_begin(struct bsc_flow *flow, enum bsc_framing framing, uint64_t length)
{
    flow->framing = (uint8_t)framing;
    flow->left = framing == BSC_FRAMING_LENGTH ? length : 0;
    flow->complete = framing == BSC_FRAMING_NONE || (framing == BSC_FRAMING_LENGTH && length == 0);
    flow->done = false;
    flow->ready = 0;
    flow->data_bytes = 0;
    flow->most = UINT64_MAX;
    flow->chunked = (struct bsc_chunked){ 0 };
}

/* Ends the message where it is, when it was asked to and can be. */
static void stop_here(struct bsc_flow *flow)
{
    struct bsc_boundary *boundary = flow->boundary;
    bool passes_chunks = flow->framing == BSC_FRAMING_CHUNKED && flow->recoding == BSC_RECODE_NOT;
    if (!boundary->stop || flow->complete || !bsc_boundary_here(boundary) ||
        (passes_chunks && !bsc_chunked_between(&flow->chunked)))
        return;
    boundary->reached = flow->complete = true;
    if (flow->recoding != BSC_RECODE_TO_CHUNKED)
        flow->framing = BSC_FRAMING_NONE;
}

/* Passes chunks, and sees where events end. */
static enum bsc_parse pass_chunks(struct bsc_flow *flow, const char *bytes, size_t size,
                                  size_t *used, struct bsc_fault *fault)
{
    struct bsc_boundary watching = *flow->boundary;
    enum bsc_parse parse = BSC_PARSE_MORE;
    watching.stop = false; /* an event may end in the middle of a chunk, the body may not */
    while (parse == BSC_PARSE_MORE && *used < size) {
        struct bsc_chunked_run run;
        size_t most = size - *used, ending = bsc_chunked_ending(&flow->chunked);
        if (flow->boundary->stop && bsc_chunked_between(&flow->chunked) &&
            bsc_boundary_here(&watching))
            break;
        parse = bsc_chunked_next(&flow->chunked, bytes + *used,
                                 ending && ending < most ? ending : most, &run, fault);
        (void)bsc_boundary_pass(&watching, bytes + *used + run.data_at, run.data_size);
        *used += run.used;
        flow->data_bytes += run.data_size;
    }
    watching.stop = flow->boundary->stop;
    *flow->boundary = watching;
    return parse;
}

/* Finds out how many of the bytes that arrived belong to the message; false: malformed. */
static bool digest(struct bsc_flow *flow, struct bsc_connection *source)
{
    struct bsc_fault fault;
    uint32_t fresh = bsc_buffer_size(source->in) - flow->ready;
    if (flow->complete || !fresh)
        return true;
    const char *bytes = source->in->bytes + source->in->begin + flow->ready;
    if (flow->framing == BSC_FRAMING_LENGTH) {
        if (fresh > flow->left)
            fresh = (uint32_t)flow->left;
        flow->left -= fresh;
        flow->complete = flow->left == 0;
        flow->data_bytes += fresh;
    } else if (flow->framing == BSC_FRAMING_CHUNKED) {
        size_t used = 0;
        enum bsc_parse parse = flow->boundary ? pass_chunks(flow, bytes, fresh, &used, &fault)
                                              : bsc_chunked_pass(&flow->chunked, bytes, fresh,
                                                                 &used, &flow->data_bytes, &fault);
        if (parse == BSC_PARSE_REFUSED || flow->data_bytes > flow->most)
            return false;
        flow->complete = parse == BSC_PARSE_DONE;
        fresh = (uint32_t)used;
    } else {
        if (flow->boundary)
            fresh = (uint32_t)bsc_boundary_pass(flow->boundary, bytes, fresh);
        flow->data_bytes += fresh;
    }
    flow->ready += fresh;
    if (flow->boundary)
        stop_here(flow);
    return true;
}

static struct bsc_buffer *writable_out(struct bsc_worker *worker, struct bsc_flow *flow)
{
    if (!flow->out) {
        flow->out = bsc_buffer_lend(&worker->buffers, BSC_BUFFER_USUAL);
        flow->sent = 0;
    }
    return flow->out;
}

static void put(struct bsc_buffer *out, const char *bytes, size_t size)
{
    memcpy(out->bytes + out->end, bytes, size);
    out->end += (uint32_t)size;
}

/* Until-close becomes chunked: one chunk for what is there and fits. */
static void frame(struct bsc_worker *worker, struct bsc_flow *flow, struct bsc_connection *source)
{
    uint32_t size = bsc_buffer_size(source->in);
    flow->ready = 0;
    if (!size && !flow->complete)
        return;
    struct bsc_buffer *out = writable_out(worker, flow);
    uint32_t room = out->capacity - out->end;
    if (room < FRAME_ROOM + 1)
        return;
    if (size > room - FRAME_ROOM)
        size = room - FRAME_ROOM;
    if (flow->boundary && size)
        size = (uint32_t)bsc_boundary_pass(flow->boundary, source->in->bytes + source->in->begin,
                                           size);
    bool stopped = flow->boundary && flow->boundary->reached;
    if (size) {
        char line[BSC_CHUNK_FRAME_BYTES];
        put(out, line, bsc_chunk_frame(line, size));
        put(out, source->in->bytes + source->in->begin, size);
        put(out, "\r\n", 2);
        flow->data_bytes += size;
        bsc_connection_consume(worker, source, size);
    }
    if (stopped || (flow->complete && !bsc_buffer_size(source->in))) {
        flow->complete = true;
        put(out, "0\r\n\r\n", 5);
        flow->framing = BSC_FRAMING_NONE; /* the end is written once */
    }
}

/* Chunked becomes data only. */
static bool unframe(struct bsc_worker *worker, struct bsc_flow *flow, struct bsc_connection *source)
{
    while (!flow->complete && bsc_buffer_size(source->in)) {
        struct bsc_buffer *out = writable_out(worker, flow);
        struct bsc_chunked_run run;
        struct bsc_fault fault;
        uint32_t room = out->capacity - out->end;
        uint32_t size = bsc_buffer_size(source->in);
        if (!room)
            return true;
        const char *bytes = source->in->bytes + source->in->begin;
        enum bsc_parse parse =
            bsc_chunked_next(&flow->chunked, bytes, size < room ? size : room, &run, &fault);
        if (parse == BSC_PARSE_REFUSED)
            return false;
        if (flow->boundary)
            run.data_size = bsc_boundary_pass(flow->boundary, bytes + run.data_at, run.data_size);
        put(out, bytes + run.data_at, run.data_size);
        flow->data_bytes += run.data_size;
        flow->complete = parse == BSC_PARSE_DONE;
        if (flow->boundary)
            stop_here(flow);
        bsc_connection_consume(worker, source, (uint32_t)run.used);
    }
    return true;
}

void bsc_flow_stop_keeping(struct bsc_worker *worker, struct bsc_flow *flow)
{
    flow->keep_out = false;
    if (!bsc_flow_unsent(flow))
        bsc_buffer_return(&worker->buffers, &flow->out);
}

/* Moves what arrived behind the head; a body that grows too long is not kept any more. */
static void keep(struct bsc_worker *worker, struct bsc_flow *flow, struct bsc_connection *source)
{
    if (flow->ready > flow->keep_left) {
        bsc_flow_stop_keeping(worker, flow);
        return;
    }
    if (flow->ready > flow->out->capacity - flow->out->end) {
        struct bsc_buffer *larger = bsc_buffer_lend(&worker->buffers, flow->out->end + flow->ready);
        put(larger, flow->out->bytes, flow->out->end);
        bsc_buffer_return(&worker->buffers, &flow->out);
        flow->out = larger;
    }
    put(flow->out, source->in->bytes + source->in->begin, flow->ready);
    bsc_connection_consume(worker, source, flow->ready);
    flow->keep_left -= flow->ready;
    flow->ready = 0;
}

/* What ends the message goes out behind everything that came before it. */
static void add_tail(struct bsc_worker *worker, struct bsc_flow *flow)
{
    struct bsc_boundary *boundary = flow->boundary;
    if (flow->ready || bsc_flow_unsent(flow) || !boundary->tail_size)
        return;
    put(writable_out(worker, flow), boundary->tail, boundary->tail_size);
    boundary->tail_size = 0;
}

static bool prepare(struct bsc_worker *worker, struct bsc_flow *flow, struct bsc_connection *source)
{
    if (flow->boundary)
        stop_here(flow);
    if (flow->recoding == BSC_RECODE_TO_DATA)
        return unframe(worker, flow, source);
    if (flow->recoding == BSC_RECODE_TO_CHUNKED) {
        flow->complete = source->ended || (flow->boundary && flow->boundary->reached);
        if (flow->framing == BSC_FRAMING_UNTIL_CLOSE)
            frame(worker, flow, source);
        return true;
    }
    if (!digest(flow, source))
        return false;
    if (flow->framing == BSC_FRAMING_UNTIL_CLOSE && source->ended)
        flow->complete = true;
    if (flow->keep_left && flow->keep_out && flow->ready)
        keep(worker, flow, source);
    if (flow->boundary && flow->boundary->reached)
        add_tail(worker, flow);
    struct bsc_buffer *out = flow->out;
    bool join = bsc_flow_unsent(flow) || (flow->keep_out && out && !flow->past);
    if (flow->ready && flow->ready <= JOINED_BYTES && join &&
        flow->ready <= out->capacity - out->end) {
        put(out, source->in->bytes + source->in->begin, flow->ready);
        bsc_connection_consume(worker, source, flow->ready);
        flow->ready = 0;
    }
    return true;
}

/* Writes once; false: the sink is broken. */
static bool push(struct bsc_worker *worker, struct bsc_flow *flow, struct bsc_connection *source,
                 struct bsc_connection *sink)
{
    uint32_t unsent = bsc_flow_unsent(flow);
    uint32_t ready = source ? flow->ready : 0; /* an answer of our own has no source */
    const char *body = ready ? source->in->bytes + source->in->begin : NULL;
    ssize_t sent = bsc_connection_send(worker, sink, unsent ? flow->out->bytes + flow->sent : NULL,
                                       unsent, body, ready);
    if (sent < 0)
        return false;
    uint32_t ours = sent < (ssize_t)unsent ? (uint32_t)sent : unsent;
    uint32_t passed = (uint32_t)sent - ours;
    if (flow->tap) {
        if (ours)
            bsc_mirror_keep_answer(worker, flow->tap, flow->out->bytes + flow->sent, ours);
        if (passed)
            bsc_mirror_keep_answer(worker, flow->tap, body, passed);
    }
    flow->sent += ours;
    if (unsent && ours == unsent && !flow->keep_out)
        bsc_buffer_return(&worker->buffers, &flow->out);
    if (passed) {
        flow->past = true;
        flow->ready -= passed;
        bsc_connection_consume(worker, source, passed);
    }
    return true;
}

static bool at_end(const struct bsc_flow *flow, const struct bsc_connection *source)
{
    if (!flow->complete || flow->ready || bsc_flow_unsent(flow))
        return false;
    if (flow->boundary && flow->boundary->reached && flow->boundary->tail_size)
        return false;
    if (flow->framing != BSC_FRAMING_UNTIL_CLOSE)
        return true;
    return flow->recoding == BSC_RECODE_NOT && !bsc_buffer_size(source->in);
}

enum bsc_flowed bsc_flow_run(struct bsc_worker *worker, struct bsc_flow *flow,
                             struct bsc_connection *source, struct bsc_connection *sink)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (source && !prepare(worker, flow, source))
            return flow->data_bytes > flow->most ? BSC_FLOWED_TOO_LARGE : BSC_FLOWED_MALFORMED;
        while (bsc_flow_unsent(flow) || flow->ready) {
            if (!sink->writable)
                return sink->broken ? BSC_FLOWED_SINK_BROKEN : BSC_FLOWED_WAIT;
            if (!push(worker, flow, source, sink))
                return BSC_FLOWED_SINK_BROKEN;
        }
        if (!source || at_end(flow, source)) {
            flow->done = true;
            return BSC_FLOWED_DONE;
        }
        if (flow->complete || (flow->recoding && bsc_buffer_size(source->in)))
            continue; /* recoding goes on with what did not fit */
        switch (bsc_connection_receive(worker, source)) {
        case BSC_RECEIVED_BYTES:
            continue;
        case BSC_RECEIVED_WAIT:
            return BSC_FLOWED_WAIT;
        case BSC_RECEIVED_ENDED:
            if (flow->framing != BSC_FRAMING_UNTIL_CLOSE)
                return BSC_FLOWED_SOURCE_ENDED;
            continue;
        case BSC_RECEIVED_BROKEN:
            return BSC_FLOWED_SOURCE_BROKEN;
        }
    }
    return BSC_FLOWED_AGAIN;
}

bool bsc_flow_discard(struct bsc_worker *worker, struct bsc_flow *flow,
                      struct bsc_connection *source)
{
    if (!digest(flow, source))
        return false;
    if (flow->ready)
        bsc_connection_consume(worker, source, flow->ready);
    flow->ready = 0;
    flow->done = flow->complete;
    return flow->complete;
}
