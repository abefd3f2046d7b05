/* SPDX-License-Identifier: Apache-2.0
 * config/type_match.c - match rules: maps, or short texts in their place (see types.h and
 * core/match.h). */
#include <string.h>

#include "config/types.h"
#include "core/match.h"

static const char example[] = "{ header: X-Beta, value: \"yes\" }, { cookie: beta, prefix: a } or "
                              "{ address: 10.0.0.0/8 }";

static const char *expect_match(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key;
    return bsc_arena_printf(arena, "a list of at most %d rules such as %s", BSC_MATCH_RULES_MAX,
                            example);
}

enum { VALUE = BSC_MATCH_BY_COUNT, PREFIX, WORDS };

/* What a map says, by its keys; false: that was told. */
static bool read_words(struct bsc_reader *reader, const struct bsc_node *item, const char *path,
                       const char *words[static WORDS])
{
    bool good = true;
    for (const struct bsc_node *child = item->first; child; child = child->next) {
        static const char *const names[] = { "header", "cookie", "address", "value", "prefix" };
        unsigned word = 0;
        while (word < WORDS && strcmp(child->key, names[word]) != 0)
            word++;
        if (word < WORDS && child->kind == BSC_NODE_TEXT) {
            words[word] = bsc_arena_copy(reader->arena, child->text);
            continue;
        }
        good = false;
        if (word < WORDS)
            bsc_reader_expected(reader, child, path, "a text");
        else
            bsc_reader_problem(reader, child->line, path,
                               "'%s' is no part of a rule; accepted are header, cookie or address, "
                               "and value or prefix of the first two",
                               child->key);
    }
    return good;
}

static bool read_map(struct bsc_reader *reader, const struct bsc_node *item, const char *path,
                     struct bsc_match_rule *out)
{
    const char *words[WORDS] = { NULL };
    if (!read_words(reader, item, path, words))
        return false;
    unsigned kinds = 0;
    for (unsigned by = 0; by < BSC_MATCH_BY_COUNT; by++)
        if (words[by]) {
            kinds++;
            *out = (struct bsc_match_rule){ .by = by, .name = words[by] };
        }
    bool address = words[BSC_MATCH_ADDRESS];
    if (kinds != 1 || (words[VALUE] && (address || words[PREFIX])) || (address && words[PREFIX])) {
        bsc_reader_problem(reader, item->line, path,
                           "is one of header, cookie and address; the first two may have a value, "
                           "or a prefix of it");
        return false;
    }
    out->how = words[VALUE]    ? BSC_MATCH_EXACT
               : words[PREFIX] ? BSC_MATCH_PREFIX
                               : BSC_MATCH_PRESENT;
    out->value = address ? out->name : words[VALUE] ? words[VALUE] : words[PREFIX];
    out->name = address ? NULL : out->name;
    return true;
}

static bool read_rule(struct bsc_reader *reader, const struct bsc_node *item, const char *path,
                      struct bsc_match_rule *out)
{
    struct bsc_error error;
    enum bsc_status status;
    if (item->kind == BSC_NODE_TEXT)
        status = bsc_match_rule_parse(item->text, strlen(item->text), reader->arena, out, &error);
    else if (item->kind == BSC_NODE_MAP && !read_map(reader, item, path, out))
        return false;
    else if (item->kind == BSC_NODE_MAP)
        status = bsc_match_rule_check(out, &error);
    else
        status = bsc_error_set(&error, BSC_INVALID, "is no rule such as %s", example);
    if (status)
        bsc_reader_problem(reader, item->line, path, "%s", error.text);
    return status == BSC_OK;
}

static bool read_match(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_match_spec *match = bsc_key_field(key, base);
    *match = (struct bsc_match_spec){ 0 };
    if (node->kind != BSC_NODE_LIST || node->count > BSC_MATCH_RULES_MAX)
        return false;
    struct bsc_match_rule *rules = bsc_arena_alloc(reader->arena, node->count * sizeof *rules);
    unsigned index = 0;
    for (const struct bsc_node *item = node->first; item; item = item->next) {
        const char *path = bsc_arena_printf(reader->scratch, "%s[%u]", key->path, index++);
        if (read_rule(reader, item, path, &rules[match->count]))
            match->count++;
    }
    match->items = rules;
    return true;
}

static json_t *write_match(const struct bsc_key *key, const void *base)
{
    const struct bsc_match_spec *match = bsc_key_value(key, base);
    if (!match->count)
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < match->count; i++) {
        const struct bsc_match_rule *rule = &match->items[i];
        bool address = rule->by == BSC_MATCH_ADDRESS;
        json_t *map = json_object();
        json_object_set_new(map, bsc_match_by_name(rule->by),
                            json_string(address ? rule->value : rule->name));
        if (!address && rule->how != BSC_MATCH_PRESENT)
            json_object_set_new(map, rule->how == BSC_MATCH_EXACT ? "value" : "prefix",
                                json_string(rule->value));
        json_array_append_new(list, map);
    }
    return list;
}

static json_t *schema_match(const struct bsc_key *key)
{
    (void)key;
    json_t *map =
        json_pack("{s:s, s:{s:o, s:o, s:o, s:o, s:o}, s:b, s:[{s:[s]}, {s:[s]}, {s:[s]}]}", "type",
                  "object", "properties", "header", bsc_schema_text(NULL), "cookie",
                  bsc_schema_text(NULL), "address", bsc_schema_text(NULL), "value",
                  bsc_schema_text(NULL), "prefix", bsc_schema_text(NULL), "additionalProperties", 0,
                  "oneOf", "required", "header", "required", "cookie", "required", "address");
    json_t *list =
        bsc_schema_list(bsc_schema_either(map, bsc_schema_text("^(header|cookie|address):.+$")));
    json_object_set_new(list, "maxItems", json_integer(BSC_MATCH_RULES_MAX));
    return list;
}

const struct bsc_type bsc_type_match = { expect_match, read_match, write_match, schema_match };
