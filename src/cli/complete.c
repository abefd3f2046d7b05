/* SPDX-License-Identifier: Apache-2.0
 * cli/complete.c - see complete.h. */
#include "cli/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/place.h"

/* A shell waits for this at every TAB. */
enum { ASK_MS = 800 };

struct line {
    struct bsc_call call;
    int option; /* whose value the next word is; -1: none */
    bool only_arguments;
};

static uint64_t allowed(const struct bsc_call *call)
{
    return bsc_options_everywhere | (call->command ? call->command->options : 0);
}

static int find_option(const struct bsc_call *call, const char *name, size_t size)
{
    for (int i = 0; i < BSC_OPTION_COUNT; i++)
        if (allowed(call) & BSC_OPTION_BIT(i) && strlen(bsc_options[i].name) == size &&
            !strncmp(bsc_options[i].name, name, size))
            return i;
    return -1;
}

static int find_letter(const struct bsc_call *call, char letter)
{
    for (int i = 0; i < BSC_OPTION_COUNT; i++)
        if (allowed(call) & BSC_OPTION_BIT(i) && bsc_options[i].letter == letter)
            return i;
    return -1;
}

/* Half a line has mistakes of its own: what is not understood is passed over. */
static void take_word(struct line *line, const char *word)
{
    struct bsc_call *call = &line->call;
    if (line->option >= 0) {
        call->text[line->option] = word;
        line->option = -1;
    } else if (!line->only_arguments && !strcmp(word, "--")) {
        line->only_arguments = true;
    } else if (!line->only_arguments && word[0] == '-' && word[1]) {
        const char *equals = strchr(word, '=');
        int option = word[1] == '-' ? find_option(call, word + 2, strcspn(word + 2, "="))
                                    : (word[2] ? -1 : find_letter(call, word[1]));
        if (option >= 0 && bsc_options[option].metavar && !equals)
            line->option = option;
        else if (option >= 0 && equals)
            call->text[option] = equals + 1;
    } else if (!call->command) {
        call->command = bsc_command_find(word);
    } else if (call->argument_count < BSC_ARGUMENTS_MAX) {
        call->arguments[call->argument_count++] = word;
    }
}

static void offer(struct bsc_text *out, const char *typed, const char *candidate, const char *text)
{
    if (!strncmp(candidate, typed, strlen(typed)))
        bsc_text_printf(out, "%s\t%s\n", candidate, text);
}

static void offer_commands(const char *typed, struct bsc_text *out)
{
    for (size_t i = 0; i < bsc_command_count; i++)
        offer(out, typed, bsc_commands[i].name, bsc_commands[i].summary);
}

static void offer_options(const struct bsc_call *call, const char *typed, struct bsc_text *out)
{
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        char name[32] = "--";
        if (!(allowed(call) & BSC_OPTION_BIT(i)) || bsc_options[i].hidden)
            continue;
        strncat(name, bsc_options[i].name, sizeof name - 3);
        offer(out, typed, name, bsc_options[i].help);
    }
}

