/* SPDX-License-Identifier: Apache-2.0
 * api/view_figures.c - what the proxies count, as JSON; see view.h and docs/api.md, Objects. */
#include "api/view.h"

struct member {
    const char *name;
    uint64_t value;
};

static json_t *object_of(const struct member *members, size_t count)
{
    json_t *view = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(view, members[i].name, json_integer((json_int_t)members[i].value));
    return view;
}

json_t *bsc_api_view_figures(const struct bsc_router_figures *figures)
{
    const struct member members[] = {
        { "connections", figures->connections },
        { "held", figures->held },
        { "connections_opened", figures->connections_opened },
        { "connections_refused", figures->connections_refused },
        { "own_answers", figures->own_answers },
        { "held_refused", figures->held_refused },
        { "held_timed_out", figures->held_timed_out },
        { "rate_limited", figures->rate_limited },
        { "overloaded", figures->overloaded },
        { "scarce", figures->scarce },
        { "idle_closed", figures->idle_closed },
        { "h2_floods", figures->h2_floods },
        { "h2_refused_streams", figures->h2_refused_streams },
        { "access_dropped", figures->access_dropped },
    };
    return object_of(members, sizeof members / sizeof *members);
}

json_t *bsc_api_view_service_figures(const struct bsc_router_service_figures *figures)
{
    const struct member members[] = {
        { "requests", figures->requests },
        { "errors", figures->errors },
        { "retries", figures->retries },
        { "queued", figures->queued },
        { "queue_refused", figures->queue_refused },
        { "queue_timed_out", figures->queue_timed_out },
        { "ejections", figures->ejections },
    };
    return object_of(members, sizeof members / sizeof *members);
}

/* Buckets that nothing fell into are left out. */
json_t *bsc_api_view_slot_counters(const struct bsc_router_slot_counters *counters)
{
    json_t *latency = json_array();
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        if (counters->latency[i])
            json_array_append_new(latency, json_pack("{s:I, s:I}", "up_to_us",
                                                     (json_int_t)bsc_histogram_upper_us(i), "count",
                                                     (json_int_t)counters->latency[i]));
    return json_pack("{s:I, s:I, s:o}", "requests", (json_int_t)counters->requests, "errors",
                     (json_int_t)counters->errors, "latency", latency);
}

json_t *bsc_api_view_rescues(const struct bsc_router_rescues *rescues)
{
    const struct member members[] = {
        { "status", rescues->status },
        { "no_instance", rescues->no_instance },
        { "connect_failed", rescues->connect_failed },
        { "reset", rescues->reset },
        { "timed_out", rescues->timed_out },
        { "failed", rescues->failed },
        { "refused", rescues->refused },
    };
    return object_of(members, sizeof members / sizeof *members);
}
