/* SPDX-License-Identifier: Apache-2.0
 * core/plan.c - see plan.h. Blue-green, what all strategies share, and what a plan comes to. */
#include "core/plan.h"

#include <assert.h>

#include "core/plan_build.h"

/* gates, hook; commit, drain, stop, hook */
enum { TAIL_STEPS = BSC_GATES_MAX + 5 };

bool bsc_draft_has_room(const struct bsc_draft *draft, unsigned steps)
{
    return draft->plan->count + steps + TAIL_STEPS <= BSC_PLAN_STEPS_MAX;
}

struct bsc_step *bsc_draft_add(struct bsc_draft *draft, enum bsc_step_kind kind, enum bsc_slot slot)
{
    struct bsc_plan *plan = draft->plan;
    assert(plan->count < BSC_PLAN_STEPS_MAX);
    struct bsc_step *step = &plan->steps[plan->count++];
    *step = (struct bsc_step){ .kind = kind, .slot = slot };
    return step;
}

static bool has_command(const struct bsc_command *command)
{
    return command->shell || command->argv.count;
}

static struct bsc_step *add_hook(struct bsc_draft *draft, enum bsc_hook hook,
                                 const struct bsc_hook_spec *spec)
{
    struct bsc_step *step = bsc_draft_add(draft, BSC_STEP_HOOK, draft->candidate);
    step->hook = hook;
    step->timeout_ms = spec->timeout_ms;
    step->undo = has_command(&spec->undo) ? BSC_UNDO_HOOK : BSC_UNDO_NOTHING;
    return step;
}

/* A release that comes back was deployed before: nothing is migrated for it. */
static bool comes_back(const struct bsc_plan_ask *ask)
{
    return ask->kind == BSC_PLAN_ROLLBACK || ask->kind == BSC_PLAN_REVERT;
}

static void add_forward_hook(struct bsc_draft *draft, enum bsc_hook hook,
                             const struct bsc_hook_spec *spec)
{
    if (has_command(&spec->command) && !comes_back(draft->ask))
        (void)add_hook(draft, hook, spec);
}

void bsc_draft_pre_deploy(struct bsc_draft *draft)
{
    add_forward_hook(draft, BSC_HOOK_PRE_DEPLOY, &draft->ask->spec->deploy.pre_deploy);
}

void bsc_draft_post_switch(struct bsc_draft *draft)
{
    add_forward_hook(draft, BSC_HOOK_POST_SWITCH, &draft->ask->spec->deploy.post_switch);
}

/* A rollback is done here: the version that is left says what follows from that. */
void bsc_draft_post_promote(struct bsc_draft *draft)
{
    add_forward_hook(draft, BSC_HOOK_POST_PROMOTE, &draft->ask->spec->deploy.post_promote);
    const struct bsc_spec *left = comes_back(draft->ask) ? draft->ask->live : NULL;
    if (left && has_command(&left->deploy.on_rollback.command))
        (void)add_hook(draft, BSC_HOOK_ON_ROLLBACK, &left->deploy.on_rollback);
}

/* The first step, so that all else is back when it is undone. */
static void add_on_rollback(struct bsc_draft *draft)
{
    const struct bsc_hook_spec *hook = &draft->ask->spec->deploy.on_rollback;
    if (has_command(&hook->command) && !comes_back(draft->ask))
        add_hook(draft, BSC_HOOK_ON_ROLLBACK, hook)->undo = BSC_UNDO_HOOK;
}

void bsc_draft_together(struct bsc_draft *draft, enum bsc_step_kind kind)
{
    if (draft->ask->together)
        bsc_draft_add(draft, kind, draft->candidate);
}

void bsc_draft_vacate(struct bsc_draft *draft)
{
    if (draft->ask->occupied)
        bsc_draft_add(draft, BSC_STEP_STOP, draft->candidate);
}

void bsc_draft_start(struct bsc_draft *draft, unsigned instances, enum bsc_undo undo)
{
    struct bsc_step *start = bsc_draft_add(draft, BSC_STEP_START, draft->candidate);
    start->instances = instances;
    start->timeout_ms = draft->ask->spec->health.deadline_ms;
    start->undo = undo;
}

