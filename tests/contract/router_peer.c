/* SPDX-License-Identifier: Apache-2.0
 * contract/router_peer.c - see router_peer.h. */
#include "router_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { LIMIT_MS = 20000 };

/* -- the controller's main ------------------------------------------------------------------- */

static void on_reload(void *argument)
{
    ((struct stage *)argument)->reloads++;
}

static void on_terminate(void *argument)
{
    ((struct stage *)argument)->terminates++;
}

static void on_upgraded(void *argument, bsc_token token, enum bsc_status status, const char *text,
                        uint64_t generation)
{
    struct stage *stage = argument;
    (void)text;
    (void)generation;
    assert_int_equal(token, 7);
    stage->upgrades++;
    stage->upgrade_status = status;
}

static void on_closed(void *argument)
{
    ((struct stage *)argument)->closes++;
}

static void start_controller(struct stage *stage, uint64_t epoch)
{
    static const struct bsc_supervisor_events events = {
        .reload = on_reload, .terminate = on_terminate, .upgraded = on_upgraded, .closed = on_closed
    };
    int fds[2];
    assert_int_equal(bsc_channel_pair(fds, NULL), BSC_OK);
    stage->supervisor = fds[0];
    stage->channel = fds[1];
    stage->link = bsc_supervisor_link_create(&stage->loop.uv, fds[1], &events, stage);
    stage->router =
        bsc_router_proxy_create(&stage->loop.uv, stage->link, epoch, loop_deliver, &stage->loop);
    stage->port = bsc_router_proxy_port(stage->router);
}

static void stop_controller(struct stage *stage)
{
    bsc_router_proxy_destroy(stage->router);
    bsc_supervisor_link_destroy(stage->link);
    uv_run(&stage->loop.uv, UV_RUN_NOWAIT);
    close(stage->supervisor);
    close(stage->channel);
}

int stage_set_up(void **state)
{
    struct stage *stage = bsc_alloc(sizeof *stage);
    stage->snapshot = -1;
    loop_init(&stage->loop);
    start_controller(stage, 7);
    *state = stage;
    return 0;
}

static void peer_close(struct peer *peer)
{
    if (peer->socket != -1)
        close(peer->socket);
    peer->socket = -1;
}

int stage_tear_down(void **state)
{
    struct stage *stage = *state;
    stop_controller(stage);
    for (unsigned i = 0; i < stage->peer_count; i++) {
        struct peer *peer = &stage->peers[i];
        peer_close(peer);
        munmap(peer->counters,
               sizeof *peer->counters + (peer->counters->workers + 1) * sizeof(struct bsc_shard));
        close(peer->counters_fd);
        bsc_text_deinit(&peer->in);
        json_decref(peer->listeners);
        json_decref(peer->services);
        json_decref(peer->collecting);
    }
    if (stage->snapshot != -1)
        close(stage->snapshot);
    loop_deinit(&stage->loop);
    free(stage);
    return 0;
}

/* -- the supervisor -------------------------------------------------------------------------- */

void stage_say(struct stage *stage, const char *words)
{
    assert_int_equal(bsc_channel_send(stage->supervisor, NULL, 0, NULL, "%s", words), BSC_OK);
}

static void hear_controller(struct stage *stage)
{
    struct bsc_message message;
    bool got = true;
    while (bsc_channel_receive(stage->supervisor, &message, &got, NULL) == BSC_OK && got) {
        if (!bsc_message_is(&message, "snapshot")) {
            snprintf(stage->last_words, sizeof stage->last_words, "%.255s", message.text);
            continue;
        }
        assert_int_equal(message.fd_count, 1);
        if (stage->snapshot != -1)
            close(stage->snapshot);
        stage->snapshot = message.fds[0];
        stage->snapshot_id = (uint64_t)bsc_message_number(&message, "id", 0);
        stage->snapshots++;
        if (!stage->holds_snapshots) {
            char words[64];
            snprintf(words, sizeof words, "snapshot-taken id=%llu",
                     (unsigned long long)stage->snapshot_id);
            stage_say(stage, words);
        }
    }
}

