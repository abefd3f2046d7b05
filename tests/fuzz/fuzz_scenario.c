/* SPDX-License-Identifier: Apache-2.0
 * Any bytes are a scenario or have problems, and what is accepted can be drawn and sent. */
#include <math.h>
#include <string.h>

#include "load/scenario.h"
#include "must.h"

static void render(const struct bsc_load_template *template, uint64_t *random)
{
    struct bsc_load_values values = { .random = random, .user = 1, .kept = { "a\"b\r\n" } };
    struct bsc_text out = { 0 };
    bsc_load_render(template, &values, &out);
    MUST(template->escape != BSC_LOAD_FIELD || !strpbrk(bsc_text_get(&out), "\r\n"));
    MUST(template->escape != BSC_LOAD_TARGET || !strpbrk(bsc_text_get(&out), " \r\n#"));
    bsc_text_deinit(&out);
}

static void draw(const struct bsc_load_request *request, uint64_t *random)
{
    MUST(request->name && request->method && *request->method);
    render(&request->path, random);
    for (unsigned i = 0; i < request->headers.count; i++)
        render(&request->headers.items[i].value, random);
    if (request->has_body)
        render(&request->body, random);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bsc_config_problems problems = { 0 };
    uint64_t random = 1, weight = 0;
    struct bsc_load_scenario *scenario =
        bsc_load_scenario_parse("/nowhere/load.yaml", (const char *)data, size, &problems);
    MUST(!scenario == (problems.count > 0));
    for (unsigned i = 0; scenario && i < scenario->request_count; i++) {
        draw(&scenario->requests[i], &random);
        weight += scenario->requests[i].weight;
    }
    if (scenario) {
        MUST(weight > 0 && scenario->users > 0 && scenario->users <= BSC_LOAD_USERS_MAX);
        MUST(bsc_load_shape_us(&scenario->shape) > 0);
        MUST(isfinite(bsc_load_shape_peak(&scenario->shape)));
        MUST(bsc_load_shape_due_us(&scenario->shape, 3) >= 0);
        MUST(scenario->think_ms[0] <= scenario->think_ms[1]);
    }
    bsc_load_scenario_destroy(scenario);
    bsc_config_problems_deinit(&problems);
    return 0;
}
