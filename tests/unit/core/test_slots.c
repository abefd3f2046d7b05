/* SPDX-License-Identifier: Apache-2.0
 * The two environments: every state against every event, and what a switch does to both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/slots.h"

enum { EVENTS = BSC_SLOT_EVENT_COUNT };

/* What an event makes of the staging slot; what is not a state is a refusal. */
enum outcome {
    IDLE = BSC_SLOT_IDLE,
    DEPLOYING = BSC_SLOT_DEPLOYING,
    READY = BSC_SLOT_READY,
    LIVE = BSC_SLOT_LIVE,
    STANDBY = BSC_SLOT_STANDBY,
    FAILED = BSC_SLOT_FAILED,
    BUSY = 100 + BSC_BUSY,
    STATE = 100 + BSC_STATE,
    NO_ROLLBACK = 100 + BSC_NO_ROLLBACK,
};

/* deploy, deployed, check passed, check failed, switch (checked), rollback, empty */
static const enum outcome expected[BSC_SLOT_STATE_COUNT][EVENTS] = {
    [BSC_SLOT_IDLE] = { DEPLOYING, STATE, STATE, STATE, STATE, NO_ROLLBACK, IDLE },
    [BSC_SLOT_DEPLOYING] = { BUSY, READY, BUSY, FAILED, BUSY, BUSY, BUSY },
    [BSC_SLOT_READY] = { DEPLOYING, STATE, READY, FAILED, LIVE, NO_ROLLBACK, IDLE },
    [BSC_SLOT_STANDBY] = { DEPLOYING, STATE, STANDBY, FAILED, STATE, LIVE, IDLE },
    [BSC_SLOT_FAILED] = { DEPLOYING, STATE, STATE, FAILED, STATE, NO_ROLLBACK, IDLE },
};

static const enum bsc_slot_state staging_states[] = { BSC_SLOT_IDLE, BSC_SLOT_DEPLOYING,
                                                      BSC_SLOT_READY, BSC_SLOT_STANDBY,
                                                      BSC_SLOT_FAILED };

static struct bsc_slots slots_with(enum bsc_slot live, enum bsc_slot_state staging, bool checked)
{
    struct bsc_slots slots = { .live = live };
    slots.state[live] = BSC_SLOT_LIVE;
    slots.state[bsc_slot_other(live)] = staging;
    slots.checked[live] = true;
    slots.checked[bsc_slot_other(live)] = checked;
    return slots;
}

static void assert_same(const struct bsc_slots *a, const struct bsc_slots *b)
{
    assert_int_equal(a->live, b->live);
    for (unsigned i = 0; i < BSC_SLOT_COUNT; i++) {
        assert_int_equal(a->state[i], b->state[i]);
        assert_int_equal(a->checked[i], b->checked[i]);
    }
}

static void try_one(enum bsc_slot live, enum bsc_slot_state state, enum bsc_slot_event event)
{
    enum outcome outcome = expected[state][event];
    enum bsc_slot staging = bsc_slot_other(live);
    struct bsc_slots before = slots_with(live, state, true), slots = before;
    struct bsc_error error;
    enum bsc_status can = bsc_slots_can(&slots, event, NULL);
    assert_same(&slots, &before);
    assert_int_equal(bsc_slots_apply(&slots, event, &error), can);
    if ((unsigned)outcome >= 100) {
        assert_int_equal(can, (unsigned)outcome - 100);
        assert_same(&slots, &before);
        assert_int_equal(error.status, can);
        assert_non_null(strstr(error.text, bsc_slot_name(staging)));
    } else if (outcome == LIVE) {
        assert_int_equal(can, BSC_OK);
        assert_int_equal(slots.live, staging);
        assert_int_equal(slots.state[staging], BSC_SLOT_LIVE);
        assert_int_equal(slots.state[live], BSC_SLOT_STANDBY);
    } else {
        assert_int_equal(can, BSC_OK);
        assert_int_equal(slots.live, live);
        assert_int_equal(slots.state[live], BSC_SLOT_LIVE);
        assert_int_equal(slots.state[staging], (enum bsc_slot_state)outcome);
        assert_int_equal(slots.checked[staging], event == BSC_SLOT_CHECK_PASSED);
    }
}

