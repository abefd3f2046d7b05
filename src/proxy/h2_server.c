/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_server.c - sessions of clients: requests come in, until it is time to go. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/h2_session.h"
#include "proxy/worker.h"

enum {
    NOTICE_MS = 1000, /* from "make no new requests" to "none was taken after this", at least */
    OVERDUE_MS = 4000 /* more, for a client that is so far away, or asleep */
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

bool bsc_h2_preface(const char *bytes, size_t size)
{
    enum { LINE = 18 }; /* what looks like a head */
    return size >= LINE && memcmp(bytes, preface, size < 24 ? size : 24) == 0;
}

/* One reset too many, or one frame: the connection ends. */
static void spend(struct bsc_h2_session *session, bool reset)
{
    int64_t now_ms = session->worker->now_ms;
    if (!(reset ? bsc_h2_calm_reset(&session->calm, now_ms)
                : bsc_h2_calm_frame(&session->calm, now_ms)))
        bsc_h2_session_refuse(session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_begin_frame(nghttp2_session *engine, const nghttp2_frame_hd *head, void *context)
{
    struct bsc_h2_session *session = context;
    bool carries =
        head->type == NGHTTP2_HEADERS ||
        (head->type == NGHTTP2_DATA && (head->length || head->flags & NGHTTP2_FLAG_END_STREAM));
    (void)engine;
    if (!carries)
        spend(session, head->type == NGHTTP2_RST_STREAM);
    return 0;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct bsc_h2_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        session->heading = bsc_h2_stream_create(session, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(engine, frame->hd.stream_id, session->heading);
    } else {
        session->heading = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    }
    return 0;
}

static int refuse_stream(struct bsc_h2_session *session, int32_t id)
{
    nghttp2_submit_rst_stream(session->engine, 0, id, NGHTTP2_PROTOCOL_ERROR);
    spend(session, true);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream = session->heading;
    struct bsc_buffers *buffers = &session->worker->buffers;
    (void)engine, (void)flags;
    if (!stream)
        return 0;
    bool good = frame->headers.cat == NGHTTP2_HCAT_REQUEST
                    ? bsc_h2_request_field(buffers, &stream->head, (const char *)name, name_size,
                                           (const char *)value, value_size)
                    : bsc_h2_trailer_field(buffers, &stream->in.trailers, (const char *)name,
                                           name_size, (const char *)value, value_size);
    return good ? 0 : refuse_stream(session, stream->id);
}

static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_size, const uint8_t *value,
                             size_t value_size, uint8_t flags, void *context)
{
    (void)engine, (void)name, (void)name_size, (void)value, (void)value_size, (void)flags;
    return refuse_stream(context, frame->hd.stream_id);
}

/* 16 random bytes in base64 (RFC 6455 section 4.1). */
static void write_key(struct bsc_random *random, char out[static 25])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < 21; i++)
        out[i] = digits[bsc_random_next(random) & 63];
    memcpy(out + 21, "A==", 4);
}

static void begin_drain(struct bsc_h2_session *session, int64_t after_ms)
{
    struct bsc_worker *worker = session->worker;
    if (session->drain != BSC_H2_SERVING)
        return;
    session->drain = BSC_H2_TO_NOTICE;
    session->due_ms = worker->now_ms + after_ms;
    bsc_timer_set(&worker->wheel, &session->connection->timer, session->due_ms);
}

static void begin_request(struct bsc_h2_session *session, struct bsc_h2_stream *stream, bool body)
{
    struct bsc_worker *worker = session->worker;
    char key[25] = "";
    if (stream->head.method.size == 7) /* a CONNECT needs one */
        write_key(&worker->random, key);
    if (!bsc_h2_request_end(&worker->buffers, &stream->head, body, key)) {
        bsc_counter_add(&worker->shard->h2_refused_streams, 1);
        refuse_stream(session, stream->id);
        return;
    }
    stream->tunnel = stream->head.tunnel;
    stream->bodiless = stream->head.is_head;
    stream->grpc = stream->head.grpc;
    stream->in.chunked = body && !stream->head.sized && !stream->tunnel;
    struct bsc_client *carrier = (struct bsc_client *)(void *)session->connection;
    struct bsc_client *client = bsc_client_open_stream(worker, carrier);
    if (worker->options->requests_max && ++carrier->requests >= worker->options->requests_max)
        begin_drain(session, 0);
    bsc_h2_stream_attach(stream, &client->connection);
    client->connection.in = stream->head.text;
    stream->head.text = NULL;
    session->active_ms = worker->now_ms;
    bsc_h2_calm_earn(&session->calm, 4);
    bsc_h2_stream_wake(stream);
}

static void end_request(struct bsc_h2_stream *stream)
{
    stream->in.ended = true;
    bsc_h2_stream_wake(stream);
}

static void say_last(struct bsc_h2_session *session)
{
    nghttp2_submit_goaway(session->engine, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->engine),
                          NGHTTP2_NO_ERROR, NULL, 0);
    session->drain = BSC_H2_LEAVING;
    session->due_ms = 0;
}

static void on_acknowledged(struct bsc_h2_session *session)
{
    session->heard = true;
    if (session->drain == BSC_H2_OVERDUE)
        say_last(session);
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *context)
{
    struct bsc_h2_session *session = context;
    struct bsc_h2_stream *stream;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        stream = session->heading;
        session->heading = NULL;
        if (!stream)
            return 0;
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            begin_request(session, stream, !end);
        if (end)
            end_request(stream);
        return 0;
    case NGHTTP2_DATA:
        stream = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
        if (stream && end)
            end_request(stream);
        return 0;
    case NGHTTP2_PING: /* the only one that we send goes behind the notice */
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            on_acknowledged(session);
        return 0;
    default:
        return 0;
    }
}

