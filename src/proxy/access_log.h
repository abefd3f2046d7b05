/* SPDX-License-Identifier: Apache-2.0
 * proxy/access_log.h - what was asked and answered, written where no request waits for it.
 *
 * Each worker puts records into a ring of its own; one thread takes them out, makes lines and
 * writes them to the descriptor that the controller sent. A worker never waits: when its ring is
 * full, because the disk is slower than the traffic, the record is dropped and counted. Without a
 * descriptor nothing is recorded.
 */
#ifndef BASCULE_PROXY_ACCESS_LOG_H
#define BASCULE_PROXY_ACCESS_LOG_H

#include <pthread.h>
#include <stdatomic.h>

#include "proxy/access_record.h"
#include "proxy/ring.h"

struct bsc_access_log {
    _Atomic bool on; /* the workers look here */
    unsigned ring_count;
    struct bsc_ring *rings;
    int wake; /* eventfd: a ring is half full, or something changed */
    pthread_t thread;
    int fd; /* the thread's; -1: none */
    struct bsc_access_style style;
    int64_t quiet_until_ms; /* it complained not long ago */
    pthread_mutex_t lock;   /* of what the thread is told: */
    bool changed, ending;
    int next_fd;
    struct bsc_access_style next_style;
};

/* Makes the rings and the thread, which sleeps. */
enum bsc_status bsc_access_log_start(struct bsc_access_log *log, unsigned workers,
                                     struct bsc_error *error) BSC_MUST_CHECK;
/* Writes to another file from now on; -1: nothing more is recorded. */
void bsc_access_log_use(struct bsc_access_log *log, int take_fd,
                        const struct bsc_access_style *style);
/* Writes what is there, for at most a second; before the process ends. */
void bsc_access_log_flush(struct bsc_access_log *log);

/* For the worker whose ring it is; false: it was dropped. */
bool bsc_access_log_put(struct bsc_access_log *log, unsigned worker,
                        const struct bsc_access_record *record);

static inline bool bsc_access_log_on(const struct bsc_access_log *log)
{
    return atomic_load_explicit(&log->on, memory_order_relaxed);
}

#endif
