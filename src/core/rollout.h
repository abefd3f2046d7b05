/* SPDX-License-Identifier: Apache-2.0
 * core/rollout.h - where a rollout stands in its plan, and what comes next.
 *
 * Pure. A rollout walks its plan forwards; on a failure, an abort or a rollback it walks back over
 * the undos, and ends in exactly one terminal status. `commit` is the border: behind it nothing is
 * undone, and the rollout is promoted while its tail (drain, stop, hook) still runs. While it is
 * paused the step under way ends, and the next one is not begun; the way back is never paused.
 */
#ifndef BASCULE_CORE_ROLLOUT_H
#define BASCULE_CORE_ROLLOUT_H

#include "core/plan.h"

enum bsc_rollout_status {
    BSC_ROLLOUT_RUNNING,
    BSC_ROLLOUT_UNDOING,
    BSC_ROLLOUT_PROMOTED,
    BSC_ROLLOUT_STAGED,
    BSC_ROLLOUT_ROLLED_BACK,
    BSC_ROLLOUT_FAILED,
    BSC_ROLLOUT_CANCELLED,
    BSC_ROLLOUT_SUPERSEDED,
    BSC_ROLLOUT_STATUS_COUNT
};

struct bsc_walk {
    enum bsc_rollout_status status;
    enum bsc_rollout_status ending; /* while UNDOING: what it will end as */
    unsigned cursor;                /* index of the current step; plan.count when all are done */
    bool paused;                    /* while RUNNING: a step that is PENDING at the cursor waits */
};

enum bsc_walk_event {
    BSC_WALK_BEGIN,     /* the rollout starts */
    BSC_WALK_DONE,      /* the current step, or its undo, is done */
    BSC_WALK_FAIL,      /* the current step failed */
    BSC_WALK_CANCEL,    /* abort was asked for */
    BSC_WALK_ROLL_BACK, /* rollback was asked for */
    BSC_WALK_CUT,       /* a new rollout wants to begin: leave the tail */
    /* The wait under way, a watching or an approval, is ended: on with the next step. */
    BSC_WALK_PROMOTE,
    /* The same, and no more of it: the candidate gets all the traffic when it is large enough. */
    BSC_WALK_PROMOTE_FULL,
    BSC_WALK_PAUSE,
    BSC_WALK_RESUME,
    BSC_WALK_SUPERSEDE, /* a newer version is to take its place: it is taken back for that */
    BSC_WALK_EVENT_COUNT
};

enum bsc_walk_action {
    BSC_ACT_NOTHING,
    BSC_ACT_STEP,   /* begin the step at the cursor */
    BSC_ACT_UNDO,   /* begin the undo of the step at the cursor */
    BSC_ACT_HOLD,   /* paused: the step at the cursor is not begun */
    BSC_ACT_FINISH, /* the walk is over; status is terminal */
};

/* Advances. Marks the steps' states in `plan`. Events without meaning here change nothing. */
enum bsc_walk_action bsc_walk_handle(struct bsc_walk *walk, struct bsc_plan *plan,
                                     enum bsc_walk_event event);

/* Terminal for the one who waits: promoted counts although its tail may still run. */
bool bsc_rollout_ended(enum bsc_rollout_status status);
/* Whether a walk along `plan` can stand like this: for what comes from outside. */
bool bsc_walk_valid(const struct bsc_walk *walk, const struct bsc_plan *plan);
/* Nothing left to do, tail included. */
bool bsc_walk_over(const struct bsc_walk *walk, const struct bsc_plan *plan);

/* Paused between two steps: the one at the cursor has not begun. */
bool bsc_walk_held(const struct bsc_walk *walk, const struct bsc_plan *plan);

/* Are match rules in force? Never on the way back, nor behind the commit. */
bool bsc_walk_matches(const struct bsc_walk *walk, const struct bsc_plan *plan);

const char *bsc_rollout_status_name(enum bsc_rollout_status status); /* "rolled-back" */
bool bsc_rollout_status_parse(const char *name, enum bsc_rollout_status *out);

#endif
