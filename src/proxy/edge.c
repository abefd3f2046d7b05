/* SPDX-License-Identifier: Apache-2.0
 * proxy/edge.c - see edge.h. */
#include "proxy/edge.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/prefix.h"

/* FNV-1a; the limiter's hash is keyed. */
static uint64_t scope_add(uint64_t scope, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        scope = (scope ^ at[i]) * UINT64_C(0x100000001b3);
    return scope;
}

static uint64_t scope_of(const char *name)
{
    return scope_add(UINT64_C(0xcbf29ce484222325), name, strlen(name)) | 1;
}

static enum bsc_status parse(const json_t *object, const char *key, json_int_t least,
                             json_int_t most, json_int_t *out, struct bsc_error *error)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return BSC_OK;
    *out = json_integer_value(value);
    if (!json_is_integer(value) || *out < least || *out > most)
        return bsc_error_set(error, BSC_INVALID, "'%s' is no number from %lld to %lld", key,
                             (long long)least, (long long)most);
    return BSC_OK;
}

static enum bsc_status parse_rate(const json_t *object, json_int_t least, struct bsc_rate *out,
                                  struct bsc_error *error)
{
    json_int_t requests = 0, period_s = 1, burst = 1;
    if (parse(object, "rate_requests", least, 1000000, &requests, error) ||
        parse(object, "rate_period_s", 1, 86400, &period_s, error) ||
        parse(object, "rate_burst", 1, 1000000, &burst, error))
        return error->status;
    *out = (struct bsc_rate){ (unsigned)requests, (unsigned)period_s, (unsigned)burst };
    return BSC_OK;
}

static enum bsc_status add_path(struct bsc_edge *edge, const json_t *rule, struct bsc_error *error)
{
    const char *path = json_string_value(json_object_get(rule, "path"));
    struct bsc_rate rate;
    if (!path || *path != '/')
        return bsc_error_set(error, BSC_INVALID, "a rule of 'rate_paths' has no path");
    if (!json_object_get(rule, "rate_requests"))
        return bsc_error_set(error, BSC_INVALID, "%.80s: 'rate_requests' is missing", path);
    if (parse_rate(rule, 1, &rate, error))
        return bsc_error_wrap(error, "%.80s", path);
    size_t size = bsc_prefix_size(path);
    unsigned at = 0;
    while (at < edge->path_count && edge->paths[at].size >= size)
        at++;
    struct bsc_edge_path *place = &edge->paths[at];
    memmove(place + 1, place, (edge->path_count - at) * sizeof *place);
    uint64_t scope = scope_add(scope_add(edge->scope, path, size), &rate, sizeof rate) | 1;
    *place = (struct bsc_edge_path){ bsc_copy(path), size, rate, scope };
    edge->path_count++;
    return BSC_OK;
}

static enum bsc_status parse_paths(const json_t *list, struct bsc_edge *out,
                                   struct bsc_error *error)
{
    size_t count = json_array_size(list);
    if (list && !json_is_array(list))
        return bsc_error_set(error, BSC_INVALID, "'rate_paths' is no list");
    if (count > BSC_EDGE_PATHS_MAX)
        return bsc_error_set(error, BSC_INVALID, "'rate_paths' has more than %d rules",
                             BSC_EDGE_PATHS_MAX);
    if (count)
        out->paths = bsc_alloc(count * sizeof *out->paths);
    for (size_t i = 0; i < count; i++)
        if (add_path(out, json_array_get(list, i), error))
            return error->status;
    return BSC_OK;
}

enum bsc_status bsc_edge_parse(const json_t *object, const char *service, struct bsc_edge *out,
                               struct bsc_error *error)
{
    static const json_int_t most_bytes = (json_int_t)1 << 50;
    json_int_t body = 0, version = 0;
    *out = (struct bsc_edge){ .scope = scope_of(service) };
    if (object && !json_is_object(object))
        return bsc_error_set(error, BSC_INVALID, "'edge' is no object");
    if (parse_rate(object, 0, &out->rate, error) ||
        parse_paths(json_object_get(object, "rate_paths"), out, error) ||
        parse(object, "body_bytes", 0, most_bytes, &body, error) ||
        parse(object, "proxy_protocol", 0, 2, &version, error))
        return error->status;
    out->body_bytes = (uint64_t)body;
    out->proxy_version = (enum bsc_proxy_version)version;
    return BSC_OK;
}

void bsc_edge_deinit(struct bsc_edge *edge)
{
    for (unsigned i = 0; i < edge->path_count; i++)
        free(edge->paths[i].prefix);
    free(edge->paths);
}

unsigned bsc_edge_find(const struct bsc_edge *edge, const char *target, size_t size)
{
    for (unsigned i = 0; i < edge->path_count; i++)
        if (bsc_prefix_covers(edge->paths[i].prefix, edge->paths[i].size, target, size))
            return i + 1;
    return 0;
}
