/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_work.c - the mirror's thread: takes copies out of the rings, asks the candidate, and
 * the live version where that is needed, and compares.
 *
 * Each question is an exchange of the usual kind, whose client is a connection that takes the
 * answer and throws it away; what is kept of it is kept as in a worker. So many run at once at
 * most; what waits longer stays in the rings, where new copies are dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/arena.h"
#include "proxy/mirror.h"
#include "proxy/mirror_findings.h"
#include "proxy/worker.h"

enum {
    JOBS_AT_ONCE = 32,
    ANSWER_MS = 10000, /* a question is given up so long after the live version's answer took ... */
    SLOW_MAX_MS = 50000, /* ... of which so much counts */
    TAKEN_AT_ONCE = 64,  /* copies, before others of the thread's work gets its turn */
    FORGET_MS = 120000,  /* what nothing was added to since, and was told */
    TARGET_BYTES = 256,
    CHECKED_ONE_IN = 32 /* so many comparisons without a difference are asked again all the same */
};

struct bsc_mirror_job {
    struct bsc_list node;          /* while it waits to be asked again */
    struct bsc_list place;         /* among all */
    struct bsc_exchange *exchange; /* NULL: none now */
    uint32_t service;
    uint64_t id;
    uint32_t latency_us, duration_ms;
    uint8_t method;
    bool safe;
    bool again; /* the live version is asked once more, after the candidate has answered */
    bool late;
    struct bsc_buffer *request, *live;
    char target[TARGET_BYTES];
    struct bsc_differences found;
};

struct bsc_mirror_side {
    struct bsc_handle handle;
    struct bsc_client carrier; /* of the clients that nobody is behind */
    unsigned jobs;
    unsigned services; /* that are mirrored: each may have its share of the jobs */
    unsigned turn;     /* the ring that is looked at next */
    struct bsc_list all;
    struct bsc_list again;
};

/* -- a client that takes everything and says nothing ------------------------------------------ */

static ssize_t receive_nothing(struct bsc_worker *worker, struct bsc_connection *connection,
                               char *bytes, size_t size)
{
    (void)worker, (void)connection, (void)bytes, (void)size;
    errno = EAGAIN;
    return -1;
}

/* An answer that is too long to be compared need not be read to its end. */
static ssize_t swallow(struct bsc_worker *worker, struct bsc_connection *connection,
                       const char *first, size_t first_size, const char *second, size_t second_size)
{
    const struct bsc_exchange *exchange = connection->exchange;
    (void)worker, (void)first, (void)second;
    if (!exchange || !exchange->answer.tap->over)
        return (ssize_t)(first_size + second_size);
    connection->broken = true;
    errno = EPIPE;
    return -1;
}

static void do_nothing(struct bsc_worker *worker, struct bsc_connection *connection)
{
    (void)worker, (void)connection;
}

static void close_nothing(struct bsc_worker *worker, struct bsc_connection *connection, bool reset)
{
    (void)worker, (void)connection, (void)reset;
}

static const struct bsc_transport nobody = {
    .receive = receive_nothing, .send = swallow, .finish = do_nothing, .close = close_nothing
};

/* -- jobs ------------------------------------------------------------------------------------- */

static void job_free(struct bsc_worker *worker, struct bsc_mirror_job *job)
{
    worker->mirror->side->jobs--;
    bsc_list_remove(&job->node);
    bsc_list_remove(&job->place);
    bsc_buffer_return(&worker->buffers, &job->request);
    bsc_buffer_return(&worker->buffers, &job->live);
    free(job);
}

/* NULL: the rules under which it was copied are not in force any more. */
static struct bsc_local_service *rules_in_force(const struct bsc_worker *worker, uint32_t index,
                                                uint64_t id)
{
    struct bsc_local_service *service = bsc_local_find(worker, index);
    return service && service->shared && service->shared->mirror &&
                   service->shared->mirror->id == id
               ? service
               : NULL;
}

static struct bsc_local_service *service_of(const struct bsc_worker *worker,
                                            const struct bsc_mirror_job *job)
{
    return rules_in_force(worker, job->service, job->id);
}

