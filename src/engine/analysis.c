/* SPDX-License-Identifier: Apache-2.0
 * engine/analysis.c - what the judge sees of a rollout, and what follows from it.
 *
 * The router tells what the proxies count while the candidate of a rollout has traffic. Harm fails
 * the rollout at once, in whatever step it is; a bake that leaves the live version some of the
 * traffic ends only with enough requests and no harm. The judge's state is not stored: after a
 * crash its tests begin anew, with the live version's figures from before the candidate's first
 * request, which are in the rollout's row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

static const struct bsc_analysis_spec *analysis_of(const struct bsc_service *service)
{
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    return release ? &release->row.spec->deploy.analysis : NULL;
}

/* Of a worker there is nothing to count; others may be asked about it. */
static bool is_counted(const struct bsc_service *service)
{
    const struct bsc_plan *plan = &service->rollout->row.plan;
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == BSC_STEP_SPLIT)
            return true;
    return false;
}

/* What goes back to a version that was live before is not on trial. */
bool bsc_analysis_watches(const struct bsc_service *service)
{
    if (!bsc_rollout_open(service))
        return false;
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_analysis_spec *spec = analysis_of(service);
    return row->walk.status == BSC_ROLLOUT_RUNNING &&
           (row->kind == BSC_PLAN_DEPLOY || row->kind == BSC_PLAN_SWITCH) && spec &&
           spec->enabled && row->slot != service->row.stable;
}

static struct bsc_judge_options options_of(const struct bsc_analysis_spec *spec)
{
    return (struct bsc_judge_options){
        .alpha = spec->alpha_bp / 10000.0,
        .tolerated = spec->tolerated / 100.0,
        .slower = spec->slower / 100.0,
        .before_errors = spec->before_errors / 100.0,
        .before_latency = spec->before_latency / 100.0,
        .ceiling = spec->ceiling_bp / 10000.0,
        .margin = spec->until == BSC_UNTIL_CONFIDENT ? spec->margin / 100.0 : 0,
        .minimum_units = spec->minimum_requests,
        .latency = spec->latency,
    };
}

static void say(const struct bsc_service *service, char *out, size_t size)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_release *candidate = bsc_release_find(service, rollout->row.release);
    const struct bsc_release *live =
        bsc_release_find(service, service->row.release[bsc_slot_other(rollout->row.slot)]);
    bsc_judgement_text(rollout->judgement, bsc_version_text(candidate->row.spec),
                       live ? bsc_version_text(live->row.spec) : "the version before", out, size);
}

static void begin(struct bsc_rollout *rollout, const struct bsc_analysis_spec *spec)
{
    struct bsc_judge_options options = options_of(spec);
    rollout->judge = bsc_alloc(sizeof *rollout->judge);
    bsc_judge_init(rollout->judge, &options, &rollout->row.before);
    if (!rollout->judgement)
        rollout->judgement = bsc_alloc(sizeof *rollout->judgement);
}

/* Beside the coin's requests those of chosen users: no coin was tossed for them, so they are
 * compared with before, for the whole time. True: harm, and the judgement is about them. */
static bool harms_chosen(struct bsc_rollout *rollout, const struct bsc_analysis_spec *spec,
                         const struct bsc_sample *sample)
{
    struct bsc_sample chosen = { .at_ms = sample->at_ms,
                                 .generation = sample->generation,
                                 .drawing = BSC_DRAWN_BY_RULE,
                                 .candidate = sample->chosen,
                                 .live = sample->live };
    if (!rollout->chosen) {
        struct bsc_judge_options options = options_of(spec);
        rollout->chosen = bsc_alloc(sizeof *rollout->chosen);
        bsc_judge_init(rollout->chosen, &options, &rollout->row.before);
    }
    bsc_judge_feed(rollout->chosen, &chosen);
    if (!bsc_judge_harm(rollout->chosen))
        return false;
    bsc_judge_rule(rollout->chosen, rollout->judgement);
    return true;
}

