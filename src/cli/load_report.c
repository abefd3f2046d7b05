/* SPDX-License-Identifier: Apache-2.0
 * cli/load_report.c - see load_report.h. */
#include "cli/load_report.h"

#include <stdio.h>
#include <string.h>

#include "cli/grid.h"

static const double quantiles[] = { 0.5, 0.9, 0.95, 0.99 };
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

static void add_value(struct bsc_grid *grid, enum bsc_style style, enum bsc_load_metric metric,
                      double value)
{
    struct bsc_text text = { 0 };
    bsc_load_value_text(metric, value, &text);
    bsc_grid_add(grid, style, bsc_text_get(&text));
    bsc_text_deinit(&text);
}

static void add_count(struct bsc_grid *grid, enum bsc_style style, uint64_t count)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    bsc_grid_add(grid, style, text);
}

void bsc_load_line(const struct bsc_output *output, const struct bsc_load_scenario *scenario,
                   const struct bsc_load_progress *progress, const struct bsc_load_counts *counts,
                   unsigned columns, struct bsc_text *out)
{
    size_t from = out->size;
    double errors = 0;
    if (progress->logging_in) {
        bsc_output_printf(output, out, BSC_STYLE_DIM, "logging in: %llu of %u users",
                          (unsigned long long)counts->logins, scenario->users);
        bsc_cells_cut(output, out, from, columns);
        bsc_text_puts(out, "\n");
        return;
    }
    struct bsc_text values = { 0 };
    bsc_text_printf(&values, "%.0fs of %.0fs  ", (double)progress->now_us / 1e6,
                    (double)progress->end_us / 1e6);
    if (scenario->model == BSC_LOAD_OPEN)
        bsc_text_printf(&values, "wanted %.4g/s  ", progress->target);
    else
        bsc_text_printf(&values, "users %.0f  ", progress->target);
    bsc_load_value_text(BSC_LOAD_RATE, bsc_load_rate(counts), &values);
    bsc_text_puts(&values, "  p50 ");
    bsc_load_value_text(BSC_LOAD_P50, bsc_load_quantile_us(&counts->all, 0.5), &values);
    bsc_text_puts(&values, "  p95 ");
    bsc_load_value_text(BSC_LOAD_P95, bsc_load_quantile_us(&counts->all, 0.95), &values);
    bsc_text_printf(&values, "  under way %u  errors ", progress->busy);
    bsc_output_add(output, out, BSC_STYLE_PLAIN, bsc_text_get(&values));
    bsc_text_clear(&values);
    bsc_load_error_rate(counts, &errors);
    bsc_load_value_text(BSC_LOAD_ERRORS, errors, &values);
    bsc_output_add(output, out, errors > 0 ? BSC_STYLE_RED : BSC_STYLE_PLAIN,
                   bsc_text_get(&values));
    bsc_text_deinit(&values);
    bsc_cells_cut(output, out, from, columns);
    bsc_text_puts(out, "\n");
}

static void add_row(struct bsc_grid *grid, const char *name, const struct bsc_load_tally *tally,
                    const struct bsc_load_counts *counts)
{
    bsc_grid_add(grid, BSC_STYLE_PLAIN, name);
    add_count(grid, BSC_STYLE_PLAIN, tally->requests);
    add_value(grid, BSC_STYLE_PLAIN, BSC_LOAD_RATE,
              counts->elapsed_us > 0
                  ? (double)(tally->requests - tally->errors) * 1e6 / (double)counts->elapsed_us
                  : 0);
    add_count(grid, tally->errors ? BSC_STYLE_RED : BSC_STYLE_PLAIN, tally->errors);
    for (unsigned i = 0; i < QUANTILES; i++)
        if (tally->requests)
            add_value(grid, BSC_STYLE_PLAIN, BSC_LOAD_P50,
                      bsc_load_quantile_us(tally, quantiles[i]));
        else
            bsc_grid_add(grid, BSC_STYLE_DIM, "-");
    if (tally->requests)
        add_value(grid, BSC_STYLE_PLAIN, BSC_LOAD_MAX, (double)tally->max_us);
    else
        bsc_grid_add(grid, BSC_STYLE_DIM, "-");
}