/* The request with a mark behind its first line, so that the instance can tell. */
static struct bsc_buffer *marked(struct bsc_worker *worker, const struct bsc_buffer *request)
{
    static const char mark[] = "X-Bascule-Mirror: 1\r\n";
    const char *end = memchr(request->bytes, '\n', request->end);
    size_t line = end ? (size_t)(end - request->bytes) + 1 : 0;
    struct bsc_buffer *out = bsc_buffer_lend(&worker->buffers, request->end + sizeof mark);
    memcpy(out->bytes, request->bytes, line);
    memcpy(out->bytes + line, mark, sizeof mark - 1);
    memcpy(out->bytes + line + sizeof mark - 1, request->bytes + line, request->end - line);
    out->end = request->end + (uint32_t)sizeof mark - 1;
    return out;
}

static void ask(struct bsc_worker *worker, struct bsc_mirror_job *job)
{
    struct bsc_mirror_side *side = worker->mirror->side;
    struct bsc_local_service *service = service_of(worker, job);
    if (!service || worker->retiring) {
        job_free(worker, job);
        return;
    }
    const struct bsc_mirror_rules *rules = service->shared->mirror;
    struct bsc_client *client = bsc_client_open_stream(worker, &side->carrier);
    struct bsc_exchange *exchange = bsc_slab_take(&worker->exchanges);
    struct bsc_tap *tap = bsc_slab_take(&worker->taps);
    client->connection.transport = &nobody;
    client->connection.stream = client->connection.writable = true;
    client->connection.phase = BSC_CLIENT_EXCHANGE;
    client->connection.exchange = exchange;
    tap->job = job;
    job->exchange = exchange;
    tap->most = rules->body_bytes;
    bsc_list_init(&exchange->held);
    exchange->client = client;
    exchange->service = service;
    exchange->started_us = worker->now_us;
    exchange->method = job->method;
    exchange->minor = 1;
    exchange->keep_alive = true;
    exchange->replayable = job->safe;
    exchange->phase = BSC_EXCHANGE_WAITING;
    exchange->charged = exchange->mirrored = exchange->pinned = true; /* in a shard of its own */
    exchange->slot = (uint8_t)(job->again ? bsc_slot_other(rules->slot) : rules->slot);
    exchange->answer.tap = tap;
    bsc_flow_begin(&exchange->request, BSC_FRAMING_NONE, 0);
    exchange->request.keep_out = true;
    exchange->request.out = marked(worker, job->request);
    bsc_local_service_enter(service);
    bsc_timer_set(&worker->wheel, &client->connection.timer,
                  worker->now_ms + ANSWER_MS +
                      (job->duration_ms < SLOW_MAX_MS ? job->duration_ms : SLOW_MAX_MS));
    bsc_exchange_claim(worker, exchange);
}

static struct bsc_buffer *copy_out(struct bsc_worker *worker, const struct bsc_ring *ring,
                                   size_t at, uint32_t size)
{
    struct bsc_buffer *out = bsc_buffer_lend(&worker->buffers, size);
    (void)!bsc_ring_look(ring, at, out->bytes, size);
    out->end = size;
    return out;
}

static void read_target(struct bsc_mirror_job *job)
{
    const char *bytes = job->request->bytes, *end = bytes + job->request->end;
    const char *from = memchr(bytes, ' ', (size_t)(end - bytes));
    const char *to = from ? memchr(from + 1, ' ', (size_t)(end - from - 1)) : NULL;
    int size = to ? (int)(to - from - 1 < TARGET_BYTES ? to - from - 1 : TARGET_BYTES - 1) : 0;
    snprintf(job->target, sizeof job->target, "%.*s", size, to ? from + 1 : "");
}

/* -- findings --------------------------------------------------------------------------------- */

/* Under the lock. */
static struct bsc_mirrored *mirrored_of(struct bsc_worker *worker, uint64_t id, const char *service)
{
    struct bsc_mirror *mirror = worker->mirror;
    struct bsc_mirrored *found = NULL;
    for (struct bsc_list *at = mirror->mirrored.next; at != &mirror->mirrored; at = at->next)
        if (BSC_CONTAINER(at, struct bsc_mirrored, node)->id == id)
            found = BSC_CONTAINER(at, struct bsc_mirrored, node);
    if (!found) {
        found = bsc_alloc(sizeof *found);
        found->id = id;
        found->service = bsc_copy(service);
        bsc_list_add_tail(&mirror->mirrored, &found->node);
    }
    found->used_ms = worker->now_ms;
    return found;
}