static void every_event_in_every_state_does_what_the_table_says(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof staging_states / sizeof *staging_states; i++)
        for (unsigned event = 0; event < EVENTS; event++) {
            try_one(BSC_BLUE, staging_states[i], (enum bsc_slot_event)event);
            try_one(BSC_GREEN, staging_states[i], (enum bsc_slot_event)event);
        }
}

static void at_first_blue_is_live_and_green_idle(void **unused)
{
    (void)unused;
    struct bsc_slots slots;
    bsc_slots_init(&slots);
    assert_int_equal(slots.live, BSC_BLUE);
    assert_int_equal(bsc_slots_staging(&slots), BSC_GREEN);
    assert_int_equal(slots.state[BSC_BLUE], BSC_SLOT_LIVE);
    assert_int_equal(slots.state[BSC_GREEN], BSC_SLOT_IDLE);
    assert_false(slots.checked[BSC_GREEN]);
}

static void a_switch_needs_a_check_that_passed(void **unused)
{
    (void)unused;
    struct bsc_slots slots = slots_with(BSC_BLUE, BSC_SLOT_READY, false), before = slots;
    struct bsc_error error;
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_SWITCH, &error), BSC_STATE);
    assert_string_equal(error.text, "green has not passed a health check");
    assert_same(&slots, &before);
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_CHECK_PASSED, NULL), BSC_OK);
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_SWITCH, NULL), BSC_OK);
    assert_int_equal(slots.live, BSC_GREEN);
}

static void a_check_does_not_outlive_its_deployment(void **unused)
{
    (void)unused;
    struct bsc_slots slots = slots_with(BSC_BLUE, BSC_SLOT_READY, true);
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_DEPLOY, NULL), BSC_OK);
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_DEPLOYED, NULL), BSC_OK);
    assert_int_equal(bsc_slots_apply(&slots, BSC_SLOT_SWITCH, NULL), BSC_STATE);
}

static void a_refusal_says_what_is_so(void **unused)
{
    (void)unused;
    struct bsc_slots slots = slots_with(BSC_BLUE, BSC_SLOT_DEPLOYING, false);
    struct bsc_error error;
    assert_int_equal(bsc_slots_can(&slots, BSC_SLOT_DEPLOY, &error), BSC_BUSY);
    assert_string_equal(error.text, "green is deploying");
    slots = slots_with(BSC_GREEN, BSC_SLOT_FAILED, false);
    assert_int_equal(bsc_slots_can(&slots, BSC_SLOT_ROLLBACK, &error), BSC_NO_ROLLBACK);
    assert_string_equal(error.text, "blue is failed and can't be rolled back to");
}

static void names_are_read_back(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < BSC_SLOT_COUNT; i++) {
        enum bsc_slot slot = BSC_SLOT_COUNT;
        assert_true(bsc_slot_parse(bsc_slot_name((enum bsc_slot)i), &slot));
        assert_int_equal(slot, i);
    }
    for (unsigned i = BSC_SLOT_IDLE; i < BSC_SLOT_STATE_COUNT; i++) {
        enum bsc_slot_state state = BSC_SLOT_NONE;
        assert_true(bsc_slot_state_parse(bsc_slot_state_name((enum bsc_slot_state)i), &state));
        assert_int_equal(state, i);
    }
    enum bsc_slot slot;
    enum bsc_slot_state state;
    assert_false(bsc_slot_parse("red", &slot));
    assert_false(bsc_slot_state_parse("none", &state)); /* a mark of the table, no state */
    assert_false(bsc_slot_state_parse("", &state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
        cmocka_unit_test(at_first_blue_is_live_and_green_idle),
        cmocka_unit_test(a_switch_needs_a_check_that_passed),
        cmocka_unit_test(a_check_does_not_outlive_its_deployment),
        cmocka_unit_test(a_refusal_says_what_is_so),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
