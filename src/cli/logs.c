/* SPDX-License-Identifier: Apache-2.0
 * cli/logs.c - `bascule logs`. */
#include <stdlib.h>
#include <string.h>

#include "cli/run.h"

struct printer {
    const struct bsc_output *output;
    struct bsc_text line; /* the unfinished one */
    struct bsc_text out;
};

static void print_line(struct printer *printer, const char *line, size_t size)
{
    const char *bar = memchr(line, '|', size);
    bsc_text_clear(&printer->out);
    if (bar) { /* "INSTANCE | text" */
        size_t name = (size_t)(bar - line) + 1;
        char *prefix = strndup(line, name);
        bsc_output_add(printer->output, &printer->out, BSC_STYLE_CYAN, prefix ? prefix : "");
        free(prefix);
        line += name;
        size -= name;
    }
    bsc_output_add_line(&printer->out, line, size);
    bsc_text_puts(&printer->out, "\n");
    fputs(bsc_text_get(&printer->out), stdout);
}

static void on_data(void *argument, const char *data, size_t size)
{
    struct printer *printer = argument;
    while (size) {
        const char *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) : size;
        bsc_text_add(&printer->line, data, part);
        if (!end)
            break;
        print_line(printer, bsc_text_get(&printer->line), printer->line.size);
        bsc_text_clear(&printer->line);
        data = end + 1;
        size -= part + 1;
    }
    fflush(stdout);
}

int bsc_run_logs(struct bsc_cli *cli)
{
    const struct bsc_call *call = &cli->call;
    struct printer printer = { .output = &cli->output };
    struct bsc_text tail = { 0 };
    struct bsc_answer answer;
    bsc_text_printf(&tail, "/logs?lines=%lld",
                    bsc_cli_given(cli, BSC_OPTION_LINES) ? (long long)call->number[BSC_OPTION_LINES]
                                                         : 100);
    if (call->text[BSC_OPTION_SLOT])
        bsc_text_printf(&tail, "&slot=%s", call->text[BSC_OPTION_SLOT]);
    if (call->text[BSC_OPTION_INSTANCE]) {
        bsc_text_puts(&tail, "&instance=");
        bsc_client_escape(&tail, call->text[BSC_OPTION_INSTANCE]);
    }
    if (bsc_cli_given(cli, BSC_OPTION_FOLLOW))
        bsc_text_puts(&tail, "&follow=true");
    char *path = bsc_cli_service_path(call->arguments[0], bsc_text_get(&tail));
    bsc_text_deinit(&tail);
    bsc_client_call(&cli->client,
                    &(struct bsc_request_spec){ .method = "GET",
                                                .path = path,
                                                .accept = "text/plain",
                                                .on_data = on_data,
                                                .argument = &printer },
                    &answer);
    free(path);
    if (printer.line.size)
        print_line(&printer, bsc_text_get(&printer.line), printer.line.size);
    bsc_text_deinit(&printer.line);
    bsc_text_deinit(&printer.out);
    if (answer.status && cli->output.json && answer.body)
        bsc_cli_print_json(answer.body);
    json_decref(answer.body);
    return answer.status ? bsc_cli_fail(&answer.error) : BSC_EXIT_DONE;
}