static void announce(struct stage *stage, struct peer *peer, const char *state)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    peer->socket = pair[0];
    int fds[2] = { pair[1], peer->counters_fd };
    assert_int_equal(bsc_channel_send(stage->supervisor, fds, 2, NULL,
                                      "proxy generation=%llu pid=%d workers=%u state=%s",
                                      (unsigned long long)peer->generation, (int)getpid(),
                                      peer->counters->workers, state),
                     BSC_OK);
    close(pair[1]);
}

struct peer *stage_arrive(struct stage *stage, uint64_t generation, unsigned workers)
{
    struct peer *peer = &stage->peers[stage->peer_count++];
    size_t bytes = sizeof *peer->counters + (workers + 1) * sizeof(struct bsc_shard);
    *peer = (struct peer){ .generation = generation,
                           .services = json_object(),
                           .listeners = json_object() };
    peer->counters_fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(peer->counters_fd, (off_t)bytes), 0);
    assert_int_equal(fcntl(peer->counters_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    peer->counters = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, peer->counters_fd, 0);
    assert_ptr_not_equal(peer->counters, MAP_FAILED);
    peer->counters->version = BSC_COUNTERS_VERSION;
    peer->counters->workers = workers;
    announce(stage, peer, "current");
    return peer;
}

void stage_gone(struct stage *stage, struct peer *peer)
{
    char words[64];
    peer_close(peer);
    snprintf(words, sizeof words, "proxy-gone generation=%llu status=9",
             (unsigned long long)peer->generation);
    stage_say(stage, words);
}

void stage_restart(struct stage *stage, uint64_t epoch)
{
    stop_controller(stage);
    start_controller(stage, epoch);
    if (stage->snapshot != -1)
        assert_int_equal(bsc_channel_send(stage->supervisor, &stage->snapshot, 1, NULL,
                                          "snapshot id=%llu",
                                          (unsigned long long)stage->snapshot_id),
                         BSC_OK);
    for (unsigned i = 0; i < stage->peer_count; i++) {
        if (stage->peers[i].socket == -1)
            continue;
        peer_close(&stage->peers[i]);
        bsc_text_clear(&stage->peers[i].in);
        announce(stage, &stage->peers[i], "current");
    }
}

/* -- a proxy --------------------------------------------------------------------------------- */

void peer_send(struct peer *peer, const char *line)
{
    size_t size = strlen(line);
    assert_int_equal(send(peer->socket, line, size, MSG_NOSIGNAL), (ssize_t)size);
}

static bool has_healthy(const json_t *list, const char *slot)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (!strcmp(json_string_value(json_object_get(item, "slot")), slot) &&
            json_is_true(json_object_get(item, "healthy")))
            return true;
    }
    return false;
}

void peer_check(const struct peer *peer)
{
    const char *name, *slot;
    json_t *service, *weight;
    json_object_foreach(peer->services, name, service)
    {
        const json_t *list = json_object_get(json_object_get(service, "instances"), "list");
        json_t *weights = json_object_get(json_object_get(service, "split"), "weights");
        json_object_foreach(weights, slot, weight)
        {
            if (json_integer_value(weight) > 0 && !has_healthy(list, slot))
                fail_msg("%s gives weight to %s, which has no instance", name, slot);
        }
    }
}

static json_t *service_of(json_t *into, const char *name)
{
    json_t *service = json_object_get(into, name);
    if (!service) {
        service = json_object();
        json_object_set_new(into, name, service);
    }
    return service;
}

static void apply(json_t *into, const json_t *line)
{
    size_t i;
    json_t *item, *service = json_object_get(line, "service");
    json_t *instances = json_object_get(line, "instances");
    const json_t *removed = json_object_get(line, "remove");
    if (service)
        json_object_set(service_of(into, json_string_value(json_object_get(service, "name"))),
                        "service", service);
    if (instances)
        json_object_set(service_of(into, json_string_value(json_object_get(instances, "service"))),
                        "instances", instances);
    json_array_foreach(json_object_get(line, "splits"), i, item) json_object_set(
        service_of(into, json_string_value(json_object_get(item, "service"))), "split", item);
    if (removed)
        json_object_del(into, json_string_value(json_object_get(removed, "service")));
}

