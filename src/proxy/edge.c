/* SPDX-License-Identifier: Apache-2.0
 * proxy/edge.c - see edge.h. */
#include "proxy/edge.h"

#include <string.h>

/* FNV-1a; the limiter's hash is keyed. */
static uint64_t scope_of(const char *name)
{
    uint64_t scope = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        scope = (scope ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return scope | 1;
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

enum bsc_status bsc_edge_parse(const json_t *object, const char *service, struct bsc_edge *out,
                               struct bsc_error *error)
{
    static const json_int_t most_bytes = (json_int_t)1 << 50;
    json_int_t requests = 0, period_s = 1, burst = 1, body = 0, version = 0;
    *out = (struct bsc_edge){ .scope = scope_of(service) };
    if (object && !json_is_object(object))
        return bsc_error_set(error, BSC_INVALID, "'edge' is no object");
    if (parse(object, "rate_requests", 0, 1000000, &requests, error) ||
        parse(object, "rate_period_s", 1, 86400, &period_s, error) ||
        parse(object, "rate_burst", 1, 1000000, &burst, error) ||
        parse(object, "body_bytes", 0, most_bytes, &body, error) ||
        parse(object, "proxy_protocol", 0, 2, &version, error))
        return error->status;
    out->rate = (struct bsc_rate){ (unsigned)requests, (unsigned)period_s, (unsigned)burst };
    out->body_bytes = (uint64_t)body;
    out->proxy_version = (enum bsc_proxy_version)version;
    return BSC_OK;
}
