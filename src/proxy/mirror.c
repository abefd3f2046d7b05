/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror.c - see mirror.h. The workers' part. */
#include "proxy/mirror.h"

#include <string.h>
#include <sys/eventfd.h>

#include "base/arena.h"
#include "proxy/worker.h"

enum { WHOLE_BP = 10000, HEAD_ROOM = BSC_HEAD_BYTES + 2048 };

enum bsc_status bsc_mirror_init(struct bsc_mirror *mirror, unsigned workers,
                                struct bsc_error *error)
{
    mirror->ring_count = workers;
    mirror->rings = bsc_alloc(workers * sizeof *mirror->rings);
    for (unsigned i = 0; i < workers; i++)
        mirror->rings[i].capacity = BSC_MIRROR_RING_BYTES;
    mirror->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mirror->wake == -1)
        return bsc_error_errno(error, "start the mirror");
    pthread_mutex_init(&mirror->lock, NULL);
    bsc_list_init(&mirror->mirrored);
    return BSC_OK;
}

static bool is_chosen(const struct bsc_mirror_rules *rules, const struct bsc_request *request,
                      const char *bytes)
{
    for (unsigned i = 0; i < rules->methods.count; i++)
        if (strlen(rules->methods.items[i]) == request->method_name.size &&
            !memcmp(rules->methods.items[i], bytes + request->method_name.at,
                    request->method_name.size))
            return true;
    return false;
}

/* What can't be said twice, or would take too much room, is not copied. */
static bool can_be_copied(const struct bsc_worker *worker, const struct bsc_exchange *exchange)
{
    const struct bsc_request *request = &worker->request;
    const struct bsc_mirror_rules *rules = exchange->service->shared->mirror;
    bool long_body =
        request->head.framing == BSC_FRAMING_LENGTH && request->head.length > rules->body_bytes;
    return !exchange->upgrade && !request->expect_continue && !long_body &&
           !bsc_worker_overloaded(worker);
}

/* Puts what was counted with the record, and wakes the mirror if it sleeps; false: no room. */
static bool put(struct bsc_worker *worker, struct bsc_local_service *service,
                struct bsc_mirror_record *record, const struct bsc_tap *tap)
{
    struct bsc_mirror *mirror = worker->mirror;
    memcpy(record->unseen, service->mirror_unseen, sizeof record->unseen);
    record->dropped = service->mirror_dropped;
    record->size = (uint32_t)sizeof *record + record->request_bytes + record->answer_bytes;
    struct bsc_piece pieces[] = { { record, sizeof *record },
                                  { tap ? tap->request->bytes : NULL, record->request_bytes },
                                  { tap ? tap->answer->bytes : NULL, record->answer_bytes } };
    if (!bsc_ring_put(&mirror->rings[worker->number], pieces, 3))
        return false;
    memset(service->mirror_unseen, 0, sizeof service->mirror_unseen);
    service->mirror_dropped = 0;
    if (!atomic_exchange(&mirror->awake, true))
        eventfd_write(mirror->wake, 1);
    return true;
}

/* It was drawn, and is not compared. Without room it is told with the next record. */
static void skip(struct bsc_worker *worker, struct bsc_local_service *service, uint32_t index,
                 enum bsc_unseen why)
{
    struct bsc_mirror_record record = { .service = index, .id = service->shared->mirror->id };
    service->mirror_unseen[why]++;
    (void)put(worker, service, &record, NULL);
}

void bsc_mirror_draw(struct bsc_worker *worker, struct bsc_exchange *exchange, uint32_t service,
                     const char *bytes)
{
    const struct bsc_mirror_rules *rules = exchange->service->shared->mirror;
    const struct bsc_request *request = &worker->request;
    struct bsc_flow *flow = &exchange->request;
    if (worker->retiring || !is_chosen(rules, request, bytes) ||
        bsc_random_below(&worker->random, WHOLE_BP) >= rules->share_bp)
        return;
    if (!can_be_copied(worker, exchange)) {
        skip(worker, exchange->service, service,
             exchange->upgrade ? BSC_UNSEEN_STREAM : BSC_UNSEEN_REQUEST);
        return;
    }
    flow->keep_out = true;
    if (!flow->complete && flow->keep_left < rules->body_bytes)
        flow->keep_left = rules->body_bytes;
    struct bsc_tap *tap = exchange->answer.tap = bsc_slab_take(&worker->taps);
    tap->most = rules->body_bytes;
    tap->service = service;
    tap->id = rules->id;
    tap->safe = request->method == BSC_METHOD_GET || request->method == BSC_METHOD_HEAD ||
                request->method == BSC_METHOD_OPTIONS;
}

