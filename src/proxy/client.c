/* SPDX-License-Identifier: Apache-2.0
 * proxy/client.c - see client.h. */
#include "proxy/client.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/network.h"
#include "proxy/access.h"
#include "proxy/admit.h"
#include "proxy/exchange.h"
#include "proxy/h2.h"
#include "proxy/head.h"
#include "proxy/tls_transport.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

static bool begin_handshake(struct bsc_worker *worker, struct bsc_client *client)
{
    if (!worker->tls || !worker->tls->server ||
        !bsc_tls_accept(worker, &client->connection, worker->tls)) {
        bsc_client_close(worker, client, true);
        return false;
    }
    if (client->service)
        bsc_tls_agree_on_nothing(&client->connection);
    client->connection.phase = BSC_CLIENT_HANDSHAKE;
    bsc_timer_set(&worker->wheel, &client->connection.timer,
                  worker->now_ms + worker->options->head_ms);
    return true;
}

void bsc_client_open(struct bsc_worker *worker, struct bsc_listener *listener, int fd,
                     const struct sockaddr *peer)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct bsc_client *client = bsc_slab_take(&worker->clients);
    bsc_connection_init(&client->connection, BSC_KIND_CLIENT, fd);
    client->carrier = client;
    client->secure = listener->role.tls;
    client->redirect = listener->role.redirect;
    client->redirect_port = listener->role.redirect_port;
    client->connection.phase = BSC_CLIENT_IDLE;
    bsc_ip_of(peer, client->address);
    bsc_list_add_tail(&worker->all_clients, &client->node);
    bsc_worker_count_client(worker, +1);
    if (!bsc_connection_watch(worker, &client->connection) ||
        (*listener->role.service && !bsc_tcp_accept(worker, listener, client)))
        bsc_client_close(worker, client, true);
    else if (listener->role.proxy_protocol)
        bsc_client_await_introduction(worker, client);
    else
        bsc_client_start(worker, client);
}

bool bsc_client_start(struct bsc_worker *worker, struct bsc_client *client)
{
    if (!bsc_admit_client(worker, client)) {
        bsc_client_close(worker, client, true);
        return false;
    }
    if (client->secure)
        return begin_handshake(worker, client);
    if (client->service) {
        bsc_tcp_begin(worker, client);
        return false;
    }
    client->connection.phase = BSC_CLIENT_IDLE;
    bsc_timer_set(&worker->wheel, &client->connection.timer,
                  worker->now_ms + worker->options->keep_alive_ms);
    return true;
}

struct bsc_client *bsc_client_open_stream(struct bsc_worker *worker,
                                          const struct bsc_client *carrier)
{
    struct bsc_client *client = bsc_slab_take(&worker->clients);
    bsc_connection_init(&client->connection, BSC_KIND_CLIENT, -1);
    client->connection.phase = BSC_CLIENT_IDLE;
    client->carrier = carrier;
    memcpy(client->address, carrier->address, sizeof client->address);
    return client;
}

void bsc_client_close(struct bsc_worker *worker, struct bsc_client *client, bool reset)
{
    if (client->session)
        bsc_h2_end(worker, client);
    bsc_connection_close(worker, &client->connection, reset);
    bsc_worker_bury(worker, &client->connection);
    if (client->connection.stream)
        return;
    if (client->service)
        bsc_local_service_leave(client->service);
    client->service = NULL;
    bsc_list_remove(&client->node);
    bsc_admit_leave(worker, client);
    bsc_worker_count_client(worker, -1);
}

void bsc_client_next(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_connection *connection = &client->connection;
    if (connection->stream) {
        bsc_client_close(worker, client, false);
        return;
    }
    connection->exchange = NULL;
    connection->phase = BSC_CLIENT_IDLE;
    connection->bulk = false;
    connection->served = true;
    bsc_timer_set(&worker->wheel, &connection->timer,
                  worker->now_ms + worker->options->keep_alive_ms);
    if (connection->readable || bsc_buffer_size(connection->in))
        bsc_worker_later(worker, connection); /* the next request may be there already */
}

