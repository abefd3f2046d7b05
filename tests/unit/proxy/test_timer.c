/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/timer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/timer.h"

struct fixture {
    struct bsc_wheel wheel;
    int64_t now_ms;
    unsigned fired;
    struct bsc_timer *last;
    struct bsc_timer *stop_others; /* an array of two: each stops the other */
};

static void on_timer(void *context, struct bsc_timer *timer)
{
    struct fixture *f = context;
    assert_true(timer->deadline_ms <= f->now_ms);
    f->fired++;
    f->last = timer;
    if (f->stop_others)
        bsc_timer_stop(&f->stop_others[timer == &f->stop_others[0]]);
}

static void go_to(struct fixture *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    bsc_wheel_advance(&f->wheel, now_ms, on_timer, f);
}

static struct fixture *begin(int64_t now_ms)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    bsc_wheel_init(&f->wheel, now_ms);
    f->now_ms = now_ms;
    return f;
}

static void a_timer_fires_once_never_early_and_at_most_a_tick_late(void **unused)
{
    (void)unused;
    static const int64_t waits_ms[] = { 0, 1, 31, 32, 33, 1000, 60000, 65536, 70000, 500000 };
    for (unsigned i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        struct fixture *f = begin(123457);
        struct bsc_timer timer;
        bsc_timer_init(&timer);
        bsc_timer_set(&f->wheel, &timer, 123457 + waits_ms[i]);
        for (int64_t now_ms = 123457; !f->fired; now_ms += 7)
            go_to(f, now_ms);
        assert_true(f->now_ms - timer.deadline_ms < 2 * BSC_TIMER_TICK_MS);
        go_to(f, f->now_ms + 200000);
        assert_int_equal(f->fired, 1);
        test_free(f);
    }
}

static void a_deadline_moves_later_and_earlier(void **unused)
{
    (void)unused;
    struct fixture *f = begin(0);
    struct bsc_timer timer;
    bsc_timer_init(&timer);
    bsc_timer_set(&f->wheel, &timer, 1000);
    for (int64_t now_ms = 0; now_ms < 100000; now_ms += 500) {
        bsc_timer_set(&f->wheel, &timer, now_ms + 1000);
        go_to(f, now_ms);
    }
    assert_int_equal(f->fired, 0);
    bsc_timer_set(&f->wheel, &timer, 200000);
    bsc_timer_set(&f->wheel, &timer, 99900);
    go_to(f, 99950);
    assert_int_equal(f->fired, 1);
    test_free(f);
}

static void a_stopped_timer_does_not_fire_not_even_in_the_same_tick(void **unused)
{
    (void)unused;
    struct fixture *f = begin(0);
    struct bsc_timer timers[2];
    for (int i = 0; i < 2; i++) {
        bsc_timer_init(&timers[i]);
        bsc_timer_set(&f->wheel, &timers[i], 100);
    }
    f->stop_others = timers;
    go_to(f, 200);
    assert_int_equal(f->fired, 1);
    bsc_timer_set(&f->wheel, &timers[0], 300);
    bsc_timer_stop(&timers[0]);
    go_to(f, 1000);
    assert_int_equal(f->fired, 1);
    test_free(f);
}

static void a_long_sleep_loses_no_timer(void **unused)
{
    (void)unused;
    struct fixture *f = begin(0);
    struct bsc_timer timers[100];
    for (int i = 0; i < 100; i++) {
        bsc_timer_init(&timers[i]);
        bsc_timer_set(&f->wheel, &timers[i], i * 1000);
    }
    go_to(f, 10000000);
    assert_int_equal(f->fired, 100);
    test_free(f);
}

static void the_wait_ends_when_the_next_timer_is_due(void **unused)
{
    (void)unused;
    struct fixture *f = begin(5000);
    struct bsc_timer timer;
    assert_int_equal(bsc_wheel_wait_ms(&f->wheel, 5000), -1);
    bsc_timer_init(&timer);
    for (int64_t wait_ms = 1; wait_ms < 60000; wait_ms = wait_ms * 3 + 1) {
        bsc_timer_set(&f->wheel, &timer, f->now_ms + wait_ms);
        unsigned fired = f->fired;
        while (f->fired == fired) {
            int wait = bsc_wheel_wait_ms(&f->wheel, f->now_ms);
            assert_true(wait >= 0 && wait <= wait_ms + 2 * BSC_TIMER_TICK_MS);
            go_to(f, f->now_ms + (wait ? wait : 1));
        }
        assert_true(f->now_ms - timer.deadline_ms < 2 * BSC_TIMER_TICK_MS);
    }
    assert_int_equal(bsc_wheel_wait_ms(&f->wheel, f->now_ms), -1);
    test_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(a_deadline_moves_later_and_earlier),
        cmocka_unit_test(a_stopped_timer_does_not_fire_not_even_in_the_same_tick),
        cmocka_unit_test(a_long_sleep_loses_no_timer),
        cmocka_unit_test(the_wait_ends_when_the_next_timer_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
