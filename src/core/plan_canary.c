/* SPDX-License-Identifier: Apache-2.0
 * core/plan_canary.c - the candidate gets the traffic in steps, and is watched after each.
 *
 * start n, check, (match, bake), (split w, bake)x, start N, check, split 100 %, bake, commit, drain
 * the old. With match rules the users that they choose come first, with one instance where these
 * grow with the share. Those that a step needs are started and checked before it.
 */
#include "core/plan_build.h"

enum { LEAST_BP = 1 };

static unsigned instances_for(const struct bsc_draft *draft, unsigned weight_bp)
{
    const struct bsc_deploy_spec *deploy = &draft->ask->spec->deploy;
    unsigned count = draft->replicas;
    if (weight_bp == BSC_WEIGHT_FULL_BP || deploy->scale == BSC_SCALE_FULL)
        return count;
    if (deploy->scale == BSC_SCALE_MATCH)
        return (unsigned)(((uint64_t)count * weight_bp + BSC_WEIGHT_FULL_BP - 1) /
                          BSC_WEIGHT_FULL_BP);
    return deploy->scale_instances < count ? deploy->scale_instances : count;
}

/* The first start's undo stops all of them, when the traffic is back already. */
static void grow(struct bsc_draft *draft, unsigned *running, unsigned weight_bp)
{
    unsigned wanted = instances_for(draft, weight_bp);
    if (wanted <= *running)
        return;
    bsc_draft_start(draft, wanted - *running, *running ? BSC_UNDO_NOTHING : BSC_UNDO_STOP);
    bsc_draft_check(draft);
    *running = wanted;
}

void bsc_plan_canary_from(struct bsc_draft *draft, unsigned running)
{
    const struct bsc_deploy_spec *deploy = &draft->ask->spec->deploy;
    const struct bsc_canary_steps *steps = &deploy->steps;
    if (deploy->match.count) {
        grow(draft, &running, LEAST_BP);
        bsc_draft_match(draft);
        bsc_draft_bake(draft);
    }
    for (unsigned i = 0; i <= steps->count; i++) {
        unsigned weight_bp = i < steps->count ? steps->weight_bp[i] : BSC_WEIGHT_FULL_BP;
        grow(draft, &running, weight_bp);
        bsc_draft_split(draft, weight_bp, BSC_UNDO_SPLIT);
        bsc_draft_bake(draft);
    }
    bsc_draft_commit(draft);
}

void bsc_plan_canary(struct bsc_draft *draft)
{
    unsigned running = 0;
    if (draft->ask->kind == BSC_PLAN_SWITCH) { /* what was staged is there in whole */
        bsc_draft_check(draft);
        running = draft->replicas;
    } else {
        bsc_draft_pre_deploy(draft);
        bsc_draft_vacate(draft);
    }
    bsc_plan_canary_from(draft, running);
}
