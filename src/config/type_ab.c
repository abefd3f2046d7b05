/* SPDX-License-Identifier: Apache-2.0
 * config/type_ab.c - the goals of an A/B test (see types.h). */
#include <string.h>

#include "config/types.h"

enum { GOAL_NAME_MAX = 32, GOAL_TEXT_MAX = 200 };

static const char *expect_goal_name(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key;
    return bsc_arena_printf(arena, "a name of up to %d of a-z, 0-9, '-' and '_', a letter first",
                            GOAL_NAME_MAX);
}

static bool read_goal_name(struct bsc_reader *reader, const struct bsc_key *key,
                           const struct bsc_node *node, void *base)
{
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "";
    size_t size = strlen(text);
    if (!size || size > GOAL_NAME_MAX || text[0] < 'a' || text[0] > 'z' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") != size)
        return false;
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, text);
    return true;
}

static json_t *write_text(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static json_t *schema_goal_name(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^[a-z][-a-z0-9_]{0,31}$");
}

const struct bsc_type bsc_type_goal_name = { expect_goal_name, read_goal_name, write_text,
                                             schema_goal_name };

static const char *expect_goal_path(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a path that starts with '/', without '?', '#' and spaces; a '*' at its end stands for "
           "whatever follows";
}

static bool read_goal_path(struct bsc_reader *reader, const struct bsc_key *key,
                           const struct bsc_node *node, void *base)
{
    const char *text = node->kind == BSC_NODE_TEXT ? node->text : "", *star = strchr(text, '*');
    if (text[0] != '/' || strlen(text) > GOAL_TEXT_MAX || (star && star[1]))
        return false;
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == '?' || *at == '#')
            return false;
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, text);
    return true;
}

static json_t *schema_goal_path(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^/[^?# *]*[*]?$");
}

const struct bsc_type bsc_type_goal_path = { expect_goal_path, read_goal_path, write_text,
                                             schema_goal_path };

/* -- a field of the answer ------------------------------------------------------------------- */

static const char *expect_goal_header(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the name of a header field, or a map of one name to its value";
}

static bool read_goal_header(struct bsc_reader *reader, const struct bsc_key *key,
                             const struct bsc_node *node, void *base)
{
    struct bsc_goal_spec *goal = base;
    struct bsc_node name = { .kind = BSC_NODE_TEXT, .text = node->text };
    const struct bsc_node *value = NULL;
    if (node->kind == BSC_NODE_MAP && node->count == 1 && node->first->kind == BSC_NODE_TEXT) {
        value = node->first;
        name.text = value->key;
    } else if (node->kind != BSC_NODE_TEXT) {
        return false;
    }
    if (value && (!bsc_text_is_clean(value->text) || strlen(value->text) > GOAL_TEXT_MAX))
        return false;
    struct bsc_key token = { .offset = key->offset };
    if (!bsc_type_token.read(reader, &token, &name, base))
        return false;
    goal->header_value = value ? bsc_arena_copy(reader->arena, value->text) : NULL;
    return true;
}

static json_t *write_goal_header(const struct bsc_key *key, const void *base)
{
    (void)key;
    const struct bsc_goal_spec *goal = base;
    if (!goal->header)
        return NULL;
    if (!goal->header_value)
        return json_string(goal->header);
    json_t *map = json_object();
    json_object_set_new(map, goal->header, json_string(goal->header_value));
    return map;
}

static json_t *schema_goal_header(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_either(bsc_schema_text(NULL),
                             json_pack("{s:s, s:i, s:i, s:o}", "type", "object", "minProperties", 1,
                                       "maxProperties", 1, "additionalProperties",
                                       bsc_schema_text(NULL)));
}

const struct bsc_type bsc_type_goal_header = { expect_goal_header, read_goal_header,
                                               write_goal_header, schema_goal_header };

/* -- all of them ----------------------------------------------------------------------------- */

static const char *expect_goals(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key;
    return bsc_arena_printf(arena, "a list of at most %d maps with name and path", BSC_GOALS_MAX);
}

static void read_goal(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                      struct bsc_goal_spec *out)
{
    const char *prefix = bsc_reader_enter(reader, path);
    size_t problems = reader->problems->count;
    bsc_table_read(reader, &bsc_goal_keys, node, out, NULL);
    bool whole = node->kind == BSC_NODE_MAP && reader->problems->count == problems;
    if (whole && !out->name)
        bsc_reader_problem(reader, node->line, "name", "is missing");
    if (whole && !out->path)
        bsc_reader_problem(reader, node->line, "path", "is missing");
    if (out->name && !strcmp(out->name, "value"))
        bsc_reader_problem(reader, node->line, "name", "'value' is the number of deploy.ab.value");
    reader->prefix = prefix;
}

static bool read_goals(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_ab_spec *ab = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_LIST || node->count > BSC_GOALS_MAX)
        return false;
    struct bsc_goal_spec *goals = bsc_arena_alloc(reader->arena, node->count * sizeof *goals);
    const struct bsc_node *item = node->first;
    for (unsigned i = 0; i < node->count; i++, item = item->next) {
        const char *path = bsc_arena_printf(reader->scratch, "%s[%u]", key->path, i);
        read_goal(reader, item, path, &goals[i]);
        for (unsigned other = 0; other < i && goals[i].name; other++)
            if (goals[other].name && !strcmp(goals[other].name, goals[i].name))
                bsc_reader_problem(reader, item->line, path, "there is a goal '%s' already",
                                   goals[i].name);
    }
    ab->goal_count = node->count;
    ab->goals = node->count ? goals : NULL;
    return true;
}

static json_t *write_goals(const struct bsc_key *key, const void *base)
{
    const struct bsc_ab_spec *ab = bsc_key_value(key, base);
    return bsc_table_write_list(&bsc_goal_keys, ab->goals, ab->goal_count, sizeof *ab->goals);
}

static json_t *schema_goals(const struct bsc_key *key)
{
    (void)key;
    json_t *one = bsc_schema_table(&bsc_goal_keys);
    json_object_set_new(one, "required", json_pack("[s, s]", "name", "path"));
    json_t *list = bsc_schema_list(one);
    json_object_set_new(list, "maxItems", json_integer(BSC_GOALS_MAX));
    return list;
}

const struct bsc_type bsc_type_goals = { expect_goals, read_goals, write_goals, schema_goals };
