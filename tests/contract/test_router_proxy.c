/* SPDX-License-Identifier: Apache-2.0
 * The router knows what every proxy generation uses, and says "published" and "drained" only when
 * it is so everywhere. */
#include "core/configuration.h"
#include "router_peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/configuration.h"

static void begin(struct stage *stage)
{
    bsc_router_proxy_begin(stage->router);
}

static void drain(struct stage *stage, const char *id, bsc_token token)
{
    stage->loop.inside = true;
    stage->port.ops->drain(stage->port.self, &id, 1, token);
    stage->loop.inside = false;
}

static void acknowledge(struct peer *peer, unsigned epoch)
{
    char ack[64];
    snprintf(ack, sizeof ack, "{\"ack\":%u,\"epoch\":%u}\n", (unsigned)peer->seq, epoch);
    peer_send(peer, ack);
}

/* One proxy with web on blue (and two instances of green), begun and published. */
static struct peer *web_on_blue(struct stage *stage)
{
    struct peer *peer = stage_arrive(stage, 1, 2);
    stage_publish(stage, "web", 2, 2, 0, 1, 1);
    begin(stage);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 1);
    return peer;
}

/* -- telling --------------------------------------------------------------------------------- */

static void a_proxy_keeps_its_routes_until_all_is_known(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = stage_arrive(stage, 1, 1);
    stage_publish(stage, "web", 1, 0, 0, 1, 1);
    stage_turn_for(stage, 20);
    assert_int_equal(peer->hellos, 0);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 1));
    stage_publish(stage, "api", 1, 0, 0, 1, 2);
    begin(stage);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 1);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    assert_int_equal(peer->hellos, 1);
    assert_int_equal(peer->epoch, 7);
    assert_int_equal(json_object_size(peer->services), 2);
}

static void only_what_changed_is_told(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    unsigned lines = peer->lines;
    stage_publish(stage, "web", 2, 2, 0, 1, 2); /* the same */
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    assert_int_equal(peer->lines, lines);
    stage_publish(stage, "web", 2, 2, 10000, 2, 3); /* a switch */
    stage_wait(stage, BSC_EVENT_PUBLISHED, 3);
    assert_int_equal(peer->lines, lines + 1);
    stage_publish(stage, "web", 1, 2, 10000, 2, 4); /* one instance less */
    stage_wait(stage, BSC_EVENT_PUBLISHED, 4);
    assert_int_equal(peer->lines, lines + 2);
    assert_int_equal(peer->hellos, 1);
}

static void a_switch_together_with_its_instances_loses_nobody_in_between(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = stage_arrive(stage, 1, 1);
    begin(stage);
    stage_publish(stage, "web", 2, 0, 0, 1, 1);
    stage_publish(stage, "web", 0, 2, 10000, 2, 2); /* peer_check looks after every line */
    stage_publish(stage, "web", 3, 0, 0, 3, 3);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 3);
    json_t *list = json_object_get(
        json_object_get(json_object_get(peer->services, "web"), "instances"), "list");
    assert_int_equal(json_array_size(list), 3);
}

static void a_removed_service_is_gone_everywhere(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    stage->port.ops->remove(stage->port.self, "web", 2);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    assert_int_equal(json_object_size(peer->services), 0);
    stage->port.ops->remove(stage->port.self, "never-there", 3);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 3);
}

/* -- acknowledging --------------------------------------------------------------------------- */

static void published_waits_for_every_generation(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage), *second = stage_arrive(stage, 2, 1);
    stage_say(stage, "proxy-retiring generation=1");
    stage_turn_for(stage, 10);
    assert_int_equal(second->hellos, 1);
    first->quiet = true;
    stage_publish(stage, "web", 2, 2, 10000, 2, 2);
    stage_turn_for(stage, 30);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    acknowledge(first, 6); /* to an earlier controller */
    stage_turn_for(stage, 10);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    acknowledge(first, 7);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
}

