/* SPDX-License-Identifier: Apache-2.0
 * proxy/registry.c - see registry.h. */
#include "proxy/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* FNV-1a; names come from the controller, so nobody chooses them to collide. */
static uint64_t hash(const char *name)
{
    uint64_t value = 14695981039346656037ull;
    for (; *name; name++)
        value = (value ^ (unsigned char)*name) * 1099511628211ull;
    return value;
}

static struct bsc_entry **bucket_of(const struct bsc_registry *registry, const char *name)
{
    return &registry->buckets[hash(name) & (registry->bucket_count - 1)];
}

static void free_entry(struct bsc_entry *entry)
{
    bsc_service_release(entry->service);
    bsc_roster_release(entry->roster);
    bsc_split_deinit(&entry->split);
    free(entry->name);
    free(entry);
}

void bsc_registry_deinit(struct bsc_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++)
        free_entry(registry->entries[i]);
    free(registry->entries);
    free(registry->buckets);
    bsc_roles_deinit(&registry->roles);
    *registry = (struct bsc_registry){ 0 };
}

struct bsc_entry *bsc_registry_find(const struct bsc_registry *registry, const char *name)
{
    if (!registry->bucket_count)
        return NULL;
    struct bsc_entry *entry = *bucket_of(registry, name);
    while (entry && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry;
}

static void grow_buckets(struct bsc_registry *registry)
{
    free(registry->buckets);
    registry->bucket_count = registry->bucket_count ? registry->bucket_count * 2 : 64;
    registry->buckets = bsc_alloc(registry->bucket_count * sizeof(struct bsc_entry *));
    for (size_t i = 0; i < registry->count; i++) {
        struct bsc_entry **bucket = bucket_of(registry, registry->entries[i]->name);
        registry->entries[i]->next = *bucket;
        *bucket = registry->entries[i];
    }
}

struct bsc_entry *bsc_registry_add(struct bsc_registry *registry, const char *name, uint32_t index)
{
    if (registry->count >= registry->bucket_count)
        grow_buckets(registry);
    struct bsc_entry *entry = bsc_alloc(sizeof *entry);
    entry->name = bsc_copy(name);
    entry->index = index;
    entry->at = registry->count;
    registry->entries = bsc_grow(registry->entries, &registry->capacity, registry->count + 1,
                                 sizeof(struct bsc_entry *));
    registry->entries[registry->count++] = entry;
    struct bsc_entry **bucket = bucket_of(registry, name);
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

void bsc_registry_remove(struct bsc_registry *registry, struct bsc_entry *entry)
{
    struct bsc_entry **link = bucket_of(registry, entry->name);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    struct bsc_entry *last = registry->entries[--registry->count];
    registry->entries[entry->at] = last;
    last->at = entry->at;
    free_entry(entry);
}

enum bsc_status bsc_registry_routes(const struct bsc_registry *registry, struct bsc_routes **out,
                                    struct bsc_error *error)
{
    struct bsc_routes_rule *rules = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < registry->count; i++) {
        const struct bsc_entry *entry = registry->entries[i];
        for (unsigned j = 0; entry->service && j < entry->service->route_count; j++) {
            const struct bsc_service_route *route = &entry->service->routes[j];
            rules = bsc_grow(rules, &capacity, count + 1, sizeof *rules);
            rules[count++] = (struct bsc_routes_rule){ route->host, route->path, entry->index };
        }
    }
    enum bsc_status status = bsc_routes_create(rules, count, out, error);
    free(rules);
    return status;
}
