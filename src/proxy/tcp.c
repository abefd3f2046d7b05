/* SPDX-License-Identifier: Apache-2.0
 * proxy/tcp.c - connections of TCP services, from the accept to the tunnel (see tunnel.h).
 *
 * Such a connection is an exchange without heads: it is held, placed, retried, charged and drained
 * like a request, and as nothing can be answered it is closed where a request would get an answer
 * of the proxy's own. Its statuses are those that the access logs of other proxies have for TCP:
 * 200 for a connection that was made, 502, 503 and 504 for one that could not be. */
#include <string.h>
#include <sys/socket.h>

#include "proxy/access.h"
#include "proxy/access_log.h"
#include "proxy/identity.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

/* Services come and go seldom, so it mostly is where it was. */
static struct bsc_local_service *find_service(struct bsc_worker *worker,
                                              struct bsc_listener *listener)
{
    const char *name = listener->role.service;
    struct bsc_local_service *service = bsc_local_find(worker, listener->service_index);
    if (service && service->shared && !strcmp(service->shared->name, name))
        return service;
    for (uint32_t i = 0; i < worker->service_count; i++) {
        service = worker->services[i];
        if (!service || !service->shared || strcmp(service->shared->name, name) != 0)
            continue;
        listener->service_index = i;
        return service;
    }
    return NULL;
}

bool bsc_tcp_accept(struct bsc_worker *worker, struct bsc_listener *listener,
                    struct bsc_client *client)
{
    client->service = find_service(worker, listener);
    if (client->service)
        bsc_local_service_enter(client->service);
    return client->service; /* NULL: the address is there before its service, for a moment */
}

void bsc_tcp_begin(struct bsc_worker *worker, struct bsc_client *client)
{
    struct bsc_local_service *service = client->service;
    struct bsc_exchange *exchange = bsc_slab_take(&worker->exchanges);
    bsc_list_init(&exchange->held);
    exchange->client = client;
    exchange->service = service;
    client->service = NULL;
    exchange->tcp = true;
    exchange->started_us = worker->now_us;
    exchange->phase = BSC_EXCHANGE_WAITING;
    client->connection.phase = BSC_CLIENT_EXCHANGE;
    client->connection.exchange = exchange;
    bsc_timer_stop(&client->connection.timer);
    if (service->shared->identity == BSC_IDENTITY_CLIENT) {
        exchange->identified = true;
        exchange->identity = bsc_identity_hash_client(client->address);
    }
    if (service->split.rules)
        bsc_exchange_match(exchange, NULL, NULL);
    if (bsc_access_log_on(worker->access))
        bsc_access_begin_tcp(worker, exchange);
    bsc_exchange_go(worker, exchange);
}

bool bsc_tcp_connected(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->status = 200;
    exchange->answered_us = worker->now_us;
    bsc_exchange_charge_head(worker, exchange);
    bsc_tunnel_begin(worker, exchange);
    return bsc_tunnel_run(worker, exchange);
}

bool bsc_tcp_left(const struct bsc_exchange *exchange)
{
    char byte;
    return recv(exchange->client->connection.handle.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool bsc_tcp_refuse(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status,
                    const char *reason)
{
    exchange->status = (uint16_t)status;
    exchange->reason = reason;
    exchange->phase = BSC_EXCHANGE_OWN;
    bsc_exchange_end(worker, exchange, false);
    return false;
}
