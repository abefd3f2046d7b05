/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror.h - requests that are copied to the candidate of a rollout, to compare its answers.
 *
 * A worker tosses a coin of its own for each request of a service with mirror rules. Of a drawn one
 * it keeps what it sends to the instance and what it sends to the client, up to a limit, and when
 * the answer is through it puts both into a ring: no wait, no lock, and when there is no room the
 * copy is dropped and counted. One more thread takes them out. It is a worker without listeners:
 * it sends the copy to an instance of the candidate by the same exchange, over the same kinds of
 * connections, only that nobody gets the answer (mirror_work.c). What is counted of its exchanges
 * goes to a shard of its own, of which the controller reads nothing but what is in flight.
 */
#ifndef BASCULE_PROXY_MIRROR_H
#define BASCULE_PROXY_MIRROR_H

#include <pthread.h>

#include "proxy/exchange.h"
#include "proxy/ring.h"

struct bsc_mirror_job;
struct bsc_mirrored;

enum { BSC_MIRROR_RING_BYTES = 2 << 20 };

/* What is kept of one exchange. */
struct bsc_tap {
    struct bsc_buffer *request; /* as it was sent to the instance; NULL: nothing yet */
    struct bsc_buffer *answer;  /* as it was sent to the client */
    uint32_t most;              /* of a body */
    uint32_t service;           /* index */
    uint64_t id;                /* of the rollout */
    bool over;                  /* it is too long, and nothing is kept any more: of `unseen` */
    bool safe;                  /* the request changes nothing: it may be asked again */
    uint8_t unseen;             /* enum bsc_unseen */
    struct bsc_mirror_job *job; /* of the copy itself; NULL: a user's request */
};

/* A copy on its way to the mirror; the request's bytes and those of the answer follow. Without a
 * request it only tells what was counted. */
struct bsc_mirror_record {
    uint32_t size; /* in all */
    uint32_t service;
    uint64_t id;
    uint32_t request_bytes, answer_bytes;
    /* Of the same service, since the last record of this worker. */
    uint32_t unseen[BSC_UNSEEN_COUNT], dropped;
    uint32_t latency_us;  /* to the answer's head; 0: not to be compared */
    uint32_t duration_ms; /* to its end */
    uint8_t method;
    bool safe;
};

/* Between the workers and the mirror's own thread. */
struct bsc_mirror {
    unsigned ring_count;
    struct bsc_ring *rings; /* one for each worker */
    int wake;               /* eventfd: something was put into one, while it was not ... */
    _Atomic bool awake;     /* ... or it is busy, and looks by itself */
    pthread_mutex_t lock;   /* of the findings: the mirror's thread and the control thread */
    struct bsc_list mirrored;
    struct bsc_mirror_side *side; /* the mirror's thread */
};

enum bsc_status bsc_mirror_init(struct bsc_mirror *mirror, unsigned workers,
                                struct bsc_error *error) BSC_MUST_CHECK;

/* -- the workers ----------------------------------------------------------------------------- */

/* The request in worker->request, of a service with rules: tosses the coin. */
void bsc_mirror_draw(struct bsc_worker *worker, struct bsc_exchange *exchange, uint32_t service,
                     const char *bytes);
/* The answer begins: keeps what the instance got. */
void bsc_mirror_keep_request(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Bytes went to the client. */
void bsc_mirror_keep_answer(struct bsc_worker *worker, struct bsc_tap *tap, const char *bytes,
                            size_t size);
/* The exchange ends: the copy leaves, or is forgotten. */
void bsc_mirror_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole);

/* -- the mirror's thread (mirror_work.c) ----------------------------------------------------- */

/* Before the thread begins. */
enum bsc_status bsc_mirror_attach(struct bsc_mirror *mirror, struct bsc_worker *worker,
                                  struct bsc_error *error) BSC_MUST_CHECK;
/* There may be copies. */
void bsc_mirror_event(struct bsc_worker *worker);
/* Rules may have changed: what they do not want any more ends. */
void bsc_mirror_updated(struct bsc_worker *worker);
/* A copy was answered, or not. */
void bsc_mirror_job_end(struct bsc_worker *worker, struct bsc_exchange *exchange, bool whole);

/* It took too long. */
void bsc_mirror_late(struct bsc_worker *worker, struct bsc_exchange *exchange);

/* -- the control thread ---------------------------------------------------------------------- */

/* Calls `tell` with a line for each service that has news; true: there were some. */
bool bsc_mirror_tell(struct bsc_mirror *mirror, int64_t now_ms,
                     void (*tell)(void *context, json_t *take_line), void *context);

#endif
