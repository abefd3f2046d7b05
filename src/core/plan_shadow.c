/* SPDX-License-Identifier: Apache-2.0
 * core/plan_shadow.c - the candidate gets copies of requests, and its answers go nowhere.
 *
 * start, check, mirror, and then what blue-green or a canary does; or no more: it stays staged.
 */
#include "core/plan_build.h"

static void mirror(struct bsc_draft *draft)
{
    const struct bsc_shadow_spec *shadow = &draft->ask->spec->deploy.shadow;
    struct bsc_step *step = bsc_draft_add(draft, BSC_STEP_MIRROR, draft->candidate);
    step->weight_bp = shadow->share_bp;
    step->duration_ms = shadow->duration_ms;
    step->undo = BSC_UNDO_MIRROR;
}

/* What was staged has been shown them already. */
void bsc_plan_shadow(struct bsc_draft *draft)
{
    enum bsc_plan_kind kind = draft->ask->kind;
    enum bsc_after_shadow then = draft->ask->spec->deploy.shadow.then;
    if (kind != BSC_PLAN_SWITCH) {
        bsc_draft_pre_deploy(draft);
        bsc_draft_vacate(draft);
        bsc_draft_start(draft, draft->replicas, BSC_UNDO_STOP);
    }
    bsc_draft_check(draft);
    if (kind != BSC_PLAN_SWITCH)
        mirror(draft);
    if (kind == BSC_PLAN_STAGE || (kind == BSC_PLAN_DEPLOY && then == BSC_AFTER_STOP))
        return;
    if (then == BSC_AFTER_CANARY)
        bsc_plan_canary_from(draft, draft->replicas);
    else
        bsc_draft_switch(draft);
}
