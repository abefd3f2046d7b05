/* SPDX-License-Identifier: Apache-2.0
 * engine/step_trial.c - an A/B test as a step: until users decided, or its time is over.
 *
 * Who wins ends it at once: the new version goes on to all the traffic, the old one fails the step,
 * and the way back gives it everything. Without a decision the end of its time is one, as the
 * release says; users that came in other shares than were drawn can't decide anything, so then it
 * is the old version. Paused, it counts and does not end.
 */
#include <stdio.h>

#include "engine/internal.h"

void bsc_step_begin_trial(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!rollout->trial) {
        rollout->trial = bsc_trial_create();
        rollout->trial->dirty = true;
    }
    bsc_step_clock(engine, service);
    bsc_analysis_step(service);
    bsc_publish(engine, service, false); /* only now users count */
}

static enum bsc_verdict decide(const struct bsc_engine *engine, const struct bsc_service *service,
                               char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_release *release = bsc_release_find(service, rollout->row.release);
    enum bsc_trial_verdict verdict = rollout->trial->verdict;
    size_t used = 0;
    bool over = bsc_step_expired(engine, rollout);
    if (verdict == BSC_TRIAL_CANDIDATE)
        return BSC_DONE;
    if (over && verdict == BSC_TRIAL_OPEN &&
        release->row.spec->deploy.ab.undecided == BSC_UNDECIDED_KEEP)
        return BSC_DONE;
    if (over && verdict != BSC_TRIAL_LIVE)
        used = (size_t)snprintf(reason, size, "the A/B test's time is over, ");
    bsc_trial_say(service, reason + used, size - used);
    return over || verdict == BSC_TRIAL_LIVE ? BSC_FAIL : BSC_WAIT;
}

enum bsc_verdict bsc_step_judge_trial(struct bsc_engine *engine, struct bsc_service *service,
                                      char *reason, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    unsigned healthy, total;
    if (!bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, reason,
                             size);
        return bsc_step_fail_health(service);
    }
    if (!rollout->row.walk.paused)
        return decide(engine, service, reason, size);
    bsc_trial_say(service, reason, size);
    return BSC_WAIT;
}
