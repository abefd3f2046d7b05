/* SPDX-License-Identifier: Apache-2.0
 * What the router knows of the proxies' counters: by split, by rollout, since the start, and also
 * of generations that are gone. */
#include "router_peer.h"

#include <sys/stat.h>

#include "core/analysis/runs.h"

/* One proxy with web on blue (and two instances of green), begun and published. */
static struct peer *web_on_blue(struct stage *stage)
{
    struct peer *peer = stage_arrive(stage, 1, 2);
    stage_publish(stage, "web", 2, 2, 0, 1, 1);
    bsc_router_proxy_begin(stage->router);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 1);
    return peer;
}

static void count(struct peer *peer, unsigned worker, const char *slot, unsigned requests)
{
    struct bsc_cell *cell = &peer->counters->shards[worker].cells[peer_cell(peer, "web", slot)];
    bsc_counter_add(&cell->requests, requests);
    bsc_counter_add(&cell->errors, 1);
    bsc_counter_add(&cell->latency[10], requests);
}

static void totals_are_of_the_split_generation_and_since_the_start(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage), *second = stage_arrive(stage, 2, 1);
    struct bsc_totals current, all;
    stage_turn_for(stage, 10);
    count(first, 0, "blue", 10);
    count(first, 1, "blue", 5);
    count(second, 0, "blue", 2);
    assert_true(bsc_router_proxy_totals(stage->router, "web", BSC_BLUE, &current, &all));
    assert_int_equal(current.requests, 17);
    assert_int_equal(current.errors, 3);
    assert_int_equal(current.latency[10], 17);
    assert_int_equal(all.requests, 17);
    stage_gone(stage, first); /* what it counted is kept */
    stage_publish(stage, "web", 2, 2, 5000, 2, 2);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    count(second, 0, "blue", 1);
    count(second, 0, "green", 4);
    assert_true(bsc_router_proxy_totals(stage->router, "web", BSC_BLUE, &current, &all));
    assert_int_equal(current.requests, 1);
    assert_int_equal(all.requests, 18);
    assert_true(bsc_router_proxy_totals(stage->router, "web", BSC_GREEN, &current, &all));
    assert_int_equal(current.requests, 4);
    assert_false(bsc_router_proxy_totals(stage->router, "api", BSC_GREEN, &current, &all));
}

static void figures_outlive_the_generation_that_counted_them(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage), *second = stage_arrive(stage, 2, 1);
    struct bsc_router_figures figures;
    stage_turn_for(stage, 10);
    bsc_counter_add(&first->counters->shards[0].connections_opened, 3);
    bsc_counter_add(&first->counters->shards[0].connections_closed, 1);
    bsc_counter_add(&first->counters->shards[0].held, 1);
    bsc_counter_add(&first->counters->shards[1].rate_limited, 5);
    bsc_counter_add(&second->counters->shards[0].connections_opened, 1);
    bsc_counter_add(&second->counters->shards[0].rate_limited, 2);
    bsc_router_proxy_figures(stage->router, &figures);
    assert_int_equal(figures.connections_opened, 4);
    assert_int_equal(figures.connections, 3);
    assert_int_equal(figures.held, 1);
    assert_int_equal(figures.rate_limited, 7);
    stage_gone(stage, first);
    stage_turn_for(stage, 10);
    bsc_router_proxy_figures(stage->router, &figures);
    assert_int_equal(figures.connections_opened, 4);
    assert_int_equal(figures.connections, 1);
    assert_int_equal(figures.held, 0);
    assert_int_equal(figures.rate_limited, 7);
}

