/* SPDX-License-Identifier: Apache-2.0
 * core/plan.h - the steps that a rollout takes, each with its undo, compiled from a strategy.
 *
 * Pure: no clock, no I/O, no allocation. A strategy is a function from a specification and the
 * current slots to a plan; the engine executes any plan.
 */
#ifndef BASCULE_CORE_PLAN_H
#define BASCULE_CORE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/slots.h"
#include "core/spec.h"

enum bsc_step_kind {
    BSC_STEP_HOOK,   /* run a command */
    BSC_STEP_START,  /* start the candidate's instances */
    BSC_STEP_CHECK,  /* wait until enough of them are healthy */
    BSC_STEP_SPLIT,  /* give the candidate weight_bp of the traffic */
    BSC_STEP_BAKE,   /* watch the candidate for duration_ms */
    BSC_STEP_COMMIT, /* the candidate becomes stable; nothing later is undone */
    BSC_STEP_DRAIN,  /* wait until nothing is in flight in the slot */
    BSC_STEP_STOP,   /* stop the slot's instances */
    BSC_STEP_KIND_COUNT
};

enum bsc_step_state {
    BSC_STEP_PENDING,
    BSC_STEP_RUNNING,
    BSC_STEP_DONE,
    BSC_STEP_FAILED,
    BSC_STEP_SKIPPED,
    BSC_STEP_UNDOING,
    BSC_STEP_UNDONE,
    BSC_STEP_STATE_COUNT
};

enum bsc_undo {
    BSC_UNDO_NOTHING,
    BSC_UNDO_STOP,  /* drain and stop what START started */
    BSC_UNDO_SPLIT, /* all the traffic back to stable */
    BSC_UNDO_HOOK,  /* the hook's own undo command */
};

enum bsc_hook { BSC_HOOK_PRE_DEPLOY, BSC_HOOK_POST_PROMOTE, BSC_HOOK_COUNT };

struct bsc_step {
    enum bsc_step_kind kind;
    enum bsc_step_state state;
    enum bsc_undo undo;
    enum bsc_slot slot;  /* START, CHECK, SPLIT, BAKE, COMMIT: the candidate; DRAIN, STOP: which */
    enum bsc_hook hook;  /* HOOK */
    unsigned weight_bp;  /* SPLIT: the candidate's share */
    unsigned instances;  /* START: how many */
    int64_t duration_ms; /* BAKE */
    int64_t timeout_ms;  /* the step fails (DRAIN: goes on) after this; 0: no limit of its own */
};

enum { BSC_PLAN_STEPS_MAX = 32 };

struct bsc_plan {
    unsigned count;
    struct bsc_step steps[BSC_PLAN_STEPS_MAX];
};

enum bsc_plan_kind {
    BSC_PLAN_DEPLOY,   /* stage and switch in one */
    BSC_PLAN_STAGE,    /* ends `staged`, slot ready */
    BSC_PLAN_SWITCH,   /* from a ready slot */
    BSC_PLAN_ROLLBACK, /* to a standby slot whose instances run and are healthy */
    BSC_PLAN_REVERT,   /* to an old release that must be started again */
    BSC_PLAN_KIND_COUNT
};

/* Compiles the plan of `kind` for the release `spec` into the slot that is not live.
 * `occupied`: instances of another release still run there and must go first. */
enum bsc_status bsc_plan_compile(enum bsc_plan_kind kind, const struct bsc_spec *spec,
                                 const struct bsc_slots *now, bool occupied, struct bsc_plan *out,
                                 struct bsc_error *error) BSC_MUST_CHECK;

/* One line for people: "start 2 instances in green", "give green 100 % of the traffic". */
void bsc_step_describe(const struct bsc_step *step, char *out, size_t size);
void bsc_step_describe_undo(const struct bsc_step *step, char *out, size_t size); /* "" if none */

const char *bsc_step_kind_name(enum bsc_step_kind kind);    /* "start" */
const char *bsc_step_state_name(enum bsc_step_state state); /* "running" */
const char *bsc_plan_kind_name(enum bsc_plan_kind kind);    /* "deploy" */
const char *bsc_strategy_name(enum bsc_strategy strategy);  /* "blue-green" */
const char *bsc_hook_name(enum bsc_hook hook);              /* "pre_deploy" */
const char *bsc_undo_name(enum bsc_undo undo);
bool bsc_step_kind_parse(const char *name, enum bsc_step_kind *out);
bool bsc_step_state_parse(const char *name, enum bsc_step_state *out);
bool bsc_plan_kind_parse(const char *name, enum bsc_plan_kind *out);
bool bsc_strategy_parse(const char *name, enum bsc_strategy *out);
bool bsc_hook_parse(const char *name, enum bsc_hook *out);
bool bsc_undo_parse(const char *name, enum bsc_undo *out);

#endif
