/* SPDX-License-Identifier: Apache-2.0
 * What is no service's reaches every proxy: when the supervisor took the addresses, in the whole
 * state, in the snapshot, and from one controller to the next. */
#include "router_peer.h"

#include "core/configuration.h"

static const char *both[] = { "127.0.0.1:80", "[::1]:80" };
static const struct bsc_config two_addresses = { .listen_http = { 2, both },
                                                 .proxy = { .workers = 2 } };
static const struct bsc_config one_address = { .listen_http = { 1, both },
                                               .proxy = { .workers = 2 } };

static void configure(struct stage *stage, const struct bsc_config *config, bsc_token token,
                      const char *answer)
{
    stage->port.ops->configure(stage->port.self, config, token);
    stage_say(stage, answer);
    stage_wait(stage, BSC_EVENT_CONFIGURED, token);
    stage_turn_for(stage, 5);
}

static struct peer *begun(struct stage *stage)
{
    struct peer *peer = stage_arrive(stage, 1, 1);
    bsc_router_proxy_begin(stage->router);
    stage_publish(stage, "web", 1, 1, 0, 1, 9);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 9);
    return peer;
}

static void what_is_spoken_at_an_address_is_told_with_the_whole_state(void **state)
{
    struct stage *stage = *state;
    configure(stage, &two_addresses, 1, "configured");
    const struct peer *peer = begun(stage);
    const json_t *listener = json_object_get(peer->listeners, "[::1]:80");
    assert_int_equal(json_object_size(peer->listeners), 2);
    assert_true(json_is_false(json_object_get(listener, "tls")));
}

static void an_address_of_a_tcp_service_names_it_and_may_introduce_clients(void **state)
{
    struct stage *stage = *state;
    static struct bsc_spec db = { .name = "db", .listen = { 1, both + 1 } };
    struct bsc_spec *services[] = { &db };
    const struct bsc_config config = { .listen_http = { 1, both },
                                       .listen_introduced = { 1, both + 1 },
                                       .proxy = { .workers = 2 },
                                       .service_count = 1,
                                       .services = services };
    configure(stage, &config, 1, "configured");
    const struct peer *peer = begun(stage);
    assert_int_equal(json_object_size(peer->listeners), 2);
    const json_t *http = json_object_get(peer->listeners, "127.0.0.1:80");
    const json_t *tcp = json_object_get(peer->listeners, "[::1]:80");
    assert_true(json_is_null(json_object_get(http, "service")));
    assert_string_equal(json_string_value(json_object_get(tcp, "service")), "db");
    assert_true(json_is_false(json_object_get(http, "proxy_protocol")));
    assert_true(json_is_true(json_object_get(tcp, "proxy_protocol")));
}

static void addresses_that_come_and_go_are_told_when_the_supervisor_took_them(void **state)
{
    struct stage *stage = *state;
    configure(stage, &one_address, 1, "configured");
    const struct peer *peer = begun(stage);
    assert_int_equal(json_object_size(peer->listeners), 1);
    configure(stage, &two_addresses, 2, "refused text=listen on [::1]:80: Address already in use");
    assert_int_equal(json_object_size(peer->listeners), 1);
    configure(stage, &two_addresses, 3, "configured");
    assert_int_equal(json_object_size(peer->listeners), 2);
    unsigned lines = peer->lines;
    configure(stage, &two_addresses, 4, "configured");
    assert_int_equal(peer->lines, lines); /* nothing changed */
    configure(stage, &one_address, 5, "configured");
    assert_int_equal(json_object_size(peer->listeners), 1);
}

static void the_addresses_in_force_can_be_asked_for(void **state)
{
    struct stage *stage = *state;
    struct bsc_router_listener listener;
    assert_false(stage->port.ops->listener(stage->port.self, 0, &listener));
    configure(stage, &two_addresses, 1, "configured");
    configure(stage, &one_address, 2, "refused text=no");
    unsigned seen = 0;
    for (unsigned i = 0; stage->port.ops->listener(stage->port.self, i, &listener); i++)
        for (unsigned k = 0; k < 2; k++)
            seen |= (unsigned)!strcmp(listener.address, both[k]) << k;
    assert_int_equal(seen, 3);
    assert_false(listener.tls || listener.redirect || *listener.service);
    assert_false(stage->port.ops->listener(stage->port.self, 2, &listener));
}