static void hear_listener(struct peer *peer, const json_t *line)
{
    json_t *listener = json_object_get(line, "listener");
    const json_t *removed = json_object_get(line, "remove-listener");
    if (listener)
        json_object_set(peer->listeners, json_string_value(json_object_get(listener, "address")),
                        listener);
    if (removed)
        json_object_del(peer->listeners, json_string_value(json_object_get(removed, "address")));
}

static void answer(struct peer *peer, bool refused)
{
    char text[128];
    if (refused)
        snprintf(text, sizeof text, "{\"error\":{\"seq\":%llu,\"text\":\"not with me\"}}\n",
                 (unsigned long long)peer->seq);
    else
        snprintf(text, sizeof text, "{\"ack\":%llu,\"epoch\":%llu}\n",
                 (unsigned long long)peer->seq, (unsigned long long)peer->epoch);
    peer_send(peer, text);
}

static void hear_line(struct peer *peer, const char *text, size_t size)
{
    json_t *line = json_loadb(text, size, 0, NULL);
    const json_t *hello = json_object_get(line, "hello");
    assert_non_null(line);
    if (hello) {
        peer->hellos++;
        peer->epoch = (uint64_t)json_integer_value(json_object_get(hello, "epoch"));
        json_decref(peer->collecting);
        peer->collecting = json_object();
        json_object_clear(peer->listeners);
        json_decref(line);
        return;
    }
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(line, "seq"));
    assert_true(seq == peer->seq + 1 || (peer->collecting && seq == 1));
    peer->seq = seq;
    peer->lines++;
    if (json_object_get(line, "splits"))
        peer->split_together = (unsigned)json_array_size(json_object_get(line, "splits"));
    hear_listener(peer, line);
    bool refused =
        peer->refuses && strstr(text, peer->refuses) && strstr(text, peer->refuses) < text + size;
    if (!refused)
        apply(peer->collecting ? peer->collecting : peer->services, line);
    if (json_object_get(line, "end")) {
        json_decref(peer->services);
        peer->services = peer->collecting;
        peer->collecting = NULL;
    }
    if (!peer->collecting)
        peer_check(peer);
    if (refused)
        answer(peer, true);
    json_decref(line);
}

static void hear_router(struct peer *peer)
{
    char chunk[65536];
    ssize_t got;
    while (peer->socket != -1 && !peer->deaf &&
           (got = recv(peer->socket, chunk, sizeof chunk, MSG_DONTWAIT)) > 0)
        bsc_text_add(&peer->in, chunk, (size_t)got);
    size_t at = 0;
    for (char *end;
         at < peer->in.size && (end = memchr(peer->in.data + at, '\n', peer->in.size - at));
         at = (size_t)(end - peer->in.data) + 1)
        hear_line(peer, peer->in.data + at, (size_t)(end - peer->in.data) - at);
    if (!at)
        return;
    bsc_text_drop_front(&peer->in, at);
    if (!peer->quiet && !peer->refuses)
        answer(peer, false);
}

unsigned peer_gauge(const struct peer *peer, const char *service, const char *id)
{
    size_t i;
    const json_t *item, *found = NULL;
    json_t *list = json_object_get(
        json_object_get(json_object_get(peer->services, service), "instances"), "list");
    json_array_foreach(list, i, item)
    {
        if (!strcmp(json_string_value(json_object_get(item, "id")), id))
            found = json_object_get(item, "gauge");
    }
    assert_non_null(found);
    return (unsigned)json_integer_value(found);
}

unsigned peer_cell(const struct peer *peer, const char *service, const char *slot)
{
    const json_t *split = json_object_get(json_object_get(peer->services, service), "split");
    const json_t *cell = json_object_get(json_object_get(split, "cells"), slot);
    assert_non_null(cell);
    return (unsigned)json_integer_value(cell);
}

/* -- time ------------------------------------------------------------------------------------ */

