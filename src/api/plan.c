/* SPDX-License-Identifier: Apache-2.0
 * api/plan.c - GET /v1/services/NAME/plan: the steps that a command would take, and what drifted.
 *
 * Two drifts are told. What runs was released from an older state of the file: those lines take
 * effect with the next release. And the file on disk may hold what was never applied.
 */
#include <stdio.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"
#include "core/expand.h"

static void append_lines(json_t *list, const char *prefix, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        if (size) {
            struct bsc_text line = { 0 };
            bsc_text_puts(&line, prefix);
            bsc_text_add(&line, text, size);
            json_array_append_new(list, bsc_api_words(bsc_text_get(&line)));
            bsc_text_deinit(&line);
        }
        text += size + (text[size] == '\n');
    }
}

/* The live release against the file as applied, both as the live version. */
static void add_release_drift(json_t *list, const struct bsc_service *service)
{
    enum bsc_slot live = service->row.slots.live;
    const struct bsc_release *release = bsc_service_release(service, service->row.release[live]);
    struct bsc_spec *now = NULL;
    if (!release || !release->row.spec || !release->row.spec->version ||
        bsc_spec_for_version(service->row.spec, release->row.spec->version, &now, NULL) != BSC_OK)
        return;
    struct bsc_text text = { 0 };
    bsc_spec_diff(release->row.spec, now, &text);
    append_lines(list, "", bsc_text_get(&text));
    bsc_text_deinit(&text);
    bsc_spec_release(now);
}

static void add_file_drift(json_t *list, const struct bsc_service *service, const char *file)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config = file ? bsc_config_read(file, &problems) : NULL;
    const struct bsc_spec *found = NULL;
    for (unsigned i = 0; config && i < config->service_count; i++)
        if (!strcmp(config->services[i]->name, service->name))
            found = config->services[i];
    struct bsc_text text = { 0 };
    if (found)
        bsc_spec_diff(service->row.spec, found, &text);
    else if (config)
        bsc_text_puts(&text, "the service is not there any more");
    else if (file)
        bsc_text_printf(&text, "%zu problem%s: run `bascule config check`", problems.count,
                        problems.count == 1 ? "" : "s");
    append_lines(list, "file, not applied: ", bsc_text_get(&text));
    bsc_text_deinit(&text);
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
}

static enum bsc_plan_kind kind_wanted(const struct bsc_api_request *request)
{
    enum bsc_plan_kind kind = BSC_PLAN_DEPLOY;
    const char *name = bsc_api_input_string(request, "kind");
    if (name && !bsc_plan_kind_parse(name, &kind))
        kind = BSC_PLAN_DEPLOY;
    return kind;
}

/* With what there is when each of them is done. */
static json_t *view_steps(const struct bsc_service *service, const struct bsc_planned *planned)
{
    enum bsc_slot candidate = bsc_slots_staging(&service->row.slots);
    json_t *list = bsc_api_view_steps(&planned->plan), *step;
    size_t index;
    json_array_foreach(list, index, step)
    {
        struct bsc_plan_capacity capacity =
            bsc_plan_capacity_after(&planned->plan, (unsigned)index, planned->whole);
        json_int_t weight_bp[BSC_SLOT_COUNT] = { 0 };
        weight_bp[candidate] = capacity.weight_bp;
        weight_bp[bsc_slot_other(candidate)] = BSC_WEIGHT_FULL_BP - (json_int_t)capacity.weight_bp;
        bool chosen[BSC_SLOT_COUNT] = { false };
        chosen[candidate] = capacity.matched;
        json_object_set_new(step, "capacity",
                            json_pack("{s:{s:i, s:I, s:b}, s:{s:i, s:I, s:b}, s:b}", "blue",
                                      "instances", (int)capacity.instances[BSC_BLUE], "weight_bp",
                                      weight_bp[BSC_BLUE], "chosen", (int)chosen[BSC_BLUE], "green",
                                      "instances", (int)capacity.instances[BSC_GREEN], "weight_bp",
                                      weight_bp[BSC_GREEN], "chosen", (int)chosen[BSC_GREEN],
                                      "held", (int)capacity.held));
    }
    return list;
}

/* Rules of the file are of no use to a release by another strategy. */
static bool matches(const struct bsc_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == BSC_STEP_MATCH)
            return true;
    return false;
}

json_t *bsc_api_view_plan(const struct bsc_api_request *request, const struct bsc_engine *engine,
                          const struct bsc_service *service, const struct bsc_deploy_wish *wish,
                          bool together, struct bsc_error *error)
{
    struct bsc_planned planned = { .kind = together ? BSC_PLAN_DEPLOY : kind_wanted(request),
                                   .together = together };
    const char *version = bsc_api_input_string(request, "version");
    if (bsc_engine_plan(engine, service->name, version, wish, &planned, error) != BSC_OK)
        return NULL;
    bool of_staging = planned.kind == BSC_PLAN_SWITCH || planned.kind == BSC_PLAN_ROLLBACK;
    if (!version && of_staging)
        version = bsc_api_release_version(
            service, service->row.release[bsc_slots_staging(&service->row.slots)]);
    json_t *drift = json_array();
    add_release_drift(drift, service);
    add_file_drift(drift, service, request->api->options.config_file);
    json_t *view = json_pack(
        "{s:s, s:o, s:s, s:s, s:o, s:o, s:o}", "service", service->name, "version",
        bsc_api_words_or_null(version), "kind", bsc_plan_kind_name(planned.kind), "strategy",
        bsc_strategy_name(planned.strategy), "steps", view_steps(service, &planned), "match",
        bsc_api_view_match(matches(&planned.plan) ? &planned.spec->deploy.match : NULL), "drift",
        drift);
    bsc_spec_release(planned.spec);
    return view;
}

static void view_plan(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    struct bsc_deploy_wish wish;
    struct bsc_error error;
    json_t *plan;
    if (!service)
        bsc_api_answer_no_service(request, engine);
    else if (!bsc_api_input_wish(request, &wish))
        return;
    else if ((plan = bsc_api_view_plan(request, engine, service, &wish, false, &error)))
        bsc_api_answer_json(request, MHD_HTTP_OK, plan);
    else
        bsc_api_answer_error(request, error.status, error.text);
}

void bsc_api_get_plan(struct bsc_api_request *request)
{
    struct bsc_error error;
    const char *version = bsc_api_input_string(request, "version");
    enum bsc_plan_kind kind = kind_wanted(request);
    bool needed = kind == BSC_PLAN_DEPLOY || kind == BSC_PLAN_STAGE;
    if (!version && needed)
        bsc_api_answer_malformed(request, "query: 'version' is missing: a %s needs one",
                                 bsc_plan_kind_name(kind));
    else if (version && bsc_version_check(version, &error) != BSC_OK)
        bsc_api_answer_error(request, error.status, error.text);
    else
        bsc_api_query(request, view_plan);
}
