/* SPDX-License-Identifier: Apache-2.0
 * config/reader.h - walking a tree of nodes along a key table, and writing it back.
 */
#ifndef BASCULE_CONFIG_READER_H
#define BASCULE_CONFIG_READER_H

#include "config/node.h"

struct bsc_config;
struct bsc_key;
struct bsc_key_table;

/* Who wants which requests, to find two that want the same. */
struct bsc_route_claim {
    const char *host, *path, *service, *key;
    unsigned line;
    struct bsc_route_claim *next;
};

struct bsc_reader {
    struct bsc_arena *arena;   /* where the values go */
    struct bsc_arena *scratch; /* until the reading ends */
    struct bsc_config_problems *problems;
    const char *file;
    const char *directory; /* relative paths start here */
    bool stored;           /* reads the stored form: no look at the machine, no ranges */
    const char *prefix;    /* "services.web." */
    const char *service;   /* whose keys are being read; NULL */
    struct bsc_route_claim *claims;
};

/* A kind of value. `base` is the struct that the key's offset belongs to. */
struct bsc_type {
    /* "a duration from 10ms to 1h": completes "expected ...". */
    const char *(*expected)(const struct bsc_key *key, struct bsc_arena *arena);
    /* False: `node` is not what is expected (the caller says so). Problems inside of it are added
     * here, and true is returned. */
    bool (*read)(struct bsc_reader *reader, const struct bsc_key *key, const struct bsc_node *node,
                 void *base);
    /* NULL: nothing is set. The caller owns the value. */
    json_t *(*write)(const struct bsc_key *key, const void *base);
    /* The JSON schema of what is accepted in a file. The caller owns it. */
    json_t *(*schema)(const struct bsc_key *key);
};

/* Adds a problem; `path` is below the reader's prefix. */
void bsc_reader_problem(struct bsc_reader *reader, unsigned line, const char *path,
                        const char *format, ...) BSC_PRINTF(4, 5);
/* "expected ..., found ..." */
void bsc_reader_expected(struct bsc_reader *reader, const struct bsc_node *node, const char *path,
                         const char *expected);

/* What is read from now on is below `path`. Returns the prefix of before, which the caller puts
 * back. */
const char *bsc_reader_enter(struct bsc_reader *reader, const char *path);

/* Fills `base` from the map `node`: defaults first, then what is there. `lines` (one a key of the
 * table, zeroed by the caller, or NULL) receives where each key was given. */
void bsc_table_read(struct bsc_reader *reader, const struct bsc_key_table *table,
                    const struct bsc_node *node, void *base, unsigned *lines);
/* The map of all that is set. The caller owns it. */
json_t *bsc_table_write(const struct bsc_key_table *table, const void *base);
/* A list of such maps, of `count` items of `size` bytes each; NULL: there is none. */
json_t *bsc_table_write_list(const struct bsc_key_table *table, const void *items, unsigned count,
                             size_t size);

/* NULL when there is none of that path. */
const struct bsc_key *bsc_table_find(const struct bsc_key_table *table, const char *path);

/* Reads a complete service from the map `node` into reader->arena; with what depends on several
 * keys decided and, in a file, checked. */
void bsc_service_read(struct bsc_reader *reader, const struct bsc_node *node,
                      struct bsc_spec *spec);

/* What services say of each other: that there are such, and an order in which they can start.
 * `services` is the map of the file. */
void bsc_stacks_check(struct bsc_reader *reader, const struct bsc_config *config,
                      const struct bsc_node *services);

#endif
