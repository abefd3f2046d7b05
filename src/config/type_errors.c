/* SPDX-License-Identifier: Apache-2.0
 * config/type_errors.c - which answers are errors: statuses, and rules of a path (see types.h). */
#include <stdio.h>
#include <string.h>

#include "config/types.h"

enum { RULES_MAX = 32 }; /* in each list; the proxy takes twice as many */

/* "503" or "500-599". */
static bool add_statuses(struct bsc_statuses *set, const char *text)
{
    unsigned low, high;
    int end = 0;
    if (strlen(text) == 3 && strspn(text, "0123456789") == 3) {
        low = high = (unsigned)(100 * (text[0] - '0') + 10 * (text[1] - '0') + text[2] - '0');
    } else if (strlen(text) != 7 || strspn(text, "0123456789-") != 7 ||
               sscanf(text, "%3u-%3u%n", &low, &high, &end) != 2 || end != 7) {
        return false;
    }
    if (low < BSC_STATUS_LOW || high > BSC_STATUS_HIGH || low > high)
        return false;
    bsc_statuses_add(set, low, high);
    return true;
}

static const char *expect_statuses(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a list of statuses and ranges of them from %lld to %lld",
                            (long long)key->low, (long long)key->high);
}

static bool read_statuses(struct bsc_reader *reader, const struct bsc_key *key,
                          const struct bsc_node *node, void *base)
{
    struct bsc_statuses *set = bsc_key_field(key, base);
    *set = (struct bsc_statuses){ { 0 } };
    if (node->kind == BSC_NODE_TEXT)
        return add_statuses(set, node->text);
    if (node->kind != BSC_NODE_LIST)
        return false;
    for (const struct bsc_node *item = node->first; item; item = item->next)
        if (item->kind != BSC_NODE_TEXT || !add_statuses(set, item->text))
            bsc_reader_expected(reader, item, key->path,
                                "a status (503) or a range of them (500-599)");
    return true;
}

static json_t *write_statuses(const struct bsc_key *key, const void *base)
{
    const struct bsc_statuses *set = bsc_key_value(key, base);
    json_t *list = json_array();
    unsigned low, high = 0;
    while (bsc_statuses_run(set, high + 1, &low, &high)) {
        char text[16];
        snprintf(text, sizeof text, low == high ? "%u" : "%u-%u", low, high);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *schema_statuses(const struct bsc_key *key)
{
    json_t *one =
        bsc_schema_either(json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum",
                                    (json_int_t)key->low, "maximum", (json_int_t)key->high),
                          bsc_schema_text("^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"));
    return bsc_schema_either(json_incref(one), bsc_schema_list(one));
}

const struct bsc_type bsc_type_status_list = { expect_statuses, read_statuses, write_statuses,
                                               schema_statuses };

static const char *expect_rules(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of maps with path and status";
}

static void read_rule(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                      struct bsc_error_rule *out)
{
    const char *prefix = bsc_reader_enter(reader, path);
    size_t problems = reader->problems->count;
    *out = (struct bsc_error_rule){ .path = NULL };
    bsc_table_read(reader, &bsc_error_rule_keys, node, out, NULL);
    if (!reader->stored && reader->problems->count == problems &&
        bsc_statuses_empty(&out->statuses))
        bsc_reader_problem(reader, node->line, "status", "is missing");
    reader->prefix = prefix;
}

static bool read_rules(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_error_rules *rules = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_LIST)
        return false;
    if (node->count > RULES_MAX && !reader->stored) {
        bsc_reader_problem(reader, node->line, key->path, "has %u rules; %d are accepted",
                           node->count, RULES_MAX);
        return true;
    }
    struct bsc_error_rule *items = bsc_arena_alloc(reader->arena, node->count * sizeof *items);
    *rules = (struct bsc_error_rules){ node->count, items };
    unsigned at = 0;
    for (const struct bsc_node *item = node->first; item; item = item->next, at++)
        read_rule(reader, item, bsc_arena_printf(reader->scratch, "%s[%u]", key->path, at),
                  &items[at]);
    return true;
}

static json_t *write_rules(const struct bsc_key *key, const void *base)
{
    const struct bsc_error_rules *rules = bsc_key_value(key, base);
    return bsc_table_write_list(&bsc_error_rule_keys, rules->items, rules->count,
                                sizeof *rules->items);
}

static json_t *schema_rules(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_list(bsc_schema_table(&bsc_error_rule_keys));
}

const struct bsc_type bsc_type_error_rules = { expect_rules, read_rules, write_rules,
                                               schema_rules };
