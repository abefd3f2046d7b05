/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_stream.c - the transport of a stream: to its exchange it is a connection of HTTP/1.1. */
#include <errno.h>
#include <string.h>

#include "proxy/h2_session.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

struct bsc_h2_stream *bsc_h2_stream_create(struct bsc_h2_session *session, int32_t id)
{
    struct bsc_h2_stream *stream = bsc_slab_take(&session->worker->h2->streams);
    stream->session = session;
    stream->id = id;
    bsc_list_init(&stream->node);
    bsc_list_add_tail(&session->streams, &stream->node);
    session->stream_count++;
    return stream;
}

void bsc_h2_stream_destroy(struct bsc_h2_stream *stream)
{
    struct bsc_worker *worker = stream->session->worker;
    if (stream->session->heading == stream)
        stream->session->heading = NULL;
    bsc_buffer_return(&worker->buffers, &stream->head.text);
    bsc_buffer_return(&worker->buffers, &stream->in.data);
    bsc_buffer_return(&worker->buffers, &stream->in.trailers);
    bsc_buffer_return(&worker->buffers, &stream->out.data);
    bsc_buffer_return(&worker->buffers, &stream->out.trailers);
    bsc_list_remove(&stream->node);
    stream->session->stream_count--;
    bsc_slab_give(&worker->h2->streams, stream);
}

void bsc_h2_stream_wake(struct bsc_h2_stream *stream)
{
    if (!stream->connection)
        return;
    stream->connection->readable = true;
    bsc_worker_later(stream->session->worker, stream->connection);
}

void bsc_h2_stream_closed(struct bsc_h2_stream *stream, uint32_t error_code)
{
    struct bsc_connection *connection = stream->connection;
    stream->closed = true;
    stream->reset = stream->session->upstream
                        ? !stream->in.ended /* an answer that is whole is one, whatever follows */
                        : error_code != NGHTTP2_NO_ERROR || !stream->sent_end;
    if (!connection) {
        bsc_h2_stream_destroy(stream);
        return;
    }
    connection->broken = stream->reset;
    connection->untouched = error_code == NGHTTP2_REFUSED_STREAM;
    if (connection->client && !connection->exchange)
        /* It was taken back before it had its turn: nobody hears of it. */
        bsc_client_close(stream->session->worker, (struct bsc_client *)(void *)connection, false);
    else
        bsc_h2_stream_wake(stream);
}

static ssize_t receive(struct bsc_worker *worker, struct bsc_connection *connection, char *bytes,
                       size_t size)
{
    struct bsc_h2_stream *stream = connection->layer;
    size_t data_bytes;
    if (stream->head.text) /* of an answer */
        return (ssize_t)bsc_h2_text_read(&worker->buffers, &stream->head.text, bytes, size);
    size_t got = bsc_h2_inbound_read(&worker->buffers, &stream->in, bytes, size, &data_bytes);
    if (data_bytes && !stream->closed) {
        nghttp2_session_consume(stream->session->engine, stream->id, data_bytes);
        bsc_h2_session_touch(stream->session);
    }
    if (got)
        return (ssize_t)got;
    if (stream->in.ended && stream->tunnel)
        return 0;
    errno = stream->reset ? ECONNRESET : EAGAIN;
    return -1;
}

static bool is_final(const struct bsc_h2_fields *fields)
{
    return fields->status >= 200 || fields->status == 101;
}

/* RFC 8441 section 5: what was 101 is a success, and nothing proves that it was asked for. */
static void accept_tunnel(struct bsc_h2_fields *fields)
{
    fields->nv[0].value = (uint8_t *)(uintptr_t) "200";
    bsc_h2_fields_drop(fields, "sec-websocket-accept");
    fields->framing = BSC_FRAMING_UNTIL_CLOSE;
}

static void submit_trailers(struct bsc_h2_stream *stream)
{
    struct bsc_h2_fields *fields = &stream->session->worker->h2->fields;
    const struct bsc_buffer *text = stream->out.trailers;
    bsc_h2_trailers_read(fields, text->bytes + text->begin, bsc_buffer_size(text));
    nghttp2_submit_trailer(stream->session->engine, stream->id, fields->nv, fields->count);
}

/* Source of DATA frames. */
static ssize_t on_read(nghttp2_session *engine, int32_t id, uint8_t *bytes, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct bsc_h2_stream *stream = source->ptr;
    uint32_t held = bsc_buffer_size(stream->out.data);
    (void)engine, (void)id, (void)bytes, (void)context;
    if (!held && !stream->out.complete) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (held > size)
        return (ssize_t)size;
    if (stream->out.complete) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->out.trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
    }
    return (ssize_t)held;
}

/* Submits the head of a request that begins at `bytes`; returns its size, -1: it can't be. */
static ssize_t send_request(struct bsc_h2_stream *stream, const char *bytes, size_t size)
{
    struct bsc_h2_fields *fields = &stream->session->worker->h2->fields;
    size_t used = bsc_h2_request_read(fields, bytes, size);
    if (!used)
        return -1;
    if (((const struct bsc_upstream *)(const void *)stream->session->connection)->secure)
        bsc_h2_request_secure(fields);
    stream->head.is_head = fields->nv[0].valuelen == 4 && !memcmp(fields->nv[0].value, "HEAD", 4);
    bsc_h2_outbound_begin(&stream->out, (enum bsc_framing)fields->framing, fields->length);
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = on_read };
    stream->id = nghttp2_submit_request(stream->session->engine, NULL, fields->nv, fields->count,
                                        stream->out.complete ? NULL : &provider, stream);
    if (stream->id < 0) {
        stream->id = 0;
        return -1;
    }
    stream->headed = true;
    return (ssize_t)used;
}

