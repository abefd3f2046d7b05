/* SPDX-License-Identifier: Apache-2.0
 * cli/parse.c - see parse.h. */
#include "cli/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/suggest.h"
#include "core/match.h"
#include "core/wish.h"

struct parser {
    struct bsc_call *call;
    char *const *words;
    int count, next;
    bool only_arguments; /* "--" was seen */
    struct bsc_error *error;
};

/* The options that go with the command, as far as it is known. */
static uint64_t allowed(const struct parser *parser)
{
    return bsc_options_everywhere | (parser->call->command ? parser->call->command->options : 0);
}

static enum bsc_status unknown_option(const struct parser *parser, const char *name, size_t size)
{
    char typed[64] = "--", offered[BSC_OPTION_COUNT][32];
    struct bsc_suggestions suggestions;
    const struct bsc_cli_command *command = parser->call->command;
    strncat(typed, name, size < sizeof typed - 3 ? size : sizeof typed - 3);
    bsc_suggest_begin(&suggestions, typed);
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++) {
        snprintf(offered[i], sizeof offered[i], "--%s", bsc_options[i].name);
        if (!bsc_options[i].hidden && allowed(parser) & BSC_OPTION_BIT(i))
            bsc_suggest_offer(&suggestions, offered[i]);
    }
    bsc_error_set(parser->error, BSC_INVALID, "%s%sunknown option %s%s",
                  command ? command->name : "", command ? ": " : "", typed,
                  bsc_suggest_end(&suggestions));
    bsc_suggest_deinit(&suggestions);
    return BSC_INVALID;
}

static enum bsc_status unknown_command(const struct parser *parser, const char *typed)
{
    struct bsc_suggestions suggestions;
    bsc_suggest_begin(&suggestions, typed);
    for (size_t i = 0; i < bsc_command_count; i++)
        bsc_suggest_offer(&suggestions, bsc_commands[i].name);
    bsc_error_set(parser->error, BSC_INVALID, "unknown command %s%s", typed,
                  bsc_suggest_end(&suggestions));
    bsc_suggest_deinit(&suggestions);
    return BSC_INVALID;
}

static enum bsc_status check_choice(const char *name, const char *value, const char *const *choices,
                                    struct bsc_error *error)
{
    struct bsc_suggestions suggestions;
    struct bsc_text all = { 0 };
    bsc_suggest_begin(&suggestions, value);
    for (const char *const *choice = choices; *choice; choice++) {
        if (!strcmp(*choice, value)) {
            bsc_text_deinit(&all);
            bsc_suggest_deinit(&suggestions);
            return BSC_OK;
        }
        bsc_suggest_offer(&suggestions, *choice);
        bsc_text_printf(&all, "%s%s", all.size ? ", " : "", *choice);
    }
    bsc_error_set(error, BSC_INVALID, "%s is one of %s, not %s%s", name, bsc_text_get(&all), value,
                  bsc_suggest_end(&suggestions));
    bsc_text_deinit(&all);
    bsc_suggest_deinit(&suggestions);
    return BSC_INVALID;
}

/* "1.0" or "1.0%", in millionths. */
static bool parse_percent(const char *value, int64_t *out_ppm)
{
    size_t digits = strspn(value, "0123456789."), size = strlen(value);
    char *end;
    double percent = strtod(value, &end);
    *out_ppm = (int64_t)(percent * 10000 + 0.5);
    return digits && digits < 12 && end == value + digits && percent <= 100 &&
           (size == digits || !strcmp(end, "%"));
}

/* As monitoring scripts write it: "300", in units of `bare_ms`; or any duration, but not nothing.
 */
static enum bsc_status parse_time(const char *value, int64_t bare_ms, int64_t *out_ms,
                                  struct bsc_error *error)
{
    size_t digits = strspn(value, "0123456789");
    bool bare = digits && digits < 9 && !value[digits];
    if (bare)
        *out_ms = strtoll(value, NULL, 10) * bare_ms;
    else if (bsc_duration_parse(value, out_ms, error))
        return error->status;
    return *out_ms > 0 ? BSC_OK : bsc_error_set(error, BSC_INVALID, "must be more than nothing");
}

