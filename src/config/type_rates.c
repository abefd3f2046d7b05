/* SPDX-License-Identifier: Apache-2.0
 * config/type_rates.c - how often a client may ask for what is below a path (see types.h). */
#include <string.h>

#include "config/types.h"

enum { RULES_MAX = 32 }; /* the proxy takes as many */

static const char *expect_rules(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of maps with path and requests";
}

static void check_rule(struct bsc_reader *reader, const struct bsc_node *node,
                       const struct bsc_rate_rules *rules, unsigned at)
{
    const struct bsc_rate_rule *rule = &rules->items[at];
    if (!rule->path)
        bsc_reader_problem(reader, node->line, "path", "is missing");
    if (!rule->requests)
        bsc_reader_problem(reader, node->line, "requests", "is missing");
    unsigned first = 0;
    while (rule->path && first < at &&
           (!rules->items[first].path || strcmp(rules->items[first].path, rule->path) != 0))
        first++;
    if (rule->path && first < at)
        bsc_reader_problem(reader, node->line, "path", "%s has a limit already", rule->path);
}

static void read_rule(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                      const struct bsc_rate_rules *rules, unsigned at, struct bsc_rate_rule *out)
{
    const char *prefix = bsc_reader_enter(reader, path);
    size_t problems = reader->problems->count;
    *out = (struct bsc_rate_rule){ .path = NULL };
    bsc_table_read(reader, &bsc_rate_rule_keys, node, out, NULL);
    if (!reader->stored && reader->problems->count == problems)
        check_rule(reader, node, rules, at);
    reader->prefix = prefix;
}

static bool read_rules(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_rate_rules *rules = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_LIST)
        return false;
    if (node->count > RULES_MAX && !reader->stored) {
        bsc_reader_problem(reader, node->line, key->path, "has %u rules; %d are accepted",
                           node->count, RULES_MAX);
        return true;
    }
    struct bsc_rate_rule *items = bsc_arena_alloc(reader->arena, node->count * sizeof *items);
    *rules = (struct bsc_rate_rules){ node->count, items };
    unsigned at = 0;
    for (const struct bsc_node *item = node->first; item; item = item->next, at++)
        read_rule(reader, item, bsc_arena_printf(reader->scratch, "%s[%u]", key->path, at), rules,
                  at, &items[at]);
    return true;
}

static json_t *write_rules(const struct bsc_key *key, const void *base)
{
    const struct bsc_rate_rules *rules = bsc_key_value(key, base);
    return bsc_table_write_list(&bsc_rate_rule_keys, rules->items, rules->count,
                                sizeof *rules->items);
}

static json_t *schema_rules(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_list(bsc_schema_table(&bsc_rate_rule_keys));
}

const struct bsc_type bsc_type_rate_rules = { expect_rules, read_rules, write_rules, schema_rules };
