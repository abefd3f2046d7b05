/* SPDX-License-Identifier: Apache-2.0
 * api/report.c - GET /v1/services/NAME/report: what came of the requests that were copied to the
 * candidate of the newest rollout, or of its A/B test. */
#include "api/context.h"
#include "api/request.h"
#include "api/view.h"

static json_t *view_examples(const struct bsc_finding_at *finding)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < finding->example_count; i++) {
        const struct bsc_mirror_example *example = &finding->examples[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "request",
                                              bsc_api_words(example->request), "live",
                                              bsc_api_words(example->live), "candidate",
                                              bsc_api_words(example->candidate)));
    }
    return list;
}

static json_t *view_unseen(const struct bsc_mirror_report *report)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < BSC_UNSEEN_COUNT; i++)
        if (report->unseen[i])
            json_array_append_new(list, json_pack("{s:s, s:I}", "why",
                                                  bsc_unseen_name((enum bsc_unseen)i), "count",
                                                  (json_int_t)report->unseen[i]));
    return list;
}

static json_t *view_findings(const struct bsc_mirror_report *report)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < report->finding_count; i++) {
        const struct bsc_finding_at *finding = &report->findings[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:I, s:b, s:o}", "kind", bsc_difference_name(finding->kind),
                      "where", bsc_api_words(finding->where), "count", (json_int_t)finding->count,
                      "noise", (int)finding->noisy, "examples", view_examples(finding)));
    }
    return list;
}

static json_t *view_latency(const uint64_t counts[static BSC_HISTOGRAM_BUCKETS])
{
    return json_pack("{s:I, s:I}", "p50_us", (json_int_t)bsc_histogram_quantile(counts, 0.5),
                     "p95_us", (json_int_t)bsc_histogram_quantile(counts, 0.95));
}

static const char *const verdicts[] = { [BSC_MIRROR_FEW] = "few",
                                        [BSC_MIRROR_ALIKE] = "alike",
                                        [BSC_MIRROR_DIFFERENT] = "different",
                                        [BSC_MIRROR_SLOWER] = "slower" };

static json_t *view(const struct bsc_service *service, const struct bsc_release *release)
{
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_mirror_report *report = rollout->mirror;
    struct bsc_mirror_limits limits = bsc_mirror_limits(&release->row.spec->deploy.shadow);
    char text[BSC_REASON_BYTES];
    bsc_mirror_text(report, &limits, text, sizeof text);
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:s, s:o}", "service", service->name, "rollout",
        bsc_api_id('r', rollout->row.id), "version",
        bsc_api_words_or_null(bsc_api_release_version(service, rollout->row.release)), "verdict",
        verdicts[bsc_mirror_judge(report, &limits)], "text", bsc_api_words(text));
    json_object_set_new(json, "compared", json_integer((json_int_t)report->compared));
    json_object_set_new(json, "different", json_integer((json_int_t)bsc_mirror_different(report)));
    json_object_set_new(json, "minimum", json_integer((json_int_t)limits.minimum));
    json_object_set_new(json, "skipped", json_integer((json_int_t)report->skipped));
    json_object_set_new(json, "unseen", view_unseen(report));
    json_object_set_new(json, "dropped", json_integer((json_int_t)report->dropped));
    json_object_set_new(json, "live", view_latency(report->live_latency));
    json_object_set_new(json, "candidate", view_latency(report->candidate_latency));
    json_object_set_new(json, "findings", view_findings(report));
    return json;
}

static void view_report(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    if (!service) {
        bsc_api_answer_no_service(request, engine);
        return;
    }
    const struct bsc_rollout *rollout = service->rollout;
    const struct bsc_release *tried =
        rollout && rollout->trial ? bsc_service_release(service, rollout->row.release) : NULL;
    if (tried) {
        bsc_api_answer_json(
            request, MHD_HTTP_OK,
            json_pack("{s:s, s:o, s:o}", "service", service->name, "rollout",
                      bsc_api_id('r', rollout->row.id), "trial",
                      bsc_api_view_trial(rollout->trial, &tried->row.spec->deploy.ab)));
        return;
    }
    const struct bsc_release *release =
        rollout && rollout->mirror ? bsc_service_release(service, rollout->row.release) : NULL;
    if (!release) {
        bsc_api_answer_error(request, BSC_NOT_FOUND,
                             "there is no report: the newest rollout has copied no requests and "
                             "divided no users (`strategy: shadow` and `ab` do)");
        return;
    }
    bsc_api_answer_json(request, MHD_HTTP_OK, view(service, release));
}

void bsc_api_get_report(struct bsc_api_request *request)
{
    bsc_api_query(request, view_report);
}
