/* SPDX-License-Identifier: Apache-2.0
 * core/plan_build.h - what the strategies make their plans with; see plan.h. For core only.
 */
#ifndef BASCULE_CORE_PLAN_BUILD_H
#define BASCULE_CORE_PLAN_BUILD_H

#include "core/plan.h"

/* A plan in the making. `candidate` is where the release goes. */
struct bsc_draft {
    const struct bsc_plan_ask *ask;
    enum bsc_slot candidate;
    unsigned replicas; /* of the release, in that slot */
    bool opened;       /* it has passed the gates before any traffic */
    bool held;         /* requests wait: what can wait for them to go on comes then */
    struct bsc_plan *plan;
};

/* Room for so many more steps, besides those that end a plan? */
bool bsc_draft_has_room(const struct bsc_draft *draft, unsigned steps);
struct bsc_step *bsc_draft_add(struct bsc_draft *draft, enum bsc_step_kind kind,
                               enum bsc_slot slot);

void bsc_draft_pre_deploy(struct bsc_draft *draft);
void bsc_draft_post_switch(struct bsc_draft *draft);
void bsc_draft_post_promote(struct bsc_draft *draft);
/* Where the service waits for those that it is released with; no step when it is released alone. */
void bsc_draft_together(struct bsc_draft *draft, enum bsc_step_kind kind);
/* What another release left in the candidate's slot goes. */
void bsc_draft_vacate(struct bsc_draft *draft);
void bsc_draft_start(struct bsc_draft *draft, unsigned instances, enum bsc_undo undo);
void bsc_draft_check(struct bsc_draft *draft);
/* The gates before it come with it, and the hook after the whole of the traffic. */
void bsc_draft_split(struct bsc_draft *draft, unsigned weight_bp, enum bsc_undo undo);
void bsc_draft_match(struct bsc_draft *draft);
/* Watched after a split, as long as the release says. Nothing came before the first one, and what
 * comes back was watched once. */
void bsc_draft_bake(struct bsc_draft *draft);
/* all the traffic, bake, commit */
void bsc_draft_switch(struct bsc_draft *draft);
/* commit, drain the old version, stop it where it is not to stand by */
void bsc_draft_commit(struct bsc_draft *draft);

void bsc_plan_canary(struct bsc_draft *draft);
/* The same from where `running` instances have been started and checked. */
void bsc_plan_canary_from(struct bsc_draft *draft, unsigned running);
enum bsc_status bsc_plan_rolling(struct bsc_draft *draft, struct bsc_error *error) BSC_MUST_CHECK;
void bsc_plan_recreate(struct bsc_draft *draft);
void bsc_plan_shadow(struct bsc_draft *draft);
enum bsc_status bsc_plan_ab(struct bsc_draft *draft, struct bsc_error *error) BSC_MUST_CHECK;
void bsc_draft_gates(struct bsc_draft *draft); /* all, of what gets no traffic */
void bsc_plan_worker(struct bsc_draft *draft);

#endif
