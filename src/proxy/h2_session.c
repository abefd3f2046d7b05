/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_session.c - bytes of a connection through nghttp2, both ways. */
#include <string.h>

#include "proxy/exchange.h"
#include "proxy/h2_session.h"
#include "proxy/worker.h"

enum {
    ROUNDS = 16, /* reads or writes in a row before others get their turn */
    FRAME_HEAD_BYTES = 9,
    EARNED_BYTES = 256 /* DATA of this size brings a WINDOW_UPDATE or two along */
};

struct bsc_h2_session *bsc_h2_session_create(struct bsc_worker *worker,
                                             struct bsc_connection *connection)
{
    struct bsc_h2_session *session = bsc_slab_take(&worker->h2->sessions);
    session->worker = worker;
    session->connection = connection;
    session->active_ms = worker->now_ms;
    bsc_list_init(&session->streams);
    bsc_list_init(&session->node);
    bsc_h2_calm_init(&session->calm, worker->now_ms);
    return session;
}

void bsc_h2_session_touch(struct bsc_h2_session *session)
{
    if (!session->ending)
        bsc_worker_later(session->worker, session->connection);
}

void bsc_h2_session_refuse(struct bsc_h2_session *session, uint32_t error_code)
{
    if (error_code == NGHTTP2_ENHANCE_YOUR_CALM && session->drain != BSC_H2_LEAVING)
        bsc_counter_add(&session->worker->shard->h2_floods, 1);
    nghttp2_session_terminate_session(session->engine, error_code);
    session->drain = BSC_H2_LEAVING;
    session->due_ms = 0;
}

static void abort_stream(struct bsc_worker *worker, struct bsc_h2_stream *stream)
{
    struct bsc_connection *connection = stream->connection;
    stream->closed = stream->reset = true;
    if (connection) {
        connection->broken = connection->readable = true;
        connection->untouched = stream->id == 0 || stream->session->connection->untouched;
        if (connection->exchange)
            bsc_exchange_run(worker, connection->exchange);
        else
            bsc_client_close(worker, (struct bsc_client *)(void *)connection, false);
    }
    bsc_h2_stream_destroy(stream);
}

void bsc_h2_session_destroy(struct bsc_h2_session *session)
{
    struct bsc_worker *worker = session->worker;
    session->ending = true;
    bsc_list_remove(&session->node);
    while (!bsc_list_empty(&session->streams))
        abort_stream(worker, BSC_CONTAINER(session->streams.next, struct bsc_h2_stream, node));
    nghttp2_session_del(session->engine);
    bsc_buffer_return(&worker->buffers, &session->out);
    bsc_slab_give(&worker->h2->sessions, session);
}

static struct bsc_buffer *out_buffer(struct bsc_h2_session *session)
{
    if (!session->out)
        session->out = bsc_buffer_lend(&session->worker->buffers, BSC_BUFFER_LARGE);
    return session->out;
}

