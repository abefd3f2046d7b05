/* SPDX-License-Identifier: Apache-2.0
 * api/apply.c - POST /v1/apply: a configuration, read here, put in force by the engine. */
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"

static json_t *view_problems(const struct bsc_config_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const struct bsc_config_problem *item = &problems->items[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:i, s:o, s:o}", "file", bsc_api_words(item->file),
                                        "line", (int)item->line, "key", bsc_api_words(item->key),
                                        "text", bsc_api_words(item->text)));
    }
    return list;
}

static void answer_problems(struct bsc_api_request *request,
                            const struct bsc_config_problems *problems)
{
    struct bsc_text detail = { 0 };
    const struct bsc_config_problem *first = problems->items;
    if (problems->count) {
        bsc_text_puts(&detail, first->file);
        if (first->line)
            bsc_text_printf(&detail, ":%u", first->line);
        bsc_text_printf(&detail, ": %s%s%s", first->key, *first->key ? ": " : "", first->text);
    }
    if (problems->count > 1)
        bsc_text_printf(&detail, " (and %zu more)", problems->count - 1);
    bsc_api_answer_problem(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid",
                           "The configuration is not valid", bsc_text_get(&detail),
                           json_pack("{s:o}", "problems", view_problems(problems)));
    bsc_text_deinit(&detail);
}

static void answer_apply(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    if (reply->status != BSC_OK) {
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
        return;
    }
    json_t *changes = json_array();
    for (unsigned i = 0; i < reply->line_count; i++)
        json_array_append_new(changes, bsc_api_words(reply->lines[i]));
    bsc_api_answer_json(request, request->route->status, json_pack("{s:o}", "changes", changes));
}

void bsc_api_post_apply(struct bsc_api_request *request)
{
    const char *file = bsc_api_input_string(request, "file");
    const char *text = bsc_api_input_string(request, "text");
    const char *own = request->api->options.config_file;
    if (!file != !text) {
        /* Reading whatever path a caller names would let it see files that it may not read. */
        bsc_api_answer_malformed(request, "body: 'file' and 'text' go together: 'file' names what "
                                          "'text' holds");
        return;
    }
    if (file && file[0] != '/') {
        bsc_api_answer_malformed(request, "body: 'file' must be an absolute path");
        return;
    }
    struct bsc_config_problems problems = { 0 };
    request->config = file ? bsc_config_parse(file, text, strlen(text), &problems)
                           : bsc_config_read(own, &problems);
    struct bsc_event event = { .kind = BSC_EVENT_APPLY, .config = request->config };
    if (request->config)
        bsc_api_command(request, &event, answer_apply);
    else
        answer_problems(request, &problems);
    bsc_config_problems_deinit(&problems);
}
