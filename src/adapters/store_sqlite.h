/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_sqlite.h - the store port over one SQLite database in the state directory.
 *
 * STATE/bascule.db holds everything; STATE/store.lock keeps a second controller out; STATE/ballast
 * is 1 MiB that is given up when the disk is full, so that an abort can still be recorded.
 * Transactions run on libuv's thread pool, one at a time, and are durable when COMMITTED says so.
 * What LOADED tells is durable, too.
 */
#ifndef BASCULE_ADAPTERS_STORE_SQLITE_H
#define BASCULE_ADAPTERS_STORE_SQLITE_H

#include <uv.h>

#include "ports/store.h"

/* Claims the store of `directory`, which must exist, belong to us and be closed to others (0700).
 * LOADED and COMMITTED go to `deliver`, on the loop, never from within a call of the port.
 * BSC_BUSY: another process has it (its pid is named). BSC_DENIED: not ours, not writable, or open
 * to others. BSC_NO_SPACE.
 *
 * What is in it shows when it is loaded. BSC_NEWER: a newer bascule wrote it. BSC_CORRUPT: it is
 * damaged, which a commit may find, too; the text says what to do. A load after either looks at
 * whatever file is there then. */
enum bsc_status bsc_store_sqlite_open(const char *directory, uv_loop_t *loop,
                                      void (*deliver)(void *argument,
                                                      const struct bsc_event *event),
                                      void *argument, struct bsc_store *out,
                                      struct bsc_error *error) BSC_MUST_CHECK;

/* No event is delivered any more. The loop must run until it has nothing left to do: then a
 * transaction under way has ended, the lock is released and the memory freed. */
void bsc_store_sqlite_close(struct bsc_store *store);

/* --- Reading, for the API. On the loop's thread, at once, from what is committed. Rows are
 * borrowed during the callback. At most BSC_STORE_PAGE_MAX rows a call. --- */

enum { BSC_STORE_PAGE_MAX = 1000 };

/* The newest `limit` records of the service with an id below `before` (0: the newest of all),
 * oldest first. A deleted service keeps its records. */
enum bsc_status bsc_store_history(const struct bsc_store *store, const char *service,
                                  uint64_t before, unsigned limit,
                                  void (*on_record)(void *argument,
                                                    const struct bsc_record *record),
                                  void *argument, struct bsc_error *error) BSC_MUST_CHECK;

struct bsc_events_query {
    const char *service; /* NULL: all, and what concerns the whole */
    uint64_t after;      /* only what has a higher sequence number */
    unsigned limit;
    bool newest; /* too many: the last `limit` of them instead of the first */
};

/* Oldest first. */
enum bsc_status bsc_store_events(const struct bsc_store *store,
                                 const struct bsc_events_query *query,
                                 void (*on_event)(void *argument, const struct bsc_audit_row *row),
                                 void *argument, struct bsc_error *error) BSC_MUST_CHECK;

/* One rollout with its plan, also of long ago. BSC_NOT_FOUND. */
enum bsc_status bsc_store_rollout(const struct bsc_store *store, uint64_t id,
                                  void (*on_rollout)(void *argument,
                                                     const struct bsc_rollout_row *row),
                                  void *argument, struct bsc_error *error) BSC_MUST_CHECK;

#endif
