/* SPDX-License-Identifier: Apache-2.0
 * Two hash tables with open addressing: hosts, and (host, path prefix). A lookup hashes the path
 * once, as far as the host's longest prefix goes, and probes at each segment border on the way. The
 * keys in the tables come from the configuration, so nobody outside can make a probe long. */
#include "proxy/routes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/bytes.h"
#include "proxy/http1_parts.h"

enum { HOST_BYTES = 255, PATH_BYTES = 1024, ANY_HOST = 1 };

struct host {
    uint32_t number;  /* 0: free; ANY_HOST is never in the table */
    uint16_t size;    /* of the name */
    uint16_t longest; /* of its prefixes */
    const char *name; /* in lower case; "*.x" as ".x" */
};

struct route {
    uint32_t host; /* number; 0: free */
    uint32_t service;
    uint32_t hash;
    uint32_t size;
    const char *prefix; /* without "/" at its end, so "/" is empty */
};

struct bsc_routes {
    struct host any;
    struct host *hosts;
    struct route *routes;
    uint32_t host_mask, route_mask;
    uint32_t host_count;
    struct bsc_arena names;
};

/* FNV-1a: byte by byte, so that one pass gives the hash of every prefix. */
static const uint32_t hash_begin = 2166136261u;
static inline uint32_t hash_add(uint32_t hash, char byte)
{
    return (hash ^ (uint8_t)byte) * 16777619u;
}

static uint32_t hash_bytes(const char *bytes, size_t size)
{
    uint32_t hash = hash_begin;
    for (size_t i = 0; i < size; i++)
        hash = hash_add(hash, bytes[i]);
    return hash;
}

static inline uint32_t route_place(uint32_t host, uint32_t hash)
{
    uint32_t mixed = (hash ^ host * 0x9e3779b1u) * 0x85ebca6bu;
    return mixed ^ mixed >> 16;
}

/* The length of a separator of segments at `at`, as an upstream may see one; 0: none. */
static size_t separator(const char *at, const char *end)
{
    if (*at == '/' || *at == '\\')
        return 1;
    if (*at != '%' || end - at < 3)
        return 0;
    char low = (char)(at[2] | 0x20);
    return (at[1] == '2' && low == 'f') || (at[1] == '5' && low == 'c') ? 3 : 0;
}

static size_t dot(const char *at, const char *end)
{
    if (at < end && *at == '.')
        return 1;
    return end - at >= 3 && at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'e' ? 3 : 0;
}

/* Whether a segment that ends at `at` ends there for everybody: ";" begins parameters for some. */
static bool segment_ends(const char *at, const char *end)
{
    return at == end || *at == ';' || separator(at, end) ||
           (end - at >= 3 && at[0] == '%' && at[1] == '3' && (at[2] | 0x20) == 'b');
}

static bool has_dot_segment(const char *at, const char *end)
{
    while (at < end) {
        unsigned dots = 0;
        const char *after = at;
        for (size_t size; dots < 3 && (size = dot(after, end)); dots++)
            after += size;
        if ((dots == 1 || dots == 2) && segment_ends(after, end))
            return true;
        size_t size = 0;
        while (at < end && !(size = separator(at, end)))
            at++;
        at += size;
    }
    return false;
}

/* The entry of that name, or the free one where it belongs. */
static struct host *find_host(const struct bsc_routes *routes, const char *name, size_t size)
{
    for (uint32_t at = hash_bytes(name, size) & routes->host_mask;;
         at = (at + 1) & routes->host_mask) {
        struct host *host = &routes->hosts[at];
        if (!host->number || (host->size == size && memcmp(host->name, name, size) == 0))
            return host;
    }
}

static struct route *find_route(const struct bsc_routes *routes, uint32_t host, uint32_t hash,
                                const char *prefix, size_t size)
{
    for (uint32_t at = route_place(host, hash) & routes->route_mask;;
         at = (at + 1) & routes->route_mask) {
        struct route *route = &routes->routes[at];
        if (!route->host || (route->hash == hash && route->host == host && route->size == size &&
                             memcmp(route->prefix, prefix, size) == 0))
            return route;
    }
}

static uint32_t mask_for(size_t count)
{
    uint32_t size = 2;
    while (size < 2 * count + 2)
        size *= 2;
    return size - 1;
}

/* NULL, and `error` says why. */
static struct host *intern_host(struct bsc_routes *routes, const char *name,
                                struct bsc_error *error)
{
    if (!name)
        return &routes->any;
    char lower[HOST_BYTES + 1];
    size_t size = strlen(name);
    bool wildcard = name[0] == '*' && name[1] == '.';
    if (size && name[size - 1] == '.')
        size--;
    size_t skip = wildcard ? 1 : 0;
    struct bsc_slice rest = { (uint16_t)(2 * skip), (uint16_t)(size - 2 * skip) }, host;
    int port;
    if (size <= 2 * skip || size > HOST_BYTES || name[2 * skip] == '.' ||
        !bsc_authority_read(name, rest, &host, &port) || port >= 0) {
        bsc_error_set(error, BSC_INVALID, "route: invalid host '%.100s'", name);
        return NULL;
    }
    size -= skip;
    for (size_t i = 0; i < size; i++)
        lower[i] = bsc_byte_lower(name[skip + i]);
    struct host *found = find_host(routes, lower, size);
    if (!found->number)
        *found = (struct host){ .number = ANY_HOST + ++routes->host_count,
                                .size = (uint16_t)size,
                                .name = bsc_arena_copy_bytes(&routes->names, lower, size) };
    return found;
}

