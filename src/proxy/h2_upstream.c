/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_upstream.c - sessions with instances that speak HTTP/2: each request is a stream of one.
 *
 * An instance's list holds the sessions that take requests; one that was told to go, or whose
 * instance is not wanted any more, leaves the list and lives as long as its streams.
 */
#include <stdlib.h>

#include "proxy/balance.h"
#include "proxy/h2_session.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

enum {
    GRACE_MS = 2 * BSC_TIMER_TICK_MS, /* the time-outs of requests that wait for it come first */
    WINDOW = INT32_MAX /* of a connection: a slow client must not stop those of others */
};

static int refuse_stream(struct bsc_h2_session *session, int32_t id)
{
    nghttp2_submit_rst_stream(session->engine, 0, id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct bsc_h2_session *session = context;
    session->heading = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream = session->heading;
    struct bsc_buffers *buffers = &session->worker->buffers;
    (void)engine, (void)flags;
    if (!stream || !stream->connection)
        return 0;
    bool head = stream->head.begun || stream->head.status < 200; /* else trailers */
    bool good = head ? bsc_h2_response_field(buffers, &stream->head, (const char *)name, name_size,
                                             (const char *)value, value_size)
                     : bsc_h2_trailer_field(buffers, &stream->in.trailers, (const char *)name,
                                            name_size, (const char *)value, value_size);
    return good ? 0 : refuse_stream(session, frame->hd.stream_id);
}

static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_size, const uint8_t *value,
                             size_t value_size, uint8_t flags, void *context)
{
    (void)engine, (void)name, (void)name_size, (void)value, (void)value_size, (void)flags;
    return refuse_stream(context, frame->hd.stream_id);
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct bsc_h2_session *session = context;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct bsc_h2_stream *stream =
        nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS)
        session->heading = NULL;
    if (!stream || !stream->connection)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && stream->head.begun) {
        bsc_h2_response_end(&session->worker->buffers, &stream->head, !end);
        stream->in.chunked = !end && !stream->head.sized && stream->head.status >= 200;
    }
    stream->in.ended = end;
    bsc_h2_stream_wake(stream);
    return 0;
}

void bsc_h2_upstream_callbacks(nghttp2_session_callbacks *callbacks)
{
    bsc_h2_session_callbacks(callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
}

/* It gets no more requests. */
static void unlist(struct bsc_h2_session *session)
{
    struct bsc_upstream *carrier = (struct bsc_upstream *)(void *)session->connection;
    if (!session->instance)
        return;
    if (carrier->secure)
        bsc_upstream_remember(carrier, session->instance);
    bsc_list_remove(&session->node);
    session->instance->session_count--;
    session->instance = NULL;
}

void bsc_h2_upstream_leave(struct bsc_local_instance *instance)
{
    while (!bsc_list_empty(&instance->sessions)) {
        struct bsc_h2_session *session =
            BSC_CONTAINER(instance->sessions.next, struct bsc_h2_session, node);
        unlist(session);
        bsc_h2_session_touch(session);
    }
}

static struct bsc_h2_session *open_session(struct bsc_worker *worker,
                                           struct bsc_local_instance *instance, int64_t connect_ms)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, BSC_HEAD_BYTES },
    };
    struct bsc_h2 *h2 = worker->h2;
    struct bsc_upstream *carrier = bsc_upstream_connect(worker, instance);
    if (!carrier)
        return NULL;
    struct bsc_h2_session *session = bsc_h2_session_create(worker, &carrier->connection);
    carrier->session = session;
    carrier->instance = NULL;
    session->upstream = true;
    session->connected = carrier->connection.writable && !carrier->shaking;
    session->instance = instance;
    bsc_list_add_tail(&instance->sessions, &session->node);
    instance->session_count++;
    if (nghttp2_session_client_new3(&session->engine, h2->client, session, h2->option,
                                    &h2->pool.mem))
        abort();
    nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0, WINDOW);
    bsc_timer_set(&worker->wheel, &carrier->connection.timer,
                  worker->now_ms + connect_ms + GRACE_MS);
    return session;
}

