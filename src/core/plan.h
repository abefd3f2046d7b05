/* SPDX-License-Identifier: Apache-2.0
 * core/plan.h - the steps that a rollout takes, each with its undo, compiled from a strategy.
 *
 * Pure: no clock, no I/O, no allocation. A strategy is a function from a specification and the
 * current slots to a plan; the engine executes any plan. Each has a file of its own: plan.c
 * (blue-green), plan_canary.c, plan_rolling.c, plan_recreate.c, plan_shadow.c, plan_ab.c; so has a
 * worker, plan_worker.c. plan_words.c has names and words.
 */
#ifndef BASCULE_CORE_PLAN_H
#define BASCULE_CORE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/slots.h"
#include "core/spec.h"

enum bsc_step_kind {
    BSC_STEP_HOOK,   /* run a command */
    BSC_STEP_START,  /* start `instances` of the candidate */
    BSC_STEP_CHECK,  /* wait until enough of them are healthy */
    BSC_STEP_SPLIT,  /* give the candidate weight_bp of the traffic */
    BSC_STEP_BAKE,   /* watch the candidate for duration_ms */
    BSC_STEP_TRIAL,  /* let users decide, for duration_ms at most */
    BSC_STEP_COMMIT, /* the candidate becomes stable; nothing later is undone */
    /* Wait until nothing is in flight in the slot; with `instances` so many of them are taken out
     * of the routing before, for good. */
    BSC_STEP_DRAIN,
    BSC_STEP_STOP,   /* stop the slot's instances; with `instances`, those just drained */
    BSC_STEP_HOLD,   /* requests wait in the proxy */
    BSC_STEP_RESUME, /* ... and go on */
    BSC_STEP_GATE,   /* what the gate `item` of the release asks for must be so */
    /* The candidate gets the requests that the release's match rules choose, and keeps them until
     * it gets all the traffic. */
    BSC_STEP_MATCH,
    BSC_STEP_MIRROR, /* copy weight_bp of the requests to the candidate for duration_ms */
    /* Of services that are released together (engine/group.c): */
    BSC_STEP_FOLLOW, /* wait until what the service depends on is found healthy */
    BSC_STEP_MEET,   /* wait until each of them stands at this step: they go on as one */
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
    BSC_UNDO_STOP,    /* drain and stop what START started, and all that was started later */
    BSC_UNDO_SPLIT,   /* all the traffic back to stable, that of match rules, too */
    BSC_UNDO_HOOK,    /* the hook's own undo command */
    BSC_UNDO_SHARE,   /* the share of the traffic back that was given with this step */
    BSC_UNDO_RESTART, /* what was drained or stopped of stable is started again and checked */
    BSC_UNDO_RESUME,  /* held requests go on */
    BSC_UNDO_HOLD,    /* requests wait again */
    BSC_UNDO_MIRROR,  /* nothing is copied any more */
    BSC_UNDO_COUNT
};

/* Their order is stored (bsc_once_bit): new ones come last. */
enum bsc_hook {
    BSC_HOOK_PRE_DEPLOY,
    BSC_HOOK_POST_PROMOTE,
    BSC_HOOK_POST_SWITCH,
    /* When a rollout is taken back: the undo of a step that does nothing by itself. Behind the
     * commit of a rollback it is a hook like the others, of the version that was left. */
    BSC_HOOK_ON_ROLLBACK,
    BSC_HOOK_COUNT
};

struct bsc_step {
    enum bsc_step_kind kind;
    enum bsc_step_state state;
    enum bsc_undo undo;
    enum bsc_slot slot; /* START, CHECK, SPLIT, BAKE, COMMIT: the candidate; DRAIN, STOP: which */
    enum bsc_hook hook; /* HOOK */
    enum bsc_gate_kind gate; /* GATE */
    unsigned item;           /* GATE: index in the list of the release's specification */
    unsigned weight_bp;  /* SPLIT: the candidate's share; MIRROR: how many requests are copied */
    unsigned instances;  /* START: how many more; DRAIN, STOP: how many go, 0: see there */
    int64_t duration_ms; /* BAKE, MIRROR, TRIAL */
    int64_t timeout_ms;  /* the step fails (DRAIN: goes on) after this; 0: no limit of its own */
};

enum { BSC_PLAN_STEPS_MAX = 160 };

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