void bsc_draft_check(struct bsc_draft *draft)
{
    bsc_draft_add(draft, BSC_STEP_CHECK, draft->candidate)->timeout_ms =
        draft->ask->spec->health.deadline_ms;
}

/* What comes back was let through before. What is staged passes all but the approvals: those are
 * for the traffic. */
static void add_gates(struct bsc_draft *draft, enum bsc_gate_when when)
{
    const struct bsc_gates *gates = &draft->ask->spec->deploy.gates;
    bool stage = draft->ask->kind == BSC_PLAN_STAGE;
    for (unsigned i = 0; i < gates->count && !comes_back(draft->ask); i++) {
        if (gates->items[i].when != when || (stage && gates->items[i].kind == BSC_GATE_APPROVAL))
            continue;
        struct bsc_step *step = bsc_draft_add(draft, BSC_STEP_GATE, draft->candidate);
        step->gate = gates->items[i].kind;
        step->item = i;
        step->timeout_ms = gates->items[i].timeout_ms;
    }
}

void bsc_draft_gates(struct bsc_draft *draft)
{
    add_gates(draft, BSC_GATE_BEFORE_SWITCH);
    if (draft->ask->kind != BSC_PLAN_STAGE)
        add_gates(draft, BSC_GATE_BEFORE_FULL);
}

static void open_to_traffic(struct bsc_draft *draft)
{
    if (!draft->opened)
        add_gates(draft, BSC_GATE_BEFORE_SWITCH);
    draft->opened = true;
}

void bsc_draft_split(struct bsc_draft *draft, unsigned weight_bp, enum bsc_undo undo)
{
    open_to_traffic(draft);
    if (weight_bp == BSC_WEIGHT_FULL_BP)
        add_gates(draft, BSC_GATE_BEFORE_FULL);
    bsc_draft_together(draft, BSC_STEP_MEET); /* with nothing left that one could wait for */
    struct bsc_step *split = bsc_draft_add(draft, BSC_STEP_SPLIT, draft->candidate);
    split->weight_bp = weight_bp;
    split->timeout_ms = draft->ask->spec->deploy.switch_ms;
    split->undo = undo;
    if (weight_bp == BSC_WEIGHT_FULL_BP && !draft->held)
        bsc_draft_post_switch(draft);
}

void bsc_draft_match(struct bsc_draft *draft)
{
    open_to_traffic(draft);
    struct bsc_step *match = bsc_draft_add(draft, BSC_STEP_MATCH, draft->candidate);
    match->timeout_ms = draft->ask->spec->deploy.switch_ms;
    match->undo = BSC_UNDO_SPLIT;
}

/* Does it end like a canary? */
static bool in_steps(const struct bsc_plan_ask *ask)
{
    enum bsc_strategy strategy = bsc_plan_strategy(ask);
    return strategy == BSC_STRATEGY_CANARY ||
           (strategy == BSC_STRATEGY_SHADOW && ask->spec->deploy.shadow.then == BSC_AFTER_CANARY);
}

/* Where all users have moved, long enough for the judge to see what is plainly worse; between the
 * batches of a rolling release nobody waits. A canary's step that nobody watches would be none. */
static int64_t time_to_watch(const struct bsc_draft *draft, int64_t wanted_ms)
{
    static const int64_t whole_ms = 10000, step_ms = 30000;
    if (in_steps(draft->ask))
        return wanted_ms > 0 ? wanted_ms : step_ms;
    if (wanted_ms != BSC_BAKE_AUTO)
        return wanted_ms;
    bool whole = bsc_spec_is_worker(draft->ask->spec) || /* no split gives it its work */
                 bsc_plan_share_before(draft->plan, draft->plan->count) == BSC_WEIGHT_FULL_BP;
    return whole ? whole_ms : 0;
}

