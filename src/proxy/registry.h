/* SPDX-License-Identifier: Apache-2.0
 * proxy/registry.h - the control thread's list of services by name, and of listening addresses:
 * what is in force, or what is being collected to replace it.
 */
#ifndef BASCULE_PROXY_REGISTRY_H
#define BASCULE_PROXY_REGISTRY_H

#include <stddef.h>

#include "proxy/model.h"

/* Holds a reference to each object that is there. */
struct bsc_entry {
    char *name;
    uint32_t index; /* under which workers know it */
    struct bsc_service *service;
    struct bsc_roster *roster;
    bool has_split;
    struct bsc_split split;
    int64_t compare_ms; /* when its instances are compared next (eject.h) */
    size_t at;          /* its place in `entries` */
    struct bsc_entry *next;
};

struct bsc_registry {
    struct bsc_entry **entries;
    size_t count, capacity;
    struct bsc_entry **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    struct bsc_roles roles;
};

void bsc_registry_deinit(struct bsc_registry *registry);
struct bsc_entry *bsc_registry_find(const struct bsc_registry *registry, const char *name);
/* The name must be new. */
struct bsc_entry *bsc_registry_add(struct bsc_registry *registry, const char *name, uint32_t index);
void bsc_registry_remove(struct bsc_registry *registry, struct bsc_entry *entry);

/* A routing table of all services' routes. */
enum bsc_status bsc_registry_routes(const struct bsc_registry *registry, struct bsc_routes **out,
                                    struct bsc_error *error) BSC_MUST_CHECK;

#endif
