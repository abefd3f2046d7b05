/* SPDX-License-Identifier: Apache-2.0
 * cli/operate.c - the commands that ask the daemon for one thing: check, cleanup, traffic, upgrade,
 * apply. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/run.h"
#include "cli/stack.h"

static void print_line(const struct bsc_cli *cli, enum bsc_style style, const char *text)
{
    struct bsc_text out = { 0 };
    if (cli->output.quiet)
        return;
    bsc_output_add(&cli->output, &out, style, text);
    printf("%s\n", bsc_text_get(&out));
    bsc_text_deinit(&out);
}

static void print_checks(const struct bsc_cli *cli, const json_t *result)
{
    const struct bsc_output *output = &cli->output;
    size_t index;
    const json_t *check;
    struct bsc_text out = { 0 };
    json_array_foreach(json_object_get(result, "checks"), index, check)
    {
        bool passed = json_is_true(json_object_get(check, "passed"));
        const char *mark = output->unicode ? passed ? "✓" : "✗" : passed ? "+" : "x";
        bsc_output_add(output, &out, passed ? BSC_STYLE_GREEN : BSC_STYLE_RED, mark);
        bsc_output_printf(output, &out, BSC_STYLE_PLAIN, " %s  %s",
                          bsc_json_text(check, "instance"), bsc_json_text(check, "detail"));
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

int bsc_run_check(struct bsc_cli *cli)
{
    struct bsc_answer answer;
    const char *service = cli->call.arguments[0];
    char *path = bsc_cli_service_path(service, "/check");
    json_t *nothing = json_object();
    bsc_client_call(&cli->client,
                    &(struct bsc_request_spec){ .method = "POST", .path = path, .body = nothing },
                    &answer);
    json_decref(nothing);
    free(path);
    if (cli->output.json && answer.body)
        bsc_cli_print_json(answer.body);
    else if (!cli->output.quiet)
        print_checks(cli, answer.body);
    int exit_status = BSC_EXIT_DONE;
    if (answer.status) {
        exit_status = bsc_cli_fail(&answer.error);
    } else if (!cli->output.json) {
        struct bsc_text said = { 0 };
        bsc_text_printf(&said, "%s: healthy, %lld passed, %lld failed, %lld ms", service,
                        bsc_json_number(answer.body, "passed"),
                        bsc_json_number(answer.body, "failed"),
                        bsc_json_number(answer.body, "duration_ms"));
        print_line(cli, BSC_STYLE_GREEN, bsc_text_get(&said));
        bsc_text_deinit(&said);
    }
    json_decref(answer.body);
    return exit_status;
}

int bsc_cli_do(struct bsc_cli *cli, const char *action, json_t *take_body)
{
    int exit_status;
    const char *group = bsc_cli_group(cli);
    char *path = group ? bsc_cli_group_path(group, action)
                       : bsc_cli_service_path(cli->call.arguments[0], action);
    json_t *answer =
        bsc_cli_request(cli, "POST", path, take_body, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    if (cli->output.json)
        bsc_cli_print_json(answer);
    else
        print_line(cli, BSC_STYLE_PLAIN, bsc_json_text(answer, "done"));
    json_decref(answer);
    return BSC_EXIT_DONE;
}

int bsc_run_cleanup(struct bsc_cli *cli)
{
    return bsc_cli_do(cli, "/cleanup", json_object());
}

/* Prints the answer as JSON, or what it says to people. Frees both. */
static int print_said(struct bsc_cli *cli, json_t *answer, struct bsc_text *said)
{
    if (cli->output.json)
        bsc_cli_print_json(answer);
    else
        print_line(cli, BSC_STYLE_PLAIN, bsc_text_get(said));
    bsc_text_deinit(said);
    json_decref(answer);
    return BSC_EXIT_DONE;
}