static void look_at(struct stage *stage, const struct bsc_preview_spec *preview, bool open,
                    bsc_token token)
{
    static const struct bsc_route routes[] = { { "a.test", "/" },
                                               { "b.test", "/" },
                                               { "a.test", "/api" } };
    const struct bsc_spec spec = {
        .name = "web", .route_count = 3, .routes = routes, .preview = *preview
    };
    const struct bsc_endpoint live = {
        .id = "web-blue-0", .address = "127.0.0.1:9", .slot = BSC_BLUE, .healthy = true
    };
    const struct bsc_routing routing = { .spec = &spec,
                                         .generation = 1,
                                         .weight_bp = { BSC_WEIGHT_FULL_BP, 0 },
                                         .preview = open,
                                         .preview_slot = BSC_GREEN,
                                         .endpoints = &live,
                                         .endpoint_count = 1 };
    stage->port.ops->publish(stage->port.self, &routing, token);
    stage_wait(stage, BSC_EVENT_PUBLISHED, token);
}

static const json_t *told_of_web(const struct peer *peer, const char *key)
{
    const json_t *web = json_object_get(peer->services, "web");
    return json_object_get(json_object_get(web, "service"), key);
}

static void who_may_look_at_what_is_not_live_is_told_with_the_service(void **state)
{
    struct stage *stage = *state;
    const struct bsc_preview_spec preview = { "p.test", "X-Look", "0123456789abcdef" },
                                  none = { 0 };
    const struct peer *peer = begun(stage);
    look_at(stage, &preview, false, 20);
    assert_int_equal(json_array_size(told_of_web(peer, "routes")), 5); /* "/" is there once */
    const json_t *told = told_of_web(peer, "preview");
    assert_string_equal(json_string_value(json_object_get(told, "host")), "p.test");
    assert_string_equal(json_string_value(json_object_get(told, "value")), "0123456789abcdef");
    assert_null(json_object_get(told, "slot"));
    unsigned lines = peer->lines;
    look_at(stage, &preview, true, 21);
    told = told_of_web(peer, "preview");
    assert_string_equal(json_string_value(json_object_get(told, "slot")), "green");
    assert_int_equal(peer->lines, lines + 1); /* nothing else was told anew */
    look_at(stage, &none, true, 22);
    assert_null(told_of_web(peer, "preview"));
    assert_int_equal(json_array_size(told_of_web(peer, "routes")), 3);
}

static void a_controller_without_a_usable_file_goes_on_with_what_was(void **state)
{
    struct stage *stage = *state;
    configure(stage, &two_addresses, 1, "configured");
    const struct peer *peer = begun(stage);
    stage_turn_for(stage, 60); /* a snapshot goes */
    stage_restart(stage, 8);
    stage_turn_for(stage, 20); /* the supervisor hands the snapshot over */
    bsc_router_proxy_begin(stage->router);
    stage_publish(stage, "web", 1, 1, 0, 1, 10);
    stage_wait(stage, BSC_EVENT_PUBLISHED, 10);
    assert_int_equal(peer->epoch, 8);
    assert_int_equal(json_object_size(peer->listeners), 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_spoken_at_an_address_is_told_with_the_whole_state),
        CASE(an_address_of_a_tcp_service_names_it_and_may_introduce_clients),
        CASE(addresses_that_come_and_go_are_told_when_the_supervisor_took_them),
        CASE(the_addresses_in_force_can_be_asked_for),
        CASE(who_may_look_at_what_is_not_live_is_told_with_the_service),
        CASE(a_controller_without_a_usable_file_goes_on_with_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
