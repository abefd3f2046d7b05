/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_generation.c - one connection a proxy generation; see router_internal.h.
 *
 * Nothing is ever waited for: what the socket does not take stays in `out`. When a proxy takes so
 * little that `out` grows beyond its limit, deltas are no longer queued; once `out` has gone, the
 * proxy gets everything anew. A proxy that takes nothing at all is the supervisor's to replace. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/log.h"

enum { OUT_BYTES_MAX = 4 << 20, OUT_BYTES_KEPT = 64 << 10, LINE_BYTES_MAX = 64 << 10 };

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void disconnect(struct bsc_generation *generation)
{
    if (generation->poll)
        uv_close((uv_handle_t *)generation->poll, on_closed);
    if (generation->socket != -1)
        close(generation->socket);
    generation->poll = NULL;
    generation->socket = -1;
    generation->synced = false;
    bsc_text_deinit(&generation->in);
    bsc_text_deinit(&generation->out);
    generation->out_at = 0;
}

static void on_event(uv_poll_t *poll, int status, int events);

/* -- writing --------------------------------------------------------------------------------- */

static bool has_output(const struct bsc_generation *generation)
{
    return generation->out_at < generation->out.size;
}

static void write_some(struct bsc_generation *generation)
{
    while (has_output(generation)) {
        ssize_t sent = send(generation->socket, generation->out.data + generation->out_at,
                            generation->out.size - generation->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1)
            return; /* a full socket tells when there is room, a broken one when it is read */
        generation->out_at += (size_t)sent;
    }
    generation->out_at = 0;
    bsc_text_clear(&generation->out);
    if (generation->out.capacity > OUT_BYTES_KEPT)
        bsc_text_deinit(&generation->out);
}

static void write_everything(struct bsc_generation *generation)
{
    bsc_wire_everything(generation->router, &generation->out, &generation->seq);
    generation->end_seq = generation->seq;
    generation->end_line = generation->router->line;
    generation->synced = true;
}

static void flush(struct bsc_generation *generation)
{
    if (generation->socket == -1)
        return;
    write_some(generation);
    if (!has_output(generation) && !generation->synced && generation->router->begun) {
        write_everything(generation);
        write_some(generation);
    }
    uv_poll_start(generation->poll,
                  has_output(generation) ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_event);
}

void bsc_generation_resync(struct bsc_generation *generation)
{
    generation->synced = false;
    flush(generation);
}

void bsc_generation_send(struct bsc_generation *generation, const struct bsc_text *body)
{
    if (!generation->synced)
        return; /* the resync that is to come includes it */
    if (generation->out.size - generation->out_at > OUT_BYTES_MAX) {
        bsc_log_warning("proxy %" PRIu64 " does not read: it will get everything anew",
                        generation->number);
        generation->synced = false;
        return;
    }
    bsc_wire_line(&generation->out, ++generation->seq, body);
    flush(generation);
}

/* -- reading --------------------------------------------------------------------------------- */

/* The router's line that a seq stands for; 0: one of a resync, or none of ours. */
static uint64_t line_of(const struct bsc_generation *generation, uint64_t seq)
{
    if (seq < generation->end_seq || seq > generation->seq || !generation->end_seq)
        return 0;
    return generation->end_line + (seq - generation->end_seq);
}

static void acknowledge(struct bsc_generation *generation, uint64_t seq)
{
    uint64_t line = line_of(generation, seq);
    if (line <= generation->acked_line)
        return;
    generation->acked_line = line;
    bsc_router_progress(generation->router);
}

