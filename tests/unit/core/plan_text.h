/* SPDX-License-Identifier: Apache-2.0
 * Plans as text, for the tests of the strategies: four instances over four, each step with its undo
 * and what there is when it is done.
 */
#ifndef BASCULE_TESTS_PLAN_TEXT_H
#define BASCULE_TESTS_PLAN_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "core/plan.h"

static const struct bsc_slots idle = { .live = BSC_BLUE,
                                       .state = { BSC_SLOT_LIVE, BSC_SLOT_IDLE },
                                       .checked = { true, false } };
static const struct bsc_slots ready = { .live = BSC_BLUE,
                                        .state = { BSC_SLOT_LIVE, BSC_SLOT_READY },
                                        .checked = { true, true } };

static inline struct bsc_spec spec_of(enum bsc_strategy strategy)
{
    return (struct bsc_spec){
        .replicas = 4,
        .health = { .deadline_ms = 60000 },
        .deploy = { .strategy = strategy,
                    .standby_ms = 600000,
                    .drain_ms = 30000,
                    .switch_ms = 5000,
                    .steps = { 3, { 500, 2500, 5000 } },
                    .batch = { 2, false } },
    };
}

static inline struct bsc_plan_ask ask_of(const struct bsc_spec *spec)
{
    return (struct bsc_plan_ask){ .kind = BSC_PLAN_DEPLOY, .spec = spec, .live = spec };
}

/* One step a line: what there is in blue and green when it is done, "h" while requests are held,
 * "m" while match rules are in force. */
static inline void assert_plan(const struct bsc_plan_ask *ask, const struct bsc_slots *slots,
                               const char *wanted)
{
    struct bsc_plan plan;
    struct bsc_error error;
    struct bsc_text text = { 0 };
    unsigned whole[] = { ask->live ? ask->live->replicas : 0, ask->spec->replicas };
    assert_int_equal(bsc_plan_compile(ask, slots, &plan, &error), BSC_OK);
    for (unsigned i = 0; i < plan.count; i++) {
        struct bsc_plan_capacity after = bsc_plan_capacity_after(&plan, i, whole);
        char step[160], undo[160];
        bsc_step_describe(&plan.steps[i], step, sizeof step);
        bsc_step_describe_undo(&plan.steps[i], undo, sizeof undo);
        bsc_text_printf(&text, "%u+%u %u%s%s %s%s%s\n", after.instances[BSC_BLUE],
                        after.instances[BSC_GREEN], after.weight_bp, after.matched ? "m" : "",
                        after.held ? "h" : "", step, undo[0] ? " / " : "", undo);
    }
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
}

#define STOP " / drain and stop the instances in green\n"
#define BACK " / give blue all the traffic back\n"

#endif
