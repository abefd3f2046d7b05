/* SPDX-License-Identifier: Apache-2.0
 * config/node.c - trees of nodes, and how they are made from JSON (see node.h). */
#include "config/node.h"

#include <stdio.h>
#include <string.h>

struct bsc_node *bsc_node_add(struct bsc_arena *arena, struct bsc_node *parent,
                              enum bsc_node_kind kind, const char *key, const char *text)
{
    struct bsc_node *node = bsc_arena_alloc(arena, sizeof *node);
    node->kind = kind;
    node->key = key;
    node->text = text;
    if (!parent)
        return node;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
    return node;
}

static struct bsc_node *add_json(struct bsc_arena *arena, struct bsc_node *parent, const char *key,
                                 const json_t *json)
{
    struct bsc_node *node = bsc_node_add(arena, parent, BSC_NODE_TEXT, key, NULL);
    switch (json_typeof(json)) {
    case JSON_STRING:
        node->text = json_string_value(json);
        break;
    case JSON_INTEGER:
        node->text = bsc_arena_printf(arena, "%lld", (long long)json_integer_value(json));
        break;
    case JSON_REAL:
        node->text = bsc_arena_printf(arena, "%g", json_real_value(json));
        break;
    case JSON_TRUE:
        node->text = "true";
        break;
    case JSON_FALSE:
        node->text = "false";
        break;
    case JSON_NULL:
        node->kind = BSC_NODE_NOTHING;
        break;
    case JSON_ARRAY:
        node->kind = BSC_NODE_LIST;
        for (size_t i = 0; i < json_array_size(json); i++)
            add_json(arena, node, NULL, json_array_get(json, i));
        break;
    case JSON_OBJECT: {
        node->kind = BSC_NODE_MAP;
        const char *name;
        json_t *value;
        json_t *object = (json_t *)(uintptr_t)json; /* iterating does not change it */
        json_object_foreach(object, name, value) add_json(arena, node, name, value);
        break;
    }
    }
    return node;
}

/* Borrows the strings of `json`. */
struct bsc_node *bsc_node_from_json(struct bsc_arena *arena, const json_t *json)
{
    return add_json(arena, NULL, NULL, json);
}

const char *bsc_node_show(const struct bsc_node *node, char out[static BSC_SHOWN_BYTES])
{
    static const char *const kinds[] = { [BSC_NODE_NOTHING] = "nothing",
                                         [BSC_NODE_TEXT] = "''",
                                         [BSC_NODE_LIST] = "a list",
                                         [BSC_NODE_MAP] = "a map" };
    enum { SHOWN = 60 };
    if (node->kind != BSC_NODE_TEXT || !*node->text) {
        snprintf(out, BSC_SHOWN_BYTES, "%s", kinds[node->kind]);
        return out;
    }
    size_t size = strlen(node->text), shown = size;
    if (shown > SHOWN) /* never in the middle of a UTF-8 sequence */
        for (shown = SHOWN; shown > 0 && ((unsigned char)node->text[shown] & 0xc0) == 0x80;)
            shown--;
    struct bsc_text text = { 0 };
    bsc_text_add_escaped(&text, node->text, shown);
    snprintf(out, BSC_SHOWN_BYTES, "'%s%s'", bsc_text_get(&text), shown < size ? "..." : "");
    bsc_text_deinit(&text);
    return out;
}
