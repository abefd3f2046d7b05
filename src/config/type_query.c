/* SPDX-License-Identifier: Apache-2.0
 * config/type_query.c - external queries (see types.h). */
#include <string.h>

#include "config/types.h"
#include "core/query.h"

static const char *expect_accept(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a comparison with a number (\"< 0.01\", \"<=\", \">\", \">=\", \"==\") or a range (0.5 "
           ".. 2)";
}

static bool read_accept(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    struct bsc_accept *accept = bsc_key_field(key, base);
    return node->kind == BSC_NODE_TEXT && strlen(node->text) < 64 &&
           bsc_accept_parse(bsc_arena_copy(reader->arena, node->text), accept);
}

static json_t *write_accept(const struct bsc_key *key, const void *base)
{
    const struct bsc_accept *accept = bsc_key_value(key, base);
    return accept->text ? json_string(accept->text) : NULL;
}

static json_t *schema_accept(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^ *([<>]=?|==) *[-+0-9.eE]+ *$|^ *[-+0-9.eE]+ +\\.\\. +[-+0-9.eE]+ *$");
}

const struct bsc_type bsc_type_accept = { expect_accept, read_accept, write_accept, schema_accept };

/* A text without control characters. */
static bool read_text(struct bsc_reader *reader, const struct bsc_key *key,
                      const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_TEXT || !bsc_text_is_clean(node->text))
        return false;
    if (bsc_argument_check(reader, key, node, key->path))
        *(const char **)bsc_key_field(key, base) = bsc_arena_copy(reader->arena, node->text);
    return true;
}

static json_t *write_text(const struct bsc_key *key, const void *base)
{
    const char *text = *(const char *const *)bsc_key_value(key, base);
    return text ? json_string(text) : NULL;
}

static const char *expect_words(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a text in one line";
}

static json_t *schema_words(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text(NULL);
}

const struct bsc_type bsc_type_words = { expect_words, read_text, write_text, schema_words };

static const char *expect_url(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "an address that begins with http:// or https://";
}

static bool read_url(struct bsc_reader *reader, const struct bsc_key *key,
                     const struct bsc_node *node, void *base)
{
    return node->kind == BSC_NODE_TEXT && strlen(node->text) <= 2048 && !strchr(node->text, ' ') &&
           (!strncmp(node->text, "http://", 7) || !strncmp(node->text, "https://", 8)) &&
           read_text(reader, key, node, base);
}

static json_t *schema_url(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_text("^https?://[^ ]+$");
}

const struct bsc_type bsc_type_url = { expect_url, read_url, write_text, schema_url };

/* -- a list of them, and one ------------------------------------------------------------------ */

static const char *expect_queries(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of maps with name and one of prometheus, command and http";
}

static bool has(const struct bsc_node *node, const char *name)
{
    for (const struct bsc_node *child = node->first; child; child = child->next)
        if (!strcmp(child->key, name))
            return true;
    return false;
}

/* What is wrong with it as a whole; NULL: nothing. */
static const char *fault_of(const struct bsc_query_spec *query, unsigned kinds, bool named)
{
    if (!query->name && named)
        return "has no name";
    if (query->name && !named)
        return "has a name, which belongs to the gate";
    if (kinds != 1)
        return "needs one of prometheus, command and http";
    if (query->kind == BSC_QUERY_PROMETHEUS && (!query->url || !query->query))
        return "needs prometheus.url and prometheus.query";
    if (query->kind == BSC_QUERY_HTTP && !query->url)
        return "needs http.url";
    if ((query->kind == BSC_QUERY_PROMETHEUS || query->field) && !query->accept.text)
        return "needs accept, to know which numbers pass";
    if (query->kind == BSC_QUERY_HTTP && !query->field && query->accept.text)
        return "has accept, but no http.field to read a number from";
    return NULL;
}