static void a_generation_that_is_gone_is_not_waited_for(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage);
    stage_arrive(stage, 2, 1);
    stage_turn_for(stage, 10);
    first->quiet = true;
    stage_publish(stage, "web", 2, 2, 10000, 2, 2);
    stage_turn_for(stage, 10);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    stage_gone(stage, first);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
}

static void without_a_generation_that_accepts_nothing_is_published(void **state)
{
    struct stage *stage = *state;
    stage_publish(stage, "web", 1, 0, 0, 1, 1);
    begin(stage);
    stage_turn_for(stage, 10);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 1));
    struct peer *peer = stage_arrive(stage, 1, 1);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 1);
    stage_say(stage, "proxy-retiring generation=1");
    stage_turn(stage);
    stage_publish(stage, "web", 2, 0, 0, 1, 2);
    stage_turn_for(stage, 20);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    stage_gone(stage, peer);
    stage_turn_for(stage, 10);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    stage_arrive(stage, 2, 1);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
}

static void a_refusal_is_told_and_the_next_publish_says_all_again(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    peer->refuses = "splits";
    stage_publish(stage, "web", 2, 2, 10000, 2, 2);
    const struct loop_event *event = stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    assert_int_equal(event->status, BSC_FAILED);
    assert_string_equal(event->text, "not with me");
    peer->refuses = NULL;
    stage_publish(stage, "web", 2, 2, 10000, 2, 3);
    assert_int_equal(stage_wait(stage, BSC_EVENT_PUBLISHED, 3)->status, BSC_OK);
    const json_t *split = json_object_get(json_object_get(peer->services, "web"), "split");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(split, "weights"), "green")), 10000);
}

static void a_proxy_that_does_not_read_costs_bounded_memory_and_gets_all_anew(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    peer->deaf = true;
    for (unsigned i = 0; i < 6000; i++)
        stage_publish(stage, "web", 6 + i % 2, 8, 0, 1, 0);
    stage_publish(stage, "web", 2, 2, 10000, 2, 2);
    stage_turn_for(stage, 10);
    assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 2));
    peer->deaf = false;
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    assert_true(peer->hellos >= 2);
    const json_t *split = json_object_get(json_object_get(peer->services, "web"), "split");
    assert_int_equal(json_integer_value(json_object_get(split, "generation")), 2);
}

static void what_is_no_answer_is_passed_over(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    peer_send(peer, "garbage\n[]\n{}\n{\"ack\":-1}\n{\"ack\":\"x\"}\n{\"ack\":99999,\"epoch\":7}\n"
                    "{\"hello\":{\"protocol\":1,\"generation\":1,\"pid\":1,\"workers\":1}}\n"
                    "{\"bye\":true}\n{\"error\":1}\n");
    stage_publish(stage, "web", 2, 2, 10000, 2, 2);
    assert_int_equal(stage_wait(stage, BSC_EVENT_PUBLISHED, 2)->status, BSC_OK);
}

/* -- draining -------------------------------------------------------------------------------- */

static void a_drain_waits_for_what_is_in_flight_on_every_worker(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    unsigned gauge = peer_gauge(peer, "web", "web-blue-0");
    bsc_counter_add(&peer->counters->shards[0].gauges[gauge].started, 1);
    bsc_counter_add(&peer->counters->shards[1].gauges[gauge].started, 2);
    assert_int_equal(bsc_router_proxy_in_flight(stage->router, "web-blue-0"), 3);
    stage_publish(stage, "web", 0, 2, 10000, 2, 2);
    drain(stage, "web-blue-0", 3);
    drain(stage, "web-blue-1", 4);
    stage_wait(stage, BSC_EVENT_DRAINED, 4);
    bsc_counter_add(&peer->counters->shards[0].gauges[gauge].finished, 1);
    bsc_counter_add(&peer->counters->shards[1].gauges[gauge].finished, 1);
    stage_turn_for(stage, 50);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 3));
    bsc_counter_add(&peer->counters->shards[1].gauges[gauge].finished, 1);
    stage_wait(stage, BSC_EVENT_DRAINED, 3);
}

