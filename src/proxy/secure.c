/* SPDX-License-Identifier: Apache-2.0
 * proxy/secure.c - requests that must come over TLS, those that came over it for another host, and
 * those that could not go on over it.
 */
#include <stdio.h>

#include "proxy/bytes.h"
#include "proxy/exchange.h"
#include "proxy/forwarded.h"
#include "proxy/tls_transport.h"
#include "proxy/worker.h"

/* A trusted proxy before us took TLS off it: sending it there again would not end. */
static bool came_over_tls(const struct bsc_exchange *exchange, const struct bsc_head *head,
                          const char *bytes)
{
    const struct bsc_field *proto =
        exchange->by_proxy ? bsc_forwarded_field(head, BSC_FIELD_X_FORWARDED_PROTO) : NULL;
    return proto && bsc_bytes_equal(bytes + proto->value.at, proto->value.size, "https", 5);
}

static struct bsc_buffer *write_location(struct bsc_worker *worker, unsigned port,
                                         const char *bytes)
{
    enum { AROUND_BYTES = sizeof "https://:65535/" };
    struct bsc_slice host = worker->request.host, target = worker->request.target;
    char colon_port[8] = "";
    if (port)
        snprintf(colon_port, sizeof colon_port, ":%u", port);
    struct bsc_buffer *out =
        bsc_buffer_lend(&worker->buffers, AROUND_BYTES + host.size + target.size);
    bool slash = target.size && bytes[target.at] == '/';
    out->end = (uint32_t)snprintf(out->bytes, out->capacity, "https://%.*s%s%s%.*s", (int)host.size,
                                  bytes + host.at, colon_port, slash ? "" : "/", (int)target.size,
                                  bytes + target.at);
    return out;
}

bool bsc_exchange_enters(struct bsc_worker *worker, struct bsc_exchange *exchange,
                         const char *bytes)
{
    struct bsc_connection *connection = &exchange->client->connection;
    const struct bsc_client *carrier = exchange->client->carrier;
    const struct bsc_request *request = &worker->request;
    struct bsc_slice host = request->host;
    if (carrier->secure) {
        if (bsc_tls_host_fits(&carrier->connection, bytes + host.at, host.size))
            return true;
        bsc_connection_consume(worker, connection, request->head.bytes);
        bsc_exchange_own(worker, exchange, 421, "misdirected",
                         "The host is not the one of the TLS handshake.");
        return false;
    }
    if (came_over_tls(exchange, &request->head, bytes))
        return true;
    if (host.size)
        exchange->location = write_location(worker, carrier->redirect_port, bytes);
    bsc_connection_consume(worker, connection, request->head.bytes);
    if (host.size)
        bsc_exchange_own(worker, exchange, 308, "https-redirect",
                         "This address is served over HTTPS only.");
    else
        bsc_exchange_own(worker, exchange, 400, "bad-request",
                         "A request without a host can't be sent on to HTTPS.");
    return false;
}

bool bsc_exchange_unsecured(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->instance->avoid_until_ms = worker->now_ms + BSC_AVOID_MS;
    if (exchange->upstream && exchange->upstream->connection.untrusted)
        return bsc_exchange_retry(worker, exchange, 502, BSC_CAUSE_CONNECT, "bad-certificate",
                                  "The instance's certificate was not accepted.");
    return bsc_exchange_retry(worker, exchange, 502, BSC_CAUSE_CONNECT, "tls-failed",
                              "There is no TLS connection to the instance.");
}

bool bsc_exchange_connecting_securely(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_upstream *upstream = exchange->upstream;
    struct bsc_connection *connection = &upstream->connection;
    if (!connection->writable)
        return (!connection->broken && !connection->ending) ||
               bsc_exchange_unconnected(worker, exchange);
    if (!bsc_exchange_introduce(exchange))
        return bsc_exchange_unconnected(worker, exchange);
    switch (bsc_upstream_shake(worker, upstream, exchange->instance)) {
    case BSC_TLS_WAIT:
        return true;
    case BSC_TLS_DONE:
        break;
    case BSC_TLS_FAILED:
    case BSC_TLS_PLAIN:
        return bsc_exchange_unsecured(worker, exchange);
    }
    if (bsc_upstream_silent(worker, upstream) || (exchange->tcp && !connection->broken))
        return bsc_exchange_connected(worker, exchange);
    bsc_upstream_judge(worker, upstream, exchange->instance);
    if (connection->unsecured)
        return bsc_exchange_unsecured(worker, exchange);
    if (!bsc_buffer_size(connection->in))
        return bsc_exchange_unconnected(worker, exchange);
    return bsc_exchange_fail(worker, exchange, 502, BSC_CAUSE_RESET, "bad-answer",
                             "The instance answered before it was asked.");
}
