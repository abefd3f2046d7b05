/* SPDX-License-Identifier: Apache-2.0
 * core/plan_worker.c - a service that the proxy sends nothing: a queue's consumer, a scheduler.
 *
 * start-first: start, check, bake, commit, stop the old. stop-first: stop the old, start, check,
 * bake, commit; its way back starts the old one again. No step moves traffic: the new version takes
 * over with the commit. An old worker does not stand by, for it would go on working.
 */
#include "core/plan_build.h"

void bsc_plan_worker(struct bsc_draft *draft)
{
    const struct bsc_plan_ask *ask = draft->ask;
    enum bsc_slot old = bsc_slot_other(draft->candidate);
    bool stop_first = ask->spec->deploy.order == BSC_ORDER_STOP_FIRST && ask->live;
    if (ask->kind != BSC_PLAN_SWITCH) {
        bsc_draft_together(draft, BSC_STEP_FOLLOW);
        bsc_draft_pre_deploy(draft);
        bsc_draft_vacate(draft);
        if (stop_first)
            bsc_draft_add(draft, BSC_STEP_STOP, old)->undo = BSC_UNDO_RESTART;
        bsc_draft_start(draft, draft->replicas, BSC_UNDO_STOP);
    }
    bsc_draft_check(draft);
    bsc_draft_gates(draft);
    if (ask->kind == BSC_PLAN_STAGE)
        return;
    bsc_draft_together(draft, BSC_STEP_MEET);
    bsc_draft_bake(draft);
    bsc_draft_together(draft, BSC_STEP_MEET);
    bsc_draft_add(draft, BSC_STEP_COMMIT, draft->candidate);
    if (!stop_first && ask->live)
        bsc_draft_add(draft, BSC_STEP_STOP, old);
    bsc_draft_post_promote(draft);
}