static ssize_t on_send(nghttp2_session *engine, const uint8_t *bytes, size_t size, int flags,
                       void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_buffer *out = out_buffer(session);
    size_t room = out->capacity - out->end;
    (void)engine, (void)flags;
    if (!room) {
        session->full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (size > room)
        size = room;
    memcpy(out->bytes + out->end, bytes, size);
    out->end += (uint32_t)size;
    return (ssize_t)size;
}

/* DATA goes from the stream's buffer straight behind the other frames. */
static int on_send_data(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream = source->ptr;
    struct bsc_buffer *out = out_buffer(session);
    (void)engine, (void)frame;
    if (out->capacity - out->end < FRAME_HEAD_BYTES + size) {
        session->full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    memcpy(out->bytes + out->end, head, FRAME_HEAD_BYTES);
    out->end += FRAME_HEAD_BYTES;
    if (size) {
        memcpy(out->bytes + out->end, stream->out.data->bytes + stream->out.data->begin, size);
        out->end += (uint32_t)size;
        bsc_h2_outbound_sent(&session->worker->buffers, &stream->out, size);
    }
    session->active_ms = session->worker->now_ms;
    /* A small frame is the client's doing when more was there for it: its window is small. */
    if (size >= EARNED_BYTES || (size && !bsc_buffer_size(stream->out.data)))
        bsc_h2_calm_earn(&session->calm, 2);
    if (stream->connection && !stream->connection->writable) {
        stream->connection->writable = true;
        bsc_worker_later(session->worker, stream->connection);
    }
    return 0;
}

/* An answer that came before the end of its request: the rest is not wanted (RFC 9113 section
 * 8.1). */
static int on_frame_send(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct bsc_h2_session *session = context;
    if (frame->hd.type == NGHTTP2_GOAWAY && session->drain == BSC_H2_TO_GOAWAY)
        nghttp2_submit_ping(engine, NGHTTP2_FLAG_NONE, NULL); /* here: it would overtake */
    if (!ends)
        return 0;
    struct bsc_h2_stream *stream =
        nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    if (!stream)
        return 0;
    stream->sent_end = true;
    if (!session->upstream && !stream->connection && !stream->in.ended)
        nghttp2_submit_rst_stream(engine, 0, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_data(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    (void)flags;
    session->active_ms = session->worker->now_ms;
    if (!stream || !stream->connection) {
        nghttp2_session_consume_connection(engine, size);
        return 0;
    }
    bsc_h2_inbound_put(&session->worker->buffers, &stream->in, bytes, size);
    bsc_h2_stream_wake(stream);
    return 0;
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t error_code, void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    if (stream && !session->ending)
        bsc_h2_stream_closed(stream, error_code);
    return 0;
}

void bsc_h2_session_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* Writes once; false: broken. */
static bool push(struct bsc_h2_session *session)
{
    struct bsc_buffer *out = session->out;
    ssize_t sent = bsc_connection_send(session->worker, session->connection,
                                       out->bytes + out->begin, bsc_buffer_size(out), NULL, 0);
    if (sent < 0)
        return false;
    out->begin += (uint32_t)sent;
    if (out->begin == out->end)
        bsc_buffer_return(&session->worker->buffers, &session->out);
    return true;
}

bool bsc_h2_session_flush(struct bsc_h2_session *session)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        session->full = false;
        if (nghttp2_session_send(session->engine))
            return false;
        if (!session->out)
            return true;
        if (!session->connection->writable)
            return !session->connection->broken;
        if (!push(session))
            return false;
        if (session->out || !session->full)
            return true;
    }
    bsc_h2_session_touch(session);
    return true;
}

/* Gives nghttp2 what arrived; false: it wants no more. */
static bool digest(struct bsc_h2_session *session)
{
    struct bsc_connection *connection = session->connection;
    struct bsc_buffer *in = connection->in;
    uint32_t size = bsc_buffer_size(in);
    if (!size)
        return true;
    ssize_t used =
        nghttp2_session_mem_recv(session->engine, (const uint8_t *)in->bytes + in->begin, size);
    bsc_connection_consume(session->worker, connection, size);
    if (used < 0) {
        bsc_h2_session_refuse(session, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                   : NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    if (!session->heading) {
        session->heading_bytes = 0;
    } else if (!session->heading_bytes) {
        session->heading_ms = session->worker->now_ms;
        session->heading_bytes = size;
        int64_t late_ms = session->heading_ms + session->worker->options->head_ms;
        if (!session->due_ms || late_ms < session->due_ms)
            bsc_timer_set(&session->worker->wheel, &connection->timer, late_ms);
    } else if ((session->heading_bytes += size) > BSC_H2_HEAD_INPUT) {
        bsc_h2_session_refuse(session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return nghttp2_session_want_read(session->engine);
}

static bool takes_in(const struct bsc_h2_session *session)
{
    return !session->out || session->upstream;
}

bool bsc_h2_session_run(struct bsc_h2_session *session)
{
    bool reading = digest(session);
    enum bsc_received received = BSC_RECEIVED_BYTES;
    /* A client that doesn't read what it is sent is not read from either, so that nothing piles up
     * here; an instance always is, because it may be waiting for that. */
    for (unsigned round = 0; reading && takes_in(session) && round < ROUNDS; round++) {
        received = bsc_connection_receive(session->worker, session->connection);
        if (received != BSC_RECEIVED_BYTES)
            break;
        reading = digest(session);
        if (!bsc_h2_session_flush(session))
            return false;
    }
    if (!bsc_h2_session_flush(session))
        return false;
    if (reading && takes_in(session) && session->connection->readable)
        bsc_h2_session_touch(session);
    bool over = !nghttp2_session_want_read(session->engine) &&
                !nghttp2_session_want_write(session->engine) && !session->out;
    return !over && received != BSC_RECEIVED_ENDED && received != BSC_RECEIVED_BROKEN;
}
