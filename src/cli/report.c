/* SPDX-License-Identifier: Apache-2.0
 * cli/report.c - what came of the requests that were copied to a new version. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/run.h"

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void add_examples(const struct bsc_output *output, struct bsc_text *out,
                         const json_t *finding)
{
    size_t index;
    const json_t *example;
    json_array_foreach(json_object_get(finding, "examples"), index, example)
    {
        bsc_output_printf(output, out, BSC_STYLE_DIM, "          %s: live %s, new %s",
                          bsc_json_text(example, "request"), bsc_json_text(example, "live"),
                          bsc_json_text(example, "candidate"));
        bsc_text_puts(out, "\n");
    }
}

static void add_differences(const struct bsc_output *output, struct bsc_text *out,
                            const json_t *report)
{
    size_t index;
    const json_t *finding;
    json_array_foreach(json_object_get(report, "findings"), index, finding)
    {
        if (json_is_true(json_object_get(finding, "noise")))
            continue;
        bsc_output_printf(output, out, BSC_STYLE_YELLOW, "  %6lld  %-6s  %s",
                          number(finding, "count"), bsc_json_text(finding, "kind"),
                          bsc_json_text(finding, "where"));
        bsc_text_puts(out, "\n");
        add_examples(output, out, finding);
    }
}

/* Where the live version differs from itself; nothing when it does nowhere. */
static void add_noise(const struct bsc_output *output, struct bsc_text *out, const json_t *report)
{
    size_t index;
    const json_t *finding;
    const char *before = "  noise, where the live version differs from itself: ";
    json_array_foreach(json_object_get(report, "findings"), index, finding)
    {
        const char *where = bsc_json_text(finding, "where");
        if (!json_is_true(json_object_get(finding, "noise")))
            continue;
        bsc_output_printf(output, out, BSC_STYLE_DIM, "%s%s", before,
                          *where ? where : bsc_json_text(finding, "kind"));
        before = ", ";
    }
    if (*before == ',')
        bsc_text_puts(out, "\n");
}

/* Latency, and what is not in the comparison. */
static void add_figures(const struct bsc_output *output, struct bsc_text *out, const json_t *report)
{
    json_int_t skipped = number(report, "skipped"), dropped = number(report, "dropped");
    size_t index;
    const json_t *unseen;
    bsc_output_printf(output, out, BSC_STYLE_DIM, "  p95 %.3g ms, live %.3g ms",
                      (double)number(json_object_get(report, "candidate"), "p95_us") / 1000,
                      (double)number(json_object_get(report, "live"), "p95_us") / 1000);
    if (skipped)
        bsc_output_printf(output, out, BSC_STYLE_DIM, "; %lld not compared", skipped);
    json_array_foreach(json_object_get(report, "unseen"), index, unseen)
        bsc_output_printf(output, out, BSC_STYLE_DIM, "%s%s %lld", index ? ", " : ": ",
                          bsc_json_text(unseen, "why"), number(unseen, "count"));
    if (dropped)
        bsc_output_printf(output, out, BSC_STYLE_DIM, "; %lld dropped", dropped);
    bsc_text_puts(out, "\n");
}

static void print_report(const struct bsc_cli *cli, const json_t *report)
{
    const struct bsc_output *output = &cli->output;
    struct bsc_text out = { 0 };
    bsc_output_add(output, &out, BSC_STYLE_BOLD, bsc_json_text(report, "service"));
    bsc_output_printf(output, &out, BSC_STYLE_PLAIN, " %s: %s", bsc_json_text(report, "version"),
                      bsc_json_text(report, "verdict"));
    bsc_text_puts(&out, "\n  ");
    bsc_output_add_lines(&out, bsc_json_text(report, "text"), 2);
    bsc_text_puts(&out, "\n");
    add_figures(output, &out, report);
    add_differences(output, &out, report);
    add_noise(output, &out, report);
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

int bsc_run_report(struct bsc_cli *cli)
{
    int exit_status;
    char *path = bsc_cli_service_path(cli->call.arguments[0], "/report");
    json_t *report = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!report)
        return exit_status;
    if (cli->output.json)
        bsc_cli_print_json(report);
    else if (!cli->output.quiet && json_is_object(json_object_get(report, "trial")))
        bsc_report_trial(cli, report);
    else if (!cli->output.quiet)
        print_report(cli, report);
    json_decref(report);
    return BSC_EXIT_DONE;
}
