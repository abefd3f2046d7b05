/* SPDX-License-Identifier: Apache-2.0
 * engine/trial.c - the users of an A/B test: who came, what they did, and what is stored of it.
 *
 * What the proxies find comes in batches, in the order of each source; how far each was read is
 * stored with what it told, in one transaction, so that after a crash everybody still counts once.
 * A user is a keyed hash, and is forgotten when the test is over; the figures stay.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

/* The clock of a test is stored so often, when anything else is. */
static const int64_t clock_ms = 10000;

static const struct bsc_ab_spec *ab_of(const struct bsc_service *service)
{
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    return release ? &release->row.spec->deploy.ab : NULL;
}

bool bsc_trial_runs(const struct bsc_service *service)
{
    if (!bsc_rollout_open(service))
        return false;
    const struct bsc_rollout_row *row = &service->rollout->row;
    const struct bsc_step *step = &row->plan.steps[row->walk.cursor];
    return row->walk.status == BSC_ROLLOUT_RUNNING && step->kind == BSC_STEP_TRIAL &&
           step->state == BSC_STEP_RUNNING && ab_of(service);
}

const char *bsc_trial_decider(const struct bsc_ab_spec *ab)
{
    unsigned decides = bsc_ab_decides(ab);
    return decides < ab->goal_count ? ab->goals[decides].name : "value";
}

struct bsc_trial_options bsc_trial_options_of(const struct bsc_ab_spec *ab)
{
    unsigned decides = bsc_ab_decides(ab);
    return (struct bsc_trial_options){
        .weight = ab->share_bp / 10000.0,
        .alpha = ab->alpha_bp / 10000.0,
        .minimum_users = ab->minimum_users,
        .goals = ab->goal_count,
        .decide = decides < ab->goal_count ? decides : BSC_TRIAL_VALUE,
    };
}

struct bsc_trial *bsc_trial_create(void)
{
    return bsc_alloc(sizeof(struct bsc_trial));
}

void bsc_trial_free(struct bsc_trial *trial)
{
    if (!trial)
        return;
    free(trial->cohort.places);
    free(trial->sources);
    free(trial);
}

/* NULL: there are too many. */
static struct bsc_cohort_user *user_of(struct bsc_trial *trial, uint64_t key, bool *fresh)
{
    struct bsc_cohort *cohort = &trial->cohort;
    struct bsc_cohort_user *user = bsc_cohort_find(cohort, key);
    *fresh = !user;
    if (user)
        return user;
    size_t wanted = bsc_cohort_wanted(cohort);
    if (!wanted)
        return NULL;
    if (wanted != cohort->capacity)
        free(bsc_cohort_move(cohort, bsc_alloc(wanted * sizeof *cohort->places), wanted));
    return bsc_cohort_add(cohort, key);
}

static void count(struct bsc_trial *trial, const struct bsc_trial_fact *fact)
{
    bool fresh;
    struct bsc_cohort_user *user = user_of(trial, fact->user, &fresh);
    if (!user) {
        trial->untaken++;
        return;
    }
    if (!bsc_trial_count(&trial->tally, user, fresh, fact) || user->changed)
        return;
    user->changed = true;
    trial->changed++;
}

void bsc_trial_load(struct bsc_rollout *rollout, const struct bsc_trial_row *stored)
{
    struct bsc_trial *trial = rollout->trial = bsc_trial_create();
    trial->tally = stored->tally;
    trial->verdict = stored->verdict;
    trial->lost = stored->lost;
    trial->untaken = stored->untaken;
    trial->over = stored->over;
    for (unsigned i = 0; i < stored->user_count; i++) {
        bool fresh;
        struct bsc_cohort_user *user = user_of(trial, stored->users[i].key, &fresh);
        if (user)
            *user = stored->users[i];
    }
    for (unsigned i = 0; i < stored->source_count; i++)
        *bsc_trial_source(trial, stored->sources[i].source) = stored->sources[i];
}

/* Where it was read to; a new one from the start. */
struct bsc_fact_source *bsc_trial_source(struct bsc_trial *trial, uint64_t source)
{
    for (size_t i = 0; i < trial->source_count; i++)
        if (trial->sources[i].source == source)
            return &trial->sources[i];
    trial->sources = bsc_grow(trial->sources, &trial->source_capacity, trial->source_count + 1,
                              sizeof *trial->sources);
    trial->sources[trial->source_count] = (struct bsc_fact_source){ .source = source };
    return &trial->sources[trial->source_count++];
}

/* Decided once, for good. */
static void judge(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_trial *trial = service->rollout->trial;
    struct bsc_trial_options options = bsc_trial_options_of(ab_of(service));
    if (trial->verdict != BSC_TRIAL_OPEN)
        return;
    trial->verdict = bsc_trial_judge(&trial->tally, &options);
    if (trial->verdict != BSC_TRIAL_MISMATCH)
        return;
    char text[BSC_REASON_BYTES];
    bsc_trial_say(service, text, sizeof text);
    bsc_audit(engine, service, service->rollout->row.id, "mismatch", NULL, "%s", text)->error =
        BSC_FAILED;
}

