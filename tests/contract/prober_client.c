/* SPDX-License-Identifier: Apache-2.0
 * contract/prober_client.c - see prober_client.h. */
#include "prober_client.h"

#include <stdio.h>

#include "base/clock.h"

struct prober_client the;

static void on_event(void *argument, const struct bsc_event *event)
{
    (void)argument;
    assert_int_equal(event->kind, BSC_EVENT_PROBED);
    assert_true(the.count < RESULTS_MAX);
    the.results[the.count].token = event->token;
    the.results[the.count].passed = event->passed;
    the.results[the.count].duration_us = event->duration_us;
    snprintf(the.results[the.count].detail, sizeof the.results[0].detail, "%s", event->text);
    snprintf(the.results[the.count].id, sizeof the.results[0].id, "%s", event->id);
    the.count++;
}

int set_up(void **unused)
{
    struct bsc_error error;
    (void)unused;
    memset(&the, 0, sizeof the);
    assert_int_equal(uv_loop_init(&the.loop), 0);
    assert_int_equal(bsc_prober_create(&the.loop, on_event, NULL, &the.prober, &error), BSC_OK);
    return 0;
}

int tear_down(void **unused)
{
    (void)unused;
    if (the.prober.ops)
        bsc_prober_destroy(&the.prober);
    uv_run(&the.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&the.loop), 0);
    return 0;
}

struct bsc_health_spec health_of(enum bsc_probe_kind kind)
{
    return (struct bsc_health_spec){
        .kind = kind, .path = "/health", .status_low = 200, .status_high = 299, .timeout_ms = 5000
    };
}

void begin(const struct bsc_health_spec *health, const char *address, bsc_token token)
{
    static const char *const environment[] = { "PATH=/usr/bin:/bin", "COLOUR=blue" };
    struct bsc_probe probe = { .id = "web-blue-1-0",
                               .address = address,
                               .health = health,
                               .environment = { 2, environment } };
    unsigned before = the.count;
    the.prober.ops->probe(the.prober.self, &probe, token);
    assert_int_equal(the.count, before); /* never from within the call */
}

void turn_until(unsigned count)
{
    int64_t until = bsc_clock_boot_ms() + GUARD_MS;
    while (the.count < count && bsc_clock_boot_ms() < until)
        uv_run(&the.loop, UV_RUN_ONCE);
    assert_int_equal(the.count, count);
}

const char *result_of(const struct bsc_health_spec *health, const char *address, bool passes)
{
    unsigned nth = the.count;
    begin(health, address, 7 + nth);
    turn_until(nth + 1);
    assert_int_equal(the.results[nth].token, 7 + nth);
    assert_string_equal(the.results[nth].id, "web-blue-1-0");
    if (the.results[nth].passed != passes)
        print_error("%s\n", the.results[nth].detail);
    assert_int_equal(the.results[nth].passed, passes);
    return the.results[nth].detail;
}

struct bsc_health_spec health_of_shell(const char *text)
{
    struct bsc_health_spec health = health_of(BSC_PROBE_COMMAND);
    health.command.shell = text;
    return health;
}
