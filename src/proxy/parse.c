/* SPDX-License-Identifier: Apache-2.0
 * proxy/parse.c - see parse.h. */
#include "proxy/parse.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "proxy/budget.h"
#include "proxy/bytes.h"
#include "proxy/counters.h"
#include "proxy/identity.h"
#include "proxy/roster.h"

enum { NAME_MAX_BYTES = 255, WHOLE_BP = 10000, ROUTES_MAX = 4096, INSTANCES_MAX = 4096 };
static const json_int_t day_ms = 24 * 3600 * 1000;

/* `otherwise` when the key is missing; no such value (-1): it must be there. */
static enum bsc_status parse_number(const json_t *object, const char *key, json_int_t least,
                                    json_int_t most, json_int_t otherwise, json_int_t *out,
                                    struct bsc_error *error)
{
    const json_t *value = json_object_get(object, key);
    *out = otherwise;
    if (!value && otherwise >= 0)
        return BSC_OK;
    if (!json_is_integer(value))
        return bsc_error_set(error, BSC_INVALID, "'%s' is missing or not a number", key);
    *out = json_integer_value(value);
    if (*out < least || *out > most)
        return bsc_error_set(error, BSC_INVALID, "'%s' is not from %lld to %lld", key,
                             (long long)least, (long long)most);
    return BSC_OK;
}

enum bsc_status bsc_parse_name(const json_t *object, const char *key, const char **out,
                               struct bsc_error *error)
{
    *out = json_string_value(json_object_get(object, key));
    if (!*out || !**out || strlen(*out) > NAME_MAX_BYTES)
        return bsc_error_set(error, BSC_INVALID, "'%s' is missing or not a name", key);
    return BSC_OK;
}

/* The position of the key's string in `words`; 0 when the key is missing. */
static enum bsc_status parse_word(const json_t *object, const char *key, const char *const *words,
                                  unsigned count, unsigned *out, struct bsc_error *error)
{
    const json_t *value = json_object_get(object, key);
    *out = 0;
    if (!value)
        return BSC_OK;
    const char *word = json_string_value(value);
    for (unsigned i = 0; word && i < count; i++) {
        *out = i;
        if (!strcmp(word, words[i]))
            return BSC_OK;
    }
    return bsc_error_set(error, BSC_INVALID, "'%s' is '%.40s'", key, word ? word : "no word");
}

enum bsc_status bsc_parse_address(const json_t *object, const char **out, struct bsc_error *error)
{
    *out = json_string_value(json_object_get(object, "address"));
    if (!*out || !**out || strlen(*out) >= BSC_LISTEN_BYTES)
        return bsc_error_set(error, BSC_INVALID, "'address' is missing or too long");
    return BSC_OK;
}

/* False when the key is missing. */
static enum bsc_status parse_flag(const json_t *object, const char *key, bool *out,
                                  struct bsc_error *error)
{
    const json_t *value = json_object_get(object, key);
    *out = json_is_true(value);
    if (value && !json_is_boolean(value))
        return bsc_error_set(error, BSC_INVALID, "'%s' is neither true nor false", key);
    return BSC_OK;
}

enum bsc_status bsc_parse_role(const json_t *object, struct bsc_role *out, struct bsc_error *error)
{
    const json_t *service = json_object_get(object, "service");
    json_int_t port;
    if (parse_flag(object, "tls", &out->tls, error) ||
        parse_flag(object, "redirect", &out->redirect, error) ||
        parse_flag(object, "proxy_protocol", &out->proxy_protocol, error) ||
        parse_number(object, "redirect_port", 0, 65535, 0, &port, error))
        return error->status;
    out->redirect_port = (unsigned short)port;
    if (!service || json_is_null(service))
        return BSC_OK;
    if (!json_is_string(service) || json_string_length(service) >= sizeof out->service)
        return bsc_error_set(error, BSC_INVALID, "'service' is no service's name");
    snprintf(out->service, sizeof out->service, "%s", json_string_value(service));
    return BSC_OK;
}

