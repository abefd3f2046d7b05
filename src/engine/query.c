/* SPDX-License-Identifier: Apache-2.0
 * engine/query.c - external queries: they are asked while a bake lasts, and what they say counts.
 *
 * Each bake begins anew: a source is asked after one interval, and again an interval after each
 * answer. Too many failures take the rollout back at once; a bake does not end before every query
 * has passed often enough. Nothing of this is stored: after a crash the counts of the bake begin
 * again.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/internal.h"

static const struct bsc_query_list *queries_of(const struct bsc_service *service)
{
    static const struct bsc_query_list none = { 0, NULL };
    const struct bsc_release *release = bsc_release_find(service, service->rollout->row.release);
    return release ? &release->row.spec->deploy.analysis.queries : &none;
}

void bsc_queries_begin(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    const struct bsc_query_list *list = queries_of(service);
    free(rollout->queries);
    rollout->queries = NULL;
    rollout->query_count = 0;
    if (!list->count || !bsc_analysis_watches(service))
        return;
    rollout->queries = bsc_alloc(list->count * sizeof *rollout->queries);
    rollout->query_count = list->count;
    for (unsigned i = 0; i < list->count; i++)
        rollout->queries[i].next_ms = bsc_now(engine) + list->items[i].interval_ms;
}

static void end_run(struct bsc_engine *engine, struct bsc_query_run *run)
{
    if (run->token)
        engine->ports.query.ops->cancel(engine->ports.query.self, run->token);
    run->token = 0;
    run->next_ms = INT64_MAX;
}

void bsc_queries_end(struct bsc_engine *engine, struct bsc_rollout *rollout)
{
    for (unsigned i = 0; i < rollout->query_count; i++)
        end_run(engine, &rollout->queries[i]);
    end_run(engine, &rollout->gate_query);
}

void bsc_query_answered(struct bsc_engine *engine, const struct bsc_event *event)
{
    struct bsc_service *service = bsc_token_service(engine, event->token);
    struct bsc_rollout *rollout = service ? service->rollout : NULL;
    if (rollout && rollout->gate_query.token == event->token)
        bsc_gate_query_answered(engine, service, event);
    for (unsigned i = 0; rollout && i < rollout->query_count; i++) {
        struct bsc_query_run *run = &rollout->queries[i];
        if (run->token != event->token)
            continue;
        const struct bsc_query_list *list = queries_of(service);
        assert(i < list->count && list->items);
        const struct bsc_query_spec *spec = &list->items[i];
        enum bsc_query_state before = bsc_query_finding(&run->tally, spec);
        run->token = 0;
        run->next_ms = bsc_now(engine) + spec->interval_ms;
        bsc_query_take(&run->tally, spec, event->answer);
        enum bsc_query_state now = bsc_query_finding(&run->tally, spec);
        if (now != before) {
            char text[BSC_REASON_BYTES];
            bsc_query_text(&run->tally, spec, text, sizeof text);
            bsc_audit(engine, service, rollout->row.id, "query", NULL, "%s", text)->error =
                now == BSC_QUERY_FAILED ? BSC_FAILED : BSC_OK;
        }
        bsc_touch(engine, service);
    }
}

static void ask_what_is_due(struct bsc_engine *engine, struct bsc_service *service)
{
    struct bsc_rollout *rollout = service->rollout;
    for (unsigned i = 0; i < rollout->query_count; i++) {
        struct bsc_query_run *run = &rollout->queries[i];
        if (run->next_ms > bsc_now(engine))
            continue;
        run->next_ms = INT64_MAX;
        run->token = bsc_token_next(engine, service);
        bsc_question_ask(engine, service, &queries_of(service)->items[i], run->token);
    }
}

enum bsc_query_state bsc_queries_judge(struct bsc_engine *engine, struct bsc_service *service,
                                       char *reason, size_t size)
{
    struct bsc_rollout *rollout = service->rollout;
    enum bsc_query_state all = BSC_QUERY_PASSED;
    reason[0] = '\0';
    ask_what_is_due(engine, service);
    for (unsigned i = 0; i < rollout->query_count && all != BSC_QUERY_FAILED; i++) {
        const struct bsc_query_spec *spec = &queries_of(service)->items[i];
        const struct bsc_query_tally *tally = &rollout->queries[i].tally;
        enum bsc_query_state state = bsc_query_state(tally, spec);
        if (state == BSC_QUERY_FAILED || (state == BSC_QUERY_OPEN && all == BSC_QUERY_PASSED)) {
            all = state;
            bsc_query_text(tally, spec, reason, size);
        }
    }
    return all;
}

int64_t bsc_queries_next_ms(const struct bsc_service *service)
{
    int64_t next_ms = INT64_MAX;
    const struct bsc_rollout *rollout = service->rollout;
    for (unsigned i = 0; rollout && i < rollout->query_count; i++)
        if (rollout->queries[i].next_ms < next_ms)
            next_ms = rollout->queries[i].next_ms;
    return next_ms;
}