void stage_turn(struct stage *stage)
{
    uv_run(&stage->loop.uv, UV_RUN_NOWAIT);
    hear_controller(stage);
    for (unsigned i = 0; i < stage->peer_count; i++)
        hear_router(&stage->peers[i]);
    uv_run(&stage->loop.uv, UV_RUN_NOWAIT);
}

static void rest(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

void stage_turn_for(struct stage *stage, unsigned ms)
{
    int64_t end_ms = bsc_clock_boot_ms() + ms;
    do {
        stage_turn(stage);
        rest();
    } while (bsc_clock_boot_ms() < end_ms);
}

bool stage_has(struct stage *stage, enum bsc_event_kind kind, bsc_token token)
{
    return loop_find(&stage->loop, kind, token, NULL) != NULL;
}

const struct loop_event *stage_wait(struct stage *stage, enum bsc_event_kind kind, bsc_token token)
{
    int64_t end_ms = bsc_clock_boot_ms() + LIMIT_MS;
    while (!stage_has(stage, kind, token)) {
        stage_turn(stage);
        rest();
        if (bsc_clock_boot_ms() > end_ms)
            fail_msg("waited %d s in vain", LIMIT_MS / 1000);
    }
    return loop_find(&stage->loop, kind, token, NULL);
}

/* -- routings -------------------------------------------------------------------------------- */

static unsigned add_endpoints(struct bsc_endpoint *out, char (*ids)[64], const char *name,
                              enum bsc_slot slot, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%s-%s-%u", name, slot == BSC_BLUE ? "blue" : "green", i);
        out[i] = (struct bsc_endpoint){
            .id = ids[i], .address = "127.0.0.1:9", .slot = slot, .healthy = true
        };
    }
    return count;
}

/* A routing and what it points to. */
struct wanted {
    struct bsc_spec spec;
    struct bsc_route route;
    struct bsc_endpoint endpoints[16];
    char ids[16][64];
};

static struct bsc_routing want(const struct stage *stage, struct wanted *wanted, const char *name,
                               unsigned blue, unsigned green, unsigned green_bp,
                               uint64_t generation)
{
    *wanted = (struct wanted){ .spec = { .name = name, .route_count = 1 },
                               .route = { .host = "shop.example", .path = "/" } };
    wanted->spec.routes = &wanted->route;
    unsigned count = add_endpoints(wanted->endpoints, wanted->ids, name, BSC_BLUE, blue);
    count += add_endpoints(wanted->endpoints + blue, wanted->ids + blue, name, BSC_GREEN, green);
    return (struct bsc_routing){ .spec = &wanted->spec,
                                 .rollout = stage->rollout,
                                 .watch = stage->watch,
                                 .candidate = BSC_GREEN,
                                 .generation = generation,
                                 .weight_bp = { BSC_WEIGHT_FULL_BP - green_bp, green_bp },
                                 .endpoints = wanted->endpoints,
                                 .endpoint_count = count };
}

void stage_publish(struct stage *stage, const char *name, unsigned blue, unsigned green,
                   unsigned green_bp, uint64_t generation, bsc_token token)
{
    struct wanted wanted;
    struct bsc_routing routing = want(stage, &wanted, name, blue, green, green_bp, generation);
    stage->loop.inside = true;
    stage->port.ops->publish(stage->port.self, &routing, token);
    stage->loop.inside = false;
}

void stage_publish_together(struct stage *stage, const struct stage_together *what, unsigned count,
                            uint64_t generation, bsc_token token)
{
    struct wanted wanted[4];
    struct bsc_routing routings[4];
    bsc_token tokens[4];
    assert_true(count <= 4);
    for (unsigned i = 0; i < count; i++) {
        routings[i] = want(stage, &wanted[i], what[i].name, what[i].blue, what[i].green,
                           what[i].green_bp, generation);
        if (what[i].path)
            wanted[i].route.path = what[i].path;
        tokens[i] = token + i;
    }
    stage->loop.inside = true;
    stage->port.ops->publish_together(stage->port.self, routings, tokens, count);
    stage->loop.inside = false;
}
