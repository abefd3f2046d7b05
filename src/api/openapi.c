/* SPDX-License-Identifier: Apache-2.0
 * api/openapi.c - the table of routes as an OpenAPI 3.1 document. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/route.h"

static json_t *reference(const char *schema, size_t size)
{
    assert(schema);
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%.*s", (int)size, schema));
}

static json_t *describe_string(const struct bsc_api_field *field)
{
    json_t *json = json_pack("{s:s}", "type", "string");
    if (field->type == BSC_API_TIME)
        json_object_set_new(json, "format", json_string("date-time"));
    if (!field->of)
        return json;
    json_t *choices = json_array();
    for (const char *at = field->of; *at;) {
        size_t size = strcspn(at, "|");
        json_array_append_new(choices, json_stringn(at, size));
        at += size + (at[size] == '|');
    }
    json_object_set_new(json, "enum", choices);
    return json;
}

static json_t *describe_integer(const struct bsc_api_field *field)
{
    json_t *json = json_pack("{s:s}", "type", "integer");
    if (field->least || field->most)
        json_object_set_new(json, "minimum", json_integer(field->least));
    if (field->most && field->most != INT64_MAX)
        json_object_set_new(json, "maximum", json_integer(field->most));
    return json;
}

static json_t *describe_type(const struct bsc_api_field *field)
{
    switch (field->type) {
    case BSC_API_INTEGER:
        return describe_integer(field);
    case BSC_API_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case BSC_API_OBJECT:
        return reference(field->of, strlen(field->of));
    case BSC_API_LIST:
        return json_pack("{s:s, s:o}", "type", "array", "items",
                         field->of ? reference(field->of, strlen(field->of))
                                   : json_pack("{s:s}", "type", "string"));
    default:
        return describe_string(field);
    }
}

static json_t *describe_field(const struct bsc_api_field *field)
{
    json_t *json = describe_type(field);
    if (field->flags & BSC_API_NULLABLE)
        json = json_pack("{s:[o, {s:s}]}", "anyOf", json, "type", "null");
    json_object_set_new(json, "description", json_string(field->summary));
    return json;
}

static json_t *describe_object(const struct bsc_api_field *fields)
{
    json_t *properties = json_object(), *required = json_array();
    for (; fields->name; fields++) {
        json_object_set_new(properties, fields->name, describe_field(fields));
        if (!(fields->flags & BSC_API_OPTIONAL))
            json_array_append_new(required, json_string(fields->name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
                     required);
}

static json_t *describe_query(const struct bsc_api_field *fields)
{
    json_t *list = json_array();
    for (; fields && fields->name; fields++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", fields->name,
                                              "in", "query", "required",
                                              !(fields->flags & BSC_API_OPTIONAL), "description",
                                              fields->summary, "schema", describe_type(fields)));
    return list;
}

/* "{service}" or "{id}" of the path, first of its parameters. */
static void add_path_parameter(json_t *parameters, const char *path)
{
    const char *open = strchr(path, '{');
    if (!open)
        return;
    json_t *name = json_stringn(open + 1, strcspn(open + 1, "}"));
    json_array_insert_new(parameters, 0,
                          json_pack("{s:o, s:s, s:b, s:{s:s}}", "name", name, "in", "path",
                                    "required", 1, "schema", "type", "string"));
}

static json_t *content(const char *type, json_t *take_schema)
{
    return json_pack("{s:{s:o}}", type, "schema", take_schema);
}

static json_t *describe_answer(const char *answer)
{
    if (strchr(answer, '/'))
        return content(
            answer, json_pack("{s:s}", "type", strcmp(answer, "text/plain") ? "object" : "string"));
    size_t size = strcspn(answer, "[");
    json_t *schema = reference(answer, size);
    if (answer[size])
        schema = json_pack("{s:s, s:o}", "type", "array", "items", schema);
    json_t *json = content("application/json", schema);
    if (!strcmp(answer, "Event[]"))
        json_object_set_new(json, "text/event-stream",
                            json_pack("{s:{s:s}}", "schema", "type", "string"));
    return json;
}

static void add_problem(json_t *responses, int status)
{
    char code[16];
    snprintf(code, sizeof code, "%d", status);
    json_object_set_new(responses, code,
                        json_pack("{s:s, s:o}", "description", "problem", "content",
                                  content("application/problem+json", reference("Problem", 7))));
}

static json_t *describe_responses(const struct bsc_api_route *route)
{
    static const int everywhere[] = { 400, 403, 405, 500, 503 };
    json_t *responses = json_object();
    char code[16];
    snprintf(code, sizeof code, "%d", route->status);
    json_object_set_new(
        responses, code,
        json_pack("{s:s, s:o}", "description", "done", "content", describe_answer(route->answer)));
    for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++)
        add_problem(responses, everywhere[i]);
    for (size_t i = 0; i < sizeof route->problems / sizeof *route->problems; i++)
        if (route->problems[i])
            add_problem(responses, route->problems[i]);
    return responses;
}

static json_t *describe_route(const struct bsc_api_route *route)
{
    bool is_get = !strcmp(route->method, "GET");
    json_t *parameters = is_get ? describe_query(route->input) : json_array();
    add_path_parameter(parameters, route->path);
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:o}", "operationId", route->name, "summary", route->summary,
                  "parameters", parameters, "responses", describe_responses(route));
    if (!is_get)
        json_object_set_new(json, "requestBody",
                            json_pack("{s:o}", "content",
                                      content("application/json", describe_object(route->input))));
    return json;
}

json_t *bsc_api_openapi(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    for (size_t i = 0; i < bsc_api_route_count; i++) {
        const struct bsc_api_route *route = &bsc_api_routes[i];
        json_t *path = json_object_get(paths, route->path);
        char method[8] = "";
        for (size_t c = 0; route->method[c] && c < sizeof method - 1; c++)
            method[c] = (char)tolower((unsigned char)route->method[c]);
        if (!path) {
            path = json_object();
            json_object_set_new(paths, route->path, path);
        }
        json_object_set_new(path, method, describe_route(route));
    }
    for (size_t i = 0; i < bsc_api_schema_count; i++)
        json_object_set_new(schemas, bsc_api_schemas[i].name,
                            describe_object(bsc_api_schemas[i].fields));
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.1.0", "info", "title",
                     "bascule", "version", BSC_VERSION, "description",
                     "On the Unix socket api.sock: root, the daemon's user and members of the "
                     "socket's group may use it.",
                     "paths", paths, "components", "schemas", schemas);
}
