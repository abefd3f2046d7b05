/* SPDX-License-Identifier: Apache-2.0
 * core/plan.c - see plan.h. One function a strategy; names and descriptions of steps. */
#include "core/plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static struct bsc_step *add(struct bsc_plan *plan, enum bsc_step_kind kind, enum bsc_slot slot)
{
    assert(plan->count < BSC_PLAN_STEPS_MAX);
    struct bsc_step *step = &plan->steps[plan->count++];
    *step = (struct bsc_step){ .kind = kind, .slot = slot };
    return step;
}

static bool has_command(const struct bsc_command *command)
{
    return command->shell || command->argv.count;
}

static void add_hook(struct bsc_plan *plan, enum bsc_hook hook, enum bsc_slot slot,
                     const struct bsc_hook_spec *spec)
{
    if (!has_command(&spec->command))
        return;
    struct bsc_step *step = add(plan, BSC_STEP_HOOK, slot);
    step->hook = hook;
    step->timeout_ms = spec->timeout_ms;
    step->undo = has_command(&spec->undo) ? BSC_UNDO_HOOK : BSC_UNDO_NOTHING;
}

static void add_start_and_check(struct bsc_plan *plan, const struct bsc_spec *spec,
                                enum bsc_slot candidate, bool occupied)
{
    if (occupied)
        add(plan, BSC_STEP_STOP, candidate);
    struct bsc_step *start = add(plan, BSC_STEP_START, candidate);
    start->instances = bsc_spec_instances(spec, candidate);
    start->timeout_ms = spec->health.deadline_ms;
    start->undo = BSC_UNDO_STOP;
    add(plan, BSC_STEP_CHECK, candidate)->timeout_ms = spec->health.deadline_ms;
}

static void add_switch(struct bsc_plan *plan, const struct bsc_spec *spec, enum bsc_slot candidate,
                       int64_t bake_ms)
{
    struct bsc_step *split = add(plan, BSC_STEP_SPLIT, candidate);
    split->weight_bp = BSC_WEIGHT_FULL_BP;
    split->timeout_ms = spec->deploy.switch_ms;
    split->undo = BSC_UNDO_SPLIT;
    if (bake_ms)
        add(plan, BSC_STEP_BAKE, candidate)->duration_ms = bake_ms;
    add(plan, BSC_STEP_COMMIT, candidate);
    add(plan, BSC_STEP_DRAIN, bsc_slot_other(candidate))->timeout_ms = spec->deploy.drain_ms;
    if (!spec->deploy.standby_ms)
        add(plan, BSC_STEP_STOP, bsc_slot_other(candidate));
}

/* hook, start, check, split 100 %, bake, commit, drain the old, hook */
static void compile_blue_green(enum bsc_plan_kind kind, const struct bsc_spec *spec,
                               enum bsc_slot candidate, bool occupied, struct bsc_plan *out)
{
    if (kind != BSC_PLAN_SWITCH) {
        add_hook(out, BSC_HOOK_PRE_DEPLOY, candidate, &spec->deploy.pre_deploy);
        add_start_and_check(out, spec, candidate, occupied);
    } else {
        add(out, BSC_STEP_CHECK, candidate)->timeout_ms = spec->health.deadline_ms;
    }
    if (kind != BSC_PLAN_STAGE) {
        add_switch(out, spec, candidate, spec->deploy.bake_ms);
        add_hook(out, BSC_HOOK_POST_PROMOTE, candidate, &spec->deploy.post_promote);
    }
}

enum bsc_status bsc_plan_compile(enum bsc_plan_kind kind, const struct bsc_spec *spec,
                                 const struct bsc_slots *now, bool occupied, struct bsc_plan *out,
                                 struct bsc_error *error)
{
    static const enum bsc_slot_event wanted[BSC_PLAN_KIND_COUNT] = {
        [BSC_PLAN_DEPLOY] = BSC_SLOT_DEPLOY, [BSC_PLAN_STAGE] = BSC_SLOT_DEPLOY,
        [BSC_PLAN_SWITCH] = BSC_SLOT_SWITCH, [BSC_PLAN_ROLLBACK] = BSC_SLOT_ROLLBACK,
        [BSC_PLAN_REVERT] = BSC_SLOT_DEPLOY,
    };
    enum bsc_status status = bsc_slots_can(now, wanted[kind], error);
    if (status != BSC_OK)
        return status;
    enum bsc_slot candidate = bsc_slots_staging(now);
    *out = (struct bsc_plan){ 0 };
    switch (kind) {
    case BSC_PLAN_ROLLBACK:
        add_switch(out, spec, candidate, 0);
        break;
    case BSC_PLAN_REVERT:
        add_start_and_check(out, spec, candidate, occupied);
        add_switch(out, spec, candidate, 0);
        break;
    default:
        compile_blue_green(kind, spec, candidate, occupied, out);
    }
    return BSC_OK;
}

