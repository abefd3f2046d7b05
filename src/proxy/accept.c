/* SPDX-License-Identifier: Apache-2.0
 * proxy/accept.c - see accept.h. */
#include "proxy/accept.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/log.h"
#include "proxy/admit.h"
#include "proxy/client.h"

enum { ACCEPTS_AT_ONCE = 64, PAUSE_MS = 100 };

static void unwatch(struct bsc_worker *worker, struct bsc_listener *listener)
{
    if (!listener->paused)
        epoll_ctl(worker->epoll, EPOLL_CTL_DEL, listener->handle.fd, NULL);
    listener->paused = true;
}

/* Stops accepting until a connection closes or a moment has passed. */
static void pause_all(struct bsc_worker *worker)
{
    worker->paused = true;
    for (struct bsc_list *node = worker->listeners.next; node != &worker->listeners;
         node = node->next)
        unwatch(worker, BSC_CONTAINER(node, struct bsc_listener, node));
    bsc_timer_set(&worker->wheel, &worker->pause, worker->now_ms + PAUSE_MS);
}

static void watch(struct bsc_worker *worker, struct bsc_listener *listener)
{
    struct epoll_event event = { .events = EPOLLIN | (listener->exclusive ? EPOLLEXCLUSIVE : 0),
                                 .data.ptr = listener };
    listener->paused = epoll_ctl(worker->epoll, EPOLL_CTL_ADD, listener->handle.fd, &event) != 0;
    if (listener->paused)
        pause_all(worker);
}

static void add_socket(struct bsc_worker *worker, const struct bsc_listen *listen,
                       const struct bsc_role *role, unsigned at)
{
    struct bsc_listener *listener = bsc_alloc(sizeof *listener);
    listener->handle = (struct bsc_handle){ listen->fds[at], BSC_KIND_LISTENER };
    listener->listen = listen;
    listener->role = *role;
    listener->exclusive = listen->shared || worker->count > listen->count;
    listener->paused = true;
    bsc_list_add_tail(&worker->listeners, &listener->node);
    if (!worker->paused)
        watch(worker, listener);
}

/* True when the address is served already. */
static bool change_role(struct bsc_worker *worker, const struct bsc_listen *listen,
                        const struct bsc_role *role)
{
    bool found = false;
    for (struct bsc_list *node = worker->listeners.next; node != &worker->listeners;
         node = node->next) {
        struct bsc_listener *listener = BSC_CONTAINER(node, struct bsc_listener, node);
        if (listener->listen != listen)
            continue;
        listener->role = *role;
        found = true;
    }
    return found;
}

void bsc_accept_add(struct bsc_worker *worker, const struct bsc_listen *listen,
                    const struct bsc_role *role)
{
    if (worker->retiring || listen->count == 0 || change_role(worker, listen, role))
        return;
    if (worker->number >= listen->count)
        add_socket(worker, listen, role, worker->number % listen->count);
    for (unsigned i = worker->number; i < listen->count; i += worker->count)
        add_socket(worker, listen, role, i);
}

void bsc_accept_remove(struct bsc_worker *worker, const struct bsc_listen *listen)
{
    struct bsc_list *next;
    for (struct bsc_list *node = worker->listeners.next; node != &worker->listeners; node = next) {
        struct bsc_listener *listener = BSC_CONTAINER(node, struct bsc_listener, node);
        next = node->next;
        if (listen && listener->listen != listen)
            continue;
        unwatch(worker, listener);
        bsc_list_remove(&listener->node);
        listener->handle.kind = BSC_KIND_DEAD;
        bsc_list_add_tail(&worker->dead_listeners, &listener->node);
    }
}

void bsc_accept_resume(struct bsc_worker *worker)
{
    if (!worker->paused || worker->client_count >= worker->client_max)
        return;
    worker->paused = false;
    bsc_timer_stop(&worker->pause);
    for (struct bsc_list *node = worker->listeners.next; node != &worker->listeners;
         node = node->next) {
        struct bsc_listener *listener = BSC_CONTAINER(node, struct bsc_listener, node);
        if (listener->paused && !worker->paused)
            watch(worker, listener);
    }
}

void bsc_accept_event(struct bsc_worker *worker, struct bsc_listener *listener)
{
    for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++) {
        if (worker->client_count >= worker->client_max && !bsc_admit_reclaim(worker, true)) {
            pause_all(worker);
            return;
        }
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        int fd = accept4(listener->handle.fd, (struct sockaddr *)&peer, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            bsc_client_open(worker, listener, fd, (const struct sockaddr *)&peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)
            continue;
        if ((errno == EMFILE || errno == ENFILE) && bsc_admit_reclaim(worker, false))
            continue;
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            bsc_log_warning("accept on %s: error %d", listener->listen->address, errno);
        pause_all(worker); /* nothing else would end the level-triggered event */
        return;
    }
}
