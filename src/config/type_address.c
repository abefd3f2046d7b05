/* SPDX-License-Identifier: Apache-2.0
 * config/type_address.c - where instances and clients are found (see types.h). */
#include <stdlib.h>
#include <string.h>

#include "base/network.h"
#include "config/address.h"
#include "config/types.h"

static const char an_endpoint[] = "a numeric address with a port (127.0.0.1:3000, [::1]:3000) or "
                                  "unix:/PATH, with or without weight=1 to 100 behind it";

static const char *keep_address(struct bsc_reader *reader, const char *text)
{
    enum { SOCKET_PATH_MAX = 107 }; /* struct sockaddr_un, without its NUL */
    if (!strncmp(text, "unix:/", 6) && bsc_text_is_clean(text) &&
        strlen(text + 5) <= SOCKET_PATH_MAX)
        return bsc_arena_copy(reader->arena, text);
    return bsc_endpoint_parse(reader->arena, text);
}

/* "ADDRESS" or "ADDRESS weight=N"; a weight of 1 is left out. */
static const char *keep_endpoint(struct bsc_reader *reader, const struct bsc_key *key,
                                 const struct bsc_node *item, const char *path)
{
    (void)key;
    if (reader->stored)
        return bsc_arena_copy(reader->arena, item->text);
    static const char mark[] = " weight=";
    size_t size = bsc_target_address_size(item->text);
    const char *weight = item->text[size] ? item->text + size + sizeof mark - 1 : "1";
    const char *kept =
        keep_address(reader, bsc_arena_copy_bytes(reader->scratch, item->text, size));
    size_t digits = strspn(weight, "0123456789");
    unsigned value = digits && digits <= 3 && !weight[digits] ? (unsigned)atoi(weight) : 0;
    if (!kept || value < 1 || value > BSC_WEIGHT_MAX) {
        bsc_reader_expected(reader, item, path, an_endpoint);
        return NULL;
    }
    return value == 1 ? kept : bsc_arena_printf(reader->arena, "%s%s%u", kept, mark, value);
}

static const char *expect_targets(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of numeric addresses with a port (127.0.0.1:3000, [::1]:3000) or unix:/PATH, "
           "each with or without weight=1 to 100 behind it";
}

static bool read_targets(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, void *base)
{
    if (node->kind == BSC_NODE_LIST && !node->count && !reader->stored) {
        bsc_reader_problem(reader, node->line, key->path,
                           "expected at least one address, found an empty list");
        return true;
    }
    return bsc_texts_read(reader, key, node, bsc_key_field(key, base), an_endpoint, keep_endpoint);
}

const struct bsc_type bsc_type_targets = { expect_targets, read_targets, bsc_texts_write,
                                           bsc_texts_schema };

static const char a_listener[] =
    "a port (8080) or a numeric address with a port (127.0.0.1:8080, [::1]:8080)";

static const char *keep_listener(struct bsc_reader *reader, const struct bsc_key *key,
                                 const struct bsc_node *item, const char *path)
{
    (void)key;
    const char *kept = bsc_endpoint_parse(reader->arena, item->text);
    if (!kept && bsc_port_parse(item->text))
        kept = bsc_arena_copy(reader->arena, item->text);
    if (!kept)
        bsc_reader_expected(reader, item, path, a_listener);
    return kept;
}

static const char *expect_listen(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a port (8080), a numeric address with a port (127.0.0.1:8080, [::1]:8080), or a list "
           "of them";
}

/* Adds an address unless it is there already: then says so. */
static void add_listener(struct bsc_reader *reader, const struct bsc_key *key,
                         const struct bsc_node *node, const char **items, unsigned *count,
                         const char *address)
{
    for (unsigned i = 0; i < *count; i++)
        if (!strcmp(items[i], address)) {
            bsc_reader_problem(reader, node->line, key->path, "has %s twice", address);
            return;
        }
    items[(*count)++] = address;
}

/* A bare port means all addresses of both families. */
static bool read_listen(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    enum { LISTENERS_MAX = 16 };
    struct bsc_strings given = { 0 }, *out = bsc_key_field(key, base);
    if (!bsc_texts_read(reader, key, node, &given, a_listener, keep_listener))
        return false;
    if ((given.count > LISTENERS_MAX && !reader->stored) ||
        (node->kind == BSC_NODE_LIST && !node->count)) {
        bsc_reader_problem(reader, node->line, key->path,
                           "has %u addresses; from 1 to %d are accepted", given.count,
                           LISTENERS_MAX);
        return true;
    }
    const char **items = bsc_arena_alloc(reader->arena, given.count * 2 * sizeof(const char *));
    unsigned count = 0;
    for (unsigned i = 0; i < given.count; i++) {
        const char *text = given.items[i];
        unsigned port = bsc_port_parse(text);
        if (!port) {
            add_listener(reader, key, node, items, &count, text);
            continue;
        }
        add_listener(reader, key, node, items, &count,
                     bsc_arena_printf(reader->arena, "0.0.0.0:%u", port));
        add_listener(reader, key, node, items, &count,
                     bsc_arena_printf(reader->arena, "[::]:%u", port));
    }
    *out = (struct bsc_strings){ count, items };
    return true;
}

static json_t *schema_listen(const struct bsc_key *key)
{
    (void)key;
    json_t *one = bsc_schema_either(
        json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", 65535),
        bsc_schema_text("^(.+:)?[0-9]+$"));
    json_t *list = bsc_schema_list(json_incref(one));
    return bsc_schema_either(one, list);
}

const struct bsc_type bsc_type_listen = { expect_listen, read_listen, bsc_texts_write,
                                          schema_listen };

static const char a_network[] =
    "an address (192.0.2.1) or a range of them (10.0.0.0/8, 2001:db8::/32) with no bits set behind "
    "its prefix";

static const char *keep_network(struct bsc_reader *reader, const struct bsc_key *key,
                                const struct bsc_node *item, const char *path)
{
    struct bsc_network network;
    (void)key;
    if (bsc_network_parse(item->text, &network))
        return bsc_arena_copy(reader->arena, item->text);
    bsc_reader_expected(reader, item, path, a_network);
    return NULL;
}

static const char *expect_networks(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a list of addresses (192.0.2.1) and ranges of them (10.0.0.0/8, 2001:db8::/32)";
}

static bool read_networks(struct bsc_reader *reader, const struct bsc_key *key,
                          const struct bsc_node *node, void *base)
{
    return bsc_texts_read(reader, key, node, bsc_key_field(key, base), a_network, keep_network);
}

const struct bsc_type bsc_type_networks = { expect_networks, read_networks, bsc_texts_write,
                                            bsc_texts_schema };