static enum bsc_status check_match(const char *name, const char *value, struct bsc_error *error)
{
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    enum bsc_status status = bsc_match_parse(value, &arena, &(struct bsc_match_spec){ 0 }, error);
    bsc_arena_deinit(&arena);
    return status ? bsc_error_wrap(error, "%s", name) : BSC_OK;
}

static enum bsc_status take_value(struct parser *parser, unsigned option, const char *value)
{
    const struct bsc_option_entry *entry = &bsc_options[option];
    struct bsc_call *call = parser->call;
    char dashed[32] = "--";
    char *end;
    strncat(dashed, entry->name, sizeof dashed - 3);
    call->text[option] = value;
    switch (entry->value) {
    case BSC_VALUE_DURATION:
        if (bsc_duration_parse(value, &call->number[option], parser->error))
            return bsc_error_wrap(parser->error, "%s", dashed);
        break;
    case BSC_VALUE_SECONDS:
        if (parse_time(value, 1000, &call->number[option], parser->error))
            return bsc_error_wrap(parser->error, "%s", dashed);
        break;
    case BSC_VALUE_MILLISECONDS:
        if (parse_time(value, 1, &call->number[option], parser->error))
            return bsc_error_wrap(parser->error, "%s", dashed);
        break;
    case BSC_VALUE_PERCENT:
        if (!parse_percent(value, &call->number[option]))
            return bsc_error_set(parser->error, BSC_INVALID,
                                 "%s is a percentage between 0 and 100 such as 1.0, not %s", dashed,
                                 value);
        break;
    case BSC_VALUE_STEPS:
        if (bsc_canary_steps_parse(value, &(struct bsc_canary_steps){ 0 }, parser->error))
            return bsc_error_wrap(parser->error, "%s", dashed);
        break;
    case BSC_VALUE_MATCH:
        return check_match(dashed, value, parser->error);
    case BSC_VALUE_NUMBER:
        call->number[option] = strtol(value, &end, 10);
        if (*end || end == value || call->number[option] < 1 || call->number[option] > 100000)
            return bsc_error_set(parser->error, BSC_INVALID,
                                 "%s is a number between 1 and 100000, not %s", dashed, value);
        break;
    case BSC_VALUE_CHOICE:
        return check_choice(dashed, value, entry->choices, parser->error);
    default:
        if (!*value)
            return bsc_error_set(parser->error, BSC_INVALID, "%s needs a %s, not an empty one",
                                 dashed, entry->metavar);
    }
    return BSC_OK;
}

/* `attached` is what follows in the same word, or NULL. */
static enum bsc_status take_option(struct parser *parser, unsigned option, const char *attached)
{
    const struct bsc_option_entry *entry = &bsc_options[option];
    parser->call->given[option] = true;
    if (!entry->metavar) {
        if (attached)
            return bsc_error_set(parser->error, BSC_INVALID, "--%s takes no value", entry->name);
        return BSC_OK;
    }
    if (!attached && parser->next == parser->count)
        return bsc_error_set(parser->error, BSC_INVALID, "--%s needs a %s", entry->name,
                             entry->metavar);
    return take_value(parser, option, attached ? attached : parser->words[parser->next++]);
}

static enum bsc_status take_long(struct parser *parser, const char *name)
{
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    /* All commands' options are known here, as the command may follow; complete() rejects what does
     * not go with it. */
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++)
        if (strlen(bsc_options[i].name) == size && !strncmp(bsc_options[i].name, name, size))
            return take_option(parser, i, equals ? equals + 1 : NULL);
    return unknown_option(parser, name, size);
}

