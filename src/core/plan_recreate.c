/* SPDX-License-Identifier: Apache-2.0
 * core/plan_recreate.c - two versions never run at once; requests wait meanwhile.
 *
 * hold, drain the old, stop the old, start, check, split 100 %, resume, commit. The way back is the
 * same: the new one is stopped before the old one is started, and requests wait until it is
 * healthy. What prepares the new version (pre_deploy) runs when the old one is gone.
 */
#include "core/plan_build.h"

void bsc_plan_recreate(struct bsc_draft *draft)
{
    const struct bsc_deploy_spec *deploy = &draft->ask->spec->deploy;
    enum bsc_slot old = bsc_slot_other(draft->candidate);
    bsc_draft_vacate(draft);
    struct bsc_step *hold = bsc_draft_add(draft, BSC_STEP_HOLD, draft->candidate);
    hold->timeout_ms = deploy->switch_ms;
    hold->undo = BSC_UNDO_RESUME;
    draft->held = true;
    bsc_draft_add(draft, BSC_STEP_DRAIN, old)->timeout_ms = draft->ask->live->deploy.drain_ms;
    bsc_draft_add(draft, BSC_STEP_STOP, old)->undo = BSC_UNDO_RESTART;
    bsc_draft_pre_deploy(draft);
    bsc_draft_start(draft, draft->replicas, BSC_UNDO_STOP);
    bsc_draft_check(draft);
    bsc_draft_split(draft, BSC_WEIGHT_FULL_BP, BSC_UNDO_SPLIT);
    struct bsc_step *resume = bsc_draft_add(draft, BSC_STEP_RESUME, draft->candidate);
    resume->timeout_ms = deploy->switch_ms;
    resume->undo = BSC_UNDO_HOLD;
    bsc_draft_post_switch(draft);
    bsc_draft_bake(draft);
    bsc_draft_add(draft, BSC_STEP_COMMIT, draft->candidate);
    bsc_draft_post_promote(draft);
}
