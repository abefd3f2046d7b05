/* SPDX-License-Identifier: Apache-2.0
 * load/request.c - the requests of a scenario: read and checked (see reading.h). */
#include <stdio.h>
#include <string.h>

#include "config/types.h"
#include "load/reading.h"

struct draft {
    const char *name, *method;
    unsigned weight;
    unsigned expect[2];
    const struct bsc_node *path, *headers, *body, *json, *keep;
};

#define FIELD(field) .offset = offsetof(struct draft, field)

static const struct bsc_key request_keys[] = {
    { .path = "name", .type = &bsc_type_name, FIELD(name) },
    { .path = "weight",
      .type = &bsc_type_count,
      FIELD(weight),
      .low = 0,
      .high = 1000000,
      .otherwise = "1" },
    { .path = "method", .type = &bsc_type_token, FIELD(method), .otherwise = "GET" },
    { .path = "path", .type = &bsc_load_type_text, FIELD(path) },
    { .path = "headers", .type = &bsc_load_type_map, FIELD(headers) },
    { .path = "body", .type = &bsc_load_type_text, FIELD(body) },
    { .path = "json", .type = &bsc_load_type_any, FIELD(json) },
    { .path = "expect",
      .type = &bsc_type_statuses,
      FIELD(expect),
      .low = 100,
      .high = 599,
      .otherwise = "200-399" },
};

static const struct bsc_key login_keys[] = {
    { .path = "method", .type = &bsc_type_token, FIELD(method), .otherwise = "POST" },
    { .path = "path", .type = &bsc_load_type_text, FIELD(path) },
    { .path = "headers", .type = &bsc_load_type_map, FIELD(headers) },
    { .path = "body", .type = &bsc_load_type_text, FIELD(body) },
    { .path = "json", .type = &bsc_load_type_any, FIELD(json) },
    { .path = "expect",
      .type = &bsc_type_statuses,
      FIELD(expect),
      .low = 100,
      .high = 599,
      .otherwise = "200-399" },
    { .path = "keep", .type = &bsc_load_type_map, FIELD(keep) },
};

static const struct bsc_section no_sections[] = { { NULL, NULL } };

static const struct bsc_key_table request_table = {
    .count = sizeof request_keys / sizeof *request_keys,
    .keys = request_keys,
    .sections = no_sections,
};

static const struct bsc_key_table login_table = {
    .count = sizeof login_keys / sizeof *login_keys,
    .keys = login_keys,
    .sections = no_sections,
};

static void read_template(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                          const struct bsc_node *node, const char *path, const char *text,
                          enum bsc_load_escape escape, struct bsc_load_template *out)
{
    const char *names[BSC_LOAD_KEPT_MAX];
    struct bsc_error error;
    for (unsigned i = 0; i < scenario->keep_count; i++)
        names[i] = scenario->keeps[i].name;
    if (bsc_load_compile(reader->arena, text, escape, names, scenario->keep_count, out, &error))
        bsc_reader_problem(reader, node->line, path, "%s", error.text);
}

/* RFC 9110, 5.6.2 */
static bool is_token(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *at))
            return false;
    return *text;
}

static void read_field(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                       const struct bsc_node *node, const char *path, struct bsc_load_field *out)
{
    const char *here = bsc_arena_printf(reader->scratch, "%s.%s", path, node->key);
    if (!is_token(node->key))
        bsc_reader_problem(reader, node->line, here, "is not the name of a header");
    if (node->kind != BSC_NODE_TEXT || strchr(node->text, '\n')) {
        bsc_reader_expected(reader, node, here, "a text of one line");
        return;
    }
    out->name = bsc_arena_copy(reader->arena, node->key);
    read_template(reader, scenario, node, here, node->text, BSC_LOAD_FIELD, &out->value);
}

void bsc_load_read_fields(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                          const struct bsc_node *node, const char *path,
                          struct bsc_load_fields *out)
{
    if (!node)
        return;
    if (node->count > BSC_LOAD_FIELDS_MAX) {
        bsc_reader_problem(reader, node->line, path, "has %u headers; %d are accepted", node->count,
                           BSC_LOAD_FIELDS_MAX);
        return;
    }
    out->items = bsc_arena_alloc(reader->arena, node->count * sizeof *out->items);
    for (const struct bsc_node *field = node->first; field; field = field->next)
        read_field(reader, scenario, field, path, &out->items[out->count++]);
}

static void add_json_text(struct bsc_text *out, const char *text)
{
    json_t *string = json_string(text);
    char *dumped = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    bsc_text_puts(out, dumped ? dumped : "\"\"");
    free(dumped);
    json_decref(string);
}