static enum bsc_status take_letters(struct parser *parser, const char *letters)
{
    for (; *letters; letters++) {
        unsigned option = 0;
        while (option < BSC_OPTION_COUNT && !(allowed(parser) & BSC_OPTION_BIT(option) &&
                                              bsc_options[option].letter == *letters))
            option++;
        if (option == BSC_OPTION_COUNT)
            return bsc_error_set(parser->error, BSC_INVALID, "%s%sunknown option -%.*s",
                                 parser->call->command ? parser->call->command->name : "",
                                 parser->call->command ? ": " : "", 1, letters);
        if (!bsc_options[option].metavar) {
            parser->call->given[option] = true;
            continue;
        }
        return take_option(parser, option, letters[1] ? letters + 1 : NULL);
    }
    return BSC_OK;
}

static enum bsc_status take_argument(struct parser *parser, const char *word)
{
    struct bsc_call *call = parser->call;
    if (!call->command) {
        call->command = bsc_command_find(word);
        return call->command ? BSC_OK : unknown_command(parser, word);
    }
    const struct bsc_argument *argument = &call->command->arguments[call->argument_count];
    if (!argument->name)
        return bsc_error_set(parser->error, BSC_INVALID, "%s: one argument too many: %s",
                             call->command->name, word);
    if (!*word)
        return bsc_error_set(parser->error, BSC_INVALID, "%s is empty", argument->name);
    call->arguments[call->argument_count++] = word;
    if (argument->value == BSC_VALUE_CHOICE)
        return check_choice(argument->name, word, argument->choices, parser->error);
    return BSC_OK;
}

/* Several services stand in place of the first argument. */
static enum bsc_status leave_service_out(struct bsc_call *call, struct bsc_error *error)
{
    bool all = call->given[BSC_OPTION_ALL], release = call->given[BSC_OPTION_RELEASE];
    if (!all && !release)
        return BSC_OK;
    if (all && release)
        return bsc_error_set(error, BSC_INVALID, "--all and --release exclude each other");
    unsigned most = 0;
    while (most < BSC_ARGUMENTS_MAX && call->command->arguments[most].name)
        most++;
    if (call->argument_count >= most)
        return bsc_error_set(error, BSC_INVALID, "%s: no SERVICE goes with --%s",
                             call->command->name, all ? "all" : "release");
    memmove(call->arguments + 1, call->arguments, call->argument_count * sizeof *call->arguments);
    call->arguments[0] = NULL;
    call->argument_count++;
    return BSC_OK;
}

/* What can be judged only when the whole line was read. */
static enum bsc_status complete(const struct parser *parser)
{
    struct bsc_call *call = parser->call;
    if (call->given[BSC_OPTION_HELP] || call->given[BSC_OPTION_VERSION])
        return BSC_OK;
    for (unsigned i = 0; i < BSC_OPTION_COUNT; i++)
        if (call->given[i] && !(allowed(parser) & BSC_OPTION_BIT(i)))
            return bsc_error_set(parser->error, BSC_INVALID, "--%s does not go with %s",
                                 bsc_options[i].name, call->command ? call->command->name : "this");
    if (!call->command)
        return bsc_error_set(parser->error, BSC_INVALID, "a command is missing");
    if (leave_service_out(call, parser->error))
        return BSC_INVALID;
    const struct bsc_argument *missing = &call->command->arguments[call->argument_count];
    if (missing->name && !missing->optional)
        return bsc_error_set(parser->error, BSC_INVALID, "%s: %s is missing", call->command->name,
                             missing->name);
    return BSC_OK;
}

enum bsc_status bsc_call_parse(int argc, char *const *argv, struct bsc_call *out,
                               struct bsc_error *error)
{
    *out = (struct bsc_call){ 0 };
    struct parser parser = { .call = out, .words = argv, .count = argc, .next = 1, .error = error };
    while (parser.next < parser.count) {
        const char *word = parser.words[parser.next++];
        enum bsc_status status;
        if (parser.only_arguments || word[0] != '-' || !word[1])
            status = take_argument(&parser, word);
        else if (!strcmp(word, "--"))
            status = (parser.only_arguments = true, BSC_OK);
        else if (word[1] == '-')
            status = take_long(&parser, word + 2);
        else
            status = take_letters(&parser, word + 1);
        if (status)
            return status;
    }
    return complete(&parser);
}
