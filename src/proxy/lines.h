/* SPDX-License-Identifier: Apache-2.0
 * proxy/lines.h - the routing state as the controller's lines make it: one way of applying them,
 * whether they come from the controller itself or from a snapshot.
 *
 * After a "hello" lines are collected beside the state in force, and "end" replaces the whole at
 * once. A line that is refused while collecting keeps, for the service that it names, what was in
 * force. Later lines are changes of one or a few services. Pure: what workers must be told comes
 * out as updates.
 */
#ifndef BASCULE_PROXY_LINES_H
#define BASCULE_PROXY_LINES_H

#include "proxy/registry.h"

struct bsc_lines {
    struct bsc_registry now, next;
    bool collecting;
    bool in_force; /* an "end" was reached */
    struct bsc_routes *routes;
    struct bsc_options *options, *next_options; /* in force; collected, NULL when none came */
    struct bsc_tls *tls, *next_tls;             /* the same; NULL: none came yet */
    unsigned worker_count;                      /* set by the caller; 0 counts as 1 */
    int64_t now_ms;       /* set by the caller: instances rise at this time (boot clock) */
    uint32_t index_count; /* indices handed out so far */
    uint32_t *free_indices;
    size_t free_count, free_capacity;
};

/* What became of a line. */
struct bsc_line {
    bool hello;
    long long epoch; /* of a hello */
    long long seq;   /* of all others; 0 when the line could not be read so far */
    bool end;
    bool listeners;            /* roles of listening addresses changed */
    struct bsc_update *update; /* to be posted by the caller; NULL: nothing changes yet */
};

void bsc_lines_init(struct bsc_lines *lines);
void bsc_lines_deinit(struct bsc_lines *lines);
/* *out is filled in any case. */
enum bsc_status bsc_lines_take(struct bsc_lines *lines, const char *text, size_t size,
                               struct bsc_line *out, struct bsc_error *error) BSC_MUST_CHECK;
/* The source of a collection ended before "end". */
void bsc_lines_cancel(struct bsc_lines *lines);

#endif
