/* SPDX-License-Identifier: Apache-2.0
 * api/input.c - what requests bring along, checked against the fields of their route. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/request.h"
#include "base/clock.h"
#include "core/plan.h"

/* Is `value` one of "a|b|c"? */
static bool is_one_of(const char *value, const char *choices)
{
    size_t length = strlen(value);
    for (const char *at = choices; *at;) {
        size_t size = strcspn(at, "|");
        if (size == length && !strncmp(at, value, size))
            return true;
        at += size + (at[size] == '|');
    }
    return false;
}

static const struct bsc_api_field *find_field(const struct bsc_api_field *fields, const char *name)
{
    for (; fields && fields->name; fields++)
        if (!strcmp(fields->name, name))
            return fields;
    return NULL;
}

/* `text` as it may be shown in a message: escaped and cut. */
static const char *show(const char *text, char out[static 96])
{
    struct bsc_text escaped = { 0 };
    size_t size = strlen(text);
    bsc_text_add_escaped(&escaped, text, size < 64 ? size : 64);
    snprintf(out, 96, "%.90s%s", bsc_text_get(&escaped), size < 64 ? "" : "...");
    bsc_text_deinit(&escaped);
    return out;
}

static bool refuse_name(const struct bsc_api_field *fields, const char *name, char *wrong,
                        size_t size)
{
    char shown[96];
    int used = snprintf(wrong, size, "'%s' is not known here", show(name, shown));
    if (!fields || !fields->name) {
        snprintf(wrong + used, size - (size_t)used, ": nothing is accepted");
        return false;
    }
    for (bool first = true; fields->name && (size_t)used < size; fields++, first = false)
        used += snprintf(wrong + used, size - (size_t)used, "%s%s",
                         first ? ": accepted are " : ", ", fields->name);
    return false;
}

static const char *type_in_words(const struct bsc_api_field *field, char out[static 96])
{
    switch (field->type) {
    case BSC_API_INTEGER:
        if (field->most == INT64_MAX)
            snprintf(out, 96, "a whole number from %lld", (long long)field->least);
        else
            snprintf(out, 96, "a whole number from %lld to %lld", (long long)field->least,
                     (long long)field->most);
        return out;
    case BSC_API_BOOLEAN:
        return "true or false";
    default:
        if (field->of)
            snprintf(out, 96, "one of %s", field->of);
        return field->of ? out : "a string";
    }
}

static bool refuse_value(const struct bsc_api_field *field, char *wrong, size_t size)
{
    char words[96];
    snprintf(wrong, size, "'%s' must be %s%s", field->name, type_in_words(field, words),
             field->flags & BSC_API_NULLABLE ? " or null" : "");
    return false;
}

static bool value_fits(const struct bsc_api_field *field, const json_t *value)
{
    if (json_is_null(value))
        return field->flags & BSC_API_NULLABLE;
    switch (field->type) {
    case BSC_API_INTEGER:
        return json_is_integer(value) && json_integer_value(value) >= field->least &&
               json_integer_value(value) <= field->most;
    case BSC_API_BOOLEAN:
        return json_is_boolean(value);
    default:
        return json_is_string(value) &&
               (!field->of || is_one_of(json_string_value(value), field->of));
    }
}

bool bsc_api_input_check(const struct bsc_api_field *fields, const json_t *input, char *wrong,
                         size_t size)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)input, name, value)
    {
        const struct bsc_api_field *field = find_field(fields, name);
        if (!field)
            return refuse_name(fields, name, wrong, size);
        if (!value_fits(field, value))
            return refuse_value(field, wrong, size);
    }
    for (; fields && fields->name; fields++)
        if (!(fields->flags & BSC_API_OPTIONAL) && !json_object_get(input, fields->name)) {
            snprintf(wrong, size, "'%s' is missing: %s", fields->name, fields->summary);
            return false;
        }
    return true;
}

