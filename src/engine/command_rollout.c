/* SPDX-License-Identifier: Apache-2.0
 * engine/command_rollout.c - steering a rollout that is under way: pause, resume, promote.
 *
 * A pause lets the step under way end and holds before the next; in a bake the clock stands still.
 * What makes a version be taken back does so all the while.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

bool bsc_rollout_held(const struct bsc_service *service)
{
    return bsc_service_busy(service) &&
           bsc_walk_held(&service->rollout->row.walk, &service->rollout->row.plan);
}

static const struct bsc_step *current(const struct bsc_rollout *rollout)
{
    return &rollout->row.plan.steps[rollout->row.walk.cursor];
}

/* A bake's or an approval's, without which it has no end of its own. */
static int64_t clock_ms(const struct bsc_step *step)
{
    if (bsc_step_watches(step))
        return step->duration_ms;
    return step->kind == BSC_STEP_GATE && step->gate == BSC_GATE_APPROVAL ? step->timeout_ms : 0;
}

bool bsc_step_is_clocked(const struct bsc_rollout *rollout)
{
    return clock_ms(current(rollout)) && current(rollout)->state == BSC_STEP_RUNNING;
}

/* Where it stands or will stand still, and what still goes on. */
static void describe_pause(const struct bsc_rollout *rollout, char *out, size_t size)
{
    const struct bsc_rollout_row *row = &rollout->row;
    const struct bsc_step *step = current(rollout);
    char text[160], baked[BSC_DURATION_BYTES];
    bsc_step_describe(step, text, sizeof text);
    if (step->state == BSC_STEP_PENDING)
        snprintf(out, size, "paused before step %u of %u, %s", row->walk.cursor + 1,
                 row->plan.count, text);
    else if (bsc_step_is_clocked(rollout))
        snprintf(out, size, "paused in step %u of %u, %s: its clock stands still at %s",
                 row->walk.cursor + 1, row->plan.count, text,
                 bsc_duration_format(row->baked_ms > 0 ? row->baked_ms : 0, baked));
    else
        snprintf(out, size, "paused: step %u of %u, %s, ends, the next one is not begun",
                 row->walk.cursor + 1, row->plan.count, text);
}

void bsc_rollout_pause_text(const struct bsc_rollout *rollout, const char *reason, char *out,
                            size_t size)
{
    describe_pause(rollout, out, size);
    size_t used = strlen(out);
    if (*reason && used < size)
        snprintf(out + used, size - used, "; %s", reason);
}

void bsc_pause_command(struct bsc_engine *engine, struct bsc_service *service,
                       const struct bsc_event *event, enum bsc_rule rule)
{
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_rollout_row *row = &rollout->row;
    char where[256], since[BSC_TIME_BYTES];
    if (rule == BSC_RULE_ALREADY) {
        bsc_reply(engine, event->token, BSC_OK, row->id, "r%llu is paused already, by %s since %s",
                  (unsigned long long)row->id, row->paused_by,
                  bsc_time_format(row->paused_ms, since));
        return;
    }
    row->paused_ms = bsc_wall(engine);
    snprintf(row->paused_by, sizeof row->paused_by, "%s", event->actor ? event->actor : "bascule");
    if (bsc_step_is_clocked(rollout)) {
        row->baked_ms = bsc_bake_clock(engine, rollout);
        rollout->step_until_ms = 0;
    }
    bsc_rollout_event(engine, service, BSC_WALK_PAUSE, NULL);
    describe_pause(rollout, where, sizeof where);
    bsc_audit(engine, service, row->id, "pause", event->actor, "%s", where);
    bsc_reply_ruled(engine, event, BSC_OK, row->id, rule, "r%llu is %s",
                    (unsigned long long)row->id, where);
}

int64_t bsc_bake_clock(const struct bsc_engine *engine, const struct bsc_rollout *rollout)
{
    int64_t left_ms = rollout->step_until_ms - bsc_now(engine);
    return clock_ms(current(rollout)) - (left_ms > 0 ? left_ms : 0);
}

void bsc_step_clock(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    rollout->step_until_ms =
        rollout->row.walk.paused
            ? 0
            : bsc_now(engine) + clock_ms(current(rollout)) - rollout->row.baked_ms;
}

void bsc_resume_command(struct bsc_engine *engine, struct bsc_service *service,
                        const struct bsc_event *event, enum bsc_rule rule)
{
    struct bsc_rollout_row *row = &service->rollout->row;
    char step[160];
    if (rule == BSC_RULE_ALREADY) {
        bsc_reply(engine, event->token, BSC_OK, row->id, "r%llu is not paused",
                  (unsigned long long)row->id);
        return;
    }
    bool stood = bsc_step_is_clocked(service->rollout);
    bsc_step_describe(current(service->rollout), step, sizeof step);
    bsc_audit(engine, service, row->id, "resume", event->actor, "was paused by %s", row->paused_by);
    bsc_reply_ruled(engine, event, BSC_OK, row->id, rule, "r%llu goes on with step %u of %u, %s",
                    (unsigned long long)row->id, row->walk.cursor + 1, row->plan.count, step);
    bsc_rollout_event(engine, service, BSC_WALK_RESUME, NULL);
    if (stood)
        bsc_step_clock(engine, service);
}

/* Says the steps that `before` did not skip yet. */
static void describe_skipped(const struct bsc_plan *before, const struct bsc_plan *now, char *out,
                             size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (unsigned i = 0; i < now->count && used < size; i++) {
        char text[160];
        if (now->steps[i].state != BSC_STEP_SKIPPED || before->steps[i].state == BSC_STEP_SKIPPED)
            continue;
        bsc_step_describe(&now->steps[i], text, sizeof text);
        used += (size_t)snprintf(out + used, size - used, "%s%s%s", used ? ", " : "", text,
                                 before->steps[i].state == BSC_STEP_RUNNING ? " (cut short)" : "");
    }
}

void bsc_promote_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event, enum bsc_rule rule)
{
    struct bsc_rollout_row *row = &service->rollout->row;
    char skipped[512];
    unsigned long long id = row->id;
    if (rule == BSC_RULE_ALREADY) {
        bsc_reply(engine, event->token, BSC_OK, id, "r%llu is promoted already", id);
        return;
    }
    enum bsc_walk_event walk_event = event->to_end ? BSC_WALK_PROMOTE_FULL : BSC_WALK_PROMOTE;
    struct bsc_walk walk = row->walk; /* tried on copies, so that it is told before it is done */
    struct bsc_plan *plan = bsc_alloc(sizeof *plan);
    *plan = row->plan;
    (void)bsc_walk_handle(&walk, plan, walk_event);
    describe_skipped(&row->plan, plan, skipped, sizeof skipped);
    free(plan);
    bsc_audit(engine, service, id, "promote", event->actor, "%s%s%s",
              event->to_end ? "to the end" : "one step", *skipped ? ", skipped: " : "", skipped);
    bsc_reply_ruled(engine, event, BSC_OK, id, rule, "r%llu goes on%s%s%s", id,
                    row->walk.paused ? ", it is not paused any more" : "",
                    *skipped ? "; skipped: " : "; there was nothing to skip", skipped);
    bsc_rollout_event(engine, service, walk_event, NULL);
}