int bsc_run_traffic(struct bsc_cli *cli)
{
    int exit_status;
    char *path = bsc_cli_service_path(cli->call.arguments[0], "/traffic");
    json_t *answer =
        bsc_cli_request(cli, "PUT", path, json_pack("{s:s}", "mode", cli->call.arguments[1]),
                        BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    struct bsc_text said = { 0 };
    bsc_text_printf(&said, "%s: %s", cli->call.arguments[0], bsc_json_text(answer, "traffic"));
    return print_said(cli, answer, &said);
}

int bsc_run_upgrade(struct bsc_cli *cli)
{
    int exit_status;
    json_t *answer = bsc_cli_request(cli, "POST", "/v1/upgrade", json_object(), 0, &exit_status);
    if (!answer)
        return exit_status;
    struct bsc_text said = { 0 };
    bsc_text_printf(&said, "a new proxy serves (generation %lld); the old one finishes what it has",
                    bsc_json_number(answer, "generation"));
    return print_said(cli, answer, &said);
}

/* Reads the file whose text the daemon gets; the daemon itself may not be allowed to. */
static json_t *read_file(const char *path, struct bsc_error *error)
{
    enum { MOST_BYTES = 4 * 1024 * 1024 };
    struct bsc_text text = { 0 };
    json_t *body = NULL;
    char block[16384];
    size_t size;
    FILE *file = fopen(path, "re");
    if (!file) {
        bsc_error_errno(error, "read %s", path);
        error->status = BSC_INVALID;
        return NULL;
    }
    while ((size = fread(block, 1, sizeof block, file)) > 0 && text.size <= MOST_BYTES)
        bsc_text_add(&text, block, size);
    char absolute[PATH_MAX];
    if (ferror(file)) {
        bsc_error_errno(error, "read %s", path);
        error->status = BSC_INVALID;
    } else if (text.size > MOST_BYTES) {
        bsc_error_set(error, BSC_INVALID, "%s is larger than 4 MiB", path);
    } else if (!realpath(path, absolute)) {
        bsc_error_errno(error, "find %s", path);
    } else {
        body = json_pack("{s:s, s:s%}", "file", absolute, "text", bsc_text_get(&text), text.size);
        if (!body)
            bsc_error_set(error, BSC_INVALID, "%s is not UTF-8 text", path);
    }
    fclose(file);
    bsc_text_deinit(&text);
    return body;
}

static void print_problems(const json_t *answer)
{
    size_t index;
    const json_t *problem;
    struct bsc_text out = { 0 };
    json_array_foreach(json_object_get(answer, "problems"), index, problem)
    {
        const char *file = bsc_json_text(problem, "file"), *key = bsc_json_text(problem, "key");
        const char *text = bsc_json_text(problem, "text");
        bsc_text_add_escaped(&out, file, strlen(file));
        if (bsc_json_number(problem, "line"))
            bsc_text_printf(&out, ":%lld", bsc_json_number(problem, "line"));
        bsc_text_puts(&out, ": ");
        bsc_text_add_escaped(&out, key, strlen(key));
        bsc_text_puts(&out, *key ? ": " : "");
        bsc_text_add_escaped(&out, text, strlen(text));
        bsc_text_puts(&out, "\n");
    }
    fputs(bsc_text_get(&out), stderr);
    bsc_text_deinit(&out);
}

int bsc_run_apply(struct bsc_cli *cli)
{
    struct bsc_error error;
    const char *file = cli->call.text[BSC_OPTION_FILE];
    if (!file && cli->place.config_given)
        file = cli->place.config;
    json_t *body = file ? read_file(file, &error) : json_object();
    if (!body)
        return bsc_cli_fail(&error);

    struct bsc_answer answer;
    bsc_client_call(
        &cli->client,
        &(struct bsc_request_spec){ .method = "POST", .path = "/v1/apply", .body = body }, &answer);
    json_decref(body);
    if (cli->output.json && answer.body)
        bsc_cli_print_json(answer.body);
    int exit_status = BSC_EXIT_DONE;
    const json_t *changes = json_object_get(answer.body, "changes");
    if (answer.status) {
        print_problems(answer.body);
        if (json_array_size(json_object_get(answer.body, "problems")))
            bsc_error_set(&answer.error, answer.error.status, "nothing was changed");
        exit_status = bsc_cli_fail(&answer.error);
    } else if (!cli->output.json) {
        size_t index;
        const json_t *change;
        json_array_foreach(changes, index, change)
            print_line(cli, BSC_STYLE_PLAIN, json_string_value(change));
        if (!json_array_size(changes))
            print_line(cli, BSC_STYLE_PLAIN, "nothing has changed");
    }
    json_decref(answer.body);
    return exit_status;
}
