/* SPDX-License-Identifier: Apache-2.0
 * config/type_gate.c - the list of gates (see types.h). */
#include <string.h>

#include "base/clock.h"
#include "config/types.h"

static const int64_t otherwise_ms = 600000; /* a gate without a time of its own */

/* What of the keys says which kind it is; as many as are given. */
struct kinds {
    enum bsc_gate_kind kind;
    unsigned count;
};

static struct kinds kinds_of(const struct bsc_gate *gate)
{
    const bool given[BSC_GATE_KIND_COUNT] = {
        [BSC_GATE_SMOKE] = gate->command.shell || gate->command.argv.count,
        [BSC_GATE_PROBE] = gate->probe.path != NULL,
        [BSC_GATE_APPROVAL] = gate->approval != NULL,
        [BSC_GATE_LOAD] = gate->load != NULL,
        [BSC_GATE_QUERY] = gate->query != NULL,
    };
    struct kinds kinds = { BSC_GATE_SMOKE, 0 };
    for (unsigned kind = 0; kind < BSC_GATE_KIND_COUNT; kind++)
        if (given[kind]) {
            kinds.kind = (enum bsc_gate_kind)kind;
            kinds.count++;
        }
    return kinds;
}

static bool runs_command(const struct bsc_gate *gate)
{
    return gate->kind == BSC_GATE_SMOKE || gate->kind == BSC_GATE_LOAD;
}

static bool has_name(const struct bsc_gate *gates, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(gates[i].name, name))
            return true;
    return false;
}

static const char *name_of(struct bsc_reader *reader, const struct bsc_gate *gates, unsigned count,
                           enum bsc_gate_kind kind)
{
    static const char *const names[BSC_GATE_KIND_COUNT] = { "smoke", "probe", "approval", "load",
                                                            "query" };
    const char *name = names[kind];
    for (unsigned n = 2; has_name(gates, count, name); n++)
        name = bsc_arena_printf(reader->arena, "%s-%u", names[kind], n);
    return name;
}

/* Keys that say nothing for the gate's kind. */
static void check_keys(struct bsc_reader *reader, const struct bsc_node *node,
                       const struct bsc_gate *gate)
{
    for (const struct bsc_node *child = node->first; child; child = child->next) {
        if (!strcmp(child->key, "probe") && gate->kind != BSC_GATE_PROBE)
            bsc_reader_problem(reader, child->line, "probe.path", "is missing");
        if (!strcmp(child->key, "on_timeout") && gate->kind != BSC_GATE_APPROVAL)
            bsc_reader_problem(reader, child->line, child->key, "is for an approval");
        if (!strcmp(child->key, "once") && !runs_command(gate))
            bsc_reader_problem(reader, child->line, child->key, "is for a smoke or a load test: %s",
                               gate->kind == BSC_GATE_APPROVAL ? "each rollout is approved anew"
                                                               : "requests may be made again");
    }
}

/* A query that could not pass in time however good its answers are. */
static void check_time(struct bsc_reader *reader, unsigned line, const struct bsc_gate *gate)
{
    const struct bsc_query_spec *query = gate->query;
    char interval[BSC_DURATION_BYTES], limit[BSC_DURATION_BYTES];
    if ((query->count - 1) * query->interval_ms < gate->timeout_ms)
        return;
    bsc_reader_problem(reader, line, "timeout", "%s is too short for query.count: %u, one every %s",
                       bsc_duration_format(gate->timeout_ms, limit), query->count,
                       bsc_duration_format(query->interval_ms, interval));
}

