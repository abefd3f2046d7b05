/* SPDX-License-Identifier: Apache-2.0
 * api/view_analysis.c - what the judge says of a rollout, as JSON; see view.h. */
#include "api/view.h"

#include <stdio.h>

static json_t *millionths(double share)
{
    return json_integer((json_int_t)(share * 1e6 + 0.5));
}

static json_t *known(bool known, uint64_t value)
{
    return known ? json_integer((json_int_t)value) : json_null();
}

static json_t *view_rates(const struct bsc_interval *rate, bool counted, uint64_t requests,
                          uint64_t errors, const uint64_t us[static BSC_QUANTILES])
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "requests",
                     known(counted, requests), "errors", known(counted, errors), "rate_ppm",
                     millionths(rate->rate), "low_ppm", millionths(rate->low), "high_ppm",
                     millionths(rate->high), "p50_us", known(us[0] > 0, us[0]), "p90_us",
                     known(us[1] > 0, us[1]), "p99_us", known(us[2] > 0, us[2]));
}

json_t *bsc_api_view_judgement(const struct bsc_judgement *judgement)
{
    const char *compared = !judgement->coin ? "before" : judgement->by_user ? "users" : "requests";
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:b}", "finding",
                     bsc_finding_name(judgement->finding), "proof",
                     bsc_proof_name(judgement->proof), "metric", bsc_metric_name(judgement->proved),
                     "compared", compared, "p_ppm", millionths(judgement->p), "candidate",
                     view_rates(&judgement->candidate, true, judgement->units.candidate,
                                judgement->errors.candidate, judgement->candidate_us),
                     "live",
                     view_rates(&judgement->live, judgement->coin, judgement->units.live,
                                judgement->errors.live, judgement->live_us),
                     "minimum_requests", (json_int_t)judgement->minimum_units, "needed_ms",
                     known(judgement->needed_ms >= 0, (uint64_t)judgement->needed_ms), "confident",
                     judgement->confident);
}

static json_t *view_query(const struct bsc_query_tally *tally, const struct bsc_query_spec *spec)
{
    char value[32], text[BSC_QUERY_TEXT_BYTES + 256];
    snprintf(value, sizeof value, "%.6g", tally->number);
    bsc_query_text(tally, spec, text, sizeof text);
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:b}", "name",
        bsc_api_words(spec->name), "state", bsc_query_state_name(bsc_query_finding(tally, spec)),
        "value", tally->known ? json_string(value) : json_null(), "last",
        bsc_api_words(tally->last), "text", bsc_api_words(text), "passed", (int)tally->passed,
        "failed", (int)tally->failed, "unanswered", (int)tally->silent, "count", (int)spec->count,
        "failure_limit", (int)spec->failure_limit, "dry_run", (int)spec->dry_run);
}

json_t *bsc_api_view_queries(const struct bsc_service *service)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_release *release = NULL;
    for (size_t i = 0; i < service->release_count; i++)
        if (service->releases[i].row.id == rollout->row.release)
            release = &service->releases[i];
    if (!release || !rollout->query_count)
        return json_null();
    json_t *list = json_array();
    for (unsigned i = 0; i < rollout->query_count; i++)
        json_array_append_new(list,
                              view_query(&rollout->queries[i].tally,
                                         &release->row.spec->deploy.analysis.queries.items[i]));
    return list;
}