static enum bsc_status parse_routes(const json_t *routes, struct bsc_service *service,
                                    struct bsc_error *error)
{
    size_t count = json_array_size(routes);
    if (routes && (!json_is_array(routes) || count > ROUTES_MAX))
        return bsc_error_set(error, BSC_INVALID, "'routes' is no list, or too long");
    service->routes = bsc_alloc(count * sizeof service->routes[0]);
    for (size_t i = 0; i < count; i++) {
        const json_t *route = json_array_get(routes, i);
        const json_t *host = json_object_get(route, "host");
        const char *path = json_string_value(json_object_get(route, "path"));
        if (!path || (host && !json_is_null(host) && !json_is_string(host)))
            return bsc_error_set(error, BSC_INVALID, "route %zu has no path, or an odd host", i);
        service->routes[i].host = bsc_copy(json_string_value(host));
        service->routes[i].path = bsc_copy(path);
        service->route_count++;
    }
    return BSC_OK;
}

/* Nothing that could end the line, or be taken for another attribute's beginning by mistake. */
static bool is_plain(const char *text, size_t most)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] >= 0x7f)
            return false;
    return size <= most;
}

static bool is_token(const char *text)
{
    size_t size = strlen(text);
    return size && size <= BSC_IDENTITY_NAME_MAX &&
           bsc_bytes_run(text, text + size, BSC_BYTE_TOKEN) == text + size;
}

static enum bsc_status parse_identity(const json_t *object, struct bsc_service *service,
                                      struct bsc_error *error)
{
    static const char *const words[] = { "none", "client", "header", "cookie", "path" };
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *cookie = json_string_value(json_object_get(object, "cookie"));
    unsigned by;
    if (!object)
        return BSC_OK;
    if (parse_word(object, "by", words, 5, &by, error))
        return bsc_error_wrap(error, "identity");
    bool named = by == BSC_IDENTITY_HEADER || by == BSC_IDENTITY_COOKIE;
    if (named && (!name || !is_token(name)))
        return bsc_error_set(error, BSC_INVALID, "identity: 'name' is no header or cookie");
    if (cookie && (by != BSC_IDENTITY_COOKIE || !is_plain(cookie, BSC_COOKIE_TAIL_MAX)))
        return bsc_error_set(error, BSC_INVALID, "identity: 'cookie' cannot be sent");
    service->identity = (enum bsc_identity)by;
    service->identity_name = named ? bsc_copy(name) : NULL;
    service->sticky = json_is_true(json_object_get(object, "sticky"));
    service->cookie = bsc_copy(cookie);
    return BSC_OK;
}

static enum bsc_status parse_limits(const json_t *object, struct bsc_service *service,
                                    struct bsc_error *error)
{
    const json_t *ejection = json_object_get(object, "ejection");
    json_int_t slow, most, queue, wait, errors, requests, percent, interval, eject;
    if (parse_number(object, "slow_start_ms", 0, day_ms, 0, &slow, error) ||
        parse_number(object, "requests_max", 0, 1000000, 0, &most, error) ||
        parse_number(object, "queue_max", 0, 1000000, 1000, &queue, error) ||
        parse_number(object, "queue_ms", 1, day_ms, 5000, &wait, error))
        return error->status;
    if (parse_number(ejection, "errors", 0, 1000000, 0, &errors, error) ||
        parse_number(ejection, "min_requests", 0, 1000000, 0, &requests, error) ||
        parse_number(ejection, "max_percent", 0, 100, 50, &percent, error) ||
        parse_number(ejection, "interval_ms", 100, day_ms, 10000, &interval, error) ||
        parse_number(ejection, "time_ms", 100, day_ms, 30000, &eject, error))
        return bsc_error_wrap(error, "ejection");
    service->slow_start_ms = slow;
    service->requests_max = (unsigned)most;
    service->queue_max = (unsigned)queue;
    service->queue_ms = wait;
    service->ejection = (struct bsc_ejection){ .errors = (unsigned)errors,
                                               .min_requests = (unsigned)requests,
                                               .max_percent = (unsigned)percent,
                                               .interval_ms = interval,
                                               .time_ms = eject };
    return BSC_OK;
}

