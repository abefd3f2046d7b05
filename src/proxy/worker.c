/* SPDX-License-Identifier: Apache-2.0
 * proxy/worker.c - see worker.h. */
#include "proxy/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/accept.h"
#include "proxy/admit.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/farewell.h"
#include "proxy/h2.h"
#include "proxy/mirror.h"
#include "proxy/queue.h"
#include "proxy/tls_transport.h"
#include "proxy/upstream.h"

/* JSON of others may be deep. */
enum { EVENTS = 256, STACK_BYTES = 512 * 1024, MIRROR_STACK_BYTES = 2048 * 1024 };

static void read_clock(struct bsc_worker *worker)
{
    worker->now_us = bsc_clock_boot_us();
    worker->now_ms = worker->now_us / 1000;
}

void bsc_worker_later(struct bsc_worker *worker, struct bsc_connection *connection)
{
    if (connection->handle.kind == BSC_KIND_DEAD)
        return;
    bsc_list_remove(&connection->later);
    bsc_list_add_tail(&worker->later, &connection->later);
}

void bsc_worker_bury(struct bsc_worker *worker, struct bsc_connection *connection)
{
    bsc_list_remove(&connection->later);
    bsc_list_add_tail(&worker->graves, &connection->later);
}

static void report(const struct bsc_worker *worker)
{
    eventfd_write(worker->news, 1);
}

void bsc_worker_suspect(struct bsc_worker *worker)
{
    if (!atomic_exchange(&worker->suspects, true))
        report(worker);
}

void bsc_worker_trip(struct bsc_worker *worker)
{
    if (!atomic_exchange(&worker->trips, true))
        report(worker);
}

void bsc_worker_mirrored(struct bsc_worker *worker)
{
    if (!atomic_exchange(&worker->mirrored, true))
        report(worker);
}

static void report_if_done(struct bsc_worker *worker)
{
    if (worker->retiring && worker->client_count == 0 &&
        !atomic_exchange(&worker->idle_retired, true))
        report(worker);
}

void bsc_worker_count_client(struct bsc_worker *worker, int by)
{
    if (by > 0) {
        worker->client_count++;
        bsc_counter_add(&worker->shard->connections_opened, 1);
        bsc_admit_look(worker);
        return;
    }
    worker->client_count--;
    bsc_admit_look(worker);
    bsc_counter_add(&worker->shard->connections_closed, 1);
    if (worker->paused)
        bsc_accept_resume(worker);
    report_if_done(worker);
}

static void use_options(struct bsc_worker *worker, const struct bsc_options *options)
{
    unsigned share = (options->connections_max + worker->count - 1) / worker->count;
    worker->options = options;
    worker->buffer_bytes = (uint64_t)options->buffer_bytes / worker->count;
    worker->client_max = share && share < worker->client_share ? share : worker->client_share;
    bsc_accept_resume(worker);
}

static void apply(struct bsc_worker *worker, struct bsc_update *update)
{
    if (update->options)
        use_options(worker, update->options);
    if (update->tls) {
        bsc_upstream_renew_tls(worker, update->tls->sides[worker->number]);
        bsc_tls_side_release(worker->tls);
        worker->tls = bsc_tls_side_acquire(update->tls->sides[worker->number]);
    }
    bsc_local_apply(worker, update);
    if (update->unlisten)
        bsc_accept_remove(worker, update->unlisten);
    for (unsigned i = 0; i < update->serve_count && !worker->mirrors; i++)
        bsc_accept_add(worker, update->serves[i].listen, &update->serves[i].role);
    if (update->retire) {
        worker->retiring = true;
        bsc_accept_remove(worker, NULL);
        bsc_farewell_all(worker, update->drain_ms);
        bsc_h2_retire(worker, update->spread_ms);
        report_if_done(worker);
    }
    if (atomic_fetch_sub_explicit(&update->pending, 1, memory_order_acq_rel) == 1)
        report(worker);
}

static void read_inbox(struct bsc_worker *worker)
{
    size_t count;
    struct bsc_update **updates = bsc_inbox_take(&worker->inbox, &count);
    for (size_t i = 0; i < count; i++)
        apply(worker, updates[i]);
    free(updates);
    if (count && worker->mirrors)
        bsc_mirror_updated(worker);
    bsc_queue_ring(worker);
}

/* An event of a turn may point to what an earlier one closed: its kind is dead then. */
static void dispatch(struct bsc_worker *worker, const struct epoll_event *event)
{
    struct bsc_handle *handle = event->data.ptr;
    switch (handle->kind) {
    case BSC_KIND_CLIENT:
        bsc_client_event(worker, event->data.ptr, event->events);
        return;
    case BSC_KIND_UPSTREAM:
        bsc_upstream_event(worker, event->data.ptr, event->events);
        return;
    case BSC_KIND_LISTENER:
        bsc_accept_event(worker, event->data.ptr);
        return;
    case BSC_KIND_INBOX:
        read_inbox(worker);
        return;
    case BSC_KIND_MIRROR:
        bsc_mirror_event(worker);
        return;
    case BSC_KIND_DEAD:
        return;
    }
}