/* The same for an answer. */
static ssize_t send_answer(struct bsc_h2_stream *stream, const char *bytes, size_t size)
{
    struct bsc_h2_fields *fields = &stream->session->worker->h2->fields;
    nghttp2_session *engine = stream->session->engine;
    size_t used = bsc_h2_response_read(fields, bytes, size);
    if (!used)
        return -1;
    if (!is_final(fields))
        return nghttp2_submit_headers(engine, NGHTTP2_FLAG_NONE, stream->id, NULL, fields->nv,
                                      fields->count, NULL)
                   ? -1
                   : (ssize_t)used;
    if (fields->status == 101)
        accept_tunnel(fields);
    bool bodiless = stream->bodiless || fields->status == 204 || fields->status == 304;
    if (bodiless)
        fields->framing = BSC_FRAMING_NONE;
    if (fields->own && stream->grpc) {
        bsc_h2_grpc_answer(fields);
        stream->discarded = true;
    } else if (stream->grpc && fields->framing == BSC_FRAMING_LENGTH && !fields->length) {
        bsc_h2_fields_drop(fields, "content-length"); /* these are only trailers */
    }
    bsc_h2_outbound_begin(&stream->out, (enum bsc_framing)fields->framing, fields->length);
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = on_read };
    if (nghttp2_submit_response(engine, stream->id, fields->nv, fields->count,
                                stream->out.complete ? NULL : &provider))
        return -1;
    stream->headed = true;
    return (ssize_t)used;
}

/* Takes in a piece of the answer; returns how much of it, -1: nobody listens, or it is wrong. */
static ssize_t take_in(struct bsc_worker *worker, struct bsc_h2_stream *stream, const char *bytes,
                       size_t size)
{
    size_t used = 0;
    while (!stream->headed && used < size) {
        ssize_t head = (stream->session->upstream ? send_request
                                                  : send_answer)(stream, bytes + used, size - used);
        if (head < 0)
            return -1;
        used += (size_t)head;
    }
    if (stream->discarded)
        return (ssize_t)size;
    if (used == size)
        return (ssize_t)used;
    ssize_t body = bsc_h2_outbound_put(&worker->buffers, &stream->out, bytes + used, size - used);
    return body < 0 ? -1 : (ssize_t)used + body;
}

static void resume(struct bsc_h2_stream *stream)
{
    if (stream->deferred && (stream->out.data || stream->out.complete)) {
        stream->deferred = false;
        nghttp2_session_resume_data(stream->session->engine, stream->id);
    }
    bsc_h2_session_touch(stream->session);
}

static ssize_t send_pieces(struct bsc_worker *worker, struct bsc_connection *connection,
                           const char *first, size_t first_size, const char *second,
                           size_t second_size)
{
    struct bsc_h2_stream *stream = connection->layer;
    ssize_t sent = 0;
    if (stream->closed)
        goto broken;
    if (first_size)
        sent = take_in(worker, stream, first, first_size);
    if (sent < 0)
        goto broken;
    if ((size_t)sent == first_size && second_size) {
        ssize_t more = take_in(worker, stream, second, second_size);
        if (more < 0)
            goto broken;
        sent += more;
    }
    resume(stream);
    return sent;
broken:
    errno = EPIPE;
    return -1;
}

static void finish(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct bsc_h2_stream *stream = connection->layer;
    (void)worker;
    if (stream->closed || !stream->headed)
        return;
    stream->out.complete = true;
    resume(stream);
}

/* Sends no more than it must: an answer that is whole may still be on its way. */
static void let_go(struct bsc_worker *worker, struct bsc_connection *connection, bool reset)
{
    struct bsc_h2_stream *stream = connection->layer;
    struct bsc_h2_session *session = stream->session;
    connection->layer = NULL;
    stream->connection = NULL;
    session->attached--;
    if (session->ending)
        return;
    bsc_h2_session_touch(session);
    if (stream->closed || !stream->id) { /* the latter: nothing was asked */
        bsc_h2_stream_destroy(stream);
        return;
    }
    if (bsc_buffer_size(stream->in.data))
        nghttp2_session_consume_connection(session->engine, bsc_buffer_size(stream->in.data));
    bsc_buffer_return(&worker->buffers, &stream->in.data);
    if (session->upstream)
        nghttp2_submit_rst_stream(session->engine, 0, stream->id, NGHTTP2_CANCEL);
    else if (reset || !stream->headed || !stream->out.complete)
        nghttp2_submit_rst_stream(session->engine, 0, stream->id, NGHTTP2_INTERNAL_ERROR);
    else if (stream->sent_end && !stream->in.ended)
        nghttp2_submit_rst_stream(session->engine, 0, stream->id, NGHTTP2_NO_ERROR);
}

static const struct bsc_transport transport = {
    .receive = receive, .send = send_pieces, .finish = finish, .close = let_go
};

void bsc_h2_stream_attach(struct bsc_h2_stream *stream, struct bsc_connection *connection)
{
    stream->connection = connection;
    stream->session->attached++;
    connection->transport = &transport;
    connection->layer = stream;
    connection->stream = true;
    connection->writable = stream->session->connected;
}
