/* SPDX-License-Identifier: Apache-2.0
 * proxy/timer.h - a coarse timer wheel: time-outs that are set often and fire rarely.
 *
 * Moving a deadline to later only stores it; the timer is put where it belongs when the wheel gets
 * to its old place. So a request that pushes an idle time-out ahead costs one store. A timer fires
 * up to BSC_TIMER_TICK_MS late, never early.
 */
#ifndef BASCULE_PROXY_TIMER_H
#define BASCULE_PROXY_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { BSC_TIMER_TICK_MS = 32, BSC_TIMER_SLOTS = 2048 };

struct bsc_timer {
    struct bsc_list node;
    int64_t deadline_ms;
    int64_t tick; /* where it is in the wheel; 0: nowhere */
};

struct bsc_wheel {
    int64_t tick; /* everything up to here was looked at */
    uint64_t used[BSC_TIMER_SLOTS / 64];
    struct bsc_list slots[BSC_TIMER_SLOTS];
};

void bsc_wheel_init(struct bsc_wheel *wheel, int64_t now_ms);

void bsc_timer_init(struct bsc_timer *timer);
void bsc_timer_stop(struct bsc_timer *timer);
/* Slow path of bsc_timer_set. */
void bsc_wheel_place(struct bsc_wheel *wheel, struct bsc_timer *timer);

static inline void bsc_timer_set(struct bsc_wheel *wheel, struct bsc_timer *timer,
                                 int64_t deadline_ms)
{
    timer->deadline_ms = deadline_ms;
    if (timer->tick == 0 || deadline_ms < (timer->tick - 1) * BSC_TIMER_TICK_MS)
        bsc_wheel_place(wheel, timer);
}

/* Calls `on_timer` for every timer whose deadline is over; it may set and stop any timer. */
void bsc_wheel_advance(struct bsc_wheel *wheel, int64_t now_ms,
                       void (*on_timer)(void *context, struct bsc_timer *timer), void *context);
/* How long until the wheel should be looked at again; -1: no timer is set. */
int bsc_wheel_wait_ms(const struct bsc_wheel *wheel, int64_t now_ms);

#endif