void bsc_draft_bake(struct bsc_draft *draft)
{
    int64_t duration_ms = time_to_watch(draft, draft->ask->spec->deploy.bake_ms);
    if (duration_ms && draft->ask->live && !comes_back(draft->ask))
        bsc_draft_add(draft, BSC_STEP_BAKE, draft->candidate)->duration_ms = duration_ms;
}

void bsc_draft_commit(struct bsc_draft *draft)
{
    const struct bsc_deploy_spec *deploy = &draft->ask->spec->deploy;
    enum bsc_slot old = bsc_slot_other(draft->candidate);
    bsc_draft_add(draft, BSC_STEP_COMMIT, draft->candidate);
    bsc_draft_add(draft, BSC_STEP_DRAIN, old)->timeout_ms = deploy->drain_ms;
    if (!deploy->standby_ms)
        bsc_draft_add(draft, BSC_STEP_STOP, old);
    bsc_draft_post_promote(draft);
}

void bsc_draft_switch(struct bsc_draft *draft)
{
    bsc_draft_split(draft, BSC_WEIGHT_FULL_BP, BSC_UNDO_SPLIT);
    bsc_draft_bake(draft);
    bsc_draft_together(draft, BSC_STEP_MEET);
    bsc_draft_commit(draft);
}

/* hook, start, check, split 100 %, bake, commit, drain the old, hook. Together with other services:
 * before all of it wait for those that it depends on, before split and commit for all. */
static void compile_blue_green(struct bsc_draft *draft)
{
    enum bsc_plan_kind kind = draft->ask->kind;
    if (kind != BSC_PLAN_SWITCH && kind != BSC_PLAN_ROLLBACK) {
        bsc_draft_together(draft, BSC_STEP_FOLLOW);
        bsc_draft_pre_deploy(draft);
        bsc_draft_vacate(draft);
        bsc_draft_start(draft, draft->replicas, BSC_UNDO_STOP);
    }
    if (kind != BSC_PLAN_ROLLBACK)
        bsc_draft_check(draft);
    if (kind == BSC_PLAN_STAGE) {
        add_gates(draft, BSC_GATE_BEFORE_SWITCH);
        return;
    }
    bsc_draft_switch(draft);
}

enum bsc_strategy bsc_plan_strategy(const struct bsc_plan_ask *ask)
{
    if (!ask->live)
        return BSC_STRATEGY_BLUE_GREEN;
    enum bsc_strategy wanted = ask->spec->deploy.strategy, leaves = ask->live->deploy.strategy;
    switch (ask->kind) {
    case BSC_PLAN_ROLLBACK: /* both run */
        return BSC_STRATEGY_BLUE_GREEN;
    case BSC_PLAN_REVERT:
        if (wanted == BSC_STRATEGY_RECREATE || leaves == BSC_STRATEGY_RECREATE)
            return BSC_STRATEGY_RECREATE;
        return leaves == BSC_STRATEGY_ROLLING ? leaves : BSC_STRATEGY_BLUE_GREEN;
    default:
        return wanted;
    }
}

static bool has_approval(const struct bsc_spec *spec)
{
    for (unsigned i = 0; i < spec->deploy.gates.count; i++)
        if (spec->deploy.gates.items[i].kind == BSC_GATE_APPROVAL)
            return true;
    return false;
}

/* Both versions are such. What stands by with all that it needs is gone back to at once. */
static bool works(const struct bsc_plan_ask *ask, enum bsc_strategy strategy)
{
    return !ask->routed && bsc_spec_is_worker(ask->spec) &&
           (!ask->live || bsc_spec_is_worker(ask->live)) && strategy == BSC_STRATEGY_BLUE_GREEN &&
           ask->kind != BSC_PLAN_ROLLBACK;
}