void bsc_client_end(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_connection *connection = &client->connection;
    bool unread = connection->readable || bsc_buffer_size(connection->in);
    bool unsent = bsc_connection_unsent(connection);
    connection->exchange = NULL;
    if (connection->broken || connection->stream || ((connection->ended || !unread) && !unsent)) {
        bsc_client_close(worker, client, false);
        return;
    }
    /* Closing with bytes unread would reset the connection, and the answer could be lost with it
     * (RFC 9112 section 9.6). */
    bsc_connection_finish(worker, connection);
    connection->phase = BSC_CLIENT_LINGER;
    bsc_buffer_return(&worker->buffers, &connection->in);
    bsc_timer_stop(&connection->timer);
    bsc_timer_set(&worker->wheel, &connection->timer,
                  worker->now_ms +
                      (unsent ? worker->options->keep_alive_ms : worker->options->linger_ms));
    bsc_worker_later(worker, connection);
}

static void linger(struct bsc_worker *worker, struct bsc_client *client)
{
    enum { READS = 16 };
    for (unsigned i = 0; i < READS; i++) {
        enum bsc_received received = bsc_connection_receive(worker, &client->connection);
        if (received == BSC_RECEIVED_WAIT ||
            (received == BSC_RECEIVED_ENDED && bsc_connection_unsent(&client->connection)))
            return;
        if (received != BSC_RECEIVED_BYTES) {
            bsc_client_close(worker, client, false);
            return;
        }
        bsc_buffer_return(&worker->buffers, &client->connection.in);
    }
    bsc_worker_later(worker, &client->connection);
}

/* Answers what is no request and ends the connection. */
static BSC_COLD void refuse(struct bsc_worker *worker, struct bsc_client *client, unsigned status,
                            const char *reason, const char *text)
{
    struct bsc_connection *connection = &client->connection;
    char bytes[BSC_ANSWER_BYTES];
    struct bsc_answer answer = { .status = status, .reason = reason, .text = text, .minor = 1 };
    size_t size = bsc_answer_build(&answer, bytes, sizeof bytes);
    bsc_counter_add(&worker->shard->own_answers, 1);
    bsc_access_refused(worker, client, status, reason);
    if (bsc_connection_send(worker, connection, bytes, size, NULL, 0) < 0) {
        bsc_client_close(worker, client, false);
        return;
    }
    connection->readable = true; /* who sent one wrong thing may have sent more */
    bsc_client_end(worker, client);
}

/* There is no buffer for its head. */
static BSC_COLD void refuse_overloaded(struct bsc_worker *worker, struct bsc_client *client)
{
    bsc_counter_add(&worker->shard->overloaded, 1);
    refuse(worker, client, 503, "overloaded", "The proxy has no memory left for this request.");
}

/* True when the head is complete and became an exchange, or the client is gone. */
static bool read_head(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_connection *connection = &client->connection;
    struct bsc_buffer *in = connection->in;
    struct bsc_fault fault;
    if (!bsc_buffer_size(in))
        return false;
    switch (bsc_request_parse(&connection->scan, in->bytes + in->begin, bsc_buffer_size(in),
                              &worker->request, &fault)) {
    case BSC_PARSE_DONE:
        if (worker->options->head_limited && !bsc_admit_head(worker, &fault)) {
            refuse(worker, client, fault.status, "bad-request", fault.text);
            return true;
        }
        connection->scan = (struct bsc_head_scan){ 0 };
        connection->phase = BSC_CLIENT_EXCHANGE;
        bsc_exchange_begin(worker, client);
        return true;
    case BSC_PARSE_REFUSED:
        if (!connection->served && !connection->stream &&
            bsc_h2_preface(in->bytes + in->begin, bsc_buffer_size(in)))
            bsc_h2_start(worker, client);
        else
            refuse(worker, client, fault.status, "bad-request", fault.text);
        return true;
    case BSC_PARSE_MORE:
        if (bsc_buffer_size(in) <= worker->options->head_bytes)
            break;
        refuse(worker, client, 431, "bad-request", "The request's head is too large.");
        return true;
    }
    if (connection->phase == BSC_CLIENT_IDLE) {
        connection->phase = BSC_CLIENT_HEAD;
        bsc_timer_set(&worker->wheel, &connection->timer,
                      worker->now_ms + worker->options->head_ms);
    }
    return false;
}