static bool path_is_valid(const char *path, size_t size)
{
    const char *end = path + size;
    return path[0] == '/' && size <= PATH_BYTES &&
           bsc_bytes_run(path, end, BSC_BYTE_TARGET) == end && !memchr(path, '?', size) &&
           !strstr(path, "//") && !has_dot_segment(path, end);
}

static enum bsc_status add(struct bsc_routes *routes, const struct bsc_routes_rule *rule,
                           struct bsc_error *error)
{
    size_t size = strlen(rule->path);
    struct host *host = intern_host(routes, rule->host, error);
    if (!host)
        return BSC_INVALID;
    if (!path_is_valid(rule->path, size))
        return bsc_error_set(error, BSC_INVALID, "route: invalid path '%.100s'", rule->path);
    if (rule->path[size - 1] == '/')
        size--;
    uint32_t hash = hash_bytes(rule->path, size);
    struct route *route = find_route(routes, host->number, hash, rule->path, size);
    if (route->host)
        return bsc_error_set(error, BSC_EXISTS, "two routes for host %.100s and path %.100s",
                             rule->host ? rule->host : "(any)", rule->path);
    *route = (struct route){ .host = host->number,
                             .service = rule->service,
                             .hash = hash,
                             .size = (uint32_t)size,
                             .prefix = bsc_arena_copy_bytes(&routes->names, rule->path, size) };
    if (size > host->longest)
        host->longest = (uint16_t)size;
    return BSC_OK;
}

enum bsc_status bsc_routes_create(const struct bsc_routes_rule *rules, size_t count,
                                  struct bsc_routes **out, struct bsc_error *error)
{
    struct bsc_routes *routes = bsc_alloc(sizeof *routes);
    bsc_arena_init(&routes->names);
    routes->any.number = ANY_HOST;
    routes->host_mask = routes->route_mask = mask_for(count);
    routes->hosts = bsc_alloc((routes->host_mask + 1u) * sizeof *routes->hosts);
    routes->routes = bsc_alloc((routes->route_mask + 1u) * sizeof *routes->routes);
    for (size_t i = 0; i < count; i++) {
        enum bsc_status status = add(routes, &rules[i], error);
        if (status) {
            bsc_routes_destroy(routes);
            return status;
        }
    }
    *out = routes;
    return BSC_OK;
}

void bsc_routes_destroy(struct bsc_routes *routes)
{
    if (!routes)
        return;
    bsc_arena_deinit(&routes->names);
    free(routes->hosts);
    free(routes->routes);
    free(routes);
}

/* The longest prefix of `path` among the routes of `host`. */
static bool match(const struct bsc_routes *routes, const struct host *host, const char *path,
                  size_t size, uint32_t *service)
{
    bool found = false;
    uint32_t hash = hash_begin;
    for (size_t at = 0;; at++) {
        if (at == size || path[at] == '/') {
            const struct route *route = find_route(routes, host->number, hash, path, at);
            if (route->host) {
                *service = route->service;
                found = true;
            }
        }
        if (at == size || at == host->longest)
            return found;
        hash = hash_add(hash, path[at]);
    }
}

enum bsc_routing bsc_routes_find(const struct bsc_routes *routes, const char *host,
                                 size_t host_size, const char *target, size_t target_size,
                                 uint32_t *service)
{
    const char *query = target_size ? memchr(target, '?', target_size) : NULL;
    size_t size = query ? (size_t)(query - target) : target_size;
    if (size == 0 || target[0] != '/') {
        target = "/";
        size = 1;
    }
    if (has_dot_segment(target + 1, target + size))
        return BSC_ROUTING_REFUSED;

    char lower[HOST_BYTES];
    if (host_size && host[host_size - 1] == '.')
        host_size--;
    if (host_size && host_size <= sizeof lower && host[0] != '.' && routes->host_count) {
        for (size_t i = 0; i < host_size; i++)
            lower[i] = bsc_byte_lower(host[i]);
        const struct host *exact = find_host(routes, lower, host_size);
        if (exact->number && match(routes, exact, target, size, service))
            return BSC_ROUTING_FOUND;
        const char *from_dot = memchr(lower, '.', host_size);
        if (from_dot) {
            size_t rest = host_size - (size_t)(from_dot - lower);
            const struct host *wildcard = find_host(routes, from_dot, rest);
            if (wildcard->number && match(routes, wildcard, target, size, service))
                return BSC_ROUTING_FOUND;
        }
    }
    return match(routes, &routes->any, target, size, service) ? BSC_ROUTING_FOUND
                                                              : BSC_ROUTING_NONE;
}