static void offer_names(const struct bsc_complete_names *names, enum bsc_value value,
                        const struct bsc_call *call, const char *typed, struct bsc_text *out)
{
    struct bsc_text all = { 0 };
    if (names)
        names->add(names->argument, value, call, &all);
    for (char *name = all.data; name && *name;) {
        char *end = name + strcspn(name, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        offer(out, typed, name, "");
        name = next;
    }
    bsc_text_deinit(&all);
}

static void offer_values(const struct bsc_complete_names *names, enum bsc_value value,
                         const char *const *choices, const struct bsc_call *call, const char *typed,
                         struct bsc_text *out)
{
    switch (value) {
    case BSC_VALUE_FILE:
        bsc_text_puts(out, ":files\n");
        break;
    case BSC_VALUE_DIRECTORY:
        bsc_text_puts(out, ":directories\n");
        break;
    case BSC_VALUE_CHOICE:
        for (; *choices; choices++)
            offer(out, typed, *choices, "");
        break;
    case BSC_VALUE_COMMAND:
        offer_commands(typed, out);
        break;
    case BSC_VALUE_SERVICE:
    case BSC_VALUE_RELEASE:
    case BSC_VALUE_ROLLOUT:
    case BSC_VALUE_INSTANCE:
        offer_names(names, value, call, typed, out);
        break;
    case BSC_VALUE_NONE:
    case BSC_VALUE_DURATION:
    case BSC_VALUE_SECONDS:
    case BSC_VALUE_MILLISECONDS:
    case BSC_VALUE_PERCENT:
    case BSC_VALUE_STEPS:
    case BSC_VALUE_MATCH:
    case BSC_VALUE_NUMBER:
    case BSC_VALUE_DEPLOYMENT:
    case BSC_VALUE_WORDS:
        break;
    }
}

void bsc_complete(int count, char *const *words, const struct bsc_complete_names *names,
                  struct bsc_text *out)
{
    struct line line = { .option = -1 };
    const char *typed = count ? words[count - 1] : "";
    for (int i = 0; i + 1 < count; i++)
        take_word(&line, words[i]);

    const struct bsc_cli_command *command = line.call.command;
    if (line.option >= 0) {
        const struct bsc_option_entry *option = &bsc_options[line.option];
        offer_values(names, option->value, option->choices, &line.call, typed, out);
    } else if (!line.only_arguments && typed[0] == '-') {
        offer_options(&line.call, typed, out);
    } else if (!command) {
        offer_commands(typed, out);
    } else if (line.call.argument_count < BSC_ARGUMENTS_MAX) {
        const struct bsc_argument *argument = &command->arguments[line.call.argument_count];
        if (argument->name)
            offer_values(names, argument->value, argument->choices, &line.call, typed, out);
    }
}

static json_t *ask(struct bsc_client *client, const char *service, const char *tail)
{
    struct bsc_answer answer = { 0 };
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, service ? "/v1/services/" : "/v1/status");
    if (service)
        bsc_client_escape(&path, service);
    bsc_text_puts(&path, tail);
    struct bsc_request *request = bsc_request_begin(
        client, &(struct bsc_request_spec){
                    .method = "GET", .path = bsc_text_get(&path), .timeout_ms = ASK_MS });
    while (!bsc_request_done(request))
        bsc_client_turn(client, ASK_MS, -1);
    bsc_request_answer(request, &answer);
    bsc_request_destroy(request);
    bsc_text_deinit(&path);
    if (answer.status) {
        json_decref(answer.body);
        return NULL;
    }
    return answer.body;
}

static void add_line(struct bsc_text *out, const char *name)
{
    if (*name && !strpbrk(name, "\n\t")) {
        bsc_text_add_escaped(out, name, strlen(name));
        bsc_text_puts(out, "\n");
    }
}

static void add_services(const json_t *status, enum bsc_value value, struct bsc_text *out)
{
    size_t index;
    const json_t *service;
    json_array_foreach(json_object_get(status, "services"), index, service) add_line(
        out, value == BSC_VALUE_SERVICE ? bsc_json_text(service, "name")
                                        : bsc_json_text(json_object_get(service, "rollout"), "id"));
}

static void add_instances(const json_t *service, struct bsc_text *out)
{
    const char *name;
    json_t *slot;
    json_object_foreach(json_object_get(service, "slots"), name, slot)
    {
        size_t index;
        const json_t *instance;
        json_array_foreach(json_object_get(slot, "instances"), index, instance)
            add_line(out, bsc_json_text(instance, "id"));
    }
}

/* Every version once, the newest first. */
static void add_versions(const json_t *history, struct bsc_text *out)
{
    for (size_t i = json_array_size(history); i-- > 0;) {
        const char *version = bsc_json_text(json_array_get(history, i), "version");
        bool seen = false;
        for (size_t j = i + 1; j < json_array_size(history) && !seen; j++)
            seen = !strcmp(version, bsc_json_text(json_array_get(history, j), "version"));
        if (!seen)
            add_line(out, version);
    }
}

static void add_names(void *argument, enum bsc_value value, const struct bsc_call *call,
                      struct bsc_text *out)
{
    struct bsc_place place;
    (void)argument;
    bsc_place_init(&place, call, geteuid());
    struct bsc_client client = { .socket = place.socket };
    json_t *answer = NULL;
    if (value == BSC_VALUE_SERVICE || value == BSC_VALUE_ROLLOUT) {
        answer = ask(&client, NULL, "");
        add_services(answer, value, out);
    } else if (call->argument_count && value == BSC_VALUE_INSTANCE) {
        answer = ask(&client, call->arguments[0], "");
        add_instances(answer, out);
    } else if (call->argument_count) {
        answer = ask(&client, call->arguments[0], "/history?limit=50");
        add_versions(answer, out);
    }
    json_decref(answer);
    bsc_client_deinit(&client);
    bsc_place_deinit(&place);
}

int bsc_complete_run(int count, char **words)
{
    static const struct bsc_complete_names names = { .add = add_names };
    struct bsc_text out = { 0 };
    bsc_complete(count, words, &names, &out);
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
    return BSC_EXIT_DONE;
}