/* Everyone who was waiting at the beginning gets one turn. */
static void run_later(struct bsc_worker *worker)
{
    struct bsc_list now, *node;
    bsc_list_init(&now);
    while ((node = bsc_list_pop(&worker->later)))
        bsc_list_add_tail(&now, node);
    while ((node = bsc_list_pop(&now))) {
        struct bsc_connection *connection = BSC_CONTAINER(node, struct bsc_connection, later);
        if (connection->handle.kind == BSC_KIND_CLIENT)
            bsc_client_run(worker, (struct bsc_client *)(void *)connection);
        else
            bsc_upstream_run(worker, (struct bsc_upstream *)(void *)connection);
    }
}

static void on_timer(void *context, struct bsc_timer *timer)
{
    struct bsc_worker *worker = context;
    if (timer == &worker->pause) {
        bsc_accept_resume(worker);
        return;
    }
    struct bsc_connection *connection = BSC_CONTAINER(timer, struct bsc_connection, timer);
    if (connection->handle.kind == BSC_KIND_CLIENT)
        bsc_client_timer(worker, (struct bsc_client *)(void *)connection);
    else
        bsc_upstream_timer(worker, (struct bsc_upstream *)(void *)connection);
}

static void free_dead(struct bsc_worker *worker)
{
    struct bsc_list *node;
    while ((node = bsc_list_pop(&worker->graves))) {
        struct bsc_connection *connection = BSC_CONTAINER(node, struct bsc_connection, later);
        bsc_slab_give(connection->client ? &worker->clients : &worker->upstreams, connection);
    }
    while ((node = bsc_list_pop(&worker->dead_listeners)))
        free(BSC_CONTAINER(node, struct bsc_listener, node));
}

static void turn(struct bsc_worker *worker, struct epoll_event *events)
{
    int wait_ms = 0;
    if (bsc_list_empty(&worker->later))
        wait_ms = bsc_wheel_wait_ms(&worker->wheel, worker->now_ms);
    int count = epoll_wait(worker->epoll, events, EVENTS, wait_ms);
    read_clock(worker);
    bsc_counter_add(&worker->shard->loops, 1);
    for (int i = 0; i < count; i++)
        dispatch(worker, &events[i]);
    if (!bsc_list_empty(&worker->later))
        run_later(worker);
    bsc_wheel_advance(&worker->wheel, worker->now_ms, on_timer, worker);
    free_dead(worker);
}

static void *run(void *argument)
{
    struct bsc_worker *worker = argument;
    struct epoll_event *events = bsc_alloc(EVENTS * sizeof *events);
    read_clock(worker);
    for (;;)
        turn(worker, events);
    return NULL;
}

static void init(struct bsc_worker *worker, const struct bsc_worker_options *options)
{
    worker->number = options->number;
    worker->count = options->count;
    worker->peers = options->peers;
    worker->shard = options->shard;
    worker->access = options->access;
    worker->mirror = options->mirror;
    worker->mirrors = options->mirrors;
    worker->news = options->news;
    worker->client_share = options->client_max;
    worker->limiter = options->limiter;
    read_clock(worker);
    bsc_random_seed(&worker->random);
    bsc_wheel_init(&worker->wheel, worker->now_ms);
    bsc_timer_init(&worker->pause);
    bsc_slab_init(&worker->clients, sizeof(struct bsc_client));
    bsc_slab_init(&worker->upstreams, sizeof(struct bsc_upstream));
    bsc_slab_init(&worker->exchanges, sizeof(struct bsc_exchange));
    bsc_slab_init(&worker->tls_sessions, sizeof(struct bsc_tls_session));
    bsc_slab_init(&worker->taps, sizeof(struct bsc_tap));
    bsc_list_init(&worker->queues);
    worker->h2 = bsc_h2_create();
    bsc_list_init(&worker->later);
    bsc_list_init(&worker->graves);
    bsc_list_init(&worker->lasting);
    bsc_slab_init(&worker->lastings, sizeof(struct bsc_lasting));
    bsc_list_init(&worker->listeners);
    bsc_list_init(&worker->dead_listeners);
    bsc_list_init(&worker->all_clients);
    use_options(worker, options->options);
}

enum bsc_status bsc_worker_start(const struct bsc_worker_options *options, struct bsc_worker **out,
                                 struct bsc_error *error)
{
    struct bsc_worker *worker = bsc_alloc(sizeof *worker);
    init(worker, options);
    if (bsc_inbox_init(&worker->inbox, error))
        return error->status;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll == -1)
        return bsc_error_errno(error, "make a worker's epoll");
    worker->inbox_handle = (struct bsc_handle){ worker->inbox.wake, BSC_KIND_INBOX };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &worker->inbox_handle };
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->inbox.wake, &event))
        return bsc_error_errno(error, "watch a worker's inbox");
    if (worker->mirrors && bsc_mirror_attach(worker->mirror, worker, error))
        return error->status;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, worker->mirrors ? MIRROR_STACK_BYTES : STACK_BYTES);
    errno = pthread_create(&worker->thread, &attributes, run, worker);
    pthread_attr_destroy(&attributes);
    if (errno)
        return bsc_error_errno(error, "start worker %u", options->number);
    *out = worker;
    return BSC_OK;
}
