/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/limiter.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "proxy/limiter.h"

static struct bsc_limiter *limiter;

static int set_up(void **unused)
{
    (void)unused;
    limiter = bsc_limiter_create(UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211));
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    return munmap(limiter, sizeof *limiter);
}

static struct bsc_ip ip(const char *text)
{
    struct bsc_ip result;
    assert_true(bsc_ip_parse(text, strlen(text), &result));
    return result;
}

enum { S = 1000000, NOW = 77 };
static const struct bsc_rate ten_a_second = { 10, 1, 5 };

static int64_t ask(const char *who, int64_t at_us)
{
    struct bsc_ip address = ip(who);
    return bsc_limiter_request(limiter, &address, 1, &ten_a_second, at_us);
}

static void a_burst_passes_and_then_the_rate(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ask("192.0.2.1", NOW), 0);
    assert_int_equal(ask("192.0.2.1", NOW), S / 10);
    assert_int_equal(ask("192.0.2.1", NOW + S / 20), S / 20);
    assert_int_equal(ask("192.0.2.1", NOW + S / 10), 0);
    assert_true(ask("192.0.2.1", NOW + S / 10) > 0);
    unsigned passed = 0;
    for (int64_t at = NOW + S; at < NOW + 11 * (int64_t)S; at += S / 100)
        passed += ask("192.0.2.1", at) == 0;
    assert_in_range(passed, 100, 105);
}

static void refusals_are_not_counted(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 1000; i++)
        ask("192.0.2.1", NOW);
    assert_int_equal(ask("192.0.2.1", NOW + S / 10), 0);
}

static void clients_and_services_are_told_apart(void **unused)
{
    (void)unused;
    struct bsc_ip address = ip("192.0.2.1");
    while (ask("192.0.2.1", NOW) == 0)
        ;
    assert_int_equal(ask("192.0.2.2", NOW), 0);
    assert_int_equal(bsc_limiter_request(limiter, &address, 2, &ten_a_second, NOW), 0);
    while (ask("2001:db8:0:1::1", NOW) == 0)
        ;
    assert_true(ask("2001:db8:0:1:ffff::2", NOW) > 0); /* the same subscriber */
    assert_int_equal(ask("2001:db8:0:2::1", NOW), 0);
}

static void slow_and_fast_rates_are_kept(void **unused)
{
    (void)unused;
    struct bsc_ip address = ip("192.0.2.1");
    struct bsc_rate slow = { 1, 3600, 1 }, fast = { 5000000, 1, 1 };
    assert_int_equal(bsc_limiter_request(limiter, &address, 1, &slow, NOW), 0);
    assert_int_equal(bsc_limiter_request(limiter, &address, 1, &slow, NOW), 3600 * (int64_t)S);
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(bsc_limiter_request(limiter, &address, 2, &fast, NOW + i), 0);
}

static void very_many_clients_push_each_other_out_and_harm_nobody(void **unused)
{
    (void)unused;
    char text[32];
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        assert_int_equal(ask(text, NOW + i), 0);
    }
}

static void connections_of_an_address_are_counted(void **unused)
{
    (void)unused;
    struct bsc_ip a = ip("192.0.2.1"), b = ip("192.0.2.2");
    for (unsigned i = 0; i < 3; i++)
        assert_true(bsc_limiter_connect(limiter, &a, 3));
    assert_false(bsc_limiter_connect(limiter, &a, 3));
    assert_false(bsc_limiter_connect(limiter, &a, 3));
    assert_true(bsc_limiter_connect(limiter, &b, 3));
    bsc_limiter_disconnect(limiter, &a);
    assert_true(bsc_limiter_connect(limiter, &a, 3));
    assert_false(bsc_limiter_connect(limiter, &a, 3));
}

enum { THREADS = 4, ASKED = 20000, ALLOWED = 1000 };

static void *flood(void *argument)
{
    static const struct bsc_rate rate = { 1, 3600, ALLOWED };
    struct bsc_ip address = ip("192.0.2.1");
    unsigned *passed = argument;
    for (unsigned i = 0; i < ASKED; i++)
        *passed += bsc_limiter_request(limiter, &address, 1, &rate, NOW) == 0;
    return NULL;
}

static void workers_share_one_limit(void **unused)
{
    (void)unused;
    pthread_t threads[THREADS];
    unsigned passed[THREADS] = { 0 }, sum = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, &passed[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += passed[i];
    }
    assert_in_range(sum, ALLOWED, ALLOWED + THREADS);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_burst_passes_and_then_the_rate),
        CASE(refusals_are_not_counted),
        CASE(clients_and_services_are_told_apart),
        CASE(slow_and_fast_rates_are_kept),
        CASE(very_many_clients_push_each_other_out_and_harm_nobody),
        CASE(connections_of_an_address_are_counted),
        CASE(workers_share_one_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