static void print_requests(const struct bsc_output *output,
                           const struct bsc_load_scenario *scenario,
                           const struct bsc_load_counts *counts)
{
    static const char *const titles[] = { "REQUEST", "COUNT", "GOOD", "ERRORS", "P50",
                                          "P90",     "P95",   "P99",  "MAX",    NULL };
    struct bsc_grid grid;
    bsc_grid_init(&grid, output, titles);
    for (unsigned i = 0; i < scenario->request_count; i++)
        add_row(&grid, scenario->requests[i].name, &counts->requests[i], counts);
    if (scenario->request_count > 1)
        add_row(&grid, "all", &counts->all, counts);
    bsc_grid_print(&grid);
}

static void print_failures(const struct bsc_output *output, const struct bsc_load_counts *counts)
{
    struct bsc_text out = { 0 };
    for (unsigned i = BSC_LOAD_STATUS + 1; i < BSC_LOAD_FAILURES; i++)
        if (counts->failures[i])
            bsc_output_printf(output, &out, BSC_STYLE_RED, "%llu: %s",
                              (unsigned long long)counts->failures[i], bsc_load_failure_text(i)),
                bsc_text_puts(&out, "\n");
    bsc_text_puts(&out, "statuses:");
    for (unsigned i = 100; i < BSC_LOAD_STATUSES; i++)
        if (counts->statuses[i])
            bsc_text_printf(&out, "  %u: %llu", i, (unsigned long long)counts->statuses[i]);
    bsc_text_puts(&out, "\n");
    if (counts->delayed)
        bsc_output_printf(output, &out, BSC_STYLE_YELLOW,
                          "%llu requests were sent more than 0.1 s late, as all users waited for "
                          "an answer; their latency counts from when they were due",
                          (unsigned long long)counts->delayed),
            bsc_text_puts(&out, "\n");
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

/* "p95 < 500 ms: 612 ms (22 % above)" */
static void add_verdict(const struct bsc_load_threshold *threshold,
                        const struct bsc_load_verdict *verdict, struct bsc_text *out)
{
    bsc_load_threshold_text(threshold, out);
    bsc_text_puts(out, ": ");
    if (!verdict->known) {
        bsc_text_puts(out, "not known, too few requests");
        return;
    }
    bsc_load_value_text(threshold->metric, verdict->found, out);
    if (verdict->met || threshold->limit <= 0)
        return;
    double beyond = verdict->found / threshold->limit - 1;
    bsc_text_puts(out, " (");
    bsc_load_value_text(BSC_LOAD_STABLE, beyond < 0 ? -beyond : beyond, out);
    bsc_text_puts(out, beyond < 0 ? " below)" : " above)");
}

static void print_thresholds(const struct bsc_output *output,
                             const struct bsc_load_scenario *scenario,
                             const struct bsc_load_counts *counts)
{
    struct bsc_text out = { 0 }, line = { 0 };
    for (unsigned i = 0; i < scenario->threshold_count; i++) {
        const struct bsc_load_threshold *threshold = &scenario->thresholds[i];
        const struct bsc_load_verdict verdict = bsc_load_judge(threshold, counts);
        bsc_text_clear(&line);
        add_verdict(threshold, &verdict, &line);
        bsc_output_add(output, &out, verdict.met ? BSC_STYLE_GREEN : BSC_STYLE_RED,
                       verdict.met ? "met     " : "broken  ");
        bsc_output_add(output, &out, BSC_STYLE_PLAIN, bsc_text_get(&line));
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
    bsc_text_deinit(&line);
}

void bsc_load_print(const struct bsc_output *output, const struct bsc_load_scenario *scenario,
                    const struct bsc_load_counts *counts)
{
    print_requests(output, scenario, counts);
    print_failures(output, counts);
    print_thresholds(output, scenario, counts);
}

bool bsc_load_passed(const struct bsc_load_scenario *scenario, const struct bsc_load_counts *counts,
                     bool stopped, struct bsc_text *why)
{
    const char *separator = "";
    size_t before = why->size;
    for (unsigned i = 0; i < scenario->threshold_count; i++) {
        const struct bsc_load_verdict verdict = bsc_load_judge(&scenario->thresholds[i], counts);
        if (verdict.met)
            continue;
        bsc_text_puts(why, separator);
        add_verdict(&scenario->thresholds[i], &verdict, why);
        separator = "; ";
    }
    if (stopped)
        bsc_text_printf(why, "%sstopped before its end", separator);
    else if (counts->all.requests == counts->all.errors && why->size == before)
        bsc_text_printf(why, "no request was answered as expected");
    return why->size == before;
}

/* JSON */

static json_t *tally_json(const struct bsc_load_tally *tally, const struct bsc_load_counts *counts)
{
    static const char *const names[QUANTILES] = { "p50_us", "p90_us", "p95_us", "p99_us" };
    json_t *latency = json_object();
    for (unsigned i = 0; i < QUANTILES; i++)
        json_object_set_new(
            latency, names[i],
            tally->requests ? json_integer((json_int_t)bsc_load_quantile_us(tally, quantiles[i]))
                            : json_null());
    json_object_set_new(latency, "max_us",
                        tally->requests ? json_integer((json_int_t)tally->max_us) : json_null());
    json_object_set_new(latency, "mean_us",
                        tally->requests
                            ? json_integer((json_int_t)(tally->sum_us / tally->requests))
                            : json_null());
    double rate = counts->elapsed_us > 0
                      ? (double)(tally->requests - tally->errors) * 1e6 / (double)counts->elapsed_us
                      : 0;
    return json_pack("{s:I, s:I, s:f, s:o}", "requests", (json_int_t)tally->requests, "errors",
                     (json_int_t)tally->errors, "rate", rate, "latency", latency);
}

static json_t *failures_json(const struct bsc_load_counts *counts)
{
    json_t *failures = json_array();
    for (unsigned i = BSC_LOAD_STATUS; i < BSC_LOAD_FAILURES; i++)
        if (counts->failures[i])
            json_array_append_new(failures,
                                  json_pack("{s:s, s:I}", "text", bsc_load_failure_text(i), "count",
                                            (json_int_t)counts->failures[i]));
    return failures;
}

static json_t *statuses_json(const struct bsc_load_counts *counts)
{
    json_t *statuses = json_object();
    for (unsigned i = 100; i < BSC_LOAD_STATUSES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        if (counts->statuses[i])
            json_object_set_new(statuses, name, json_integer((json_int_t)counts->statuses[i]));
    }
    return statuses;
}

static json_t *thresholds_json(const struct bsc_load_scenario *scenario,
                               const struct bsc_load_counts *counts)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < scenario->threshold_count; i++) {
        const struct bsc_load_threshold *threshold = &scenario->thresholds[i];
        const struct bsc_load_verdict verdict = bsc_load_judge(threshold, counts);
        struct bsc_text text = { 0 };
        add_verdict(threshold, &verdict, &text);
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:o, s:b, s:s}", "metric",
                            bsc_load_metric_names[threshold->metric], "limit", threshold->limit,
                            "found", verdict.known ? json_real(verdict.found) : json_null(), "met",
                            verdict.met, "text", bsc_text_get(&text)));
        bsc_text_deinit(&text);
    }
    return list;
}