enum bsc_status bsc_parse_service(const json_t *object, struct bsc_service *service,
                                  struct bsc_error *error)
{
    static const char *const balancings[] = { "round-robin", "least-requests", "hash" };
    static const char *const modes[] = { "serve", "hold", "maintenance", "stop" };
    unsigned balancing, traffic;
    json_int_t hold_max, times[5];
    static const struct {
        const char *key;
        json_int_t otherwise;
    } keys[5] = { { "connect_ms", 1000 },
                  { "answer_ms", 60000 },
                  { "idle_ms", 60000 },
                  { "hold_ms", 30000 },
                  { "drain_ms", 30000 } };
    if (parse_word(object, "balance", balancings, 3, &balancing, error) ||
        parse_word(object, "traffic", modes, 4, &traffic, error) ||

        parse_number(object, "hold_max", 0, 1000000, 1000, &hold_max, error))
        return error->status;
    for (unsigned i = 0; i < 5; i++)
        if (parse_number(object, keys[i].key, i < 4, day_ms, keys[i].otherwise, &times[i], error))
            return error->status;
    if (parse_identity(json_object_get(object, "identity"), service, error) ||
        parse_limits(object, service, error) ||
        bsc_edge_parse(json_object_get(object, "edge"), service->name, &service->edge, error) ||
        bsc_retry_policy_parse(json_object_get(object, "retry"), &service->retry, error) ||
        bsc_blame_parse(json_object_get(object, "errors"), &service->blame, error) ||
        bsc_pages_parse(json_object_get(object, "pages"), &service->pages, error) ||
        bsc_mirror_rules_parse(json_object_get(object, "mirror"), &service->mirror, error) ||
        bsc_trial_rules_parse(json_object_get(object, "trial"), &service->trial, error) ||
        bsc_preview_parse(json_object_get(object, "preview"), &service->preview, error))
        return error->status;
    service->special = service->identity || service->blame.path_count || service->edge.path_count ||
                       service->mirror || service->trial;
    service->balancing = (enum bsc_balancing)balancing;
    service->traffic = (enum bsc_traffic_mode)traffic;

    service->hold_max = (unsigned)hold_max;
    service->connect_ms = times[0];
    service->answer_ms = times[1];
    service->idle_ms = times[2];
    service->hold_ms = times[3];
    service->drain_ms = times[4];
    return parse_routes(json_object_get(object, "routes"), service, error);
}

/* `instance` is the roster's already, and goes with it. */
static enum bsc_status parse_tls(const json_t *object, struct bsc_instance *instance,
                                 struct bsc_error *error)
{
    const char *by, *server_name = json_string_value(json_object_get(object, "server_name"));
    if (!object || json_is_null(object))
        return BSC_OK;
    if (bsc_parse_name(object, "by", &by, error) ||
        (server_name && bsc_parse_name(object, "server_name", &server_name, error)))
        return bsc_error_wrap(error, "instance %.80s: tls", instance->id);
    instance->tls = bsc_copy(by);
    instance->server_name = bsc_copy(server_name);
    return BSC_OK;
}

static enum bsc_status parse_instance(const json_t *object, struct bsc_roster_item *out,
                                      struct bsc_error *error)
{
    const char *id, *slot_name = json_string_value(json_object_get(object, "slot"));
    const char *address = json_string_value(json_object_get(object, "address"));
    const json_t *healthy = json_object_get(object, "healthy");
    static const char *const protocols[] = { "http1", "h2", "tcp" };
    enum bsc_slot slot;
    unsigned protocol;
    json_int_t gauge, weight;
    if (parse_word(object, "protocol", protocols, 3, &protocol, error) ||
        bsc_parse_name(object, "id", &id, error) ||
        parse_flag(object, "leaving", &out->leaving, error) ||
        parse_number(object, "weight", 1, BSC_INSTANCE_WEIGHT_MAX, 1, &weight, error) ||
        parse_number(object, "gauge", 1, BSC_GAUGES - 1, -1, &gauge, error))
        return error->status;
    if (!slot_name || !bsc_slot_parse(slot_name, &slot))
        return bsc_error_set(error, BSC_INVALID, "instance %.80s: 'slot' is no slot", id);
    if (!json_is_boolean(healthy))
        return bsc_error_set(error, BSC_INVALID, "instance %.80s: 'healthy' is not given", id);
    out->healthy = json_is_true(healthy);
    out->weight = (uint16_t)weight;
    if (bsc_instance_create(id, slot, address ? address : "", (uint32_t)gauge, &out->instance,
                            error))
        return error->status;
    out->instance->h2 = protocol == 1;
    out->instance->tcp = protocol == 2;
    return parse_tls(json_object_get(object, "tls"), out->instance, error);
}