void bsc_trial_say(const struct bsc_service *service, char *out, size_t size)
{
    const struct bsc_trial *trial = service->rollout->trial;
    const struct bsc_ab_spec *ab = ab_of(service);
    struct bsc_trial_options options = bsc_trial_options_of(ab);
    struct bsc_trial_ruling ruling;
    bsc_trial_rule(&trial->tally, &options, trial->verdict, &ruling);
    bsc_trial_text(&ruling, &options, bsc_trial_decider(ab), out, size);
}

/* What was counted is stored, and looked at. */
static void settle(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    rollout->trial->dirty = true;
    judge(engine, service);
    int64_t baked_ms = bsc_bake_clock(engine, rollout);
    if (!rollout->row.walk.paused && baked_ms >= rollout->row.baked_ms + clock_ms) {
        rollout->row.baked_ms = baked_ms;
        rollout->dirty = true;
    }
    bsc_touch(engine, service);
}

void bsc_trial_facts(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_service_find(engine, event->service);
    const struct bsc_facts *facts = event->facts;
    *facts->taken = true;
    if (!service || !bsc_trial_runs(service) || service->rollout->row.id != facts->rollout)
        return;
    struct bsc_trial *trial = service->rollout->trial;
    struct bsc_fact_source *source = bsc_trial_source(trial, facts->source);
    source->read = facts->read;
    trial->lost += facts->lost;
    enum bsc_slot candidate = service->rollout->row.slot;
    for (unsigned i = 0; i < facts->count; i++) {
        struct bsc_trial_fact fact = facts->items[i];
        fact.candidate = fact.candidate == (candidate == BSC_GREEN);
        count(trial, &fact);
    }
    settle(engine, service);
}

/* A user who never came is no part of the test, whatever else they do. */
void bsc_convert_command(struct bsc_engine *engine, struct bsc_service *service,
                         const struct bsc_event *event)
{
    if (!bsc_trial_runs(service)) {
        bsc_reply(engine, event->token, BSC_STATE, 0, "%s has no A/B test under way",
                  service->name);
        return;
    }
    const struct bsc_ab_spec *ab = ab_of(service);
    struct bsc_rollout *rollout = service->rollout;
    struct bsc_trial_fact fact = { .valued = event->has_number, .value = event->number };
    for (unsigned i = 0; event->id && i < ab->goal_count; i++)
        if (!strcmp(event->id, ab->goals[i].name))
            fact.goals = (uint8_t)(1U << i);
    if (event->id && !fact.goals) {
        bsc_reply(engine, event->token, BSC_NOT_FOUND, 0, "r%llu has no goal '%.40s'",
                  (unsigned long long)rollout->row.id, event->id);
        return;
    }
    fact.user = engine->ports.entropy.ops->user(engine->ports.entropy.self,
                                                service->row.affinity_key, event->text);
    if (!bsc_cohort_find(&rollout->trial->cohort, fact.user)) {
        bsc_reply(engine, event->token, BSC_OK, rollout->row.id,
                  "nothing is counted: this user has not come since r%llu divides them",
                  (unsigned long long)rollout->row.id);
        return;
    }
    count(rollout->trial, &fact);
    settle(engine, service);
    bsc_reply(engine, event->token, BSC_OK, rollout->row.id, "counted for r%llu",
              (unsigned long long)rollout->row.id);
}

void bsc_trial_collect(struct bsc_engine *engine, struct bsc_rollout *rollout)
{
    struct bsc_trial *trial = rollout->trial;
    if (!trial || !trial->dirty)
        return;
    struct bsc_trial_row *row = bsc_alloc(sizeof *row);
    *row = (struct bsc_trial_row){
        .rollout = rollout->row.id,
        .tally = trial->tally,
        .verdict = trial->verdict,
        .lost = trial->lost,
        .untaken = trial->untaken,
        .over = trial->over,
    };
    struct bsc_cohort_user *users = bsc_alloc((trial->changed + 1) * sizeof *users);
    for (size_t i = 0; trial->changed && i < trial->cohort.capacity; i++)
        if (trial->cohort.places[i].changed) {
            trial->cohort.places[i].changed = false;
            users[row->user_count++] = trial->cohort.places[i];
        }
    struct bsc_fact_source *sources = bsc_alloc((trial->source_count + 1) * sizeof *sources);
    for (size_t i = 0; i < trial->source_count; i++)
        sources[row->source_count++] = trial->sources[i];
    row->users = users;
    row->sources = sources;
    trial->changed = 0;
    trial->dirty = false;
    bsc_change_add(engine, BSC_PUT_TRIAL)->trial = row;
}

void bsc_trial_row_free(struct bsc_trial_row *row)
{
    free((void *)(uintptr_t)row->users);
    free((void *)(uintptr_t)row->sources);
    free(row);
}

void bsc_trial_end(struct bsc_rollout *rollout)
{
    struct bsc_trial *trial = rollout->trial;
    if (!trial || trial->over)
        return;
    trial->over = trial->dirty = true;
    free(trial->cohort.places);
    free(trial->sources);
    trial->cohort = (struct bsc_cohort){ 0 };
    trial->sources = NULL;
    trial->source_count = trial->source_capacity = trial->changed = 0;
}
