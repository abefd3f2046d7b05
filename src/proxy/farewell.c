/* SPDX-License-Identifier: Apache-2.0
 * proxy/farewell.c - see farewell.h. */
#include "proxy/farewell.h"

#include "proxy/bytes.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

/* Close, 1001 (RFC 6455 section 7.4.1); what goes to an instance is masked, here with zeros. */
static const char close_to_client[] = "\x88\x02\x03\xe9";
static const char close_to_instance[] = "\x88\x82\0\0\0\0\x03\xe9";
static const char last_chunk[] = "0\r\n\r\n";

static void set_tail(struct bsc_boundary *boundary, const char *tail, size_t size)
{
    boundary->tail = tail;
    boundary->tail_size = (uint8_t)size;
}

/* Any time up to three quarters of what is left; the rest is for the answer to it. */
static void schedule(struct bsc_worker *worker, struct bsc_lasting *lasting, int64_t until_ms)
{
    int64_t left_ms = until_ms > worker->now_ms ? until_ms - worker->now_ms : 0;
    int64_t wait_ms = (int64_t)(bsc_random_next(&worker->random) % (uint64_t)(left_ms * 3 / 4 + 1));
    if (lasting->tell_ms && lasting->tell_ms <= worker->now_ms + wait_ms)
        return;
    lasting->tell_ms = worker->now_ms + wait_ms;
    lasting->end_ms = worker->now_ms + left_ms * 15 / 16;
    bsc_timer_set(&worker->wheel, &lasting->exchange->client->connection.timer, lasting->tell_ms);
}

void bsc_lasting_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, bool websocket)
{
    struct bsc_lasting *lasting = bsc_slab_take(&worker->lastings);
    const struct bsc_flow *answer = &exchange->answer;
    exchange->lasting = lasting;
    lasting->exchange = exchange;
    lasting->websocket = websocket;
    lasting->to_client.kind = websocket ? BSC_BOUNDARY_FRAMES : BSC_BOUNDARY_EVENTS;
    lasting->to_instance.kind = BSC_BOUNDARY_FRAMES;
    exchange->answer.boundary = &lasting->to_client;
    if (websocket) {
        exchange->request.boundary = &lasting->to_instance;
        set_tail(&lasting->to_client, close_to_client, sizeof close_to_client - 1);
        set_tail(&lasting->to_instance, close_to_instance, sizeof close_to_instance - 1);
    } else if (answer->framing == BSC_FRAMING_CHUNKED && answer->recoding == BSC_RECODE_NOT) {
        set_tail(&lasting->to_client, last_chunk, sizeof last_chunk - 1);
    }
    bsc_list_add_tail(&worker->lasting, &lasting->node);
    if (worker->retiring)
        schedule(worker, lasting, worker->leave_by_ms);
    else if (exchange->instance->leave_by_ms)
        schedule(worker, lasting, exchange->instance->leave_by_ms);
}

void bsc_lasting_end(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    bsc_list_remove(&exchange->lasting->node);
    bsc_slab_give(&worker->lastings, exchange->lasting);
    exchange->lasting = NULL;
    exchange->answer.boundary = exchange->request.boundary = NULL;
    bsc_timer_stop(&exchange->client->connection.timer);
}

bool bsc_lasting_is_event_stream(const struct bsc_response *response, const char *bytes)
{
    static const char name[] = "content-type", type[] = "text/event-stream";
    const size_t size = sizeof type - 1;
    for (size_t i = 0; i < response->head.field_count; i++) {
        const struct bsc_field *field = &response->head.fields[i];
        if (!bsc_bytes_equal(bytes + field->name.at, field->name.size, name, sizeof name - 1))
            continue;
        const char *value = bytes + field->value.at;
        return field->value.size >= size && bsc_bytes_equal(value, size, type, size) &&
               (field->value.size == size || value[size] == ';' || value[size] == ' ');
    }
    return false;
}

void bsc_farewell_all(struct bsc_worker *worker, int64_t drain_ms)
{
    worker->leave_by_ms = worker->now_ms + drain_ms;
    for (struct bsc_list *node = worker->lasting.next; node != &worker->lasting; node = node->next)
        schedule(worker, BSC_CONTAINER(node, struct bsc_lasting, node), worker->leave_by_ms);
}

void bsc_farewell_instance(struct bsc_worker *worker, struct bsc_local_instance *instance,
                           int64_t drain_ms)
{
    instance->leave_by_ms = worker->now_ms + drain_ms;
    for (struct bsc_list *node = worker->lasting.next; node != &worker->lasting;
         node = node->next) {
        struct bsc_lasting *lasting = BSC_CONTAINER(node, struct bsc_lasting, node);
        if (lasting->exchange->instance == instance)
            schedule(worker, lasting, instance->leave_by_ms);
    }
}

void bsc_farewell_revoke(struct bsc_worker *worker, struct bsc_local_instance *instance)
{
    instance->leave_by_ms = 0;
    for (struct bsc_list *node = worker->lasting.next; node != &worker->lasting;
         node = node->next) {
        struct bsc_lasting *lasting = BSC_CONTAINER(node, struct bsc_lasting, node);
        if (lasting->exchange->instance == instance && !lasting->told && !worker->retiring)
            lasting->tell_ms = 0;
    }
}

static void tell(struct bsc_worker *worker, struct bsc_lasting *lasting)
{
    struct bsc_exchange *exchange = lasting->exchange;
    lasting->told = lasting->to_client.stop = true;
    exchange->reusable = false;
    if (worker->retiring)
        exchange->keep_alive = false;
    if (lasting->websocket)
        bsc_timer_set(&worker->wheel, &exchange->client->connection.timer, lasting->end_ms);
    bsc_exchange_run(worker, exchange);
}

void bsc_farewell_late(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_lasting *lasting = exchange->lasting;
    struct bsc_timer *timer = &exchange->client->connection.timer;
    if (!lasting->tell_ms)
        return;
    if (!lasting->told && worker->now_ms < lasting->tell_ms)
        bsc_timer_set(&worker->wheel, timer, lasting->tell_ms);
    else if (!lasting->told)
        tell(worker, lasting);
    else if (worker->now_ms < lasting->end_ms)
        bsc_timer_set(&worker->wheel, timer, lasting->end_ms);
    else if (lasting->websocket)
        bsc_tunnel_give_up(worker, exchange);
}