static void rescues_are_counted_from_the_beginning_of_their_rollout(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage), *second = stage_arrive(stage, 2, 1);
    struct bsc_router_service_figures figures;
    stage_turn_for(stage, 10);
    count(first, 0, "blue", 10);
    struct bsc_cell *cell = &first->counters->shards[0].cells[peer_cell(first, "web", "blue")];
    bsc_counter_add(&cell->rescued[3], 7); /* of a rollout before */
    bsc_counter_add(&cell->queued, 4);
    assert_true(bsc_router_proxy_service_figures(stage->router, "web", &figures));
    assert_int_equal(figures.rollout, 0);
    stage->rollout = 12;
    stage_publish(stage, "web", 2, 2, 5000, 2, 2);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    for (unsigned cause = 0; cause < BSC_RESCUE_CAUSES; cause++) {
        cell = &second->counters->shards[0].cells[peer_cell(second, "web", "green")];
        bsc_counter_add(&cell->rescued[cause], cause + 1);
    }
    bsc_counter_add(&cell->rescue_failed, 6);
    bsc_counter_add(&cell->rescue_refused, 7);
    bsc_counter_add(&cell->ejections, 2);
    stage_publish(stage, "web", 2, 2, 9000, 3, 3); /* the rollout's next split */
    stage_wait(stage, BSC_EVENT_PUBLISHED, 3);
    stage_gone(stage, first);
    stage->rollout = 0; /* it is over, and still the newest */
    stage_publish(stage, "web", 2, 2, 10000, 4, 4);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 4);
    assert_true(bsc_router_proxy_service_figures(stage->router, "web", &figures));
    const struct bsc_router_rescues *rescues = &figures.rescues;
    assert_int_equal(figures.rollout, 12);
    assert_int_equal(rescues->status, 1);
    assert_int_equal(rescues->no_instance, 2);
    assert_int_equal(rescues->connect_failed, 3);
    assert_int_equal(rescues->reset, 4);
    assert_int_equal(rescues->timed_out, 5);
    assert_int_equal(rescues->failed, 6);
    assert_int_equal(rescues->refused, 7);
    assert_int_equal(figures.requests, 10);
    assert_int_equal(figures.errors, 1);
    assert_int_equal(figures.queued, 4);
    assert_int_equal(figures.ejections, 2);
    struct bsc_router_slot_counters counters; /* of both proxies, the one that went included */
    assert_true(bsc_router_proxy_slot_counters(stage->router, "web", BSC_BLUE, &counters));
    assert_int_equal(counters.requests, 10);
    assert_int_equal(counters.errors, 1);
    assert_false(bsc_router_proxy_slot_counters(stage->router, "api", BSC_BLUE, &counters));
    assert_false(bsc_router_proxy_service_figures(stage->router, "api", &figures));
}

/* Between what the engine says first and the moment from which proxies are told lie the reading of
 * the file and a commit: longer than the time between two looks. Nobody publishes in a bake. */
static void a_rollout_is_watched_however_late_a_new_controller_begins(void **state)
{
    struct stage *stage = *state;
    web_on_blue(stage);
    stage_restart(stage, 2);
    stage->watch = true;
    stage_publish(stage, "web", 2, 2, 5000, 2, 2);
    stage_turn_for(stage, 3 * BSC_SAMPLE_MS);
    assert_false(stage_has(stage, BSC_EVENT_COUNTED, 0));
    bsc_router_proxy_begin(stage->router);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    stage_wait(stage, BSC_EVENT_COUNTED, 0);
}

static void looking_at_unused_counters_costs_no_memory(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    struct stat before, after;
    struct bsc_totals totals;
    assert_int_equal(fstat(peer->counters_fd, &before), 0);
    for (unsigned i = 0; i < 100; i++) {
        stage_publish(stage, "web", 2, 2, i % 2 ? 0 : 10000, 2 + i, 2 + i);
        bsc_router_proxy_totals(stage->router, "web", BSC_BLUE, NULL, &totals);
        bsc_router_proxy_totals(stage->router, "web", BSC_GREEN, NULL, &totals);
    }
    stage_wait(stage, BSC_EVENT_PUBLISHED, 101);
    assert_int_equal(fstat(peer->counters_fd, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(totals_are_of_the_split_generation_and_since_the_start),
        CASE(rescues_are_counted_from_the_beginning_of_their_rollout),
        CASE(figures_outlive_the_generation_that_counted_them),
        CASE(a_rollout_is_watched_however_late_a_new_controller_begins),
        CASE(looking_at_unused_counters_costs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
