/* SPDX-License-Identifier: Apache-2.0
 * cli/plan.c - the commands that explain: plan and why. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/run.h"
#include "cli/stack.h"

static const char *const slots[] = { "blue", "green" };

/* What there is when the step is done: instances and share of the traffic of each environment. */
static void add_capacity(const struct bsc_output *output, struct bsc_text *out, const json_t *step)
{
    const json_t *capacity = json_object_get(step, "capacity");
    bool held = json_is_true(json_object_get(capacity, "held"));
    for (size_t i = 0; capacity && i < sizeof slots / sizeof *slots; i++) {
        const json_t *slot = json_object_get(capacity, slots[i]);
        json_int_t weight_bp = json_integer_value(json_object_get(slot, "weight_bp"));
        bool chosen = json_is_true(json_object_get(slot, "chosen"));
        char share[16] = "";
        if (weight_bp)
            snprintf(share, sizeof share, held ? "held" : "%g %%%s", (double)weight_bp / 100,
                     chosen ? "+" : "");
        else if (chosen)
            snprintf(share, sizeof share, "chosen");
        bool idle = !weight_bp && !chosen;
        bsc_output_printf(output, out, idle ? BSC_STYLE_DIM : BSC_STYLE_PLAIN, "%3lld %7s  ",
                          json_integer_value(json_object_get(slot, "instances")), share);
    }
}

static void print_plan(const struct bsc_cli *cli, const json_t *plan)
{
    const struct bsc_output *output = &cli->output;
    struct bsc_text out = { 0 };
    size_t index;
    const json_t *step, *line;
    bsc_output_add(output, &out, BSC_STYLE_BOLD, bsc_json_text(plan, "service"));
    bsc_output_printf(output, &out, BSC_STYLE_PLAIN, "  %s ", bsc_json_text(plan, "kind"));
    bsc_output_add(output, &out, BSC_STYLE_BOLD, bsc_json_text(plan, "version"));
    bsc_output_printf(output, &out, BSC_STYLE_DIM, "  %s", bsc_json_text(plan, "strategy"));
    bsc_text_puts(&out, "\n");
    bsc_output_printf(output, &out, BSC_STYLE_DIM, "      %11s  %11s", slots[0], slots[1]);
    bsc_text_puts(&out, "\n");
    json_array_foreach(json_object_get(plan, "steps"), index, step)
    {
        const char *undo = bsc_json_text(step, "undo"), *text = bsc_json_text(step, "text");
        bsc_text_printf(&out, "%4zu. ", index + 1);
        add_capacity(output, &out, step);
        bsc_output_add(output, &out, BSC_STYLE_PLAIN, *text ? text : bsc_json_text(step, "kind"));
        if (*undo)
            bsc_output_printf(output, &out, BSC_STYLE_DIM, "  (undo: %s)", undo);
        bsc_text_puts(&out, "\n");
    }
    const json_t *match = json_object_get(plan, "match");
    if (json_array_size(match))
        bsc_text_puts(&out, "Chosen users (+) are those whose requests fit");
    json_array_foreach(match, index, line)
        bsc_text_printf(&out, "%s %s", index ? " or" : "", json_string_value(line));
    bsc_text_puts(&out, json_array_size(match) ? ".\n" : "");
    const json_t *drift = json_object_get(plan, "drift");
    bsc_text_puts(&out, json_array_size(drift) ? "Changed since the live release:\n" : "");
    json_array_foreach(drift, index, line)
    {
        bsc_output_printf(output, &out, BSC_STYLE_YELLOW, "  %s", json_string_value(line));
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

static void add_wish(const struct bsc_cli *cli, struct bsc_text *out, const char *name,
                     enum bsc_option option)
{
    if (!cli->call.text[option])
        return;
    bsc_text_puts(out, name);
    bsc_client_escape(out, cli->call.text[option]);
}

static void add_question(const struct bsc_cli *cli, struct bsc_text *out)
{
    const char *version = cli->call.arguments[1];
    bsc_text_puts(out, version ? "/plan?version=" : "/plan?kind=switch");
    if (version)
        bsc_client_escape(out, version);
    add_wish(cli, out, "&strategy=", BSC_OPTION_STRATEGY);
    add_wish(cli, out, "&steps=", BSC_OPTION_STEPS);
    add_wish(cli, out, "&match=", BSC_OPTION_MATCH);
    add_wish(cli, out, "&bake=", BSC_OPTION_BAKE);
}

/* Of one service, or a list of those that are released together. */
static void print_plans(const struct bsc_cli *cli, const json_t *answer)
{
    size_t index;
    const json_t *plan;
    if (!json_is_array(answer))
        print_plan(cli, answer);
    json_array_foreach(answer, index, plan)
    {
        if (index)
            putchar('\n');
        print_plan(cli, plan);
    }
}

int bsc_run_plan(struct bsc_cli *cli)
{
    int exit_status;
    const char *group = bsc_cli_group(cli);
    struct bsc_error error;
    if (group && !cli->call.arguments[1]) {
        bsc_error_set(&error, BSC_INVALID, "plan: VERSION is missing");
        return bsc_cli_fail(&error);
    }
    struct bsc_text tail = { 0 };
    add_question(cli, &tail);
    char *path = group ? bsc_cli_group_path(group, bsc_text_get(&tail))
                       : bsc_cli_service_path(cli->call.arguments[0], bsc_text_get(&tail));
    bsc_text_deinit(&tail);
    json_t *answer = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    if (cli->output.json)
        bsc_cli_print_json(answer);
    else if (!cli->output.quiet)
        print_plans(cli, answer);
    json_decref(answer);
    return BSC_EXIT_DONE;
}

int bsc_run_why(struct bsc_cli *cli)
{
    int exit_status;
    char *path = bsc_cli_service_path(cli->call.arguments[0], "/why");
    json_t *answer = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    size_t index;
    const json_t *line;
    struct bsc_text out = { 0 };
    if (!cli->output.json)
        json_array_foreach(json_object_get(answer, "lines"), index, line)
        {
            const char *text = json_string_value(line);
            bsc_output_add_lines(&out, text ? text : "", 2);
            bsc_text_puts(&out, "\n");
        }
    if (cli->output.json)
        bsc_cli_print_json(answer);
    else
        fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
    json_decref(answer);
    return BSC_EXIT_DONE;
}