json_t *bsc_load_json(const struct bsc_load_scenario *scenario,
                      const struct bsc_load_counts *counts, bool stopped, bool passed)
{
    double errors = 0, drift = 0;
    bool counted = bsc_load_error_rate(counts, &errors);
    bool drifted = bsc_load_drift(counts, &drift);
    json_t *view = tally_json(&counts->all, counts), *requests = json_array();
    for (unsigned i = 0; i < scenario->request_count; i++) {
        json_t *one = tally_json(&counts->requests[i], counts);
        json_object_set_new(one, "name", json_string(scenario->requests[i].name));
        json_array_append_new(requests, one);
    }
    json_t *more =
        json_pack("{s:b, s:b, s:s, s:s, s:I, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
                  "passed", passed, "stopped", stopped, "url", scenario->url, "model",
                  scenario->model == BSC_LOAD_OPEN ? "rate" : "users", "duration_ms",
                  (json_int_t)(counts->elapsed_us / 1000), "error_rate",
                  counted ? json_real(errors) : json_null(), "drift",
                  drifted ? json_real(drift) : json_null(), "bytes", (json_int_t)counts->bytes,
                  "delayed", (json_int_t)counts->delayed, "logins", (json_int_t)counts->logins,
                  "statuses", statuses_json(counts), "failures", failures_json(counts),
                  "by_request", requests, "thresholds", thresholds_json(scenario, counts));
    json_object_update(view, more);
    json_decref(more);
    return view;
}