static void read_query(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                       bool named, struct bsc_query_spec *out)
{
    const char *prefix = bsc_reader_enter(reader, path);
    size_t problems = reader->problems->count;
    unsigned kinds = 0;
    *out = (struct bsc_query_spec){ .name = NULL };
    bsc_table_read(reader, &bsc_query_keys, node, out, NULL);
    static const char *const names[] = { [BSC_QUERY_PROMETHEUS] = "prometheus",
                                         [BSC_QUERY_COMMAND] = "command",
                                         [BSC_QUERY_HTTP] = "http" };
    for (unsigned i = 0; node->kind == BSC_NODE_MAP && i < 3; i++)
        if (has(node, names[i])) {
            out->kind = (enum bsc_query_kind)i;
            kinds++;
        }
    const char *fault = fault_of(out, kinds, named);
    if (fault && !reader->stored && reader->problems->count == problems)
        bsc_reader_problem(reader, node->line, "", "%s", fault);
    reader->prefix = prefix;
}

static bool read_queries(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    struct bsc_query_list *list = bsc_key_field(key, base);
    if (node->kind != BSC_NODE_LIST)
        return false;
    if (node->count > BSC_QUERIES_MAX && !reader->stored) {
        bsc_reader_problem(reader, node->line, key->path, "has %u queries; %d are accepted",
                           node->count, BSC_QUERIES_MAX);
        return true;
    }
    struct bsc_query_spec *items = bsc_arena_alloc(reader->arena, node->count * sizeof *items);
    *list = (struct bsc_query_list){ node->count, items };
    unsigned at = 0;
    for (const struct bsc_node *item = node->first; item; item = item->next, at++) {
        const char *path = bsc_arena_printf(reader->scratch, "%s[%u]", key->path, at);
        read_query(reader, item, path, true, &items[at]);
        for (unsigned i = 0; !reader->stored && items[at].name && i < at; i++)
            if (items[i].name && !strcmp(items[i].name, items[at].name))
                bsc_reader_problem(reader, item->line, path, "is the second one with the name %s",
                                   items[i].name);
    }
    return true;
}

/* Prometheus' and HTTP's url are one field: each is written under its own kind only. */
static json_t *write_query(const struct bsc_query_spec *query)
{
    json_t *map = bsc_table_write(&bsc_query_keys, query);
    if (query->kind != BSC_QUERY_HTTP)
        json_object_del(map, "http");
    if (query->kind != BSC_QUERY_PROMETHEUS)
        json_object_del(map, "prometheus");
    return map;
}

static json_t *write_queries(const struct bsc_key *key, const void *base)
{
    const struct bsc_query_list *list = bsc_key_value(key, base);
    if (!list->count)
        return NULL;
    json_t *out = json_array();
    for (unsigned i = 0; i < list->count; i++)
        json_array_append_new(out, write_query(&list->items[i]));
    return out;
}

static json_t *schema_queries(const struct bsc_key *key)
{
    (void)key;
    return bsc_schema_list(bsc_schema_table(&bsc_query_keys));
}

const struct bsc_type bsc_type_queries = { expect_queries, read_queries, write_queries,
                                           schema_queries };

static const char *expect_query(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map with one of prometheus, command and http";
}

static bool read_one(struct bsc_reader *reader, const struct bsc_key *key,
                     const struct bsc_node *node, void *base)
{
    if (node->kind != BSC_NODE_MAP)
        return false;
    struct bsc_query_spec *query = bsc_arena_alloc(reader->arena, sizeof *query);
    read_query(reader, node, key->path, false, query);
    *(struct bsc_query_spec **)bsc_key_field(key, base) = query;
    return true;
}

/* The name is the gate's. */
static json_t *write_one(const struct bsc_key *key, const void *base)
{
    const struct bsc_query_spec *query = *(struct bsc_query_spec *const *)bsc_key_value(key, base);
    json_t *map = query ? write_query(query) : NULL;
    json_object_del(map, "name");
    return map;
}

static json_t *schema_query(const struct bsc_key *key)
{
    (void)key;
    json_t *map = bsc_schema_table(&bsc_query_keys);
    json_object_del(json_object_get(map, "properties"), "name");
    return map;
}

const struct bsc_type bsc_type_query = { expect_query, read_one, write_one, schema_query };
