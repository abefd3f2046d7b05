/* SPDX-License-Identifier: Apache-2.0
 * config/node.h - what a configuration is read from: texts, lists and maps with their lines.
 *
 * YAML and JSON both become this tree, so that one walk over the key table reads the user's file
 * and the stored form. Nodes live in the arena that they were made in.
 */
#ifndef BASCULE_CONFIG_NODE_H
#define BASCULE_CONFIG_NODE_H

#include <jansson.h>
#include <stdbool.h>

#include "config/problems.h"

enum bsc_node_kind { BSC_NODE_NOTHING, BSC_NODE_TEXT, BSC_NODE_LIST, BSC_NODE_MAP };

struct bsc_node {
    enum bsc_node_kind kind;
    unsigned line;
    const char *key;        /* in a map; NULL in a list */
    const char *text;       /* TEXT: any scalar; has no NUL and no control character but \n \t */
    bool quoted;            /* TEXT of a file: in quotes or a block, so no number */
    unsigned count;         /* of children */
    struct bsc_node *first; /* LIST, MAP: children in the order of the file */
    struct bsc_node *last, *next; /* next: sibling */
};

enum { BSC_FILE_BYTES_MAX = 4 << 20, BSC_NODE_DEPTH_MAX = 32, BSC_NODES_MAX = 500000 };

/* The one document in `text`, NULL when it can't be told what it means. Other problems (duplicate
 * keys, anchors, control characters) are added and the tree is returned, so that all are found.
 * NULL without a problem: there is nothing in it. */
struct bsc_node *bsc_node_from_yaml(struct bsc_arena *arena, const char *file, const char *text,
                                    size_t size, struct bsc_config_problems *problems);

/* Numbers and booleans become texts, every line is 0. */
struct bsc_node *bsc_node_from_json(struct bsc_arena *arena, const json_t *json);

struct bsc_node *bsc_node_add(struct bsc_arena *arena, struct bsc_node *parent,
                              enum bsc_node_kind kind, const char *key, const char *text);

enum { BSC_SHOWN_BYTES = 160 };
/* "'two'" (escaped, cut), "a list", "a map", "nothing". Returns `out`. */
const char *bsc_node_show(const struct bsc_node *node, char out[static BSC_SHOWN_BYTES]);

#endif
