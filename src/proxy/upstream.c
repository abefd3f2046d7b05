/* SPDX-License-Identifier: Apache-2.0
 * proxy/upstream.c - see upstream.h. */
#include "proxy/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/admit.h"
#include "proxy/exchange.h"
#include "proxy/h2.h"
#include "proxy/worker.h"

static void unkeep(struct bsc_upstream *upstream)
{
    bsc_list_remove(&upstream->idle);
    upstream->instance->idle_count--;
}

/* True when the socket is open and silent. */
static bool seen_alive(const struct bsc_upstream *upstream)
{
    char byte;
    return recv(upstream->connection.handle.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static struct bsc_upstream *take_kept(struct bsc_worker *worker,
                                      struct bsc_local_instance *instance,
                                      enum bsc_upstream_want want)
{
    while (!bsc_list_empty(&instance->idle)) {
        struct bsc_upstream *upstream =
            BSC_CONTAINER(instance->idle.next, struct bsc_upstream, idle);
        if (want == BSC_UPSTREAM_FRESH && worker->now_ms - upstream->idle_since_ms > BSC_FRESH_MS)
            return NULL; /* all others are older */
        unkeep(upstream);
        upstream->reused = true;
        if (want == BSC_UPSTREAM_ANY || seen_alive(upstream))
            return upstream;
        upstream->instance = NULL;
        bsc_upstream_close(worker, upstream);
    }
    return NULL;
}

struct bsc_upstream *bsc_upstream_connect(struct bsc_worker *worker,
                                          struct bsc_local_instance *instance)
{
    const struct bsc_instance *shared = instance->shared;
    int fd;
    do
        fd = socket(shared->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    while (fd == -1 && (errno == EMFILE || errno == ENFILE) && bsc_admit_reclaim(worker, false));
    if (fd == -1)
        return NULL;
    if (shared->address.any.sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    bool connected = connect(fd, &shared->address.any, shared->address_size) == 0;
    if (!connected && errno != EINPROGRESS)
        goto close_fd;
    struct bsc_upstream *upstream = bsc_slab_take(&worker->upstreams);
    bsc_connection_init(&upstream->connection, BSC_KIND_UPSTREAM, fd);
    bsc_list_init(&upstream->idle);
    upstream->instance = instance;
    upstream->connection.writable = connected;
    if (shared->tls && !bsc_upstream_secure(worker, upstream)) {
        errno = ENOKEY;
        goto give_upstream;
    }
    if (bsc_connection_watch(worker, &upstream->connection))
        return upstream;
    if (upstream->secure) {
        bsc_upstream_close(worker, upstream);
        return NULL;
    }
give_upstream:
    bsc_slab_give(&worker->upstreams, upstream);
close_fd:;
    int reason = errno;
    close(fd);
    errno = reason;
    return NULL;
}

struct bsc_upstream *bsc_upstream_get(struct bsc_worker *worker,
                                      struct bsc_local_instance *instance,
                                      enum bsc_upstream_want want)
{
    struct bsc_upstream *kept = NULL;
    if (want != BSC_UPSTREAM_NEW)
        kept = take_kept(worker, instance, want);
    return kept ? kept : bsc_upstream_connect(worker, instance);
}

void bsc_upstream_close(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    upstream->connection.exchange = NULL;
    if (upstream->secure && upstream->instance)
        bsc_upstream_remember(upstream, upstream->instance);
    bsc_connection_close(worker, &upstream->connection, false);
    bsc_worker_bury(worker, &upstream->connection);
}

/* Of TLS, what arrived may be no more than a ticket. */
bool bsc_upstream_silent(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    struct bsc_connection *connection = &upstream->connection;
    if (upstream->secure && connection->readable && !bsc_buffer_size(connection->in))
        (void)bsc_connection_receive(worker, connection);
    return !connection->readable && !connection->ending && !connection->broken &&
           !bsc_buffer_size(connection->in);
}

void bsc_upstream_keep(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    struct bsc_local_instance *instance = upstream->instance;
    struct bsc_connection *connection = &upstream->connection;
    bool usable = !connection->stream && bsc_upstream_silent(worker, upstream) &&
                  upstream->era == instance->era;
    if (!usable || !instance->listed || instance->idle_count >= worker->options->pooled_max) {
        bsc_upstream_close(worker, upstream);
        return;
    }
    if (upstream->secure)
        bsc_upstream_remember(upstream, instance);
    connection->exchange = NULL;
    connection->bulk = false;
    upstream->idle_since_ms = worker->now_ms;
    bsc_list_add_head(&instance->idle, &upstream->idle);
    instance->idle_count++;
    bsc_timer_set(&worker->wheel, &connection->timer, worker->now_ms + worker->options->pooled_ms);
}

bool bsc_upstream_close_oldest(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    if (bsc_list_empty(&instance->idle))
        return false;
    struct bsc_upstream *upstream =
        BSC_CONTAINER(instance->idle.previous, struct bsc_upstream, idle);
    unkeep(upstream);
    bsc_upstream_close(worker, upstream);
    return true;
}

void bsc_upstream_close_idle(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    bsc_h2_upstream_leave(instance);
    while (!bsc_list_empty(&instance->idle)) {
        struct bsc_upstream *upstream =
            BSC_CONTAINER(instance->idle.next, struct bsc_upstream, idle);
        unkeep(upstream);
        bsc_upstream_close(worker, upstream);
    }
}

static void drop_kept(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    unkeep(upstream);
    bsc_upstream_close(worker, upstream);
}

void bsc_upstream_run(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    if (upstream->connection.exchange)
        bsc_exchange_run(worker, upstream->connection.exchange);
    else if (upstream->session)
        bsc_h2_upstream_run(worker, upstream);
}

void bsc_upstream_event(struct bsc_worker *worker, struct bsc_upstream *upstream, uint32_t events)
{
    struct bsc_connection *connection = &upstream->connection;
    bsc_connection_mark(worker, connection, events);
    if (connection->exchange)
        bsc_exchange_run(worker, connection->exchange);
    else if (upstream->session)
        bsc_h2_upstream_run(worker, upstream);
    else if (!bsc_upstream_silent(worker, upstream))
        drop_kept(worker, upstream); /* it ended, or it speaks without having been asked */
}

void bsc_upstream_timer(struct bsc_worker *worker, struct bsc_upstream *upstream)
{
    if (upstream->connection.exchange)
        bsc_exchange_upstream_late(worker, upstream->connection.exchange);
    else if (upstream->session)
        bsc_h2_upstream_timer(worker, upstream);
    else
        drop_kept(worker, upstream);
}