/* What the worker counted since its last record. */
static void count_unseen(struct bsc_worker *worker, const struct bsc_mirror_record *record)
{
    const struct bsc_local_service *service = rules_in_force(worker, record->service, record->id);
    uint64_t any = record->dropped;
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        any += record->unseen[i];
    if (!service || !any)
        return;
    pthread_mutex_lock(&worker->mirror->lock);
    struct bsc_mirrored *mirrored = mirrored_of(worker, record->id, service->shared->name);
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        bsc_mirror_skip(&mirrored->news, (enum bsc_unseen)i, record->unseen[i]);
    mirrored->news.dropped += record->dropped;
    mirrored->fresh = true;
    pthread_mutex_unlock(&worker->mirror->lock);
    bsc_worker_mirrored(worker);
}

/* A candidate that hangs has no more than its share of what runs at once, so that those of other
 * services get theirs; alone it has everything, and its copies wait in the rings. */
static bool may_run(struct bsc_worker *worker, const struct bsc_mirror_record *record)
{
    struct bsc_mirror_side *side = worker->mirror->side;
    unsigned most = side->services > 1 ? JOBS_AT_ONCE / side->services : JOBS_AT_ONCE, its = 0;
    for (struct bsc_list *at = side->all.next; at != &side->all; at = at->next)
        its += BSC_CONTAINER(at, struct bsc_mirror_job, place)->service == record->service;
    if (its < most || !its)
        return true;
    struct bsc_mirror_record dropped = { .service = record->service, .id = record->id };
    dropped.dropped = 1;
    count_unseen(worker, &dropped);
    return false;
}

static void take(struct bsc_worker *worker, struct bsc_ring *ring,
                 const struct bsc_mirror_record *record)
{
    count_unseen(worker, record);
    if (!record->request_bytes || !may_run(worker, record)) {
        bsc_ring_pass(ring, record->size);
        return;
    }
    struct bsc_mirror_job *job = bsc_alloc(sizeof *job);
    bsc_list_init(&job->node);
    bsc_list_add_tail(&worker->mirror->side->all, &job->place);
    job->service = record->service;
    job->id = record->id;
    job->latency_us = record->latency_us;
    job->duration_ms = record->duration_ms;
    job->method = record->method;
    job->safe = record->safe;
    job->request = copy_out(worker, ring, sizeof *record, record->request_bytes);
    job->live =
        copy_out(worker, ring, sizeof *record + record->request_bytes, record->answer_bytes);
    bsc_ring_pass(ring, record->size);
    worker->mirror->side->jobs++;
    read_target(job);
    ask(worker, job);
}

/* From each worker in turn; false: there is no more. */
static bool take_next(struct bsc_worker *worker)
{
    struct bsc_mirror *mirror = worker->mirror;
    for (unsigned i = 0; i < mirror->ring_count; i++) {
        struct bsc_ring *ring = &mirror->rings[mirror->side->turn++ % mirror->ring_count];
        struct bsc_mirror_record record;
        if (!bsc_ring_look(ring, 0, &record, sizeof record))
            continue;
        take(worker, ring, &record);
        return true;
    }
    return false;
}

/* Takes as many as may run. While no more may, nobody needs to wake it: the end of one does. A
 * worker that puts something in after the last look finds `awake` false. */
static void take_more(struct bsc_worker *worker)
{
    struct bsc_mirror *mirror = worker->mirror;
    struct bsc_list *node;
    while ((node = bsc_list_pop(&mirror->side->again)))
        ask(worker, BSC_CONTAINER(node, struct bsc_mirror_job, node));
    for (unsigned taken = 0; mirror->side->jobs < JOBS_AT_ONCE; taken++) {
        if (taken == TAKEN_AT_ONCE) {
            eventfd_write(mirror->wake, 1);
            return;
        }
        if (take_next(worker))
            continue;
        atomic_exchange(&mirror->awake, false);
        if (!take_next(worker))
            return;
        atomic_exchange(&mirror->awake, true);
    }
}

void bsc_mirror_event(struct bsc_worker *worker)
{
    eventfd_t unused;
    eventfd_read(worker->mirror->wake, &unused);
    take_more(worker);
}

