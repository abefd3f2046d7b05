/* SPDX-License-Identifier: Apache-2.0
 * proxy/access.c - see access.h. */
#include "proxy/access.h"

#include <assert.h>
#include <string.h>

#include "proxy/access_log.h"
#include "proxy/bytes.h"
#include "proxy/h2_session.h"
#include "proxy/head.h"
#include "proxy/worker.h"

static_assert((int)BSC_ACCESS_RECORD_BYTES <= (int)BSC_BUFFER_SMALL,
              "a record fits into a small buffer");
static_assert(offsetof(struct bsc_buffer, bytes) % _Alignof(struct bsc_access_record) == 0,
              "and may begin where the buffer does");

static struct bsc_access_record *record_of(struct bsc_buffer *note)
{
    return (struct bsc_access_record *)(void *)note->bytes;
}

static void add(struct bsc_access_record *record, enum bsc_access_text kind, const char *bytes,
                size_t size)
{
    bsc_access_add(record, BSC_ACCESS_RECORD_BYTES, kind, bytes, size);
}

static void add_string(struct bsc_access_record *record, enum bsc_access_text kind,
                       const char *string)
{
    add(record, kind, string, strlen(string));
}

static void add_slice(struct bsc_access_record *record, enum bsc_access_text kind,
                      const char *bytes, struct bsc_slice slice)
{
    add(record, kind, bytes + slice.at, slice.size);
}

/* A field that nobody else in the proxy cares about. */
static struct bsc_slice other_field(const struct bsc_head *head, const char *bytes,
                                    const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (field->id == BSC_FIELD_OTHER &&
            bsc_bytes_equal(bytes + field->name.at, field->name.size, name, size))
            return field->value;
    }
    return (struct bsc_slice){ 0, 0 };
}

static void add_id(struct bsc_access_record *record, const struct bsc_exchange *exchange,
                   const struct bsc_request *request, const char *bytes)
{
    const struct bsc_field *own = bsc_request_id(&request->head, bytes);
    char id[BSC_EXCHANGE_ID_BYTES];
    if (own)
        add_slice(record, BSC_ACCESS_ID, bytes, own->value);
    else if (exchange->id)
        add_string(record, BSC_ACCESS_ID, bsc_exchange_write_id(exchange->id, id));
}

void bsc_access_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, const char *bytes)
{
    const struct bsc_request *request = &worker->request;
    struct bsc_buffer *note = bsc_buffer_lend(&worker->buffers, BSC_BUFFER_SMALL);
    struct bsc_access_record *record = record_of(note);
    char address[INET6_ADDRSTRLEN];
    bool stream = exchange->client->connection.stream;
    *record = (struct bsc_access_record){
        .protocol = stream ? 20 : (uint8_t)(10 + request->head.minor),
        .tls = exchange->client->carrier->secure,
        .started_us = exchange->started_us,
    };
    add_string(record, BSC_ACCESS_CLIENT, bsc_exchange_address(exchange, address));
    add_slice(record, BSC_ACCESS_METHOD, bytes, request->method_name);
    add_slice(record, BSC_ACCESS_HOST, bytes, request->authority);
    add_slice(record, BSC_ACCESS_TARGET, bytes, request->target);
    add_slice(record, BSC_ACCESS_REFERER, bytes, other_field(&request->head, bytes, "Referer"));
    add_slice(record, BSC_ACCESS_AGENT, bytes, other_field(&request->head, bytes, "User-Agent"));
    add_id(record, exchange, request, bytes);
    exchange->note = note;
}

void bsc_access_begin_tcp(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->note = bsc_buffer_lend(&worker->buffers, BSC_BUFFER_SMALL);
    struct bsc_access_record *record = record_of(exchange->note);
    *record = (struct bsc_access_record){ .tls = exchange->client->carrier->secure,
                                          .started_us = exchange->started_us };
    add_string(record, BSC_ACCESS_CLIENT, exchange->client->address);
}

/* NULL: there is nothing to say about it. */
static const char *reason_of(const struct bsc_exchange *exchange, bool whole)
{
    if (exchange->reason || whole || !exchange->tcp)
        return exchange->reason;
    if (exchange->client_left)
        return "client-left";
    return exchange->cause == BSC_CAUSE_RESET ? "upstream-reset" : "idle-timeout";
}

static void put(struct bsc_worker *worker, const struct bsc_access_record *record)
{
    if (!bsc_access_log_put(worker->access, worker->number, record))
        bsc_counter_add(&worker->shard->access_dropped, 1);
}

/* As in what `bascule status --json` says of rescues. */
static const char *const causes[BSC_CAUSE_COUNT] = {
    [BSC_CAUSE_NONE] = "status",
    [BSC_CAUSE_NO_INSTANCE] = "no_instance",
    [BSC_CAUSE_CONNECT] = "connect_failed",
    [BSC_CAUSE_RESET] = "reset",
    [BSC_CAUSE_TIME_OUT] = "timed_out",
};

void bsc_access_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole)
{
    struct bsc_access_record *record = record_of(exchange->note);
    record->status = exchange->status;
    record->tries =
        (uint8_t)(exchange->tries + (exchange->rescued ? exchange->failed_tries - 1 : 0));
    record->slot = exchange->charged ? exchange->slot : BSC_SLOT_COUNT;
    record->whole = whole;
    record->preview = exchange->previewed;
    record->error = !exchange->previewed && bsc_exchange_charged_error(exchange);
    record->answered_us = exchange->answered_us;
    record->ended_us = worker->now_us;
    record->bytes_in = exchange->request.data_bytes;
    record->bytes_out = exchange->answer.data_bytes;
    if (exchange->service)
        add_string(record, BSC_ACCESS_SERVICE, exchange->service->shared->name);
    if (exchange->instance)
        add_string(record, BSC_ACCESS_INSTANCE, exchange->instance->shared->id);
    const char *reason = reason_of(exchange, whole);
    if (reason)
        add_string(record, BSC_ACCESS_REASON, reason);
    if (exchange->rescued)
        add_string(record, BSC_ACCESS_RESCUED, causes[exchange->failed_cause]);
    put(worker, record);
    bsc_buffer_return(&worker->buffers, &exchange->note);
}

void bsc_access_refused(struct bsc_worker *worker, const struct bsc_client *client, unsigned status,
                        const char *reason)
{
    union {
        struct bsc_access_record record;
        char bytes[sizeof(struct bsc_access_record) + 128];
    } one = { .record = { .protocol = 11,
                          .status = (uint16_t)status,
                          .slot = BSC_SLOT_COUNT,
                          .whole = true,
                          .started_us = worker->now_us,
                          .ended_us = worker->now_us } };
    if (!bsc_access_log_on(worker->access))
        return;
    bsc_access_add(&one.record, sizeof one, BSC_ACCESS_CLIENT, client->address,
                   strlen(client->address));
    bsc_access_add(&one.record, sizeof one, BSC_ACCESS_REASON, reason, strlen(reason));
    put(worker, &one.record);
}
