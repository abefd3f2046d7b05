/* SPDX-License-Identifier: Apache-2.0
 * cli/events.c - `bascule events`: the audit, and its live continuation. */
#include <poll.h>
#include <string.h>

#include "cli/json.h"
#include "cli/run.h"
#include "cli/sse.h"

enum { LINES_DEFAULT = 100, STREAM_RETRY_MS = 500, SILENCE_TRIES = 120, INDENT = 20 };

struct follower {
    struct bsc_cli *cli;
    struct bsc_sse sse;
    unsigned failures; /* in a row */
};

static void print_event(const struct bsc_cli *cli, const json_t *event)
{
    const struct bsc_output *output = &cli->output;
    const char *kind = bsc_json_text(event, "kind"), *actor = bsc_json_text(event, "actor");
    const char *service = bsc_json_text(event, "service");
    const char *rollout = bsc_json_text(event, "rollout");
    char time[32];
    struct bsc_text out = { 0 };
    if (output->json) {
        json_dumpf(event, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    bsc_output_printf(output, &out, BSC_STYLE_DIM, "%s ",
                      bsc_cli_time(bsc_json_text(event, "at"), time));
    bsc_output_printf(output, &out, BSC_STYLE_BOLD, "%-10s ", *service ? service : "-");
    bsc_output_printf(output, &out, bsc_style_of(kind), "%-12s ", kind);
    bsc_output_printf(output, &out, BSC_STYLE_DIM, "%-5s ", *rollout ? rollout : "-");
    if (*actor && strcmp(actor, "bascule") != 0)
        bsc_output_printf(output, &out, BSC_STYLE_DIM, "%s: ", actor);
    bsc_output_add_lines(&out, bsc_json_text(event, "text"), INDENT);
    bsc_text_puts(&out, "\n");
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

static void events_path(const struct bsc_cli *cli, struct bsc_text *out)
{
    bsc_text_puts(out, "/v1/events?");
    if (cli->call.argument_count) {
        bsc_text_puts(out, "service=");
        bsc_client_escape(out, cli->call.arguments[0]);
        bsc_text_puts(out, "&");
    }
}

static void on_event(void *argument, const char *event, const char *data)
{
    struct follower *follower = argument;
    follower->failures = 0;
    if (!strcmp(event, "changed")) /* a hint to look at the status; nothing to print */
        return;
    json_t *parsed = json_loads(data, 0, NULL);
    if (json_is_object(parsed)) {
        print_event(follower->cli, parsed);
        fflush(stdout);
    }
    json_decref(parsed);
}

static void on_stream(void *argument, const char *data, size_t size)
{
    struct follower *follower = argument;
    bsc_sse_feed(&follower->sse, data, size);
}

/* Goes on where it was cut off, when the controller is restarted in between. */
static int follow(struct bsc_cli *cli, long long after)
{
    struct bsc_text path = { 0 };
    struct bsc_answer answer;
    struct follower follower = { .cli = cli };
    follower.sse =
        (struct bsc_sse){ .on_event = on_event, .argument = &follower, .last_id = after };
    events_path(cli, &path);
    bsc_text_printf(&path, "after=%lld", after);
    do {
        bsc_sse_restart(&follower.sse);
        bsc_client_call(&cli->client,
                        &(struct bsc_request_spec){ .method = "GET",
                                                    .path = bsc_text_get(&path),
                                                    .accept = "text/event-stream",
                                                    .last_event = follower.sse.last_id,
                                                    .on_data = on_stream,
                                                    .argument = &follower },
                        &answer);
        json_decref(answer.body);
        poll(NULL, 0, STREAM_RETRY_MS);
    } while ((!answer.status || answer.status == BSC_UNAVAILABLE) &&
             follower.failures++ < SILENCE_TRIES);
    bsc_text_deinit(&path);
    bsc_sse_deinit(&follower.sse);
    return answer.status ? bsc_cli_fail(&answer.error) : BSC_EXIT_DONE;
}

int bsc_run_events(struct bsc_cli *cli)
{
    int exit_status = BSC_EXIT_DONE;
    bool goes_on = bsc_cli_given(cli, BSC_OPTION_FOLLOW);
    struct bsc_text path = { 0 };
    events_path(cli, &path);
    bsc_text_printf(&path, "limit=%lld",
                    bsc_cli_given(cli, BSC_OPTION_LINES)
                        ? (long long)cli->call.number[BSC_OPTION_LINES]
                        : LINES_DEFAULT);
    json_t *events =
        bsc_cli_request(cli, "GET", bsc_text_get(&path), NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    bsc_text_deinit(&path);
    if (!events)
        return exit_status;
    size_t index;
    const json_t *event;
    long long last = 0;
    if (cli->output.json && !goes_on)
        bsc_cli_print_json(events);
    json_array_foreach(events, index, event)
    {
        if (!cli->output.json || goes_on)
            print_event(cli, event);
        last = bsc_json_number(event, "sequence");
    }
    fflush(stdout);
    json_decref(events);
    return goes_on ? follow(cli, last) : BSC_EXIT_DONE;
}
