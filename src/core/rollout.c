/* SPDX-License-Identifier: Apache-2.0
 * core/rollout.c - see rollout.h. */
#include "core/rollout.h"

#include <assert.h>
#include <string.h>

static const char *const status_names[BSC_ROLLOUT_STATUS_COUNT] = {
    [BSC_ROLLOUT_RUNNING] = "running",         [BSC_ROLLOUT_UNDOING] = "undoing",
    [BSC_ROLLOUT_PROMOTED] = "promoted",       [BSC_ROLLOUT_STAGED] = "staged",
    [BSC_ROLLOUT_ROLLED_BACK] = "rolled-back", [BSC_ROLLOUT_FAILED] = "failed",
    [BSC_ROLLOUT_CANCELLED] = "cancelled",     [BSC_ROLLOUT_SUPERSEDED] = "superseded",
};

static bool began(const struct bsc_step *step)
{
    return step->state == BSC_STEP_RUNNING || step->state == BSC_STEP_DONE ||
           step->state == BSC_STEP_FAILED;
}

static bool moved_traffic(const struct bsc_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++)
        if ((plan->steps[i].kind == BSC_STEP_SPLIT || plan->steps[i].kind == BSC_STEP_MATCH) &&
            began(&plan->steps[i]))
            return true;
    return false;
}

static void end(struct bsc_walk *walk, enum bsc_rollout_status status)
{
    walk->status = status;
    walk->paused = false;
}

static enum bsc_walk_action begin_step(struct bsc_walk *walk, struct bsc_plan *plan)
{
    while (walk->cursor < plan->count && plan->steps[walk->cursor].state == BSC_STEP_SKIPPED)
        walk->cursor++;
    if (bsc_walk_held(walk, plan))
        return BSC_ACT_HOLD;
    if (walk->cursor < plan->count) {
        plan->steps[walk->cursor].state = BSC_STEP_RUNNING;
        return BSC_ACT_STEP;
    }
    if (walk->status == BSC_ROLLOUT_RUNNING) /* no commit in this plan: it was a stage */
        end(walk, BSC_ROLLOUT_STAGED);
    return BSC_ACT_FINISH;
}

/* The next undo at or below the cursor, or the end. */
static enum bsc_walk_action undo_next(struct bsc_walk *walk, struct bsc_plan *plan)
{
    assert(walk->cursor < plan->count);
    for (unsigned i = walk->cursor + 1; i-- > 0;) {
        struct bsc_step *step = &plan->steps[i];
        if (!began(step) || step->undo == BSC_UNDO_NOTHING)
            continue;
        step->state = BSC_STEP_UNDOING;
        walk->cursor = i;
        return BSC_ACT_UNDO;
    }
    walk->cursor = 0;
    walk->status = walk->ending;
    return BSC_ACT_FINISH;
}

static enum bsc_walk_action turn_back(struct bsc_walk *walk, struct bsc_plan *plan,
                                      enum bsc_rollout_status ending)
{
    walk->status = BSC_ROLLOUT_UNDOING;
    walk->ending = ending;
    walk->paused = false;
    return undo_next(walk, plan);
}

static enum bsc_walk_action go_on(struct bsc_walk *walk, struct bsc_plan *plan, bool begin)
{
    walk->paused = false;
    return begin ? begin_step(walk, plan) : BSC_ACT_NOTHING;
}

/* What goes on only when time has passed, or somebody says so. */
static bool is_wait(const struct bsc_step *step)
{
    return bsc_step_watches(step) ||
           (step->kind == BSC_STEP_GATE && step->gate == BSC_GATE_APPROVAL);
}

/* Ends the wait that is under way; any other step ends by itself. */
static enum bsc_walk_action promote(struct bsc_walk *walk, struct bsc_plan *plan)
{
    struct bsc_step *step = &plan->steps[walk->cursor];
    bool waiting = is_wait(step), held = bsc_walk_held(walk, plan);
    if (waiting)
        step->state = BSC_STEP_SKIPPED;
    return go_on(walk, plan, waiting || held);
}

/* Of what gives the traffic in steps only the last one is left; what must follow it step by step,
 * because instances of the old version go meanwhile, stays. */
static enum bsc_walk_action promote_full(struct bsc_walk *walk, struct bsc_plan *plan)
{
    bool held = bsc_walk_held(walk, plan);
    for (unsigned i = walk->cursor; i < plan->count; i++) {
        struct bsc_step *step = &plan->steps[i];
        bool on_the_way = step->undo == BSC_UNDO_SPLIT && step->weight_bp < BSC_WEIGHT_FULL_BP;
        if (step->state == BSC_STEP_PENDING && (is_wait(step) || on_the_way))
            step->state = BSC_STEP_SKIPPED;
    }
    return held ? go_on(walk, plan, true) : promote(walk, plan);
}

