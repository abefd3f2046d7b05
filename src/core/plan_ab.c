/* SPDX-License-Identifier: Apache-2.0
 * core/plan_ab.c - users are divided between the versions, and what they do decides.
 *
 * start, check, split by user, trial, split to the winner, bake, commit, drain the old. That the
 * old version wins, or nobody, fails the trial, and its way back gives the old one all the traffic.
 */
#include "core/plan_build.h"

enum bsc_status bsc_plan_ab(struct bsc_draft *draft, struct bsc_error *error)
{
    const struct bsc_spec *spec = draft->ask->spec;
    const struct bsc_ab_spec *ab = &spec->deploy.ab;
    const struct bsc_affinity_spec *affinity = &spec->traffic.affinity;
    if (!affinity->cookie && !affinity->header)
        return bsc_error_set(error, BSC_INVALID,
                             "the strategy ab divides users, and nothing says who they are: "
                             "affinity.cookie or affinity.header is missing");
    if (!ab->goal_count && !ab->value_header)
        return bsc_error_set(error, BSC_INVALID,
                             "the strategy ab needs something to decide by: deploy.ab.goals or "
                             "deploy.ab.value is missing");
    if (draft->ask->kind != BSC_PLAN_SWITCH) { /* what was staged is there */
        bsc_draft_pre_deploy(draft);
        bsc_draft_vacate(draft);
        bsc_draft_start(draft, draft->replicas, BSC_UNDO_STOP);
    }
    bsc_draft_check(draft);
    bsc_draft_split(draft, ab->share_bp, BSC_UNDO_SPLIT);
    bsc_draft_add(draft, BSC_STEP_TRIAL, draft->candidate)->duration_ms = ab->duration_ms;
    bsc_draft_split(draft, BSC_WEIGHT_FULL_BP, BSC_UNDO_SPLIT);
    bsc_draft_bake(draft);
    bsc_draft_commit(draft);
    return BSC_OK;
}
