/* SPDX-License-Identifier: Apache-2.0
 * config/type_service.c - a service's routes, and the map of services (see types.h). */
#include <stdlib.h>
#include <string.h>

#include "config/types.h"

static const char *expect_routes(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map with host and path, or a list of such maps";
}

static void read_route(struct bsc_reader *reader, const struct bsc_key *key,
                       const struct bsc_node *node, const char *path, struct bsc_route *route)
{
    const char *prefix = bsc_reader_enter(reader, path);
    size_t problems = reader->problems->count;
    bsc_table_read(reader, &bsc_route_keys, node, route, NULL);
    reader->prefix = prefix;
    if (reader->stored || reader->problems->count > problems)
        return;
    struct bsc_route_claim *claim = bsc_arena_alloc(reader->scratch, sizeof *claim);
    *claim = (struct bsc_route_claim){ route->host, route->path, reader->service,
                                       key->path,   node->line,  reader->claims };
    reader->claims = claim;
}

static bool read_routes(struct bsc_reader *reader, const struct bsc_key *key,
                        const struct bsc_node *node, void *base)
{
    struct bsc_spec *spec = base;
    if (node->kind != BSC_NODE_MAP && node->kind != BSC_NODE_LIST)
        return false;
    bool list = node->kind == BSC_NODE_LIST;
    unsigned count = list ? node->count : 1;
    if (count > BSC_ITEMS_MAX) {
        bsc_reader_problem(reader, node->line, key->path, "has %u routes; %d are accepted", count,
                           BSC_ITEMS_MAX);
        return true;
    }
    struct bsc_route *routes = bsc_arena_alloc(reader->arena, count * sizeof *routes);
    const struct bsc_node *item = list ? node->first : node;
    for (unsigned i = 0; i < count; i++, item = item->next) {
        const char *path =
            list ? bsc_arena_printf(reader->scratch, "%s[%u]", key->path, i) : key->path;
        read_route(reader, key, item, path, &routes[i]);
    }
    spec->route_count = count;
    spec->routes = count ? routes : NULL;
    return true;
}

static json_t *write_routes(const struct bsc_key *key, const void *base)
{
    (void)key;
    const struct bsc_spec *spec = base;
    return bsc_table_write_list(&bsc_route_keys, spec->routes, spec->route_count,
                                sizeof *spec->routes);
}

static json_t *schema_routes(const struct bsc_key *key)
{
    (void)key;
    json_t *one = bsc_schema_table(&bsc_route_keys);
    json_t *list = bsc_schema_list(json_incref(one));
    return bsc_schema_either(one, list);
}

const struct bsc_type bsc_type_routes = { expect_routes, read_routes, write_routes, schema_routes };

static const char *expect_services(const struct bsc_key *key, struct bsc_arena *arena)
{
    (void)key, (void)arena;
    return "a map of services by name";
}

static int by_name(const void *a, const void *b)
{
    const struct bsc_spec *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

enum { SERVICES_MAX = 10000 };

static bool read_services(struct bsc_reader *reader, const struct bsc_key *key,
                          const struct bsc_node *node, void *base)
{
    struct bsc_config *config = base;
    if (node->kind != BSC_NODE_MAP)
        return false;
    if (config->services) /* the key is there twice, which was told already */
        return true;
    if (node->count > SERVICES_MAX) {
        bsc_reader_problem(reader, node->line, key->path, "has %u services; %d are accepted",
                           node->count, SERVICES_MAX);
        return true;
    }
    struct bsc_spec **services =
        bsc_arena_alloc(reader->arena, node->count * sizeof(struct bsc_spec *));
    config->services = services;
    for (const struct bsc_node *child = node->first; child; child = child->next) {
        struct bsc_error error;
        struct bsc_reader inner = *reader;
        struct bsc_spec *spec = bsc_spec_create();
        spec->name = bsc_arena_copy(&spec->arena, child->key);
        inner.arena = &spec->arena;
        inner.service = spec->name;
        inner.prefix = bsc_arena_printf(reader->scratch, "%s.%s.", key->path, child->key);
        if (bsc_service_name_check(child->key, &error))
            bsc_reader_problem(&inner, child->line, "", "%s", error.text);
        bsc_service_read(&inner, child, spec);
        reader->claims = inner.claims;
        services[config->service_count++] = spec;
    }
    qsort(services, config->service_count, sizeof(struct bsc_spec *), by_name);
    return true;
}

static json_t *write_services(const struct bsc_key *key, const void *base)
{
    (void)key, (void)base;
    return NULL; /* each is written on its own */
}

static json_t *schema_services(const struct bsc_key *key)
{
    (void)key;
    return json_pack("{s:s, s:{s:s}, s:{s:s}}", "type", "object", "propertyNames", "pattern",
                     "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "additionalProperties", "$ref",
                     "#/$defs/service");
}

const struct bsc_type bsc_type_services = { expect_services, read_services, write_services,
                                            schema_services };