static void a_drain_waits_for_acknowledgement_and_snapshot(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    stage_turn_for(stage, 50); /* the first snapshot */
    stage->holds_snapshots = true;
    peer->quiet = true;
    stage_publish(stage, "web", 0, 2, 10000, 2, 2);
    drain(stage, "web-blue-0", 3);
    stage_turn_for(stage, 60);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 3));
    peer->quiet = false;
    acknowledge(peer, 7);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    stage_turn_for(stage, 60);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 3));
    char words[64];
    snprintf(words, sizeof words, "snapshot-taken id=%u", (unsigned)stage->snapshot_id);
    stage_say(stage, words);
    stage_wait(stage, BSC_EVENT_DRAINED, 3);
}

static void a_drain_looks_at_an_old_generation_until_it_is_gone(void **state)
{
    struct stage *stage = *state;
    struct peer *first = web_on_blue(stage);
    stage_arrive(stage, 2, 1);
    stage_say(stage, "proxy-retiring generation=1");
    bsc_counter_add(
        &first->counters->shards[0].gauges[peer_gauge(first, "web", "web-blue-0")].started, 1);
    stage_publish(stage, "web", 0, 2, 10000, 2, 2);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    drain(stage, "web-blue-0", 3);
    stage_turn_for(stage, 80);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 3));
    stage_gone(stage, first);
    stage_wait(stage, BSC_EVENT_DRAINED, 3);
}

static void a_cancelled_drain_is_silent(void **state)
{
    struct stage *stage = *state;
    web_on_blue(stage);
    drain(stage, "web-green-0", 2);
    drain(stage, "unknown", 3);
    stage->port.ops->cancel(stage->port.self, 2);
    stage_wait(stage, BSC_EVENT_DRAINED, 3);
    stage_turn_for(stage, 40);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 2));
}

static void counters_that_could_shrink_are_not_read(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(bsc_channel_pair(pair, NULL), BSC_OK);
    int fds[2] = { pair[1], fd };
    assert_int_equal(bsc_channel_send(stage->supervisor, fds, 2, NULL,
                                      "proxy generation=2 pid=1 workers=1 state=current"),
                     BSC_OK);
    stage_turn_for(stage, 20);
    assert_true(bsc_router_proxy_in_flight(stage->router, "web-blue-0") > 0);
    stage_say(stage, "proxy-gone generation=2 status=0");
    stage_turn_for(stage, 10);
    assert_int_equal(bsc_router_proxy_in_flight(stage->router, "web-blue-0"), 0);
    assert_int_equal(peer->hellos, 1);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static void a_new_controller_sees_what_the_old_one_left_in_flight(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    stage_publish(stage, "aaa", 3, 0, 0, 1, 2);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2);
    stage_turn_for(stage, 60);
    unsigned gauge = peer_gauge(peer, "web", "web-blue-1");
    unsigned cell = peer_cell(peer, "web", "blue");
    bsc_counter_add(&peer->counters->shards[0].gauges[gauge].started, 1);
    bsc_counter_add(&peer->counters->shards[0].cells[cell].requests, 5);
    uint64_t snapshot = stage->snapshot_id;
    stage_restart(stage, 8);
    stage_turn_for(stage, 5);
    stage_publish(stage, "web", 2, 2, 0, 1, 3);
    stage_publish(stage, "aaa", 3, 0, 0, 1, 4);
    begin(stage);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 3);
    assert_int_equal(peer->epoch, 8);
    assert_int_equal(peer_gauge(peer, "web", "web-blue-1"), gauge);
    assert_int_equal(peer_cell(peer, "web", "blue"), cell);
    stage_publish(stage, "web", 1, 2, 10000, 2, 5);
    drain(stage, "web-blue-1", 6);
    stage_turn_for(stage, 80);
    assert_true(stage->snapshot_id > snapshot);
    assert_false(stage_has(stage, BSC_EVENT_DRAINED, 6));
    bsc_counter_add(&peer->counters->shards[0].gauges[gauge].finished, 1);
    stage_wait(stage, BSC_EVENT_DRAINED, 6);
    struct bsc_totals totals;
    assert_true(bsc_router_proxy_totals(stage->router, "web", BSC_BLUE, NULL, &totals));
    assert_int_equal(totals.requests, 0); /* since this controller began */
}

