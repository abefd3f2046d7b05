/* SPDX-License-Identifier: Apache-2.0
 * contract/loop.h - a loop for tests of adapters: what is delivered is kept, and waited for.
 */
#ifndef BASCULE_TESTS_CONTRACT_LOOP_H
#define BASCULE_TESTS_CONTRACT_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "ports/event.h"

struct loop_found {
    char id[64];
    int64_t pid;
    int wait_status;
    char text[256];
};

/* A copy of what was delivered. */
struct loop_event {
    enum bsc_event_kind kind;
    bsc_token token;
    enum bsc_status status;
    char id[64], text[512];
    int64_t pid;
    int wait_status;
    struct loop_found *found;
    unsigned found_count;
};

struct loop {
    uv_loop_t uv;
    uv_timer_t beat;
    struct loop_event *events;
    size_t count, capacity;
    bool inside; /* a port call is under way: nothing may be delivered */
    char directory[64];
};

/* With a fresh directory below /tmp. */
void loop_init(struct loop *loop);
/* Closes; fails when a handle is left open. Removes the directory. */
void loop_deinit(struct loop *loop);

/* The bsc_deliver of a struct loop. */
void loop_deliver(void *loop, const struct bsc_event *event);

/* Turns the loop until `done` or for 20 s, then fails. */
void loop_until(struct loop *loop, bool (*done)(struct loop *loop, const void *argument),
                const void *argument);
void loop_turn_for(struct loop *loop, int64_t ms);

/* The first delivered event of this kind and token (and id, unless NULL); waits for it. */
const struct loop_event *loop_wait(struct loop *loop, enum bsc_event_kind kind, bsc_token token,
                                   const char *id);
/* The same, or NULL when it was not delivered so far. */
const struct loop_event *loop_find(struct loop *loop, enum bsc_event_kind kind, bsc_token token,
                                   const char *id);
const struct loop_found *loop_found(const struct loop_event *listed, const char *id);

#endif