static int on_invalid_frame(nghttp2_session *engine, const nghttp2_frame *frame, int code,
                            void *context)
{
    struct bsc_h2_session *session = context;
    (void)engine, (void)code;
    if (frame->hd.type == NGHTTP2_HEADERS)
        session->heading = NULL;
    bsc_counter_add(&session->worker->shard->h2_refused_streams, 1);
    spend(session, true);
    return 0;
}

static void make_server(struct bsc_h2 *h2)
{
    bsc_h2_session_callbacks(h2->server);
    nghttp2_session_callbacks_set_on_begin_frame_callback(h2->server, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(h2->server, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(h2->server, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(h2->server, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(h2->server, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(h2->server, on_invalid_frame);
}

struct bsc_h2 *bsc_h2_create(void)
{
    struct bsc_h2 *h2 = bsc_alloc(sizeof *h2);
    bsc_h2_pool_init(&h2->pool);
    bsc_slab_init(&h2->sessions, sizeof(struct bsc_h2_session));
    bsc_slab_init(&h2->streams, sizeof(struct bsc_h2_stream));
    bsc_list_init(&h2->open);
    if (nghttp2_session_callbacks_new(&h2->server) || nghttp2_session_callbacks_new(&h2->client) ||
        nghttp2_option_new(&h2->option))
        abort();
    make_server(h2);
    bsc_h2_upstream_callbacks(h2->client);
    nghttp2_option_set_no_auto_window_update(h2->option, 1);
    nghttp2_option_set_no_closed_streams(h2->option, 1);
    return h2;
}

/* When to look at the session again. */
static int64_t next_look(const struct bsc_h2_session *session)
{
    const struct bsc_options *options = session->worker->options;
    int64_t at_ms = session->heading    ? session->heading_ms + options->head_ms
                    : session->attached ? session->worker->now_ms + options->keep_alive_ms
                                        : session->active_ms + options->keep_alive_ms;
    return session->due_ms && session->due_ms < at_ms ? session->due_ms : at_ms;
}

void bsc_h2_start(struct bsc_worker *worker, struct bsc_client *client)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker->options->streams_max },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, worker->options->head_bytes },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    struct bsc_h2 *h2 = worker->h2;
    struct bsc_h2_session *session = bsc_h2_session_create(worker, &client->connection);
    session->connected = true;
    bsc_list_add_tail(&h2->open, &session->node);
    if (nghttp2_session_server_new3(&session->engine, h2->server, session, h2->option,
                                    &h2->pool.mem))
        abort();
    nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, settings,
                            sizeof settings / sizeof *settings);
    nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0,
                                          BSC_H2_CONNECTION_WINDOW);
    client->session = session;
    client->connection.phase = BSC_CLIENT_SESSION;
    bsc_timer_set(&worker->wheel, &client->connection.timer, next_look(session));
    if (worker->retiring)
        begin_drain(session, 0);
    bsc_h2_run(worker, client);
}

void bsc_h2_run(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_h2_session *session = client->session;
    if (bsc_h2_session_run(session))
        return;
    client->session = NULL;
    bsc_h2_session_destroy(session);
    client->connection.readable = true; /* reads on, so that GOAWAY is not reset away */
    bsc_client_end(worker, client);
}

int64_t bsc_h2_idle_since_ms(const struct bsc_worker *worker, const struct bsc_client *client)
{
    const struct bsc_h2_session *session = client->session;
    return session->stream_count || session->heading ? worker->now_ms : session->active_ms;
}

void bsc_h2_end(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_h2_session *session = client->session;
    (void)worker;
    client->session = NULL;
    bsc_h2_session_refuse(session, NGHTTP2_NO_ERROR);
    bsc_h2_session_flush(session);
    bsc_h2_session_destroy(session);
}

/* The two steps of RFC 9113 section 6.8. The acknowledgement of a PING that follows the first
 * proves that every request which the client made without knowing has arrived. */
static void step_drain(struct bsc_h2_session *session)
{
    const struct bsc_worker *worker = session->worker;
    if (session->drain == BSC_H2_TO_NOTICE) {
        nghttp2_submit_shutdown_notice(session->engine);
        session->drain = BSC_H2_TO_GOAWAY;
        session->due_ms = worker->now_ms + NOTICE_MS;
    } else if (session->drain == BSC_H2_TO_GOAWAY && !session->heard) {
        int64_t left_ms = worker->leave_by_ms - worker->now_ms;
        session->drain = BSC_H2_OVERDUE;
        session->due_ms = worker->now_ms +
                          (worker->retiring && left_ms < 2 * OVERDUE_MS ? left_ms / 2 : OVERDUE_MS);
    } else {
        say_last(session);
    }
}

void bsc_h2_timer(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_h2_session *session = client->session;
    if (session->due_ms && session->due_ms <= worker->now_ms) {
        step_drain(session);
    } else if (next_look(session) <= worker->now_ms) {
        if (session->out) { /* it doesn't read what it is sent */
            bsc_client_close(worker, client, true);
            return;
        }
        bsc_h2_session_refuse(session, NGHTTP2_NO_ERROR);
    }
    bsc_timer_set(&worker->wheel, &client->connection.timer, next_look(session));
    bsc_h2_run(worker, client);
}

void bsc_h2_retire(struct bsc_worker *worker, int64_t spread_ms)
{
    struct bsc_list *open = &worker->h2->open;
    for (struct bsc_list *node = open->next; node != open; node = node->next) {
        int64_t after_ms = (int64_t)(bsc_random_next(&worker->random) % (uint64_t)(spread_ms + 1));
        begin_drain(BSC_CONTAINER(node, struct bsc_h2_session, node), after_ms);
    }
}