static enum bsc_status compile(struct bsc_draft *draft, struct bsc_error *error)
{
    const struct bsc_plan_ask *ask = draft->ask;
    enum bsc_strategy strategy = bsc_plan_strategy(ask);
    bool in_place = strategy == BSC_STRATEGY_ROLLING || strategy == BSC_STRATEGY_RECREATE;
    if (in_place && ask->kind == BSC_PLAN_STAGE)
        return bsc_error_set(error, BSC_INVALID,
                             "a release by %s replaces the instances that run, so nothing can be "
                             "staged beside them: deploy it, or with another strategy",
                             bsc_strategy_name(strategy));
    if (strategy == BSC_STRATEGY_RECREATE && !comes_back(ask) && has_approval(ask->spec))
        return bsc_error_set(error, BSC_INVALID,
                             "a version that is recreated can't wait for an approval: requests "
                             "would wait with it");
    if (ask->together && strategy != BSC_STRATEGY_BLUE_GREEN)
        return bsc_error_set(error, BSC_INVALID,
                             "services that are released together change over at once, which is "
                             "blue-green, and this release is by %s: deploy.strategy in the file, "
                             "or --strategy blue-green",
                             bsc_strategy_name(strategy));
    if (works(ask, strategy) && ask->kind == BSC_PLAN_STAGE &&
        ask->spec->deploy.order == BSC_ORDER_STOP_FIRST)
        return bsc_error_set(error, BSC_INVALID,
                             "a worker that is replaced stop-first never runs beside the old "
                             "version, so nothing can be staged: deploy it");
    if (works(ask, strategy)) {
        bsc_plan_worker(draft);
        return BSC_OK;
    }
    if (strategy == BSC_STRATEGY_CANARY && ask->kind != BSC_PLAN_STAGE)
        bsc_plan_canary(draft);
    else if (strategy == BSC_STRATEGY_SHADOW)
        bsc_plan_shadow(draft);
    else if (strategy == BSC_STRATEGY_RECREATE && ask->kind != BSC_PLAN_SWITCH)
        bsc_plan_recreate(draft);
    else if (strategy == BSC_STRATEGY_AB && ask->kind != BSC_PLAN_STAGE)
        return bsc_plan_ab(draft, error);
    else if (strategy == BSC_STRATEGY_ROLLING && ask->kind != BSC_PLAN_SWITCH)
        return bsc_plan_rolling(draft, error);
    else
        compile_blue_green(draft);
    return BSC_OK;
}

enum bsc_status bsc_plan_compile(const struct bsc_plan_ask *ask, const struct bsc_slots *now,
                                 struct bsc_plan *out, struct bsc_error *error)
{
    static const enum bsc_slot_event wanted[BSC_PLAN_KIND_COUNT] = {
        [BSC_PLAN_DEPLOY] = BSC_SLOT_DEPLOY, [BSC_PLAN_STAGE] = BSC_SLOT_DEPLOY,
        [BSC_PLAN_SWITCH] = BSC_SLOT_SWITCH, [BSC_PLAN_ROLLBACK] = BSC_SLOT_ROLLBACK,
        [BSC_PLAN_REVERT] = BSC_SLOT_DEPLOY,
    };
    enum bsc_status status = bsc_slots_can(now, wanted[ask->kind], error);
    if (status != BSC_OK)
        return status;
    *out = (struct bsc_plan){ 0 };
    struct bsc_draft draft = { .ask = ask, .candidate = bsc_slots_staging(now), .plan = out };
    draft.replicas = bsc_spec_instances(ask->spec, draft.candidate);
    add_on_rollback(&draft);
    return compile(&draft, error);
}

/* Its effect holds: it is done or under way, and nothing took it back. */
static bool in_force(const struct bsc_step *step)
{
    return step->state == BSC_STEP_RUNNING || step->state == BSC_STEP_DONE ||
           step->state == BSC_STEP_FAILED;
}

/* What a step makes of the number of its slot's instances. */
static unsigned count_after(const struct bsc_step *step, unsigned count)
{
    switch (step->kind) {
    case BSC_STEP_START:
        return count + step->instances;
    case BSC_STEP_DRAIN: /* of all: they go on running */
        return count > step->instances ? count - step->instances : 0;
    case BSC_STEP_STOP: /* with a number: the drain has counted them */
        return step->instances ? count : 0;
    default:
        return count;
    }
}

static unsigned count_before(const struct bsc_plan *plan, enum bsc_slot slot, unsigned whole)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == BSC_STEP_START && plan->steps[i].slot == slot)
            return 0;
    return whole;
}