/* -- supervisor ------------------------------------------------------------------------------ */

static void configurations_are_answered_in_order(void **state)
{
    struct stage *stage = *state;
    const char *items[] = { "127.0.0.1:80", "[::1]:80" };
    struct bsc_config config = { .listen_http = { 2, items }, .proxy = { .workers = 2 } };
    stage->port.ops->configure(stage->port.self, &config, 1);
    config.proxy = (struct bsc_proxy_spec){ .workers = 3, .drain_ms = 45000 };
    stage->port.ops->configure(stage->port.self, &config, 2);
    stage_turn_for(stage, 5);
    static const char first[] = "configure workers=3 drain_ms=45000 ";
    assert_memory_equal(stage->last_words, first, sizeof first - 1);
    assert_non_null(strstr(stage->last_words, " listen=127.0.0.1:80,[::1]:80"));
    stage_say(stage, "refused text=listen on 127.0.0.1:80: Address already in use");
    stage_say(stage, "configured");
    const struct loop_event *event = stage_wait(stage, BSC_EVENT_CONFIGURED, 1);
    assert_int_equal(event->status, BSC_INVALID);
    assert_string_equal(event->text, "listen on 127.0.0.1:80: Address already in use");
    assert_int_equal(stage_wait(stage, BSC_EVENT_CONFIGURED, 2)->status, BSC_OK);
}

static void apply_options(struct stage *stage, int64_t head_ms, bsc_token token, const char *answer)
{
    struct bsc_config config = { .proxy = { .workers = 1, .head_ms = head_ms } };
    stage->port.ops->configure(stage->port.self, &config, token);
    stage_turn_for(stage, 5);
    stage_say(stage, answer);
    stage_wait(stage, BSC_EVENT_CONFIGURED, token);
    stage_turn_for(stage, 60);
}

static void options_are_told_once_and_only_when_the_configuration_was_taken(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = web_on_blue(stage);
    unsigned lines = peer->lines;
    apply_options(stage, 500, 2, "refused text=no");
    assert_int_equal(peer->lines, lines);
    apply_options(stage, 500, 3, "configured");
    assert_int_equal(peer->lines, lines + 1);
    apply_options(stage, 500, 4, "configured");
    assert_int_equal(peer->lines, lines + 1);
    char text[4096];
    ssize_t size = pread(stage->snapshot, text, sizeof text - 1, 0);
    text[size] = '\0';
    assert_non_null(strstr(text, "{\"seq\":1,\"options\":{\"head_ms\":500,"));
}

