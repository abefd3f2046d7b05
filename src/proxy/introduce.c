/* SPDX-License-Identifier: Apache-2.0
 * proxy/introduce.c - connections that begin by saying whose they are: from a proxy before us, and
 * to instances that want to know. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/exchange.h"
#include "proxy/proxy_protocol.h"
#include "proxy/worker.h"

/* -- from a proxy before us ------------------------------------------------------------------ */

static void refuse(struct bsc_worker *worker, struct bsc_client *client)
{
    bsc_counter_add(&worker->shard->connections_refused, 1);
    bsc_client_close(worker, client, true);
}

void bsc_client_await_introduction(struct bsc_worker *worker, struct bsc_client *client)
{
    const struct bsc_options *options = worker->options;
    struct bsc_ip peer;
    if (options->trusted_count &&
        (!bsc_ip_parse(client->address, strlen(client->address), &peer) ||
         !bsc_networks_have(options->trusted, options->trusted_count, &peer))) {
        refuse(worker, client);
        return;
    }
    client->connection.phase = BSC_CLIENT_PROXIED;
    bsc_timer_set(&worker->wheel, &client->connection.timer, worker->now_ms + options->head_ms);
}

/* The header is looked at where it lies, and taken to its last byte only: what follows may be
 * TLS's.
 */
bool bsc_client_introduced(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_connection *connection = &client->connection;
    char bytes[BSC_PROXY_HEADER_BYTES];
    struct bsc_proxy_header header;
    ssize_t got = recv(connection->handle.fd, bytes, sizeof bytes, MSG_PEEK);
    if (got == -1 && (errno == EAGAIN || errno == EINTR)) {
        connection->readable = errno == EINTR;
        return false;
    }
    enum bsc_parse parse =
        got > 0 ? bsc_proxy_header_parse(bytes, (size_t)got, &header) : BSC_PARSE_REFUSED;
    if (parse == BSC_PARSE_MORE && !connection->ending) {
        connection->readable = false; /* more bytes are another edge */
        return false;
    }
    if (parse != BSC_PARSE_DONE ||
        recv(connection->handle.fd, bytes, header.bytes, 0) != header.bytes) {
        refuse(worker, client);
        return false;
    }
    if (header.known)
        bsc_ip_format(&header.source, client->address);
    return bsc_client_start(worker, client);
}

/* -- to instances ---------------------------------------------------------------------------- */

union address {
    struct sockaddr_storage any; /* the first, so that all of it is zeroed */
    struct sockaddr base;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool is_address(const union address *from, struct bsc_ip *ip, uint16_t *port)
{
    char text[INET6_ADDRSTRLEN];
    bsc_ip_of(&from->base, text);
    *port = ntohs(from->base.sa_family == AF_INET6 ? from->v6.sin6_port : from->v4.sin_port);
    return bsc_ip_parse(text, strlen(text), ip);
}

/* Ports are told of a client that is connected to us; of one behind a proxy they are not known. */
static void find_way(const struct bsc_exchange *exchange, struct bsc_proxy_way *way)
{
    char buffer[INET6_ADDRSTRLEN];
    const char *text = bsc_exchange_address(exchange, buffer);
    int fd = exchange->client->connection.handle.fd;
    union address peer = { 0 }, here = { 0 };
    socklen_t peer_size = sizeof peer, here_size = sizeof here;
    struct bsc_ip peer_ip;
    *way = (struct bsc_proxy_way){ 0 };
    way->known = bsc_ip_parse(text, strlen(text), &way->source);
    if (!way->known)
        return;
    if (getsockname(fd, &here.base, &here_size) ||
        !is_address(&here, &way->target, &way->target_port))
        way->target = way->source;
    if (!getpeername(fd, &peer.base, &peer_size) &&
        is_address(&peer, &peer_ip, &way->source_port) &&
        memcmp(&peer_ip, &way->source, sizeof peer_ip) != 0)
        way->source_port = 0;
}

bool bsc_exchange_introduce(const struct bsc_exchange *exchange)
{
    enum bsc_proxy_version version = exchange->service->shared->edge.proxy_version;
    char bytes[BSC_PROXY_SENT_BYTES];
    struct bsc_proxy_way way;
    if (!version || exchange->instance->shared->h2 || exchange->upstream->introduced ||
        bsc_tls_begun(&exchange->upstream->connection))
        return true;
    exchange->upstream->introduced = true;
    find_way(exchange, &way);
    size_t size = bsc_proxy_header_build(version == BSC_PROXY_V1 ? 1 : 2, &way, bytes);
    /* A fresh connection takes so few bytes at once. */
    return send(exchange->upstream->connection.handle.fd, bytes, size, MSG_NOSIGNAL) ==
           (ssize_t)size;
}