/* What YAML takes for a number or a truth is one in JSON, too, where it is not in quotes. */
static bool is_literal(const struct bsc_node *node)
{
    if (node->quoted)
        return false;
    if (!strcmp(node->text, "true") || !strcmp(node->text, "false") ||
        bsc_load_is_number(node->text))
        return true;
    json_t *number = json_loads(node->text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    bool yes = json_is_number(number);
    json_decref(number);
    return yes;
}

/* The depth is bounded by the reader's. */
static void add_json(struct bsc_text *out, const struct bsc_node *node)
{
    const char *separator = "";
    switch (node->kind) {
    case BSC_NODE_NOTHING:
        bsc_text_puts(out, "null");
        break;
    case BSC_NODE_TEXT:
        if (is_literal(node))
            bsc_text_puts(out, node->text);
        else
            add_json_text(out, node->text);
        break;
    case BSC_NODE_LIST:
    case BSC_NODE_MAP:
        bsc_text_puts(out, node->kind == BSC_NODE_MAP ? "{" : "[");
        for (const struct bsc_node *child = node->first; child; child = child->next) {
            bsc_text_puts(out, separator);
            separator = ",";
            if (node->kind == BSC_NODE_MAP) {
                add_json_text(out, child->key);
                bsc_text_puts(out, ":");
            }
            add_json(out, child);
        }
        bsc_text_puts(out, node->kind == BSC_NODE_MAP ? "}" : "]");
        break;
    }
}

static void read_body(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                      const struct draft *draft, struct bsc_load_request *out)
{
    out->json = draft->json != NULL;
    out->has_body = draft->json || draft->body;
    if (draft->json && draft->body)
        bsc_reader_problem(reader, draft->json->line, "json", "does not go with body: give one");
    if (draft->json) {
        struct bsc_text text = { 0 };
        add_json(&text, draft->json);
        read_template(reader, scenario, draft->json, "json", bsc_text_get(&text), BSC_LOAD_JSON,
                      &out->body);
        bsc_text_deinit(&text);
    } else if (draft->body) {
        read_template(reader, scenario, draft->body, "body", draft->body->text, BSC_LOAD_AS_IS,
                      &out->body);
    }
}

static void read_path(struct bsc_reader *reader, const struct bsc_load_scenario *scenario,
                      const struct bsc_node *map, const struct draft *draft,
                      struct bsc_load_request *out)
{
    if (!draft->path) {
        if (map->kind == BSC_NODE_MAP)
            bsc_reader_problem(reader, map->line, "path",
                               "is missing: expected a path such as "
                               "/items/${random:1-1000}");
        return;
    }
    const char *text = draft->path->text;
    bool clean = *text == '/';
    for (const char *at = text; *at; at++)
        clean = clean && *at > ' ' && *at < 0x7f && *at != '#';
    if (!clean)
        bsc_reader_expected(reader, draft->path, "path",
                            "a path that starts with '/', without spaces and '#'");
    read_template(reader, scenario, draft->path, "path", text, BSC_LOAD_TARGET, &out->path);
    if (!out->name)
        out->name = bsc_arena_printf(reader->arena, "%s %s", out->method, text);
}

static void read_keep(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                      struct bsc_load_keep *out)
{
    static const char header[] = "header:", json[] = "json:";
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    out->name = bsc_arena_copy(reader->arena, node->key);
    if (!strcmp(node->key, "user") || strpbrk(node->key, ":${} "))
        bsc_reader_problem(reader, node->line, path,
                           "can't be a name: \"user\" and : $ { } have a meaning of their own");
    if (!strncmp(text, json, sizeof json - 1)) {
        out->json = true;
        text += sizeof json - 1;
    } else if (!strncmp(text, header, sizeof header - 1)) {
        text += sizeof header - 1;
    } else {
        text = "";
    }
    if (!*text || (!out->json && !is_token(text)))
        bsc_reader_expected(reader, node, path,
                            "where to find it in the answer: json:FIELD.FIELD or header:NAME");
    out->from = bsc_arena_copy(reader->arena, text);
}

/* Before the requests, which may use what is kept. */
static void read_keeps(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                       const struct bsc_node *node)
{
    if (!node)
        return;
    if (node->count > BSC_LOAD_KEPT_MAX) {
        bsc_reader_problem(reader, node->line, "keep", "has %u entries; %d are accepted",
                           node->count, BSC_LOAD_KEPT_MAX);
        return;
    }
    for (const struct bsc_node *item = node->first; item; item = item->next)
        read_keep(reader, item, bsc_arena_printf(reader->scratch, "keep.%s", item->key),
                  &scenario->keeps[scenario->keep_count++]);
}

void bsc_load_read_request(struct bsc_reader *reader, struct bsc_load_scenario *scenario,
                           const struct bsc_node *node, const char *path, bool login,
                           struct bsc_load_request *out)
{
    struct draft draft = { .weight = 1 };
    const char *prefix = reader->prefix;
    reader->prefix = bsc_arena_printf(reader->scratch, "%s.", path);
    bsc_table_read(reader, login ? &login_table : &request_table, node, &draft, NULL);
    *out = (struct bsc_load_request){ .name = draft.name,
                                      .line = node->line,
                                      .weight = draft.weight,
                                      .method = draft.method,
                                      .expect = { draft.expect[0], draft.expect[1] } };
    read_path(reader, scenario, node, &draft, out);
    bsc_load_read_fields(reader, scenario, draft.headers, "headers", &out->headers);
    read_body(reader, scenario, &draft, out);
    read_keeps(reader, scenario, draft.keep);
    reader->prefix = prefix;
}