static void snapshots_are_sealed_whole_and_one_at_a_time(void **state)
{
    struct stage *stage = *state;
    stage->holds_snapshots = true;
    struct peer *peer = web_on_blue(stage);
    stage_turn_for(stage, 60);
    assert_int_equal(stage->snapshots, 1);
    for (unsigned i = 0; i < 50; i++)
        stage_publish(stage, "web", 2, 2, i % 2 ? 0 : 10000, 2 + i, 2 + i);
    stage_turn_for(stage, 60);
    assert_int_equal(stage->snapshots, 1); /* the first was not taken yet */
    stage->holds_snapshots = false;
    stage_say(stage, "snapshot-taken id=1");
    stage_turn_for(stage, 60);
    assert_int_equal(stage->snapshots, 2);
    assert_int_equal(fcntl(stage->snapshot, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
    char text[4096];
    ssize_t size = pread(stage->snapshot, text, sizeof text - 1, 0);
    text[size] = '\0';
    assert_int_equal(memcmp(text, "{\"hello\":{\"protocol\":1,\"epoch\":7,", 33), 0);
    assert_non_null(strstr(text, "\"generation\":51,"));
    assert_non_null(strstr(text, "\"end\":true}\n"));
    assert_int_equal(peer->hellos, 1);
}

static void the_supervisors_words_reach_main(void **state)
{
    struct stage *stage = *state;
    struct bsc_error error;
    stage_say(stage, "reload");
    stage_say(stage, "something-new key=1");
    stage_say(stage, "terminate");
    stage_say(stage, "upgraded token=7 generation=2");
    stage_say(stage, "upgrade-failed token=7 text=the new proxy did not start");
    stage_turn_for(stage, 5);
    assert_int_equal(stage->reloads, 1);
    assert_int_equal(stage->terminates, 1);
    assert_int_equal(stage->upgrades, 2);
    assert_int_equal(stage->upgrade_status, BSC_FAILED);
    assert_int_equal(bsc_supervisor_link_upgrade(stage->link, 7, &error), BSC_OK);
    stage_turn(stage);
    assert_string_equal(stage->last_words, "upgrade token=7");
    assert_int_equal(bsc_supervisor_link_ready(stage->link, &error), BSC_OK);
    stage_turn(stage);
    assert_string_equal(stage->last_words, "ready");
    assert_int_equal(bsc_supervisor_link_terminated(stage->link, &error), BSC_OK);
    stage_turn(stage);
    assert_string_equal(stage->last_words, "terminated");
    shutdown(stage->supervisor, SHUT_RDWR);
    stage_turn_for(stage, 5);
    assert_int_equal(stage->closes, 1);
}

static void with_a_thousand_services_a_switch_is_as_fast_as_with_one(void **state)
{
    struct stage *stage = *state;
    char name[32];
    struct peer *peer = stage_arrive(stage, 1, 1);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "s%u", i);
        stage_publish(stage, name, 2, 2, 0, 1, 1 + i);
    }
    begin(stage);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 1000);
    stage_turn_for(stage, 60);
    assert_int_equal(json_object_size(peer->services), 1000);
    int64_t start_us = bsc_clock_boot_us();
    for (unsigned i = 0; i < 100; i++)
        stage_publish(stage, "s500", 2, 2, i % 2 ? 0 : 10000, 2 + i, 2000 + i);
    int64_t each_us = (bsc_clock_boot_us() - start_us) / 100;
    assert_true(each_us < 5000);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 2099);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_proxy_keeps_its_routes_until_all_is_known),
        CASE(only_what_changed_is_told),
        CASE(a_switch_together_with_its_instances_loses_nobody_in_between),
        CASE(a_removed_service_is_gone_everywhere),
        CASE(published_waits_for_every_generation),
        CASE(a_generation_that_is_gone_is_not_waited_for),
        CASE(without_a_generation_that_accepts_nothing_is_published),
        CASE(a_refusal_is_told_and_the_next_publish_says_all_again),
        CASE(a_proxy_that_does_not_read_costs_bounded_memory_and_gets_all_anew),
        CASE(what_is_no_answer_is_passed_over),
        CASE(a_drain_waits_for_what_is_in_flight_on_every_worker),
        CASE(a_drain_waits_for_acknowledgement_and_snapshot),
        CASE(a_drain_looks_at_an_old_generation_until_it_is_gone),
        CASE(a_cancelled_drain_is_silent),
        CASE(counters_that_could_shrink_are_not_read),
        CASE(a_new_controller_sees_what_the_old_one_left_in_flight),
        CASE(configurations_are_answered_in_order),
        CASE(options_are_told_once_and_only_when_the_configuration_was_taken),
        CASE(snapshots_are_sealed_whole_and_one_at_a_time),
        CASE(the_supervisors_words_reach_main),
        CASE(with_a_thousand_services_a_switch_is_as_fast_as_with_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