/* How many streams it takes at once, by its own account and ours. */
static unsigned room(struct bsc_h2_session *session)
{
    uint32_t limit = nghttp2_session_get_remote_settings(session->engine,
                                                         NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (limit > BSC_H2_STREAMS)
        limit = BSC_H2_STREAMS;
    return session->stream_count < limit ? limit - session->stream_count : 0;
}

/* One with room; else a new one; else, when there are many, nghttp2 queues. */
static struct bsc_h2_session *choose(struct bsc_worker *worker, struct bsc_local_instance *instance,
                                     int64_t connect_ms)
{
    struct bsc_h2_session *least = NULL;
    for (struct bsc_list *node = instance->sessions.next; node != &instance->sessions;
         node = node->next) {
        struct bsc_h2_session *session = BSC_CONTAINER(node, struct bsc_h2_session, node);
        if (!nghttp2_session_check_request_allowed(session->engine))
            continue;
        if (room(session))
            return session;
        if (!least || session->stream_count < least->stream_count)
            least = session;
    }
    if (least && instance->session_count >= BSC_H2_CONNECTIONS)
        return least;
    return open_session(worker, instance, connect_ms);
}

struct bsc_upstream *bsc_h2_upstream_get(struct bsc_worker *worker,
                                         struct bsc_local_instance *instance, int64_t connect_ms)
{
    struct bsc_h2_session *session = choose(worker, instance, connect_ms);
    if (!session)
        return NULL;
    struct bsc_upstream *upstream = bsc_slab_take(&worker->upstreams);
    bsc_connection_init(&upstream->connection, BSC_KIND_UPSTREAM, -1);
    bsc_list_init(&upstream->idle);
    upstream->instance = instance;
    upstream->reused = session->connected;
    bsc_h2_stream_attach(bsc_h2_stream_create(session, 0), &upstream->connection);
    session->active_ms = worker->now_ms;
    return upstream;
}

/* True once it is; requests that waited for it go out. */
static bool is_connected(struct bsc_h2_session *session, bool shaking)
{
    if (session->connected || !session->connection->writable || shaking)
        return session->connected;
    session->connected = true;
    for (struct bsc_list *node = session->streams.next; node != &session->streams;
         node = node->next) {
        struct bsc_h2_stream *stream = BSC_CONTAINER(node, struct bsc_h2_stream, node);
        stream->connection->writable = true;
        bsc_worker_later(session->worker, stream->connection);
    }
    bsc_timer_set(&session->worker->wheel, &session->connection->timer,
                  session->worker->now_ms + session->worker->options->pooled_ms);
    return true;
}

/* Why there is no TLS is for the requests to say. */
static void pass_blame(struct bsc_worker *worker, struct bsc_upstream *carrier)
{
    struct bsc_h2_session *session = carrier->session;
    const struct bsc_connection *connection = &carrier->connection;
    if (session->instance && !carrier->shaking)
        bsc_upstream_judge(worker, carrier, session->instance);
    for (struct bsc_list *node = session->streams.next;
         connection->unsecured && node != &session->streams; node = node->next) {
        struct bsc_connection *stream = BSC_CONTAINER(node, struct bsc_h2_stream, node)->connection;
        if (!stream)
            continue;
        stream->unsecured = true;
        stream->untrusted = connection->untrusted;
    }
}

static void end(struct bsc_worker *worker, struct bsc_upstream *carrier)
{
    struct bsc_h2_session *session = carrier->session;
    if (carrier->secure)
        pass_blame(worker, carrier);
    unlist(session);
    carrier->session = NULL;
    bsc_h2_session_destroy(session);
    bsc_upstream_close(worker, carrier);
}

void bsc_h2_upstream_run(struct bsc_worker *worker, struct bsc_upstream *carrier)
{
    struct bsc_h2_session *session = carrier->session;
    const struct bsc_connection *connection = &carrier->connection;
    if (carrier->shaking && connection->writable && session->instance &&
        bsc_upstream_shake(worker, carrier, session->instance) == BSC_TLS_FAILED) {
        end(worker, carrier);
        return;
    }
    if (!session->connected && (connection->broken || connection->ending)) {
        end(worker, carrier);
        return;
    }
    if (!is_connected(session, carrier->shaking) && session->instance)
        return;
    if (!bsc_h2_session_run(session)) {
        end(worker, carrier);
        return;
    }
    if (!nghttp2_session_check_request_allowed(session->engine))
        unlist(session);
    if (!session->instance && !session->stream_count)
        end(worker, carrier);
}

void bsc_h2_upstream_timer(struct bsc_worker *worker, struct bsc_upstream *carrier)
{
    struct bsc_h2_session *session = carrier->session;
    int64_t until_ms = session->active_ms + worker->options->pooled_ms;
    if (!session->connected || (!session->stream_count && until_ms <= worker->now_ms)) {
        end(worker, carrier);
        return;
    }
    if (until_ms <= worker->now_ms)
        until_ms = worker->now_ms + worker->options->pooled_ms;
    bsc_timer_set(&worker->wheel, &carrier->connection.timer, until_ms);
}