enum bsc_status bsc_parse_roster(const json_t *object, struct bsc_roster **out,
                                 struct bsc_error *error)
{
    const json_t *list = json_object_get(object, "list");
    if (!json_is_array(list) || json_array_size(list) > INSTANCES_MAX)
        return bsc_error_set(error, BSC_INVALID, "'list' is no list, or too long");
    struct bsc_roster *roster = bsc_roster_create((unsigned)json_array_size(list));
    for (unsigned i = 0; i < roster->count; i++) {
        if (parse_instance(json_array_get(list, i), &roster->items[i], error)) {
            bsc_roster_release(roster);
            return error->status;
        }
    }
    *out = roster;
    return BSC_OK;
}

/* 32 hexadecimal digits; without a key: zeros. */
static bool parse_key(const json_t *value, unsigned char out[BSC_KEY_BYTES])
{
    const char *text = json_string_value(value);
    memset(out, 0, BSC_KEY_BYTES);
    if (!value)
        return true;
    if (!text || strlen(text) != 2 * BSC_KEY_BYTES ||
        bsc_bytes_run(text, text + 2 * BSC_KEY_BYTES, BSC_BYTE_HEX) != text + 2 * BSC_KEY_BYTES)
        return false;
    for (unsigned i = 0; i < BSC_KEY_BYTES; i++)
        out[i] = (unsigned char)(bsc_byte_hex(text[2 * i]) << 4 | bsc_byte_hex(text[2 * i + 1]));
    return true;
}

/* Without "stable" nothing is rescued. */
static enum bsc_status parse_rescue(const json_t *object, struct bsc_split *out,
                                    struct bsc_error *error)
{
    const json_t *stable = json_object_get(object, "stable");
    json_int_t percent, least;
    out->tripped = false;
    out->stable = BSC_BLUE;
    if (parse_flag(object, "rescue", &out->rescue, error) ||
        parse_number(object, "rescue_percent", 0, 100, 10, &percent, error) ||
        parse_number(object, "rescue_least", 0, 1000000, 20, &least, error))
        return error->status;
    if ((stable || out->rescue) &&
        (!json_is_string(stable) || !bsc_slot_parse(json_string_value(stable), &out->stable)))
        return bsc_error_set(error, BSC_INVALID, "'stable' is no slot");
    out->rescue_share = (unsigned)percent * (BSC_BUDGET_ONE / 100);
    out->rescue_least = (unsigned)least;
    return BSC_OK;
}

static enum bsc_status parse_rules(const json_t *object, struct bsc_split *out,
                                   struct bsc_error *error)
{
    const char *slot = json_string_value(json_object_get(object, "slot"));
    json_int_t cell;
    out->rules = NULL;
    if (!object)
        return BSC_OK;
    if (!slot || !bsc_slot_parse(slot, &out->rules_slot))
        return bsc_error_set(error, BSC_INVALID, "match: 'slot' is no slot");
    if (parse_number(object, "cell", 0, BSC_CELLS - 1, -1, &cell, error) ||
        bsc_rules_parse(json_object_get(object, "rules"), &out->rules, error))
        return bsc_error_wrap(error, "match");
    out->rules_cell = (uint32_t)cell;
    return BSC_OK;
}

enum bsc_status bsc_parse_split(const json_t *object, struct bsc_split *out,
                                struct bsc_error *error)
{
    const json_t *weights = json_object_get(object, "weights");
    const json_t *cells = json_object_get(object, "cells");
    json_int_t generation, weight, cell, sum = 0;
    if (parse_number(object, "generation", 0, INT64_MAX, -1, &generation, error))
        return error->status;
    if (!parse_key(json_object_get(object, "key"), out->key))
        return bsc_error_set(error, BSC_INVALID, "'key' is not %d hexadecimal digits",
                             2 * BSC_KEY_BYTES);
    out->generation = (uint64_t)generation;
    for (int slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        const char *name = bsc_slot_name((enum bsc_slot)slot);
        if (parse_number(weights, name, 0, WHOLE_BP, -1, &weight, error))
            return bsc_error_wrap(error, "weights");
        if (parse_number(cells, name, 0, BSC_CELLS - 1, -1, &cell, error))
            return bsc_error_wrap(error, "cells");
        out->weight_bp[slot] = (unsigned)weight;
        out->cell[slot] = (uint32_t)cell;
        sum += weight;
    }
    if (sum != WHOLE_BP)
        return bsc_error_set(error, BSC_INVALID, "the weights' sum is not %d", WHOLE_BP);
    if (parse_rescue(object, out, error))
        return error->status;
    return parse_rules(json_object_get(object, "match"), out, error);
}
