/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/eject.h, with time that the tests make, and of what proxy/roster.h arranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/eject.h"
#include "proxy/roster.h"

enum { COUNT = 4 };

static struct bsc_entry entry;
static uint64_t requests[COUNT + 1];
static unsigned ejections, returns;
static int64_t now_ms;

static uint64_t finished(void *context, const struct bsc_instance *instance)
{
    (void)context;
    return requests[instance->gauge];
}

static void on_news(void *context, const struct bsc_entry *about,
                    const struct bsc_instance *instance, bool ejected)
{
    (void)context, (void)about, (void)instance;
    ejections += ejected;
    returns += !ejected;
}

static const struct bsc_eject_watch watch = { NULL, finished, on_news };

static struct bsc_roster *make_roster(unsigned healthy)
{
    struct bsc_roster *roster = bsc_roster_create(COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        char id[16];
        struct bsc_error error;
        snprintf(id, sizeof id, "i%u", i);
        assert_int_equal(bsc_instance_create(id, BSC_BLUE, "127.0.0.1:80", i + 1,
                                             &roster->items[i].instance, &error),
                         BSC_OK);
        roster->items[i].healthy = healthy >> i & 1;
    }
    return roster;
}

static void take(struct bsc_roster *roster)
{
    bsc_roster_settle(roster, entry.roster, entry.service, now_ms);
    bsc_roster_arrange(roster, false);
    bsc_roster_release(entry.roster);
    entry.roster = roster;
}

static int set_up(void **unused)
{
    (void)unused;
    entry = (struct bsc_entry){ .name = (char *)(uintptr_t) "web" };
    entry.service = bsc_service_create("web", bsc_hold_count_create());
    entry.service->slow_start_ms = 1000;
    entry.service->ejection = (struct bsc_ejection){
        .errors = 5, .min_requests = 100, .max_percent = 50, .interval_ms = 10000, .time_ms = 30000
    };
    memset(requests, 0, sizeof requests);
    ejections = returns = 0;
    now_ms = 1000000;
    take(make_roster(15));
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    bsc_roster_release(entry.roster);
    bsc_service_release(entry.service);
    return 0;
}

static int64_t look(void)
{
    bool changed;
    return bsc_eject_look(&entry, &watch, now_ms, &changed);
}

static void fail_in_row(unsigned at, unsigned count)
{
    entry.roster->items[at].instance->errors_in_row = count;
}

static void an_ejection_ends_after_its_time_with_a_slow_start_and_the_next_is_longer(void **unused)
{
    (void)unused;
    for (unsigned times = 1; times <= 12; times++) {
        fail_in_row(0, 5);
        look();
        assert_true(entry.roster->items[0].ejected);
        int64_t for_ms = times < 10 ? 30000 * (int64_t)times : 300000;
        now_ms += for_ms - 1;
        look();
        assert_true(entry.roster->items[0].ejected);
        now_ms++;
        look();
        assert_false(entry.roster->items[0].ejected);
        assert_true(entry.roster->items[0].slow_from_ms == now_ms);
        assert_int_equal(entry.roster->items[0].instance->errors_in_row, 0);
        assert_int_equal(ejections, times);
        assert_int_equal(returns, times);
    }
    now_ms += 30000 * 12; /* calm: it is as if nothing had been */
    fail_in_row(0, 5);
    look();
    now_ms += 30000;
    look();
    assert_false(entry.roster->items[0].ejected);
}

static void four_errors_are_not_five(void **unused)
{
    (void)unused;
    fail_in_row(0, 4);
    look();
    assert_int_equal(ejections, 0);
}

static void half_may_go_and_no_more(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < COUNT; i++)
        fail_in_row(i, 9);
    look();
    assert_int_equal(ejections, 2);
    entry.service->ejection.max_percent = 100;
    look();
    assert_int_equal(ejections, 3); /* never the last one */
}

static void rules_that_are_switched_off_let_everybody_back(void **unused)
{
    (void)unused;
    fail_in_row(0, 5);
    look();
    entry.service->ejection.max_percent = 0;
    look();
    assert_int_equal(returns, 1);
    fail_in_row(0, 5);
    look();
    assert_int_equal(ejections, 1);
}

static void an_ejection_outlives_a_new_list_but_not_a_recovery(void **unused)
{
    (void)unused;
    fail_in_row(0, 5);
    look();
    take(make_roster(15));
    assert_true(entry.roster->items[0].ejected);
    take(make_roster(14)); /* its health checks fail ... */
    take(make_roster(15)); /* ... and pass again */
    assert_false(entry.roster->items[0].ejected);
}

