/* SPDX-License-Identifier: Apache-2.0
 * core/plan_words.c - steps in words, and the names of the plan's enumerations. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/plan.h"

static const char *const gate_texts[BSC_GATE_KIND_COUNT] = {
    [BSC_GATE_SMOKE] = "a smoke test",      [BSC_GATE_PROBE] = "requests to every instance",
    [BSC_GATE_APPROVAL] = "an approval",    [BSC_GATE_LOAD] = "a load test",
    [BSC_GATE_QUERY] = "an external query",
};

static void describe_some(const char *verb, const struct bsc_step *step, char *out, size_t size)
{
    snprintf(out, size, "%s %u instance%s in %s", verb, step->instances,
             step->instances == 1 ? "" : "s", bsc_slot_name(step->slot));
}

/* What takes its time. */
static void describe_watching(const struct bsc_step *step, char *out, size_t size)
{
    const char *slot = bsc_slot_name(step->slot);
    char text[BSC_DURATION_BYTES];
    const char *duration = bsc_duration_format(step->duration_ms, text);
    if (step->kind == BSC_STEP_MIRROR)
        snprintf(out, size, "copy %g %% of the requests to %s for %s", step->weight_bp / 100.0,
                 slot, duration);
    else if (step->kind == BSC_STEP_TRIAL)
        snprintf(out, size, "let the users of %s and %s decide, for %s at most",
                 bsc_slot_name(bsc_slot_other(step->slot)), slot, duration);
    else
        snprintf(out, size, "watch %s for %s", slot, duration);
}

void bsc_step_describe(const struct bsc_step *step, char *out, size_t size)
{
    const char *slot = bsc_slot_name(step->slot);
    bool waits = step->hook == BSC_HOOK_ON_ROLLBACK && step->undo == BSC_UNDO_HOOK;
    snprintf(out, size, "%s", "");
    switch (step->kind) {
    case BSC_STEP_HOOK:
        snprintf(out, size, waits ? "have the %s hook ready" : "run the %s hook",
                 bsc_hook_name(step->hook));
        break;
    case BSC_STEP_START:
        describe_some("start", step, out, size);
        break;
    case BSC_STEP_CHECK:
        snprintf(out, size, "check the health of %s", slot);
        break;
    case BSC_STEP_SPLIT:
        snprintf(out, size, "give %s %g %% of the traffic", slot, step->weight_bp / 100.0);
        break;
    case BSC_STEP_BAKE:
    case BSC_STEP_MIRROR:
    case BSC_STEP_TRIAL:
        describe_watching(step, out, size);
        break;
    case BSC_STEP_COMMIT:
        snprintf(out, size, "commit: %s becomes stable", slot);
        break;
    case BSC_STEP_DRAIN:
        if (step->instances)
            describe_some("drain", step, out, size);
        else
            snprintf(out, size, "wait until nothing is in flight in %s", slot);
        break;
    case BSC_STEP_STOP:
        if (step->instances)
            describe_some("stop", step, out, size);
        else
            snprintf(out, size, "stop the instances in %s", slot);
        break;
    case BSC_STEP_HOLD:
        snprintf(out, size, "hold the requests");
        break;
    case BSC_STEP_RESUME:
        snprintf(out, size, "let the requests go on");
        break;
    case BSC_STEP_GATE:
        snprintf(out, size, "pass gate %u: %s", step->item + 1, gate_texts[step->gate]);
        break;
    case BSC_STEP_MATCH:
        snprintf(out, size, "send the users that match rules choose to %s", slot);
        break;
    case BSC_STEP_FOLLOW:
        snprintf(out, size, "wait for what this service depends on");
        break;
    case BSC_STEP_MEET:
        snprintf(out, size, "wait for the other services of the release");
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
        snprintf(out, size,
                 step->hook == BSC_HOOK_ON_ROLLBACK ? "run the %s hook"
                                                    : "run the undo of the %s hook",
                 bsc_hook_name(step->hook));
        break;
    case BSC_UNDO_SHARE:
        snprintf(out, size, "give %s this share of the traffic back",
                 bsc_slot_name(bsc_slot_other(step->slot)));
        break;
    case BSC_UNDO_RESTART:
        snprintf(out, size, "start the instances in %s again and check them", slot);
        break;
    case BSC_UNDO_RESUME:
        snprintf(out, size, "let the requests go on");
        break;
    case BSC_UNDO_HOLD:
        snprintf(out, size, "hold the requests");
        break;
    case BSC_UNDO_MIRROR:
        snprintf(out, size, "copy no more requests to %s", slot);
        break;
    case BSC_UNDO_COUNT:
        break;
    }
}

static const char *const step_names[BSC_STEP_KIND_COUNT] = {
    [BSC_STEP_HOOK] = "hook",     [BSC_STEP_START] = "start",   [BSC_STEP_CHECK] = "check",
    [BSC_STEP_SPLIT] = "split",   [BSC_STEP_BAKE] = "bake",     [BSC_STEP_COMMIT] = "commit",
    [BSC_STEP_DRAIN] = "drain",   [BSC_STEP_STOP] = "stop",     [BSC_STEP_HOLD] = "hold",
    [BSC_STEP_RESUME] = "resume", [BSC_STEP_FOLLOW] = "follow", [BSC_STEP_MEET] = "meet",
    [BSC_STEP_GATE] = "gate",     [BSC_STEP_MATCH] = "match",   [BSC_STEP_MIRROR] = "mirror",
    [BSC_STEP_TRIAL] = "trial",
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
static const char *const strategy_names[BSC_STRATEGY_COUNT] = {
    [BSC_STRATEGY_BLUE_GREEN] = "blue-green", [BSC_STRATEGY_CANARY] = "canary",
    [BSC_STRATEGY_ROLLING] = "rolling",       [BSC_STRATEGY_RECREATE] = "recreate",
    [BSC_STRATEGY_SHADOW] = "shadow",         [BSC_STRATEGY_AB] = "ab",
};
static const char *const hook_names[BSC_HOOK_COUNT] = {
    [BSC_HOOK_PRE_DEPLOY] = "pre_deploy",
    [BSC_HOOK_POST_PROMOTE] = "post_promote",
    [BSC_HOOK_POST_SWITCH] = "post_switch",
    [BSC_HOOK_ON_ROLLBACK] = "on_rollback",
};
static const char *const gate_names[BSC_GATE_KIND_COUNT] = {
    [BSC_GATE_SMOKE] = "smoke", [BSC_GATE_PROBE] = "probe", [BSC_GATE_APPROVAL] = "approval",
    [BSC_GATE_LOAD] = "load",   [BSC_GATE_QUERY] = "query",
};
static const char *const undo_names[BSC_UNDO_COUNT] = {
    [BSC_UNDO_NOTHING] = "nothing", [BSC_UNDO_STOP] = "stop",   [BSC_UNDO_SPLIT] = "split",
    [BSC_UNDO_HOOK] = "hook",       [BSC_UNDO_SHARE] = "share", [BSC_UNDO_RESTART] = "restart",
    [BSC_UNDO_RESUME] = "resume",   [BSC_UNDO_HOLD] = "hold",   [BSC_UNDO_MIRROR] = "mirror",
};

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
NAMES(enum bsc_gate_kind, gate_names, bsc_gate_kind_name, bsc_gate_kind_parse)
NAMES(enum bsc_undo, undo_names, bsc_undo_name, bsc_undo_parse)