static void add_latency(struct bsc_mirrored *mirrored, const struct bsc_mirror_job *job,
                        const struct bsc_exchange *exchange)
{
    int64_t latency_us = exchange->answered_us - exchange->started_us;
    if (!job->latency_us)
        return;
    mirrored->news.live_latency[bsc_histogram_bucket(job->latency_us)]++;
    mirrored->news
        .candidate_latency[bsc_histogram_bucket(latency_us > 0 ? (uint64_t)latency_us : 1)]++;
}

/* Compares the live version's first answer with the one that came just now. A copy of the first is
 * looked at, because its chunks are joined where they lie. */
static bool compare(struct bsc_worker *worker, const struct bsc_mirror_job *job,
                    const struct bsc_mirror_rules *rules, const struct bsc_tap *tap,
                    struct bsc_differences *out)
{
    struct bsc_buffer *answer = tap->answer;
    if (tap->over) {
        bsc_mirror_longer(job->target, job->live->end, out);
        return true;
    }
    struct bsc_buffer *live = bsc_buffer_lend(&worker->buffers, job->live->end);
    memcpy(live->bytes, job->live->bytes, job->live->end);
    bool whole =
        answer && bsc_mirror_compare(rules, (enum bsc_method)job->method, job->target,
                                     (struct bsc_message){ live->bytes, job->live->end },
                                     (struct bsc_message){ answer->bytes, answer->end }, out);
    bsc_buffer_return(&worker->buffers, &live);
    return whole;
}

static void shown_request(const struct bsc_mirror_job *job, char out[static TARGET_BYTES + 16])
{
    const char *space = memchr(job->request->bytes, ' ', job->request->end);
    int method = space && space - job->request->bytes < 15 ? (int)(space - job->request->bytes) : 0;
    snprintf(out, TARGET_BYTES + 16, "%.*s %.*s", method, job->request->bytes,
             (int)strcspn(job->target, "?"), job->target);
}

/* What the candidate said, or did not; true: the live version is to be asked, too. */
static bool judge_candidate(struct bsc_worker *worker, const struct bsc_exchange *exchange,
                            bool whole)
{
    struct bsc_tap *tap = exchange->answer.tap;
    struct bsc_mirror_job *job = tap->job;
    const struct bsc_local_service *service = service_of(worker, job);
    char request[TARGET_BYTES + 16];
    if (!service)
        return false;
    const struct bsc_mirror_rules *rules = service->shared->mirror;
    bool answered = exchange->phase == BSC_EXCHANGE_ANSWERING && whole;
    bool longer = tap->over && !job->late && rules->body != BSC_MIRROR_NOTHING;
    bool full = exchange->phase == BSC_EXCHANGE_OWN && exchange->cause == BSC_CAUSE_NO_INSTANCE &&
                service->choices[rules->slot].count; /* each has as many as it may */
    shown_request(job, request);
    pthread_mutex_lock(&worker->mirror->lock);
    struct bsc_mirrored *mirrored = mirrored_of(worker, job->id, service->shared->name);
    mirrored->fresh = true;
    bool asks = false;
    if (full)
        mirrored->news.dropped++;
    else if (tap->over && !job->late && !longer)
        bsc_mirror_skip(&mirrored->news, BSC_UNSEEN_ANSWER, 1);
    else if (!answered && !longer)
        bsc_mirrored_unanswered(mirrored,
                                job->late          ? "too-late"
                                : exchange->reason ? exchange->reason
                                                   : "upstream-reset",
                                request);
    else if (!compare(worker, job, rules, tap, &job->found))
        bsc_mirror_skip(&mirrored->news, BSC_UNSEEN_BROKEN, 1);
    else {
        add_latency(mirrored, job, exchange);
        asks = rules->learn && job->safe &&
               (bsc_mirrored_doubts(mirrored, &job->found) ||
                !bsc_random_below(&worker->random, CHECKED_ONE_IN));
        if (!asks)
            bsc_mirrored_count(mirrored, &job->found, NULL, request);
    }
    pthread_mutex_unlock(&worker->mirror->lock);
    return asks;
}

