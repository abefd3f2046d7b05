/* SPDX-License-Identifier: Apache-2.0
 * The life of a proxy generation: every state with every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/generation.h"

#define STARTING BSC_GENERATION_STARTING
#define READY BSC_GENERATION_READY
#define CURRENT BSC_GENERATION_CURRENT
#define RETIRING BSC_GENERATION_RETIRING
#define GONE BSC_GENERATION_GONE

static void assert_step(enum bsc_generation_state state, enum bsc_generation_event event,
                        enum bsc_generation_state next, enum bsc_generation_effect effect)
{
    struct bsc_generation_step step = bsc_generation_decide(state, event);
    assert_int_equal(step.next, next);
    assert_int_equal(step.effect, effect);
}

static void a_generation_starts_gets_ready_serves_and_retires(void **unused)
{
    (void)unused;
    assert_step(STARTING, BSC_GENERATION_ON_READY, READY, BSC_GENERATION_DO_ELECT);
    assert_step(READY, BSC_GENERATION_ON_ELECTED, CURRENT, BSC_GENERATION_DO_SERVE);
    assert_step(CURRENT, BSC_GENERATION_ON_SUPERSEDED, RETIRING, BSC_GENERATION_DO_RETIRE);
    assert_step(RETIRING, BSC_GENERATION_ON_RETIRED, RETIRING, BSC_GENERATION_DO_TELL);
    assert_step(RETIRING, BSC_GENERATION_ON_EXITED, GONE, BSC_GENERATION_DO_FORGET);
}

static void whoever_hangs_is_killed_and_serves_no_more(void **unused)
{
    (void)unused;
    for (int state = STARTING; state <= RETIRING; state++)
        assert_step((enum bsc_generation_state)state, BSC_GENERATION_ON_HUNG, RETIRING,
                    BSC_GENERATION_DO_KILL);
}

static void whoever_exits_is_forgotten(void **unused)
{
    (void)unused;
    for (int state = STARTING; state <= RETIRING; state++)
        assert_step((enum bsc_generation_state)state, BSC_GENERATION_ON_EXITED, GONE,
                    BSC_GENERATION_DO_FORGET);
}

static void whoever_retired_by_itself_is_told_of(void **unused)
{
    (void)unused;
    for (int state = STARTING; state <= RETIRING; state++)
        assert_step((enum bsc_generation_state)state, BSC_GENERATION_ON_RETIRED, RETIRING,
                    BSC_GENERATION_DO_TELL);
}

static void one_that_is_not_ready_has_nothing_to_finish(void **unused)
{
    (void)unused;
    assert_step(STARTING, BSC_GENERATION_ON_SUPERSEDED, RETIRING, BSC_GENERATION_DO_KILL);
    assert_step(READY, BSC_GENERATION_ON_SUPERSEDED, RETIRING, BSC_GENERATION_DO_RETIRE);
}

static void all_else_changes_nothing(void **unused)
{
    (void)unused;
    static const struct {
        enum bsc_generation_state state;
        enum bsc_generation_event event;
    } cases[] = {
        { STARTING, BSC_GENERATION_ON_ELECTED },    { READY, BSC_GENERATION_ON_READY },
        { CURRENT, BSC_GENERATION_ON_READY },       { CURRENT, BSC_GENERATION_ON_ELECTED },
        { RETIRING, BSC_GENERATION_ON_READY },      { RETIRING, BSC_GENERATION_ON_ELECTED },
        { RETIRING, BSC_GENERATION_ON_SUPERSEDED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_step(cases[i].state, cases[i].event, cases[i].state, BSC_GENERATION_DO_NOTHING);
    for (int event = 0; event < BSC_GENERATION_EVENT_COUNT; event++)
        assert_step(GONE, (enum bsc_generation_event)event, GONE, BSC_GENERATION_DO_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_starts_gets_ready_serves_and_retires),
        cmocka_unit_test(whoever_hangs_is_killed_and_serves_no_more),
        cmocka_unit_test(whoever_exits_is_forgotten),
        cmocka_unit_test(whoever_retired_by_itself_is_told_of),
        cmocka_unit_test(one_that_is_not_ready_has_nothing_to_finish),
        cmocka_unit_test(all_else_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