unsigned bsc_plan_instances(const struct bsc_plan *plan, enum bsc_slot slot, unsigned whole)
{
    unsigned count = count_before(plan, slot, whole);
    for (unsigned i = 0; i < plan->count; i++) {
        const struct bsc_step *step = &plan->steps[i];
        if (step->slot != slot || count_after(step, count) == count)
            continue;
        if (!in_force(step))
            break; /* what comes later of the slot is undone with it */
        count = count_after(step, count);
    }
    return count;
}

/* Whether match rules are in force after a step. */
static bool matched_after(const struct bsc_step *step, bool matched)
{
    if (step->kind == BSC_STEP_SPLIT && step->weight_bp == BSC_WEIGHT_FULL_BP)
        return false;
    return matched || step->kind == BSC_STEP_MATCH;
}

bool bsc_plan_drains(const struct bsc_plan *plan, enum bsc_slot slot)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct bsc_step *step = &plan->steps[i];
        if (step->kind == BSC_STEP_DRAIN && step->slot == slot && !step->instances &&
            in_force(step))
            return true;
    }
    return false;
}

bool bsc_plan_reduces(const struct bsc_plan *plan, enum bsc_slot slot)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct bsc_step *step = &plan->steps[i];
        if (step->slot == slot && in_force(step) &&
            (step->kind == BSC_STEP_STOP || (step->kind == BSC_STEP_DRAIN && step->instances)))
            return true;
    }
    return false;
}

unsigned bsc_plan_share_before(const struct bsc_plan *plan, unsigned index)
{
    while (index-- > 0)
        if (plan->steps[index].kind == BSC_STEP_SPLIT)
            return plan->steps[index].weight_bp;
    return 0;
}

bool bsc_plan_matches(const struct bsc_plan *plan)
{
    bool matched = false;
    for (unsigned i = 0; i < plan->count; i++)
        if (in_force(&plan->steps[i]))
            matched = matched_after(&plan->steps[i], matched);
    return matched;
}

bool bsc_step_watches(const struct bsc_step *step)
{
    return step->kind == BSC_STEP_BAKE || step->kind == BSC_STEP_MIRROR ||
           step->kind == BSC_STEP_TRIAL;
}

const struct bsc_step *bsc_plan_mirror(const struct bsc_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == BSC_STEP_MIRROR && plan->steps[i].state == BSC_STEP_RUNNING)
            return &plan->steps[i];
    return NULL;
}

bool bsc_plan_has_met(const struct bsc_plan *plan, unsigned cursor)
{
    for (unsigned i = 0; i < plan->count && i <= cursor; i++)
        if (plan->steps[i].kind == BSC_STEP_MEET)
            return true;
    return false;
}

bool bsc_plan_holds(const struct bsc_plan *plan)
{
    bool held = false;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct bsc_step *step = &plan->steps[i];
        if (step->kind == BSC_STEP_HOLD && in_force(step))
            held = true;
        if (step->kind == BSC_STEP_RESUME && in_force(step))
            held = false;
    }
    return held;
}

struct bsc_plan_capacity bsc_plan_capacity_after(const struct bsc_plan *plan, unsigned index,
                                                 const unsigned whole[static BSC_SLOT_COUNT])
{
    struct bsc_plan_capacity capacity = { 0 };
    assert(index < plan->count);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++)
        capacity.instances[slot] = count_before(plan, (enum bsc_slot)slot, whole[slot]);
    for (unsigned i = 0; i <= index; i++) {
        const struct bsc_step *step = &plan->steps[i];
        capacity.instances[step->slot] = count_after(step, capacity.instances[step->slot]);
        if (step->kind == BSC_STEP_SPLIT)
            capacity.weight_bp = step->weight_bp;
        capacity.matched = matched_after(step, capacity.matched);
        if (step->kind == BSC_STEP_HOLD || step->kind == BSC_STEP_RESUME)
            capacity.held = step->kind == BSC_STEP_HOLD;
    }
    return capacity;
}