static void receive_head(struct bsc_worker *worker, struct bsc_client *client)
{
    for (;;) {
        if (read_head(worker, client))
            return;
        if (bsc_worker_overloaded(worker) && !client->connection.in &&
            client->connection.readable) {
            refuse_overloaded(worker, client);
            return;
        }
        switch (bsc_connection_receive(worker, &client->connection)) {
        case BSC_RECEIVED_BYTES:
            continue;
        case BSC_RECEIVED_WAIT:
            return;
        case BSC_RECEIVED_ENDED:
        case BSC_RECEIVED_BROKEN:
            bsc_client_close(worker, client, false);
            return;
        }
    }
}

static void shake_hands(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_connection *connection = &client->connection;
    switch (bsc_tls_handshake(worker, connection)) {
    case BSC_TLS_WAIT:
        return;
    case BSC_TLS_DONE:
        if (client->service) {
            bsc_tcp_begin(worker, client);
            return;
        }
        connection->phase = BSC_CLIENT_IDLE;
        bsc_timer_set(&worker->wheel, &connection->timer,
                      worker->now_ms + worker->options->keep_alive_ms);
        if (bsc_tls_chose_http2(connection))
            bsc_h2_start(worker, client);
        else
            receive_head(worker, client);
        return;
    case BSC_TLS_PLAIN:
        if (client->service) { /* of another protocol, which has no words for it */
            bsc_client_close(worker, client, true);
            return;
        }
        client->secure = false;
        refuse(worker, client, 400, "https-expected",
               "This address speaks HTTPS: write https:// in place of http://.");
        return;
    case BSC_TLS_FAILED:
        bsc_client_close(worker, client, false);
        return;
    }
}

void bsc_client_run(struct bsc_worker *worker, struct bsc_client *client)
{
    switch ((enum bsc_client_phase)client->connection.phase) {
    case BSC_CLIENT_HANDSHAKE:
        shake_hands(worker, client);
        return;
    case BSC_CLIENT_IDLE:
    case BSC_CLIENT_HEAD:
        receive_head(worker, client);
        return;
    case BSC_CLIENT_PROXIED:
        if (bsc_client_introduced(worker, client))
            bsc_client_run(worker, client);
        return;
    case BSC_CLIENT_EXCHANGE:
        bsc_exchange_run(worker, client->connection.exchange);
        return;
    case BSC_CLIENT_LINGER:
        linger(worker, client);
        return;
    case BSC_CLIENT_SESSION:
        bsc_h2_run(worker, client);
        return;
    }
}

void bsc_client_event(struct bsc_worker *worker, struct bsc_client *client, uint32_t events)
{
    uint8_t phase = client->connection.phase;
    bsc_connection_mark(worker, &client->connection, events);
    if (events & ~(uint32_t)EPOLLOUT || phase >= BSC_CLIENT_EXCHANGE)
        bsc_client_run(worker, client);
}

void bsc_client_timer(struct bsc_worker *worker, struct bsc_client *client)
{
    switch ((enum bsc_client_phase)client->connection.phase) {
    case BSC_CLIENT_HEAD:
        refuse(worker, client, 408, "request-timeout", "The request did not arrive in time.");
        return;
    case BSC_CLIENT_EXCHANGE:
        bsc_exchange_client_late(worker, client->connection.exchange);
        return;
    case BSC_CLIENT_PROXIED:
        bsc_client_close(worker, client, true);
        return;
    case BSC_CLIENT_IDLE:
    case BSC_CLIENT_HANDSHAKE:
    case BSC_CLIENT_LINGER:
        bsc_client_close(worker, client, false);
        return;
    case BSC_CLIENT_SESSION:
        bsc_h2_timer(worker, client);
        return;
    }
}