static void fail(struct bsc_engine *engine, struct bsc_service *service)
{
    char reason[BSC_REASON_BYTES];
    say(service, reason, sizeof reason);
    bsc_rollout_blame(service, BSC_FAILED, 0, 0);
    bsc_audit(engine, service, service->rollout->row.id, "harm", NULL, "%s", reason)->error =
        service->rollout->row.error;
    bsc_rollout_event(engine, service, BSC_WALK_FAIL, reason);
}

void bsc_analysis_counted(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_service_find(engine, event->service);
    if (!service || service->row.removed || !bsc_analysis_watches(service) ||
        event->sample->generation != service->row.generation)
        return;
    struct bsc_rollout *rollout = service->rollout;
    if (!rollout->judge) {
        if (event->baseline && !rollout->row.before.units) {
            rollout->row.before = *event->baseline;
            rollout->dirty = true;
            bsc_touch(engine, service);
        }
        begin(rollout, analysis_of(service));
    }
    if (event->sample->has_chosen && harms_chosen(rollout, analysis_of(service), event->sample)) {
        fail(engine, service);
        return;
    }
    int64_t window_ms = rollout->judge->window_ms;
    bsc_judge_feed(rollout->judge, event->sample);
    bool harm = bsc_judge_harm(rollout->judge);
    if (!harm && rollout->judge->window_ms == window_ms)
        return;
    bsc_judge_rule(rollout->judge, rollout->judgement);
    if (harm)
        fail(engine, service);
    else
        bsc_look(engine, service);
}

void bsc_analysis_step(struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    if (!rollout->judge)
        return;
    bsc_judge_step(rollout->judge);
    bsc_judge_rule(rollout->judge, rollout->judgement);
}

/* While the live version keeps some of the traffic, no data is not success. */
static bool needs_evidence(const struct bsc_service *service)
{
    const struct bsc_rollout_row *row = &service->rollout->row;
    return bsc_analysis_watches(service) && is_counted(service) &&
           service->row.weight_bp[row->slot] < BSC_WEIGHT_FULL_BP;
}

enum bsc_verdict bsc_analysis_bake(const struct bsc_engine *engine, struct bsc_service *service,
                                   bool over, bool answered, char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_judgement *judgement = rollout->judgement;
    /* Nothing can be shown of chosen users, who have no coin. */
    bool early = needs_evidence(service) && analysis_of(service)->until == BSC_UNTIL_CONFIDENT &&
                 service->row.weight_bp[rollout->row.slot] > 0;
    bool good =
        judgement && judgement->finding == BSC_FINDING_GOOD && (!early || judgement->confident);
    char text[BSC_REASON_BYTES] = "nothing was counted yet";
    bool well = answered && (good || !needs_evidence(service));
    if (well && (over || early || rollout->overtime))
        return BSC_DONE;
    if (bsc_analysis_watches(service) && rollout->judgement)
        say(service, text, sizeof text);
    if (bsc_analysis_watches(service) && is_counted(service))
        snprintf(reason, size, "; %s", text);
    if (!over)
        return BSC_WAIT;
    if (rollout->overtime) {
        bsc_rollout_blame(service, BSC_TIMEOUT, 0, 0);
        return BSC_FAIL;
    }
    rollout->overtime = true;
    rollout->step_until_ms = bsc_now(engine) + analysis_of(service)->wait_ms;
    return BSC_WAIT;
}

void bsc_analysis_end(struct bsc_rollout *rollout)
{
    free(rollout->judge);
    free(rollout->chosen);
    rollout->judge = rollout->chosen = NULL;
}

void bsc_rollout_free(struct bsc_rollout *rollout)
{
    if (!rollout)
        return;
    free(rollout->judge);
    free(rollout->chosen);
    free(rollout->judgement);
    free(rollout->queries);
    free(rollout->mirror);
    bsc_trial_free(rollout->trial);
    free(rollout);
}