void bsc_step_describe(const struct bsc_step *step, char *out, size_t size)
{
    const char *slot = bsc_slot_name(step->slot);
    snprintf(out, size, "%s", "");
    switch (step->kind) {
    case BSC_STEP_HOOK:
        snprintf(out, size, "run the %s hook", bsc_hook_name(step->hook));
        break;
    case BSC_STEP_START:
        snprintf(out, size, "start %u instance%s in %s", step->instances,
                 step->instances == 1 ? "" : "s", slot);
        break;
    case BSC_STEP_CHECK:
        snprintf(out, size, "check the health of %s", slot);
        break;
    case BSC_STEP_SPLIT:
        snprintf(out, size, "give %s %g %% of the traffic", slot, step->weight_bp / 100.0);
        break;
    case BSC_STEP_BAKE: {
        char duration[BSC_DURATION_BYTES];
        snprintf(out, size, "watch %s for %s", slot,
                 bsc_duration_format(step->duration_ms, duration));
        break;
    }
    case BSC_STEP_COMMIT:
        snprintf(out, size, "commit: %s becomes stable", slot);
        break;
    case BSC_STEP_DRAIN:
        snprintf(out, size, "wait until nothing is in flight in %s", slot);
        break;
    case BSC_STEP_STOP:
        snprintf(out, size, "stop the instances in %s", slot);
        break;
    case BSC_STEP_KIND_COUNT:
        break;
    }
}

void bsc_step_describe_undo(const struct bsc_step *step, char *out, size_t size)
{
    const char *slot = bsc_slot_name(step->slot);
    snprintf(out, size, "%s", "");
    switch (step->undo) {
    case BSC_UNDO_NOTHING:
        break;
    case BSC_UNDO_STOP:
        snprintf(out, size, "drain and stop the instances in %s", slot);
        break;
    case BSC_UNDO_SPLIT:
        snprintf(out, size, "give %s all the traffic back",
                 bsc_slot_name(bsc_slot_other(step->slot)));
        break;
    case BSC_UNDO_HOOK:
        snprintf(out, size, "run the undo of the %s hook", bsc_hook_name(step->hook));
        break;
    }
}

static const char *const step_names[BSC_STEP_KIND_COUNT] = {
    [BSC_STEP_HOOK] = "hook",   [BSC_STEP_START] = "start", [BSC_STEP_CHECK] = "check",
    [BSC_STEP_SPLIT] = "split", [BSC_STEP_BAKE] = "bake",   [BSC_STEP_COMMIT] = "commit",
    [BSC_STEP_DRAIN] = "drain", [BSC_STEP_STOP] = "stop",
};
static const char *const step_state_names[BSC_STEP_STATE_COUNT] = {
    [BSC_STEP_PENDING] = "pending", [BSC_STEP_RUNNING] = "running", [BSC_STEP_DONE] = "done",
    [BSC_STEP_FAILED] = "failed",   [BSC_STEP_SKIPPED] = "skipped", [BSC_STEP_UNDOING] = "undoing",
    [BSC_STEP_UNDONE] = "undone",
};
static const char *const plan_kind_names[BSC_PLAN_KIND_COUNT] = {
    [BSC_PLAN_DEPLOY] = "deploy",     [BSC_PLAN_STAGE] = "stage",   [BSC_PLAN_SWITCH] = "switch",
    [BSC_PLAN_ROLLBACK] = "rollback", [BSC_PLAN_REVERT] = "revert",
};
static const char *const strategy_names[] = { [BSC_STRATEGY_BLUE_GREEN] = "blue-green" };
static const char *const hook_names[BSC_HOOK_COUNT] = { "pre_deploy", "post_promote" };
static const char *const undo_names[] = { "nothing", "stop", "split", "hook" };

static bool find(const char *const *names, unsigned count, const char *name, unsigned *out)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(names[i], name)) {
            *out = i;
            return true;
        }
    return false;
}

/* For each enumeration: its value's name, and the value of a name. */
#define NAMES(type, names, to_name, parse)                            \
    const char *to_name(type value)                                   \
    {                                                                 \
        return names[value];                                          \
    }                                                                 \
    bool parse(const char *name, type *out)                           \
    {                                                                 \
        unsigned found;                                               \
        if (!find(names, sizeof names / sizeof *names, name, &found)) \
            return false;                                             \
        *out = (type)found;                                           \
        return true;                                                  \
    }

NAMES(enum bsc_step_kind, step_names, bsc_step_kind_name, bsc_step_kind_parse)
NAMES(enum bsc_step_state, step_state_names, bsc_step_state_name, bsc_step_state_parse)
NAMES(enum bsc_plan_kind, plan_kind_names, bsc_plan_kind_name, bsc_plan_kind_parse)
NAMES(enum bsc_strategy, strategy_names, bsc_strategy_name, bsc_strategy_parse)
NAMES(enum bsc_hook, hook_names, bsc_hook_name, bsc_hook_parse)
NAMES(enum bsc_undo, undo_names, bsc_undo_name, bsc_undo_parse)
