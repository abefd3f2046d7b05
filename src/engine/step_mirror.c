/* SPDX-License-Identifier: Apache-2.0
 * engine/step_mirror.c - requests are copied to the candidate, and its answers are compared.
 *
 * That the step runs is what makes the proxies copy; what they find comes as events and is added
 * up in a report, which is stored with the rollout: a crash loses a few seconds of it. The step
 * fails as soon as too much differs, ends when its time is over and enough was compared, and waits
 * for more comparisons as long as a bake waits for requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

static const int64_t store_every_ms = 5000;

static const struct bsc_deploy_spec *deploy_of(const struct bsc_service *service)
{
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    return release ? &release->row.spec->deploy : NULL;
}

static const struct bsc_step *step_of(const struct bsc_service *service)
{
    if (!bsc_rollout_open(service) || service->rollout->row.walk.status != BSC_ROLLOUT_RUNNING)
        return NULL;
    return bsc_plan_mirror(&service->rollout->row.plan);
}

const struct bsc_shadow_spec *bsc_mirror_in_force(const struct bsc_service *service,
                                                  unsigned *share_bp)
{
    const struct bsc_step *step = step_of(service);
    const struct bsc_deploy_spec *deploy = step ? deploy_of(service) : NULL;
    if (!deploy)
        return NULL;
    *share_bp = step->weight_bp;
    return &deploy->shadow;
}

void bsc_step_begin_mirror(struct bsc_engine *engine, struct bsc_service *service)
{
    bsc_step_clock(engine, service);
    service->rollout->step_token = bsc_publish(engine, service, false);
}

void bsc_step_leave_mirror(struct bsc_engine *engine, struct bsc_service *service)
{
    service->rollout->mirror_stored_ms = 0; /* what is not stored yet is now */
    service->publish_wanted = true;
    bsc_touch(engine, service);
}

void bsc_mirrored(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_service_find(engine, event->service);
    if (!service || !step_of(service) || service->rollout->row.id != event->rollout)
        return;
    struct bsc_rollout *rollout = service->rollout;
    if (!rollout->mirror)
        rollout->mirror = bsc_alloc(sizeof *rollout->mirror);
    bsc_mirror_add(rollout->mirror, event->report);
    rollout->mirror_dirty = true;
    bsc_touch(engine, service);
}

struct bsc_mirror_report *bsc_mirror_to_store(const struct bsc_engine *engine,
                                              struct bsc_rollout *rollout)
{
    int64_t now_ms = bsc_now(engine);
    if (!rollout->mirror_dirty ||
        (rollout->mirror_stored_ms && now_ms < rollout->mirror_stored_ms + store_every_ms))
        return NULL;
    struct bsc_mirror_report *copy = bsc_alloc(sizeof *copy);
    *copy = *rollout->mirror;
    rollout->mirror_dirty = false;
    rollout->mirror_stored_ms = now_ms;
    return copy;
}

struct bsc_mirror_limits bsc_mirror_limits(const struct bsc_shadow_spec *shadow)
{
    return (struct bsc_mirror_limits){ .minimum = shadow->minimum,
                                       .differences_bp = shadow->differences_bp,
                                       .slower = shadow->slower };
}

static enum bsc_verdict wait_for_more(const struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    if (rollout->overtime) {
        bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
        return BSC_FAIL;
    }
    rollout->overtime = true;
    rollout->step_until_ms = bsc_now(engine) + deploy_of(service)->analysis.wait_ms;
    return BSC_WAIT;
}

enum bsc_verdict bsc_step_judge_mirror(struct bsc_engine *engine, struct bsc_service *service,
                                       char *reason, size_t size)
{
    static const struct bsc_mirror_report nothing;
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_mirror_report *report = rollout->mirror ? rollout->mirror : &nothing;
    struct bsc_mirror_limits limits = bsc_mirror_limits(&deploy_of(service)->shadow);
    unsigned healthy, total;
    if (!bsc_slot_healthy(service, rollout->row.slot, rollout->row.release, &healthy, &total)) {
        bsc_slot_health_text(engine, service, rollout->row.slot, rollout->row.release, reason,
                             size);
        return bsc_step_fail_health(service);
    }
    bsc_mirror_text(report, &limits, reason, size);
    bool over = bsc_step_expired(engine, rollout);
    switch (bsc_mirror_judge(report, &limits)) {
    case BSC_MIRROR_DIFFERENT:
        break;
    case BSC_MIRROR_SLOWER: /* the first requests are slow anywhere */
        if (over || rollout->overtime)
            break;
        return BSC_WAIT;
    case BSC_MIRROR_ALIKE:
        return over || rollout->overtime ? BSC_DONE : BSC_WAIT;
    case BSC_MIRROR_FEW:
        return over ? wait_for_more(engine, service) : BSC_WAIT;
    }
    bsc_rollout_blame(service, BSC_FAILED, 0, 0);
    return BSC_FAIL;
}