static void handle_line(struct bsc_generation *generation, const char *line, size_t size)
{
    struct bsc_wire_answer answer;
    struct bsc_error error;
    if (bsc_wire_parse(line, size, &answer, &error) != BSC_OK) {
        bsc_log_error("proxy %" PRIu64 ": %s", generation->number, error.text);
        return;
    }
    if (answer.kind == BSC_WIRE_ACK && answer.epoch == generation->router->epoch) {
        acknowledge(generation, answer.seq);
    } else if (answer.kind == BSC_WIRE_TRIPPED && answer.epoch == generation->router->epoch) {
        bsc_router_tripped(generation->router, answer.service, answer.generation);
    } else if (answer.kind == BSC_WIRE_MIRROR) {
        bsc_router_mirrored(generation->router, &answer);
    } else if (answer.kind == BSC_WIRE_ERROR) {
        bsc_log_error("proxy %" PRIu64 " refused line %" PRIu64 ": %s", generation->number,
                      answer.seq, answer.text);
        bsc_router_refused(generation->router, line_of(generation, answer.seq), answer.text);
        acknowledge(generation, answer.seq); /* it was handled, and what follows is not held up */
    } else if (answer.kind != BSC_WIRE_OTHER && answer.kind != BSC_WIRE_ACK) {
        bsc_router_heard(generation->router, generation, &answer);
    }
}

static void handle_lines(struct bsc_generation *generation)
{
    struct bsc_text *in = &generation->in;
    size_t at = 0;
    for (char *end; at < in->size && (end = memchr(in->data + at, '\n', in->size - at));
         at = (size_t)(end - in->data) + 1)
        handle_line(generation, in->data + at, (size_t)(end - in->data) - at);
    if (at)
        bsc_text_drop_front(in, at);
}

static void read_some(struct bsc_generation *generation)
{
    char chunk[16384];
    for (;;) {
        ssize_t got = recv(generation->socket, chunk, sizeof chunk, MSG_DONTWAIT);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got > 0) {
            bsc_text_add(&generation->in, chunk, (size_t)got);
            handle_lines(generation);
        }
        if (got <= 0 || generation->in.size > LINE_BYTES_MAX) {
            bsc_log_info("proxy %" PRIu64 ": %s", generation->number,
                         got > 0 ? "its line is too long" : "it closed its connection");
            disconnect(generation);
            return;
        }
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct bsc_generation *generation = poll->data;
    if (status < 0 || (events & UV_READABLE))
        read_some(generation);
    if (events & UV_WRITABLE)
        flush(generation);
}

/* -- coming and going ------------------------------------------------------------------------ */

static void connect_to(struct bsc_generation *generation, int socket)
{
    generation->socket = socket;
    generation->seq = generation->end_seq = 0;
    generation->acked_line = 0;
    generation->poll = bsc_alloc(sizeof *generation->poll);
    generation->poll->data = generation;
    uv_poll_init(generation->router->loop, generation->poll, socket);
    flush(generation);
}

struct bsc_generation *bsc_generation_find(const struct bsc_router_proxy *router, uint64_t number)
{
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        struct bsc_generation *generation = BSC_CONTAINER(at, struct bsc_generation, link);
        if (generation->number == number)
            return generation;
    }
    return NULL;
}

static struct bsc_generation *create(struct bsc_router_proxy *router,
                                     const struct bsc_proxy_arrival *arrival)
{
    struct bsc_generation *generation = bsc_alloc(sizeof *generation);
    struct bsc_error error;
    generation->router = router;
    generation->number = arrival->generation;
    generation->pid = arrival->pid;
    generation->workers = arrival->workers;
    generation->socket = -1;
    generation->counters_fd = arrival->counters;
    if (bsc_counters_map(generation, &error) != BSC_OK)
        bsc_log_error("proxy %" PRIu64 ": %s: what is in flight there is not known",
                      generation->number, error.text);
    bsc_list_add_tail(&router->generations, &generation->link);
    return generation;
}

void bsc_generation_arrive(struct bsc_router_proxy *router, const struct bsc_proxy_arrival *arrival)
{
    struct bsc_generation *generation = bsc_generation_find(router, arrival->generation);
    if (generation) {
        disconnect(generation);
        close(arrival->counters);
    } else {
        generation = create(router, arrival);
    }
    generation->retiring = arrival->retiring;
    connect_to(generation, arrival->socket);
}

void bsc_generation_destroy(struct bsc_generation *generation)
{
    disconnect(generation);
    bsc_counters_unmap(generation);
    if (generation->counters_fd != -1)
        close(generation->counters_fd);
    bsc_list_remove(&generation->link);
    free(generation);
}
