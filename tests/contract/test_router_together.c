/* SPDX-License-Identifier: Apache-2.0
 * Splits of several services that are published together are one line: in force together, refused
 * together. */
#include "router_peer.h"

enum { MEMBERS = 3 };

/* web, api and db, all on blue. */
static struct peer *all_on_blue(struct stage *stage)
{
    static const struct stage_together blue[MEMBERS] = { { .name = "web", .blue = 1, .green = 1 },
                                                         { .name = "api", .blue = 2, .green = 2 },
                                                         { .name = "db", .blue = 1, .green = 1 } };
    struct peer *peer = stage_arrive(stage, 1, 2);
    stage_publish_together(stage, blue, MEMBERS, 1, 1);
    bsc_router_proxy_begin(stage->router);
    for (unsigned i = 0; i < MEMBERS; i++)
        stage_wait(stage, BSC_EVENT_PUBLISHED, 1 + i);
    return peer;
}

static const struct stage_together to_green[MEMBERS] = {
    { .name = "web", .blue = 1, .green = 1, .green_bp = 10000 },
    { .name = "api", .blue = 2, .green = 2, .green_bp = 10000 },
    { .name = "db", .blue = 1, .green = 1, .green_bp = 10000 },
};

static long green_bp(const struct peer *peer, const char *service)
{
    const json_t *split = json_object_get(json_object_get(peer->services, service), "split");
    return (long)json_integer_value(json_object_get(json_object_get(split, "weights"), "green"));
}

static void assert_all_have(const struct peer *peer, long expected_bp)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(green_bp(peer, to_green[i].name), expected_bp);
}

static void assert_answers(struct stage *stage, bsc_token first, enum bsc_status status)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(stage_wait(stage, BSC_EVENT_PUBLISHED, first + i)->status, status);
}

static void they_change_in_one_line(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = all_on_blue(stage);
    unsigned lines = peer->lines;
    stage_publish_together(stage, to_green, MEMBERS, 2, 11);
    assert_answers(stage, 11, BSC_OK);
    assert_int_equal(peer->lines, lines + 1);
    assert_int_equal(peer->split_together, MEMBERS);
    assert_all_have(peer, 10000);
}

/* Instances that a new split needs come before it and those that only the old one had go after it;
 * peer_check looks after every line. */
static void their_instances_come_before_and_go_after(void **state)
{
    static const struct stage_together moved[MEMBERS] = {
        { .name = "web", .blue = 0, .green = 3, .green_bp = 10000 },
        { .name = "api", .blue = 1, .green = 4, .green_bp = 10000 },
        { .name = "db", .blue = 0, .green = 2, .green_bp = 10000 },
    };
    struct stage *stage = *state;
    struct peer *peer = all_on_blue(stage);
    stage_publish_together(stage, moved, MEMBERS, 2, 11);
    assert_answers(stage, 11, BSC_OK);
    assert_int_equal(peer->split_together, MEMBERS);
    assert_all_have(peer, 10000);
}

static void one_whose_split_stays_is_answered_with_the_others(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = all_on_blue(stage);
    struct stage_together two[MEMBERS];
    memcpy(two, to_green, sizeof two);
    stage_publish_together(stage, &to_green[1], 1, 2, 5); /* api is there already */
    stage_wait(stage, BSC_EVENT_PUBLISHED, 5);
    stage_publish_together(stage, two, MEMBERS, 2, 11);
    assert_answers(stage, 11, BSC_OK);
    assert_int_equal(peer->split_together, 2);
    assert_all_have(peer, 10000);
}

static void none_is_published_before_all_generations_have_all(void **state)
{
    struct stage *stage = *state;
    all_on_blue(stage);
    struct peer *second = stage_arrive(stage, 2, 1);
    stage_turn_for(stage, 20);
    second->quiet = true;
    stage_publish_together(stage, to_green, MEMBERS, 2, 11);
    stage_turn_for(stage, 40);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_false(stage_has(stage, BSC_EVENT_PUBLISHED, 11 + i));
    second->quiet = false;
    stage_publish(stage, "more", 1, 0, 0, 1, 20); /* an answer covers what came before it */
    assert_answers(stage, 11, BSC_OK);
    assert_all_have(second, 10000);
}

static void a_proxy_that_refuses_them_refuses_all(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = all_on_blue(stage);
    peer->refuses = "\"splits\"";
    stage_publish_together(stage, to_green, MEMBERS, 2, 11);
    assert_answers(stage, 11, BSC_FAILED);
    assert_all_have(peer, 0);
    peer->refuses = NULL;
    stage_publish_together(stage, to_green, MEMBERS, 2, 21); /* says all of it again */
    assert_answers(stage, 21, BSC_OK);
    assert_int_equal(peer->split_together, MEMBERS);
    assert_all_have(peer, 10000);
}

/* One that cannot be told stands against all: nothing is sent. */
static void one_that_cannot_be_told_holds_all_back(void **state)
{
    struct stage *stage = *state;
    struct peer *peer = all_on_blue(stage);
    unsigned lines = peer->lines;
    struct stage_together bad[MEMBERS + 1];
    memcpy(bad, to_green, sizeof to_green);
    bad[MEMBERS] = (struct stage_together){ .name = "new", .blue = 1, .path = "/\xff" };
    stage_publish_together(stage, bad, MEMBERS + 1, 2, 11);
    assert_answers(stage, 11, BSC_INVALID);
    assert_int_equal(stage_wait(stage, BSC_EVENT_PUBLISHED, 11 + MEMBERS)->status, BSC_INVALID);
    stage_turn_for(stage, 20);
    assert_int_equal(peer->lines, lines);
    assert_all_have(peer, 0);
    assert_int_equal(json_object_size(peer->services), MEMBERS);
    stage_publish_together(stage, to_green, MEMBERS, 2, 21);
    assert_answers(stage, 21, BSC_OK);
    assert_all_have(peer, 10000);
}

/* A fresh proxy and a new controller know only all of it, or nothing. */
static void whoever_comes_anew_gets_all_of_them(void **state)
{
    struct stage *stage = *state;
    all_on_blue(stage);
    stage_publish_together(stage, to_green, MEMBERS, 2, 11);
    assert_answers(stage, 11, BSC_OK);
    struct peer *fresh = stage_arrive(stage, 2, 1);
    stage_turn_for(stage, 20);
    assert_all_have(fresh, 10000);
    stage_restart(stage, 9);
    stage_publish_together(stage, to_green, MEMBERS, 2, 31);
    bsc_router_proxy_begin(stage->router);
    assert_answers(stage, 31, BSC_OK);
    for (unsigned i = 0; i < stage->peer_count; i++)
        assert_all_have(&stage->peers[i], 10000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(they_change_in_one_line),
        CASE(their_instances_come_before_and_go_after),
        CASE(one_whose_split_stays_is_answered_with_the_others),
        CASE(none_is_published_before_all_generations_have_all),
        CASE(a_proxy_that_refuses_them_refuses_all),
        CASE(one_that_cannot_be_told_holds_all_back),
        CASE(whoever_comes_anew_gets_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