static enum bsc_walk_action forward(struct bsc_walk *walk, struct bsc_plan *plan,
                                    enum bsc_walk_event event)
{
    struct bsc_step *step = &plan->steps[walk->cursor];
    switch (event) {
    case BSC_WALK_BEGIN:
        return begin_step(walk, plan);
    case BSC_WALK_DONE:
        if (bsc_walk_held(walk, plan)) /* it has not begun */
            break;
        step->state = BSC_STEP_DONE;
        if (step->kind == BSC_STEP_COMMIT)
            end(walk, BSC_ROLLOUT_PROMOTED);
        walk->cursor++;
        return begin_step(walk, plan);
    case BSC_WALK_FAIL: /* held: nothing of the step is there to be undone */
        if (!bsc_walk_held(walk, plan))
            step->state = BSC_STEP_FAILED;
        return turn_back(walk, plan,
                         moved_traffic(plan) ? BSC_ROLLOUT_ROLLED_BACK : BSC_ROLLOUT_FAILED);
    case BSC_WALK_CANCEL:
        return turn_back(walk, plan, BSC_ROLLOUT_CANCELLED);
    case BSC_WALK_ROLL_BACK:
        return turn_back(walk, plan, BSC_ROLLOUT_ROLLED_BACK);
    case BSC_WALK_PROMOTE:
        return promote(walk, plan);
    case BSC_WALK_PROMOTE_FULL:
        return promote_full(walk, plan);
    case BSC_WALK_PAUSE:
        walk->paused = true;
        break;
    case BSC_WALK_RESUME:
        return go_on(walk, plan, bsc_walk_held(walk, plan));
    case BSC_WALK_SUPERSEDE:
        return turn_back(walk, plan, BSC_ROLLOUT_SUPERSEDED);
    case BSC_WALK_CUT:
    case BSC_WALK_EVENT_COUNT:
        break;
    }
    return BSC_ACT_NOTHING;
}

/* All the traffic is back: that undid the earlier splits, too. */
static void undone_with(const struct bsc_walk *walk, struct bsc_plan *plan)
{
    for (unsigned i = 0; i < walk->cursor; i++)
        if (plan->steps[i].undo == BSC_UNDO_SPLIT && began(&plan->steps[i]))
            plan->steps[i].state = BSC_STEP_UNDONE;
}

static enum bsc_walk_action backward(struct bsc_walk *walk, struct bsc_plan *plan,
                                     enum bsc_walk_event event)
{
    struct bsc_step *step = &plan->steps[walk->cursor];
    switch (event) {
    case BSC_WALK_BEGIN:
        return BSC_ACT_UNDO;
    case BSC_WALK_DONE:
        step->state = BSC_STEP_UNDONE;
        if (step->undo == BSC_UNDO_SPLIT)
            undone_with(walk, plan);
        return undo_next(walk, plan);
    case BSC_WALK_FAIL: /* told by the engine; what is below must still be undone */
        step->state = BSC_STEP_SKIPPED;
        return undo_next(walk, plan);
    case BSC_WALK_ROLL_BACK:
        walk->ending = BSC_ROLLOUT_ROLLED_BACK;
        break;
    case BSC_WALK_CANCEL: /* nothing takes its place any more */
        if (walk->ending == BSC_ROLLOUT_SUPERSEDED)
            walk->ending = BSC_ROLLOUT_CANCELLED;
        break;
    default:
        break;
    }
    return BSC_ACT_NOTHING;
}

/* Behind the commit nothing is undone: a failed step is left failed and the next one begins. */
static enum bsc_walk_action tail(struct bsc_walk *walk, struct bsc_plan *plan,
                                 enum bsc_walk_event event)
{
    if (walk->cursor >= plan->count)
        return BSC_ACT_NOTHING;
    switch (event) {
    case BSC_WALK_BEGIN:
        return BSC_ACT_STEP;
    case BSC_WALK_DONE:
    case BSC_WALK_FAIL:
        plan->steps[walk->cursor].state = event == BSC_WALK_DONE ? BSC_STEP_DONE : BSC_STEP_FAILED;
        walk->cursor++;
        return begin_step(walk, plan);
    case BSC_WALK_CUT:
        for (; walk->cursor < plan->count; walk->cursor++)
            plan->steps[walk->cursor].state = BSC_STEP_SKIPPED;
        return BSC_ACT_FINISH;
    default:
        break;
    }
    return BSC_ACT_NOTHING;
}

enum bsc_walk_action bsc_walk_handle(struct bsc_walk *walk, struct bsc_plan *plan,
                                     enum bsc_walk_event event)
{
    switch (walk->status) {
    case BSC_ROLLOUT_RUNNING:
        return forward(walk, plan, event);
    case BSC_ROLLOUT_UNDOING:
        return backward(walk, plan, event);
    case BSC_ROLLOUT_PROMOTED:
        return tail(walk, plan, event);
    default:
        return BSC_ACT_NOTHING;
    }
}

bool bsc_rollout_ended(enum bsc_rollout_status status)
{
    return status != BSC_ROLLOUT_RUNNING && status != BSC_ROLLOUT_UNDOING;
}

bool bsc_walk_valid(const struct bsc_walk *walk, const struct bsc_plan *plan)
{
    if (walk->status == BSC_ROLLOUT_UNDOING)
        return walk->cursor < plan->count && bsc_rollout_ended(walk->ending);
    return walk->cursor < plan->count + (walk->status != BSC_ROLLOUT_RUNNING);
}

bool bsc_walk_over(const struct bsc_walk *walk, const struct bsc_plan *plan)
{
    if (walk->status == BSC_ROLLOUT_PROMOTED)
        return walk->cursor >= plan->count;
    return bsc_rollout_ended(walk->status);
}

bool bsc_walk_held(const struct bsc_walk *walk, const struct bsc_plan *plan)
{
    return walk->status == BSC_ROLLOUT_RUNNING && walk->paused && walk->cursor < plan->count &&
           plan->steps[walk->cursor].state == BSC_STEP_PENDING;
}

bool bsc_walk_matches(const struct bsc_walk *walk, const struct bsc_plan *plan)
{
    return walk->status == BSC_ROLLOUT_RUNNING && bsc_plan_matches(plan);
}

const char *bsc_rollout_status_name(enum bsc_rollout_status status)
{
    return status_names[status];
}

bool bsc_rollout_status_parse(const char *name, enum bsc_rollout_status *out)
{
    for (unsigned i = 0; i < BSC_ROLLOUT_STATUS_COUNT; i++)
        if (!strcmp(name, status_names[i])) {
            *out = (enum bsc_rollout_status)i;
            return true;
        }
    return false;
}
