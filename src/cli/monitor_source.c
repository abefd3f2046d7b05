/* SPDX-License-Identifier: Apache-2.0
 * cli/monitor_source.c - bascule's own counters, for monitor.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/monitor.h"

enum { LOOK_MS = 10000 };

static void add_slot(const json_t *slot, struct bsc_load_tally *out)
{
    const json_t *bucket;
    size_t index;
    out->requests += (uint64_t)bsc_json_number(slot, "requests");
    out->errors += (uint64_t)bsc_json_number(slot, "errors");
    json_array_foreach(json_object_get(slot, "latency"), index, bucket)
    {
        uint64_t up_to_us = (uint64_t)bsc_json_number(bucket, "up_to_us");
        out->latency[bsc_histogram_bucket(up_to_us)] += (uint64_t)bsc_json_number(bucket, "count");
    }
}

void bsc_monitor_read(const json_t *answer, const char *slot, struct bsc_monitor_counted *out)
{
    static const char *const names[] = { "blue", "green" };
    const json_t *slots = json_object_get(answer, "slots");
    out->controller = bsc_json_number(answer, "controller");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!slot || !strcmp(slot, names[i]))
            add_slot(json_object_get(slots, names[i]), &out->tally);
}

/* A counter that fell began anew: a service was removed and came back. */
static uint64_t grown(uint64_t before, uint64_t now)
{
    return now >= before ? now - before : now;
}

struct bsc_monitor_look bsc_monitor_between(const struct bsc_monitor_counted *before,
                                            const struct bsc_monitor_counted *now)
{
    static const struct bsc_monitor_counted nothing;
    struct bsc_load_tally tally = { .max_us = UINT64_MAX };
    uint64_t answers = 0;
    if (before->controller != now->controller)
        before = &nothing;
    tally.requests = grown(before->tally.requests, now->tally.requests);
    tally.errors = grown(before->tally.errors, now->tally.errors);
    for (unsigned i = 0; i < BSC_HISTOGRAM_BUCKETS; i++)
        answers += tally.latency[i] = grown(before->tally.latency[i], now->tally.latency[i]);
    struct bsc_monitor_look look = { NAN, NAN, tally.requests };
    if (tally.requests)
        look.errors_percent = 100.0 * (double)tally.errors / (double)tally.requests;
    if (answers)
        look.p95_ms = bsc_load_quantile_us(&tally, 0.95) / 1e3;
    return look;
}

static bool ask_one(struct bsc_cli *cli, const char *service, const char *slot,
                    struct bsc_monitor_counted *out, int *exit_status)
{
    char *path = bsc_cli_service_path(service, "/counters");
    json_t *answer = bsc_cli_request(cli, "GET", path, NULL, LOOK_MS, exit_status);
    free(path);
    if (answer)
        bsc_monitor_read(answer, slot, out);
    json_decref(answer);
    return answer != NULL;
}

bool bsc_monitor_ask(struct bsc_cli *cli, const char *service, const char *slot,
                     struct bsc_monitor_counted *out, int *exit_status)
{
    const json_t *one;
    size_t index;
    bool fine = true;
    *out = (struct bsc_monitor_counted){ 0 };
    if (service)
        return ask_one(cli, service, slot, out, exit_status);
    json_t *status = bsc_cli_request(cli, "GET", "/v1/status", NULL, LOOK_MS, exit_status);
    if (!status)
        return false;
    json_array_foreach(json_object_get(status, "services"), index, one) fine =
        fine && ask_one(cli, bsc_json_text(one, "name"), slot, out, exit_status);
    json_decref(status);
    return fine;
}
