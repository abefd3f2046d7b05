/* SPDX-License-Identifier: Apache-2.0
 * proxy/tunnel.c - see tunnel.h. */
#include "proxy/tunnel.h"

#include <sys/socket.h>

#include "proxy/farewell.h"
#include "proxy/tls_transport.h"
#include "proxy/worker.h"

enum side { NEITHER, CLIENT, INSTANCE };

/* One direction; returns who broke it. */
static enum side pass_along(struct bsc_worker *worker, struct bsc_flow *flow, enum side from,
                            struct bsc_connection *source, struct bsc_connection *sink)
{
    if (flow->done)
        return NEITHER;
    switch (bsc_flow_run(worker, flow, source, sink)) {
    case BSC_FLOWED_DONE:
        if (!flow->boundary || !flow->boundary->reached)
            bsc_connection_finish(worker, sink); /* the other direction goes on */
        return NEITHER;
    case BSC_FLOWED_AGAIN:
        bsc_worker_later(worker, source);
        return NEITHER;
    case BSC_FLOWED_WAIT:
        return NEITHER;
    case BSC_FLOWED_SINK_BROKEN:
        return from == CLIENT ? INSTANCE : CLIENT;
    default:
        return from;
    }
}

static void break_off(struct bsc_worker *worker, struct bsc_exchange *exchange, enum side by)
{
    /* Many servers leave out their end when they have heard ours. The client can't be told that
     * nothing is missing, but it is no failure of the instance. */
    bool careless = exchange->request.done && bsc_tls_cut(&exchange->upstream->connection);
    if (by == CLIENT)
        exchange->client_left = true;
    else if (careless)
        exchange->reason = "upstream-reset";
    else if (exchange->tcp && !exchange->answer.done)
        exchange->cause = BSC_CAUSE_RESET;
    bsc_exchange_end(worker, exchange, false);
}

/* The client was told to leave: nothing more of the instance is for it. True when the instance has
 * ended, too. */
static bool drop_rest(struct bsc_worker *worker, struct bsc_connection *upstream)
{
    enum { READS = 16 };
    bsc_buffer_return(&worker->buffers, &upstream->in);
    for (unsigned i = 0; i < READS; i++) {
        enum bsc_received received = bsc_connection_receive(worker, upstream);
        if (received != BSC_RECEIVED_BYTES)
            return received != BSC_RECEIVED_WAIT;
        bsc_buffer_return(&worker->buffers, &upstream->in);
    }
    bsc_worker_later(worker, upstream);
    return false;
}

void bsc_tunnel_give_up(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->lasting->to_instance.stop = true;
    if (!exchange->lasting->to_instance.closed)
        (void)pass_along(worker, &exchange->request, CLIENT, &exchange->client->connection,
                         &exchange->upstream->connection);
    bsc_exchange_end(worker, exchange, true);
}

bool bsc_tunnel_run(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_connection *client = &exchange->client->connection;
    struct bsc_connection *upstream = &exchange->upstream->connection;
    enum side broken = pass_along(worker, &exchange->request, CLIENT, client, upstream);
    if (!broken)
        broken = pass_along(worker, &exchange->answer, INSTANCE, upstream, client);
    bool told = exchange->lasting && exchange->lasting->told && exchange->answer.done;
    if (told && (broken || drop_rest(worker, upstream))) {
        bsc_exchange_end(worker, exchange, true);
        return false;
    }
    if (broken) {
        break_off(worker, exchange, broken);
        return false;
    }
    if (told && exchange->lasting->to_instance.closed && !exchange->lasting->parted) {
        exchange->lasting->parted = true;
        bsc_connection_finish(worker, client);
    }
    if (exchange->request.done && exchange->answer.done && !told) {
        bsc_exchange_end(worker, exchange, true);
        return false;
    }
    bsc_timer_set(&worker->wheel, &upstream->timer, worker->now_ms + worker->options->tunnel_ms);
    return true;
}

/* Who vanishes without a word is found out. */
static void watch_peer(const struct bsc_connection *connection)
{
    int on = 1;
    if (connection->handle.fd != -1)
        setsockopt(connection->handle.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void bsc_tunnel_begin(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    (void)worker;
    watch_peer(&exchange->client->connection);
    watch_peer(&exchange->upstream->connection);
    bsc_flow_begin(&exchange->request, BSC_FRAMING_UNTIL_CLOSE, 0);
    bsc_flow_begin(&exchange->answer, BSC_FRAMING_UNTIL_CLOSE, 0);
    exchange->keep_alive = exchange->reusable = false;
    exchange->phase = BSC_EXCHANGE_TUNNEL;
}