/* A body that was not kept to its end is not in `out`. */
void bsc_mirror_keep_request(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    struct bsc_tap *tap = exchange->answer.tap;
    const struct bsc_flow *request = &exchange->request;
    if (tap->job)
        return;
    uint32_t size = request->out ? request->out->end : 0;
    if (!request->keep_out || request->past || !request->done || !size ||
        size > tap->most + HEAD_ROOM) {
        tap->over = true;
        tap->unseen = BSC_UNSEEN_REQUEST;
        return;
    }
    tap->request = bsc_buffer_lend(&worker->buffers, size);
    memcpy(tap->request->bytes, request->out->bytes, size);
    tap->request->end = size;
}

void bsc_mirror_keep_answer(struct bsc_worker *worker, struct bsc_tap *tap, const char *bytes,
                            size_t size)
{
    struct bsc_buffer *answer = tap->answer;
    uint32_t used = answer ? answer->end : 0;
    if (tap->over || !size)
        return;
    if (size > tap->most + HEAD_ROOM - used) {
        tap->over = true;
        tap->unseen = BSC_UNSEEN_ANSWER;
        bsc_buffer_return(&worker->buffers, &tap->answer);
        return;
    }
    if (!answer || size > answer->capacity - used) {
        struct bsc_buffer *larger = bsc_buffer_lend(&worker->buffers, used + size);
        if (answer)
            memcpy(larger->bytes, answer->bytes, used);
        larger->end = used;
        bsc_buffer_return(&worker->buffers, &tap->answer);
        tap->answer = answer = larger;
    }
    memcpy(answer->bytes + used, bytes, size);
    answer->end += (uint32_t)size;
}

static uint32_t latency_of(const struct bsc_exchange *exchange)
{
    int64_t latency_us = exchange->answered_us - exchange->started_us;
    if (exchange->request.data_bytes || exchange->tries > 1 || latency_us >= UINT32_MAX)
        return 0;
    return latency_us > 0 ? (uint32_t)latency_us : 1;
}

static void leave(struct bsc_worker *worker, const struct bsc_exchange *exchange,
                  const struct bsc_tap *tap)
{
    struct bsc_local_service *service = exchange->service;
    int64_t duration_ms = (worker->now_us - exchange->started_us) / 1000;
    struct bsc_mirror_record record = {
        .service = tap->service,
        .id = tap->id,
        .request_bytes = tap->request->end,
        .answer_bytes = tap->answer->end,
        .latency_us = latency_of(exchange),
        .duration_ms = duration_ms < UINT32_MAX ? (uint32_t)duration_ms : UINT32_MAX,
        .method = exchange->method,
        .safe = tap->safe,
    };
    if (!put(worker, service, &record, tap))
        service->mirror_dropped++;
}

/* Only what the live version answered, in whole and in time, is compared. */
static bool is_comparable(const struct bsc_exchange *exchange, const struct bsc_tap *tap,
                          bool whole, enum bsc_unseen *why)
{
    *why = exchange->lasting ? BSC_UNSEEN_STREAM
           : tap->over       ? (enum bsc_unseen)tap->unseen
                             : BSC_UNSEEN_BROKEN;
    return whole && !tap->over && tap->request && tap->answer && !exchange->rescued &&
           !exchange->lasting && exchange->phase == BSC_EXCHANGE_ANSWERING;
}

static void end_original(struct bsc_worker *worker, const struct bsc_exchange *exchange,
                         const struct bsc_tap *tap, bool whole)
{
    const struct bsc_mirror_rules *rules = exchange->service->shared->mirror;
    enum bsc_unseen why;
    if (!rules || rules->id != tap->id || exchange->slot == rules->slot)
        return;
    if (is_comparable(exchange, tap, whole, &why))
        leave(worker, exchange, tap);
    else
        skip(worker, exchange->service, tap->service, why);
}

void bsc_mirror_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole)
{
    struct bsc_tap *tap = exchange->answer.tap;
    if (tap->job)
        bsc_mirror_job_end(worker, exchange, whole);
    else
        end_original(worker, exchange, tap, whole);
    exchange->answer.tap = NULL;
    bsc_buffer_return(&worker->buffers, &tap->request);
    bsc_buffer_return(&worker->buffers, &tap->answer);
    bsc_slab_give(&worker->taps, tap);
}
