/* SPDX-License-Identifier: Apache-2.0
 * proxy/timer.c - see timer.h. */
#include "proxy/timer.h"

enum { WORDS = BSC_TIMER_SLOTS / 64 };

void bsc_wheel_init(struct bsc_wheel *wheel, int64_t now_ms)
{
    *wheel = (struct bsc_wheel){ .tick = now_ms / BSC_TIMER_TICK_MS };
    for (unsigned i = 0; i < BSC_TIMER_SLOTS; i++)
        bsc_list_init(&wheel->slots[i]);
}

void bsc_timer_init(struct bsc_timer *timer)
{
    bsc_list_init(&timer->node);
    timer->deadline_ms = 0;
    timer->tick = 0;
}

void bsc_timer_stop(struct bsc_timer *timer)
{
    bsc_list_remove(&timer->node);
    timer->tick = 0;
}

void bsc_wheel_place(struct bsc_wheel *wheel, struct bsc_timer *timer)
{
    int64_t tick = timer->deadline_ms / BSC_TIMER_TICK_MS + 1;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick >= wheel->tick + BSC_TIMER_SLOTS)
        tick = wheel->tick + BSC_TIMER_SLOTS - 1; /* it is looked at then and placed again */
    unsigned slot = (unsigned)(tick % BSC_TIMER_SLOTS);
    bsc_list_remove(&timer->node);
    bsc_list_add_tail(&wheel->slots[slot], &timer->node);
    wheel->used[slot / 64] |= 1ull << slot % 64;
    timer->tick = tick;
}

static void fire_slot(struct bsc_wheel *wheel, unsigned slot, int64_t now_ms,
                      void (*on_timer)(void *context, struct bsc_timer *timer), void *context)
{
    struct bsc_list due;
    if (!(wheel->used[slot / 64] >> slot % 64 & 1))
        return;
    wheel->used[slot / 64] &= ~(1ull << slot % 64);
    bsc_list_init(&due);
    struct bsc_list *node;
    while ((node = bsc_list_pop(&wheel->slots[slot])))
        bsc_list_add_tail(&due, node);
    while (!bsc_list_empty(&due)) {
        struct bsc_timer *timer = BSC_CONTAINER(due.next, struct bsc_timer, node);
        bsc_timer_stop(timer);
        if (timer->deadline_ms > now_ms)
            bsc_wheel_place(wheel, timer);
        else
            on_timer(context, timer);
    }
}

void bsc_wheel_advance(struct bsc_wheel *wheel, int64_t now_ms,
                       void (*on_timer)(void *context, struct bsc_timer *timer), void *context)
{
    int64_t now = now_ms / BSC_TIMER_TICK_MS;
    if (now - wheel->tick > BSC_TIMER_SLOTS) /* a whole turn or more: every slot once is enough */
        wheel->tick = now - BSC_TIMER_SLOTS;
    while (wheel->tick < now) {
        wheel->tick++;
        fire_slot(wheel, (unsigned)(wheel->tick % BSC_TIMER_SLOTS), now_ms, on_timer, context);
    }
}

int bsc_wheel_wait_ms(const struct bsc_wheel *wheel, int64_t now_ms)
{
    unsigned from = (unsigned)((wheel->tick + 1) % BSC_TIMER_SLOTS);
    for (unsigned i = 0; i <= WORDS; i++) {
        unsigned word = (from / 64 + i) % WORDS;
        uint64_t bits = wheel->used[word];
        if (i == 0)
            bits &= ~0ull << from % 64;
        if (!bits)
            continue;
        unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);
        int64_t ahead = (slot + BSC_TIMER_SLOTS - from) % BSC_TIMER_SLOTS;
        int64_t wait_ms = (wheel->tick + 1 + ahead) * BSC_TIMER_TICK_MS - now_ms;
        return wait_ms < 0 ? 0 : (int)wait_ms;
    }
    return -1;
}