json_t *bsc_api_input_parse(const struct bsc_api_field *fields, const char *name, const char *value,
                            char *wrong, size_t size)
{
    const struct bsc_api_field *field = find_field(fields, name);
    if (!field) {
        refuse_name(fields, name, wrong, size);
        return NULL;
    }
    json_t *json = NULL;
    if (field->type == BSC_API_INTEGER) {
        char *end = NULL;
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (!errno && *value >= '0' && *value <= '9' && !*end)
            json = json_integer(number);
    } else if (field->type == BSC_API_BOOLEAN) {
        if (!strcmp(value, "true") || !strcmp(value, "false"))
            json = json_boolean(!strcmp(value, "true"));
    } else {
        json = json_string(value);
    }
    if (json && value_fits(field, json))
        return json;
    json_decref(json);
    refuse_value(field, wrong, size);
    return NULL;
}

struct query {
    struct bsc_api_request *request;
    bool wrong;
    char text[256];
};

static enum MHD_Result on_argument(void *closure, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    struct query *query = closure;
    struct bsc_api_request *request = query->request;
    char shown[96];
    if (json_object_get(request->input, name)) {
        snprintf(query->text, sizeof query->text, "'%s' is given twice", show(name, shown));
        query->wrong = true;
        return MHD_NO;
    }
    json_t *json = bsc_api_input_parse(request->route->input, name, value ? value : "", query->text,
                                       sizeof query->text);
    if (!json) {
        query->wrong = true;
        return MHD_NO;
    }
    json_object_set_new(request->input, name, json);
    return MHD_YES;
}

bool bsc_api_read_query(struct bsc_api_request *request)
{
    bool is_get = !strcmp(request->route->method, "GET");
    struct query query = { .request = request };
    request->input = json_object();
    if (is_get) {
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_argument, &query);
        if (!query.wrong)
            query.wrong = !bsc_api_input_check(request->route->input, request->input, query.text,
                                               sizeof query.text);
    } else if (MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL)) {
        snprintf(query.text, sizeof query.text, "a %s takes its arguments as JSON in its body",
                 request->route->method);
        query.wrong = true;
    }
    if (query.wrong)
        bsc_api_answer_malformed(request, "query: %s", query.text);
    return !query.wrong;
}

bool bsc_api_read_body(struct bsc_api_request *request)
{
    if (!request->upload.size)
        bsc_text_puts(&request->upload, "{}");
    json_error_t error;
    json_t *body =
        json_loadb(request->upload.data, request->upload.size, JSON_REJECT_DUPLICATES, &error);
    if (!body) {
        char shown[96];
        bsc_api_answer_malformed(request, "the body is not JSON: line %d, column %d: %s",
                                 error.line, error.column, show(error.text, shown));
        return false;
    }
    bsc_text_deinit(&request->upload);
    json_decref(request->input);
    request->input = body;
    if (!json_is_object(body)) {
        bsc_api_answer_malformed(request, "the body must be a JSON object");
        return false;
    }
    char wrong[256];
    if (bsc_api_input_check(request->route->input, body, wrong, sizeof wrong))
        return true;
    bsc_api_answer_malformed(request, "body: %s", wrong);
    return false;
}

const char *bsc_api_input_string(const struct bsc_api_request *request, const char *name)
{
    return json_string_value(json_object_get(request->input, name));
}

int64_t bsc_api_input_integer(const struct bsc_api_request *request, const char *name,
                              int64_t otherwise)
{
    const json_t *value = json_object_get(request->input, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool bsc_api_input_boolean(const struct bsc_api_request *request, const char *name)
{
    return json_is_true(json_object_get(request->input, name));
}

bool bsc_api_input_wish(struct bsc_api_request *request, struct bsc_deploy_wish *out)
{
    const char *strategy = bsc_api_input_string(request, "strategy");
    const char *steps = bsc_api_input_string(request, "steps");
    const char *bake = bsc_api_input_string(request, "bake");
    struct bsc_error error;
    *out = (struct bsc_deploy_wish){ .has_strategy = strategy,
                                     .has_bake = bake,
                                     .match = bsc_api_input_string(request, "match") };
    if (strategy && !bsc_strategy_parse(strategy, &out->strategy)) {
        bsc_api_answer_malformed(request, "'strategy' is none of the strategies");
        return false;
    }
    if (steps && bsc_canary_steps_parse(steps, &out->steps, &error) != BSC_OK) {
        bsc_api_answer_malformed(request, "'steps': %s", error.text);
        return false;
    }
    if (bake && bsc_duration_parse(bake, &out->bake_ms, &error) != BSC_OK) {
        bsc_api_answer_malformed(request, "'bake': %s", error.text);
        return false;
    }
    return true;
}