static void read_gate(struct bsc_reader *reader, const struct bsc_node *node,
                      struct bsc_gate *gates, unsigned index)
{
    struct bsc_gate *gate = &gates[index];
    size_t problems = reader->problems->count;
    bsc_table_read(reader, &bsc_gate_keys, node, gate, NULL);
    struct kinds kinds = kinds_of(gate);
    gate->kind = kinds.kind;
    const char *given = gate->name;
    if (!given)
        gate->name = name_of(reader, gates, index, gate->kind);
    if (!gate->timeout_ms && gate->kind != BSC_GATE_APPROVAL)
        gate->timeout_ms = otherwise_ms;
    if (gate->query)
        gate->query->name = gate->name;
    if (reader->stored || reader->problems->count > problems || node->kind != BSC_NODE_MAP)
        return;
    if (kinds.count != 1)
        bsc_reader_problem(reader, node->line, "",
                           "says %s; accepted is one of smoke, probe, approval, load and query",
                           kinds.count ? "more than one thing" : "not what must be so");
    else
        check_keys(reader, node, gate);
    if (kinds.count == 1 && gate->query)
        check_time(reader, node->line, gate);
    if (given && has_name(gates, index, given))
        bsc_reader_problem(reader, node->line, "name", "there is a gate '%s' already", given);
}

static const char *expect_gates(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of maps, each with smoke, probe, approval, load or query";
}

static bool read_gates(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, void *base)
{
    struct bsc_gates *out = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_LIST)
        return false;
    if (node->count > BSC_GATES_MAX) {
        bsc_reader_problem(reader, node->line, key->path, "has %u gates; %d are accepted",
                           node->count, (int)BSC_GATES_MAX);
        return true;
    }
    struct bsc_gate *gates = bsc_arena_alloc(reader->arena, node->count * sizeof *gates);
    const struct bsc_node *item = node->first;
    for (unsigned i = 0; item; i++, item = item->next) {
        gates[i] = (struct bsc_gate){ .name = NULL };
        const char *prefix =
            bsc_reader_enter(reader, bsc_arena_printf(reader->scratch, "%s[%u]", key->path, i));
        read_gate(reader, item, gates, i);
        reader->prefix = prefix;
    }
    *out = (struct bsc_gates){ node->count, node->count ? gates : NULL };
    return true;
}

/* Without the defaults of what it is not. */
static json_t *write_gate(const struct bsc_gate *gate)
{
    json_t *json = bsc_table_write(&bsc_gate_keys, gate);
    if (gate->kind != BSC_GATE_PROBE)
        json_object_del(json, "probe");
    if (gate->kind != BSC_GATE_APPROVAL)
        json_object_del(json, "on_timeout");
    if (!runs_command(gate))
        json_object_del(json, "once");
    if (!gate->timeout_ms)
        json_object_del(json, "timeout");
    return json;
}

static json_t *write_gates(const struct bsc_key *key, const void *base)
{
    const struct bsc_gates *gates = bsc_key_value(key, base);
    if (!gates->count)
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < gates->count; i++)
        json_array_append_new(list, write_gate(&gates->items[i]));
    return list;
}

static json_t *schema_gates(const struct bsc_key *key)
{
    (void)key;
    json_t *list = bsc_schema_list(bsc_schema_table(&bsc_gate_keys));
    json_object_set_new(list, "maxItems", json_integer(BSC_GATES_MAX));
    return list;
}

const struct bsc_type bsc_type_gates = { expect_gates, read_gates, write_gates, schema_gates };

static const char *expect_line(const struct bsc_key *key, struct bsc_arena *arena)
{
    return bsc_arena_printf(arena, "a line of text of at most %lld characters",
                            (long long)key->high);
}

static bool read_line(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT || !bsc_text_is_clean(node->text) ||
        strlen(node->text) > (size_t)key->high)
        return false;
    *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, node->text);
    return true;
}

static json_t *write_text(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static json_t *schema_text(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text(NULL);
}

const struct bsc_type bsc_type_line = { expect_line, read_line, write_text, schema_text };

static const char *expect_scenario(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "the path of a scenario for bascule load";
}

static bool read_scenario(struct bsc_reader *reader, const struct bsc_key *key,
                          const struct bsc_node *node, void *base)
{
    return bsc_type_file.read(reader, key, node, base);
}

const struct bsc_type bsc_type_scenario = { expect_scenario, read_scenario, write_text,
                                            schema_text };