/* What a plan is made of. */
struct bsc_plan_ask {
    enum bsc_plan_kind kind;
    const struct bsc_spec *spec; /* of the release */
    const struct bsc_spec *live; /* of the one that is live; NULL: none is */
    bool together;               /* with other services: all or none */
    bool routed;   /* by the file as it is now the proxy sends it requests: it is no worker */
    bool occupied; /* instances of another release are in the candidate's slot and must go first */
};

/* By which strategy. The first release of a service has nothing to be weighed against: it gets all
 * the traffic after its checks. An old release that must be started again comes as the one that
 * leaves was to be replaced: in batches, or with requests held, or at once. */
enum bsc_strategy bsc_plan_strategy(const struct bsc_plan_ask *ask);

/* Compiles the plan for a release into the slot that is not live. BSC_INVALID: the strategy can't
 * do that. */
enum bsc_status bsc_plan_compile(const struct bsc_plan_ask *ask, const struct bsc_slots *now,
                                 struct bsc_plan *out, struct bsc_error *error) BSC_MUST_CHECK;

/* How many instances of `slot` there should be now: steps that are done or under way count, those
 * that are undone do not. `whole`: of the slot's release, and so the number where the plan starts
 * and stops nothing. */
unsigned bsc_plan_instances(const struct bsc_plan *plan, enum bsc_slot slot, unsigned whole);
/* The share of the traffic that the candidate has when the step `index` is undone by SHARE. */
unsigned bsc_plan_share_before(const struct bsc_plan *plan, unsigned index);
/* Are the match rules in force now, by the steps that are done or under way? */
bool bsc_plan_matches(const struct bsc_plan *plan);
/* Does the step only watch the candidate, for a time of its own? Then `promote` ends it. */
bool bsc_step_watches(const struct bsc_step *step);
/* Has it come to the first place where services that are released together meet? */
bool bsc_plan_has_met(const struct bsc_plan *plan, unsigned cursor);
/* Are requests held now, by the steps that are done or under way? */
bool bsc_plan_holds(const struct bsc_plan *plan);
/* The step that copies requests to the candidate now; NULL: none does. */
const struct bsc_step *bsc_plan_mirror(const struct bsc_plan *plan);
/* Shall all that is in flight in `slot` end, by a step that is done or under way? */
bool bsc_plan_drains(const struct bsc_plan *plan, enum bsc_slot slot);
/* Has `slot` lost instances by steps that are done or under way? */
bool bsc_plan_reduces(const struct bsc_plan *plan, enum bsc_slot slot);

/* What there is when the step `index` is done, if all goes well. */
struct bsc_plan_capacity {
    unsigned instances[BSC_SLOT_COUNT];
    unsigned weight_bp; /* of the candidate ... */
    bool matched;       /* ... besides the requests that match rules choose */
    bool held;          /* requests wait */
};
struct bsc_plan_capacity bsc_plan_capacity_after(const struct bsc_plan *plan, unsigned index,
                                                 const unsigned whole[static BSC_SLOT_COUNT]);

/* One line for people: "start 2 instances in green", "give green 100 % of the traffic". */
void bsc_step_describe(const struct bsc_step *step, char *out, size_t size);
void bsc_step_describe_undo(const struct bsc_step *step, char *out, size_t size); /* "" if none */

const char *bsc_step_kind_name(enum bsc_step_kind kind);    /* "start" */
const char *bsc_step_state_name(enum bsc_step_state state); /* "running" */
const char *bsc_plan_kind_name(enum bsc_plan_kind kind);    /* "deploy" */
const char *bsc_strategy_name(enum bsc_strategy strategy);  /* "blue-green" */
const char *bsc_hook_name(enum bsc_hook hook);              /* "pre_deploy" */
const char *bsc_gate_kind_name(enum bsc_gate_kind kind);    /* "smoke" */
const char *bsc_undo_name(enum bsc_undo undo);
bool bsc_step_kind_parse(const char *name, enum bsc_step_kind *out);
bool bsc_step_state_parse(const char *name, enum bsc_step_state *out);
bool bsc_plan_kind_parse(const char *name, enum bsc_plan_kind *out);
bool bsc_strategy_parse(const char *name, enum bsc_strategy *out);
bool bsc_hook_parse(const char *name, enum bsc_hook *out);
bool bsc_gate_kind_parse(const char *name, enum bsc_gate_kind *out);
bool bsc_undo_parse(const char *name, enum bsc_undo *out);

#endif