static void when_only_the_ejected_are_healthy_they_come_back(void **unused)
{
    (void)unused;
    fail_in_row(0, 5);
    look();
    take(make_roster(1));
    assert_false(entry.roster->items[0].ejected);
    look();
    assert_int_equal(returns, 1);
}

static void one_that_fails_far_more_often_than_the_others_goes(void **unused)
{
    (void)unused;
    look(); /* from here on it counts */
    now_ms += 10000;
    look();
    for (unsigned i = 1; i <= COUNT; i++)
        requests[i] += 1000;
    entry.roster->items[2].instance->errors = 200;
    now_ms += 10000;
    assert_true(look() <= now_ms + 10000);
    assert_int_equal(ejections, 1);
    assert_true(entry.roster->items[2].ejected);
}

static bool stands_out(const struct bsc_eject_sample *samples, unsigned count)
{
    return bsc_eject_stands_out(samples, count, 0);
}

static void chance_and_common_misery_eject_nobody(void **unused)
{
    (void)unused;
    const struct bsc_eject_sample alone[] = { { 100, 100 } };
    assert_false(stands_out(alone, 1));
    const struct bsc_eject_sample all_bad[] = { { 100, 95 }, { 100, 90 }, { 100, 92 } };
    assert_false(stands_out(all_bad, 3));
    const struct bsc_eject_sample little[] = { { 1000, 30 }, { 1000, 0 }, { 1000, 0 } };
    assert_false(stands_out(little, 3)); /* under five points */
    const struct bsc_eject_sample few[] = { { 10, 2 }, { 10, 0 }, { 10, 1 } };
    assert_false(stands_out(few, 3));
    const struct bsc_eject_sample spread[] = { { 1000, 250 }, { 1000, 0 }, { 1000, 250 } };
    assert_false(stands_out(spread, 3)); /* the others differ as much among themselves */
    const struct bsc_eject_sample better[] = { { 1000, 0 }, { 1000, 300 }, { 1000, 310 } };
    assert_false(stands_out(better, 3));
    const struct bsc_eject_sample clear[] = { { 1000, 100 }, { 1000, 5 }, { 1000, 3 } };
    assert_true(stands_out(clear, 3));
    const struct bsc_eject_sample pair[] = { { 100, 50 }, { 100, 0 } };
    assert_true(stands_out(pair, 2));
}

/* -- rosters ---------------------------------------------------------------------------------- */

static void turns_are_as_many_as_weights_say_and_well_mixed(void **unused)
{
    (void)unused;
    struct bsc_roster *roster = make_roster(7);
    roster->items[0].weight = 10;
    roster->items[1].weight = 20;
    roster->items[2].weight = 50;
    bsc_roster_arrange(roster, true);
    const struct bsc_arrangement *arrangement = &roster->arrangements[BSC_BLUE];
    unsigned counts[3] = { 0 }, longest = 0, run = 0;
    assert_int_equal(arrangement->turn_count, 8); /* 1 : 2 : 5 */
    for (unsigned i = 0; i < 16; i++) {
        unsigned at = arrangement->turns[i % 8];
        counts[at] += i < 8;
        run = i && at == arrangement->turns[(i - 1) % 8] ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 5);
    assert_true(longest <= 3);
    assert_int_equal(roster->arrangements[BSC_GREEN].turn_count, 0);
    bsc_roster_release(roster);
}

static void a_ring_gives_each_its_share(void **unused)
{
    (void)unused;
    struct bsc_roster *roster = make_roster(15);
    roster->items[3].weight = 3;
    bsc_roster_arrange(roster, true);
    const struct bsc_arrangement *arrangement = &roster->arrangements[BSC_BLUE];
    double shares[COUNT] = { 0 };
    for (unsigned i = 0; i < arrangement->ring_count; i++) {
        uint32_t before = arrangement->ring[i ? i - 1 : arrangement->ring_count - 1].hash;
        assert_true(!i || before <= arrangement->ring[i].hash);
        shares[arrangement->ring[i].at] +=
            (uint32_t)(arrangement->ring[i].hash - before) / 4294967296.0;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(shares[i] > 0.1 && shares[i] < 0.24); /* a sixth */
    assert_true(shares[3] > 0.4 && shares[3] < 0.6);
    bsc_roster_release(roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_ejection_ends_after_its_time_with_a_slow_start_and_the_next_is_longer, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(four_errors_are_not_five, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_may_go_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_that_are_switched_off_let_everybody_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_ejection_outlives_a_new_list_but_not_a_recovery, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(when_only_the_ejected_are_healthy_they_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_fails_far_more_often_than_the_others_goes, set_up,
                                        tear_down),
        cmocka_unit_test(chance_and_common_misery_eject_nobody),
        cmocka_unit_test(turns_are_as_many_as_weights_say_and_well_mixed),
        cmocka_unit_test(a_ring_gives_each_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