/* What the live version said the second time. Without an answer nothing is known. */
static void judge_again(struct bsc_worker *worker, const struct bsc_exchange *exchange, bool whole)
{
    struct bsc_tap *tap = exchange->answer.tap;
    struct bsc_mirror_job *job = tap->job;
    const struct bsc_local_service *service = service_of(worker, job);
    struct bsc_differences itself;
    char request[TARGET_BYTES + 16];
    if (!service)
        return;
    bool answered = exchange->phase == BSC_EXCHANGE_ANSWERING && (whole || tap->over) &&
                    !job->late && compare(worker, job, service->shared->mirror, tap, &itself);
    shown_request(job, request);
    pthread_mutex_lock(&worker->mirror->lock);
    struct bsc_mirrored *mirrored = mirrored_of(worker, job->id, service->shared->name);
    mirrored->fresh = true;
    if (answered)
        bsc_mirrored_count(mirrored, &job->found, &itself, request);
    else
        bsc_mirror_skip(&mirrored->news, BSC_UNSEEN_UNSURE, 1);
    pthread_mutex_unlock(&worker->mirror->lock);
}

/* The exchange is still on its way out of the connection's code: what follows begins with the next
 * turn. */
void bsc_mirror_job_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole)
{
    struct bsc_mirror_job *job = exchange->answer.tap->job;
    job->exchange = NULL;
    if (job->again) {
        judge_again(worker, exchange, whole);
        job_free(worker, job);
    } else if (judge_candidate(worker, exchange, whole)) {
        job->again = true;
        bsc_list_add_tail(&worker->mirror->side->again, &job->node);
    } else {
        job_free(worker, job);
    }
    eventfd_write(worker->mirror->wake, 1);
    bsc_worker_mirrored(worker);
}

void bsc_mirror_late(struct bsc_worker *worker, struct bsc_exchange *exchange)
{
    exchange->answer.tap->job->late = true;
    bsc_exchange_leave(worker, exchange);
}

/* One that is under way although its rules are not in force any more; NULL: there is none. */
static struct bsc_exchange *outdated(const struct bsc_worker *worker)
{
    struct bsc_list *all = &worker->mirror->side->all;
    for (struct bsc_list *at = all->next; at != all; at = at->next) {
        const struct bsc_mirror_job *job = BSC_CONTAINER(at, struct bsc_mirror_job, place);
        if (job->exchange && !service_of(worker, job))
            return job->exchange;
    }
    return NULL;
}

void bsc_mirror_updated(struct bsc_worker *worker)
{
    struct bsc_mirror_side *side = worker->mirror->side;
    struct bsc_exchange *exchange;
    side->services = 0;
    for (uint32_t i = 0; i < worker->service_count; i++) {
        const struct bsc_local_service *service = bsc_local_find(worker, i);
        side->services += service && service->shared && service->shared->mirror;
    }
    while ((exchange = outdated(worker)))
        bsc_exchange_leave(worker, exchange);
}

enum bsc_status bsc_mirror_attach(struct bsc_mirror *mirror, struct bsc_worker *worker,
                                  struct bsc_error *error)
{
    struct bsc_mirror_side *side = mirror->side = bsc_alloc(sizeof *side);
    side->handle = (struct bsc_handle){ mirror->wake, BSC_KIND_MIRROR };
    side->carrier.carrier = &side->carrier;
    bsc_list_init(&side->again);
    bsc_list_init(&side->all);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &side->handle };
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, mirror->wake, &event))
        return bsc_error_errno(error, "watch the mirror's queue");
    return BSC_OK;
}

bool bsc_mirror_tell(struct bsc_mirror *mirror, int64_t now_ms,
                     void (*tell)(void *context, json_t *take_line), void *context)
{
    bool any = false;
    struct bsc_list *next;
    pthread_mutex_lock(&mirror->lock);
    for (struct bsc_list *at = mirror->mirrored.next; at != &mirror->mirrored; at = next) {
        struct bsc_mirrored *mirrored = BSC_CONTAINER(at, struct bsc_mirrored, node);
        next = at->next;
        if (mirrored->fresh) {
            tell(context, bsc_mirrored_line(mirrored));
            any = true;
        } else if (now_ms > mirrored->used_ms + FORGET_MS) {
            bsc_list_remove(at);
            free(mirrored->service);
            free(mirrored);
        }
    }
    pthread_mutex_unlock(&mirror->lock);
    return any;
}
