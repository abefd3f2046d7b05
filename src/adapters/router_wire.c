/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_wire.c - the lines of docs/protocol.md; see router_internal.h. */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "core/match.h"
#include "core/preview.h"

static const char *const balance_names[] = {
    [BSC_BALANCE_ROUND_ROBIN] = "round-robin",
    [BSC_BALANCE_LEAST_REQUESTS] = "least-requests",
    [BSC_BALANCE_HASH] = "hash",
};

static const char *const speech_names[] = {
    [BSC_SPEECH_HTTP1] = "http1",
    [BSC_SPEECH_H2] = "h2",
    [BSC_SPEECH_TCP] = "tcp",
};

/* Appends the object's members, without its braces' opening one, as the body of a line. Takes
 * `object`; NULL stands for a text in it that was not UTF-8. */
static enum bsc_status write_body(json_t *object, struct bsc_text *out, const char *service,
                                  struct bsc_error *error)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return bsc_error_set(error, BSC_INVALID, "service %s: a text is not UTF-8", service);
    bsc_text_puts(out, text + 1);
    free(text);
    return BSC_OK;
}

static void add_rate(json_t *object, unsigned requests, unsigned period_s, unsigned burst)
{
    json_object_set_new(object, "rate_requests", json_integer(requests));
    json_object_set_new(object, "rate_period_s", json_integer(period_s));
    json_object_set_new(object, "rate_burst", json_integer(burst ? burst : requests));
}

static json_t *rates_of(const struct bsc_rate_rules *rules)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < rules->count; i++) {
        const struct bsc_rate_rule *rule = &rules->items[i];
        json_t *object = json_pack("{s:s}", "path", rule->path);
        add_rate(object, rule->requests, rule->period_s, rule->burst);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *edge_of(const struct bsc_edge_spec *edge)
{
    json_t *object = json_object();
    if (edge->rate_requests)
        add_rate(object, edge->rate_requests, edge->rate_period_s, edge->rate_burst);
    if (edge->rate_paths.count)
        json_object_set_new(object, "rate_paths", rates_of(&edge->rate_paths));
    json_object_set_new(object, "body_bytes", json_integer(edge->body_bytes));
    json_object_set_new(object, "proxy_protocol", json_integer((json_int_t)edge->proxy_protocol));
    return object;
}

static json_t *ejection_of(const struct bsc_ejection_spec *ejection)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "errors", (json_int_t)ejection->errors,
                     "min_requests", (json_int_t)ejection->min_requests, "max_percent",
                     (json_int_t)ejection->max_percent, "interval_ms",
                     (json_int_t)ejection->interval_ms, "time_ms", (json_int_t)ejection->time_ms);
}

/* The attributes of our cookie (RFC 6265 section 4.1). */
static json_t *attributes_of(const struct bsc_affinity_spec *affinity)
{
    static const char *const same_sites[] = { [BSC_SAME_SITE_LAX] = "Lax",
                                              [BSC_SAME_SITE_STRICT] = "Strict",
                                              [BSC_SAME_SITE_NONE] = "None" };
    char text[512], age[48] = "";
    if (affinity->ttl_ms)
        snprintf(age, sizeof age, "; Max-Age=%" PRId64, (affinity->ttl_ms + 999) / 1000);
    snprintf(text, sizeof text, "; Path=%s%s%s%s; SameSite=%s",
             affinity->path ? affinity->path : "/", age, affinity->secure ? "; Secure" : "",
             affinity->http_only ? "; HttpOnly" : "", same_sites[affinity->same_site]);
    return json_string(text);
}

/* What of a request says whose it is; affinity decides before `balance: hash`. NULL: nothing. */
static json_t *identity_of(const struct bsc_traffic_spec *traffic)
{
    const struct bsc_affinity_spec *affinity = &traffic->affinity;
    if (affinity->cookie)
        return json_pack("{s:s,s:s,s:b,s:o}", "by", "cookie", "name", affinity->cookie, "sticky", 1,
                         "cookie", attributes_of(affinity));
    if (affinity->header)
        return json_pack("{s:s,s:s,s:b}", "by", "header", "name", affinity->header, "sticky", 1);
    if (affinity->client_address)
        return json_pack("{s:s,s:b}", "by", "client", "sticky", 1);
    if (traffic->balance != BSC_BALANCE_HASH)
        return NULL;
    if (traffic->hash_header)
        return json_pack("{s:s,s:s}", "by", "header", "name", traffic->hash_header);
    if (traffic->hash_cookie)
        return json_pack("{s:s,s:s}", "by", "cookie", "name", traffic->hash_cookie);
    return json_pack("{s:s}", "by", traffic->hash_path ? "path" : "client");
}

static json_t *retry_of(const struct bsc_retry_spec *retry)
{
    static const char *const posts[] = { [BSC_RETRY_POST_NEVER] = "never",
                                         [BSC_RETRY_POST_KEYED] = "keyed",
                                         [BSC_RETRY_POST_ALWAYS] = "always" };
    json_t *on = json_array();
    for (unsigned i = 0; bsc_retry_cause_name(i); i++)
        if (retry->on >> i & 1)
            json_array_append_new(on, json_string(bsc_retry_cause_name(i)));
    return json_pack("{s:I,s:o,s:I,s:s}", "attempts", (json_int_t)retry->attempts, "on", on,
                     "body_bytes", (json_int_t)retry->body_bytes, "unsafe", posts[retry->post]);
}

static json_t *statuses_of(const struct bsc_statuses *statuses)
{
    json_t *list = json_array();
    unsigned low, high = 0;
    while (bsc_statuses_run(statuses, high + 1, &low, &high))
        json_array_append_new(list, json_pack("[i,i]", (int)low, (int)high));
    return list;
}

static json_t *rules_of(const struct bsc_error_rules *rules)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < rules->count; i++)
        json_array_append_new(list, json_pack("{s:s,s:o}", "path", rules->items[i].path, "status",
                                              statuses_of(&rules->items[i].statuses)));
    return list;
}

static json_t *errors_of(const struct bsc_errors_spec *errors)
{
    return json_pack("{s:o,s:o,s:o}", "status", statuses_of(&errors->statuses), "paths",
                     rules_of(&errors->paths), "ignore", rules_of(&errors->ignore));
}

static void add_balancing(json_t *service, const struct bsc_traffic_spec *traffic)
{
    json_t *identity = identity_of(traffic);
    json_object_set_new(service, "retry", retry_of(&traffic->retry));
    json_object_set_new(service, "slow_start_ms", json_integer(traffic->slow_start_ms));
    if (traffic->requests_max) {
        json_object_set_new(service, "requests_max", json_integer(traffic->requests_max));
        json_object_set_new(service, "queue_max", json_integer(traffic->queue_max));
        json_object_set_new(service, "queue_ms", json_integer(traffic->queue_ms));
    }
    if (traffic->ejection.max_percent)
        json_object_set_new(service, "ejection", ejection_of(&traffic->ejection));
    if (identity)
        json_object_set_new(service, "identity", identity);
}

json_t *bsc_wire_pages(const struct bsc_error_pages *pages)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < pages->count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s?,s:s?}", "for", pages->items[i].key, "html",
                                              pages->items[i].html, "json", pages->items[i].json));
    return list;
}

static json_t *routes_of(const struct bsc_spec *spec)
{
    json_t *routes = json_array();
    const char *preview = spec->preview.host;
    for (unsigned i = 0; i < spec->route_count; i++) {
        const struct bsc_route *route = &spec->routes[i];
        json_t *own = json_pack("{s:s?,s:s}", "host", route->host, "path", route->path);
        if (!own) {
            json_decref(routes);
            return NULL;
        }
        json_array_append_new(routes, own);
        if (preview && bsc_preview_has_path(spec, i))
            json_array_append_new(routes,
                                  json_pack("{s:s,s:s}", "host", preview, "path", route->path));
    }
    return routes;
}

static json_t *preview_of(const struct bsc_routing *routing)
{
    const struct bsc_preview_spec *preview = &routing->spec->preview;
    json_t *object = json_object();
    if (preview->host)
        json_object_set_new(object, "host", json_string(preview->host));
    if (preview->token) {
        json_object_set_new(object, "header", json_string(preview->header));
        json_object_set_new(object, "value", json_string(preview->token));
    }
    if (routing->preview)
        json_object_set_new(object, "slot", json_string(bsc_slot_name(routing->preview_slot)));
    return object;
}

enum bsc_status bsc_wire_service(const struct bsc_routing *routing, struct bsc_text *out,
                                 struct bsc_error *error)
{
    const struct bsc_spec *spec = routing->spec;
    const struct bsc_traffic_spec *traffic = &spec->traffic;
    json_t *routes = routes_of(spec);
    if (!routes)
        return write_body(NULL, out, spec->name, error);
    json_t *object =
        json_pack("{s:{s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}}", "service", "name", spec->name,
                  "routes", routes, "balance", balance_names[traffic->balance], "traffic",
                  bsc_traffic_name(routing->traffic), "connect_ms", (json_int_t)traffic->connect_ms,
                  "answer_ms", (json_int_t)traffic->answer_ms, "idle_ms",
                  (json_int_t)traffic->idle_ms, "hold_ms", (json_int_t)traffic->hold_ms, "hold_max",
                  (json_int_t)traffic->hold_max, "drain_ms", (json_int_t)spec->deploy.drain_ms);
    json_object_set_new(json_object_get(object, "service"), "edge", edge_of(&spec->edge));
    json_object_set_new(json_object_get(object, "service"), "errors", errors_of(&spec->errors));
    add_balancing(json_object_get(object, "service"), traffic);
    if (bsc_preview_defined(&spec->preview))
        json_object_set_new(json_object_get(object, "service"), "preview", preview_of(routing));
    if (routing->mirror)
        json_object_set_new(json_object_get(object, "service"), "mirror", bsc_wire_mirror(routing));
    if (spec->edge.error_pages.count)
        json_object_set_new(json_object_get(object, "service"), "pages",
                            bsc_wire_pages(&spec->edge.error_pages));
    if (routing->trial)
        json_object_set_new(json_object_get(object, "service"), "trial", bsc_wire_trial(routing));
    return write_body(object, out, spec->name, error);
}

enum bsc_status bsc_wire_instances(const char *name, const struct bsc_routed_endpoint *endpoints,
                                   size_t count, struct bsc_text *out, struct bsc_error *error)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct bsc_routed_endpoint *endpoint = &endpoints[i];
        json_t *object =
            json_pack("{s:s,s:s,s:s,s:I,s:I,s:b,s:b,s:s}", "id", endpoint->id, "slot",
                      bsc_slot_name(endpoint->slot), "address", endpoint->address, "gauge",
                      (json_int_t)endpoint->gauge->index, "weight", (json_int_t)endpoint->weight,
                      "healthy", (int)endpoint->healthy, "leaving", (int)endpoint->leaving,
                      "protocol", speech_names[endpoint->speech]);
        if (endpoint->way)
            json_object_set_new(object, "tls",
                                json_pack("{s:s,s:s}", "by", endpoint->way->name, "server_name",
                                          endpoint->server_name));
        json_array_append_new(list, object);
    }
    if (json_array_size(list) != count) {
        json_decref(list);
        return write_body(NULL, out, name, error);
    }
    return write_body(json_pack("{s:{s:s,s:o}}", "instances", "service", name, "list", list), out,
                      name, error);
}

json_t *bsc_wire_match(const struct bsc_match_spec *match)
{
    if (!match)
        return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < match->count; i++) {
        const struct bsc_match_rule *rule = &match->items[i];
        const char *value = rule->how == BSC_MATCH_EXACT ? rule->value : NULL;
        const char *prefix = rule->how == BSC_MATCH_PREFIX ? rule->value : NULL;
        bool address = rule->by == BSC_MATCH_ADDRESS;
        json_array_append_new(list, address
                                        ? json_pack("{s:s}", "address", rule->value)
                                        : json_pack("{s:s,s:s*,s:s*}", bsc_match_by_name(rule->by),
                                                    rule->name, "value", value, "prefix", prefix));
    }
    return list;
}

void bsc_wire_split(const struct bsc_routed *routed, struct bsc_text *out)
{
    const char *blue = bsc_slot_name(BSC_BLUE), *green = bsc_slot_name(BSC_GREEN);
    json_t *object = json_pack("{s:[{s:s,s:I,s:{s:I,s:I},s:{s:I,s:I}}]}", "splits", "service",
                               routed->name, "generation", (json_int_t)routed->generation,
                               "weights", blue, (json_int_t)routed->weight_bp[BSC_BLUE], green,
                               (json_int_t)routed->weight_bp[BSC_GREEN], "cells", blue,
                               (json_int_t)routed->cells[BSC_BLUE]->index, green,
                               (json_int_t)routed->cells[BSC_GREEN]->index);
    json_t *split = json_array_get(json_object_get(object, "splits"), 0);
    if (*routed->affinity_key)
        json_object_set_new(split, "key", json_string(routed->affinity_key));
    if (routed->rescue) {
        json_object_set_new(split, "stable", json_string(bsc_slot_name(routed->stable)));
        json_object_set_new(split, "rescue", json_true());
        json_object_set_new(split, "rescue_percent", json_integer(routed->rescue_percent));
    }
    if (routed->match)
        json_object_set_new(split, "match",
                            json_pack("{s:s,s:I,s:O}", "slot", bsc_slot_name(routed->candidate),
                                      "cell", (json_int_t)routed->cells[BSC_CELL_CHOSEN]->index,
                                      "rules", routed->match));
    (void)write_body(object, out, routed->name, NULL); /* the name was UTF-8 in `service` */
}

static const char splits_head[] = "\"splits\":[", splits_tail[] = "]}";

void bsc_wire_add_split(struct bsc_text *out, const struct bsc_text *split)
{
    size_t head = sizeof splits_head - 1, tail = sizeof splits_tail - 1;
    assert(split->size > head + tail && !memcmp(split->data, splits_head, head));
    bsc_text_puts(out, out->size ? "," : splits_head);
    bsc_text_add(out, split->data + head, split->size - head - tail);
}

void bsc_wire_end_splits(struct bsc_text *out)
{
    bsc_text_puts(out, splits_tail);
}

void bsc_wire_remove(const char *name, struct bsc_text *out)
{
    (void)write_body(json_pack("{s:{s:s}}", "remove", "service", name), out, name, NULL);
}

void bsc_wire_line(struct bsc_text *out, uint64_t seq, const struct bsc_text *body)
{
    bsc_text_printf(out, "{\"seq\":%" PRIu64 ",", seq);
    bsc_text_add(out, body->data, body->size);
    bsc_text_add(out, "\n", 1);
}

void bsc_wire_everything(const struct bsc_router_proxy *router, struct bsc_text *out, uint64_t *seq)
{
    bsc_text_printf(out, "{\"hello\":{\"protocol\":1,\"epoch\":%" PRIu64 ",\"listeners\":%s}}\n",
                    router->epoch, router->settings.count ? "true" : "false");
    for (size_t i = 0; i < router->settings.count; i++)
        bsc_wire_line(out, ++*seq, &router->settings.items[i].body);
    for (size_t i = 0; i < router->service_count; i++) {
        const struct bsc_routed *routed = router->services[i];
        if (!routed->split.size)
            continue; /* it could not be begun, and was told as failed */
        bsc_wire_line(out, ++*seq, &routed->service);
        bsc_wire_line(out, ++*seq, &routed->instances);
        bsc_wire_line(out, ++*seq, &routed->split);
    }
    bsc_text_printf(out, "{\"seq\":%" PRIu64 ",\"end\":true}\n", ++*seq);
}

/* -- reading --------------------------------------------------------------------------------- */

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));
    return number > 0 ? (uint64_t)number : 0;
}

static void parse_instance(const json_t *object, int kind, struct bsc_wire_answer *out)
{
    const char *service = json_string_value(json_object_get(object, "service"));
    const char *id = json_string_value(json_object_get(object, "instance"));
    if (!service || !id || strlen(service) >= sizeof out->service || strlen(id) >= sizeof out->id)
        return;
    out->kind = kind;
    memcpy(out->service, service, strlen(service) + 1);
    memcpy(out->id, id, strlen(id) + 1);
}

enum bsc_status bsc_wire_parse(const char *line, size_t size, struct bsc_wire_answer *out,
                               struct bsc_error *error)
{
    json_error_t where;
    *out = (struct bsc_wire_answer){ .kind = BSC_WIRE_OTHER };
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object)) {
        json_decref(object);
        return bsc_error_set(error, BSC_INVALID, "a line is not a JSON object: %s", where.text);
    }
    const json_t *refusal = json_object_get(object, "error");
    const json_t *tripped = json_object_get(object, "tripped");
    const json_t *mirror = json_object_get(object, "mirror");
    if (json_is_integer(json_object_get(object, "ack"))) {
        out->kind = BSC_WIRE_ACK;
        out->seq = number_of(object, "ack");
        out->epoch = number_of(object, "epoch");
    } else if (json_is_object(refusal)) {
        const char *text = json_string_value(json_object_get(refusal, "text"));
        out->kind = BSC_WIRE_ERROR;
        out->seq = number_of(refusal, "seq");
        snprintf(out->text, sizeof out->text, "%s", text ? text : "no reason given");
    } else if (json_is_object(json_object_get(object, "ejected"))) {
        const json_t *ejected = json_object_get(object, "ejected");
        const char *reason = json_string_value(json_object_get(ejected, "reason"));
        parse_instance(ejected, BSC_WIRE_EJECTED, out);
        snprintf(out->text, sizeof out->text, "%s", reason ? reason : "no reason given");
        out->for_ms = (int64_t)number_of(ejected, "for_ms");
    } else if (json_is_object(json_object_get(object, "returned"))) {
        parse_instance(json_object_get(object, "returned"), BSC_WIRE_RETURNED, out);
    } else if (json_is_object(mirror)) {
        const char *service = json_string_value(json_object_get(mirror, "service"));
        snprintf(out->service, sizeof out->service, "%s", service ? service : "");
        if (bsc_wire_mirrored(mirror, out))
            out->kind = BSC_WIRE_MIRROR;
    } else if (json_is_object(tripped)) {
        const char *service = json_string_value(json_object_get(tripped, "service"));
        out->kind = BSC_WIRE_TRIPPED;
        out->epoch = number_of(object, "epoch");
        out->generation = number_of(tripped, "generation");
        snprintf(out->service, sizeof out->service, "%s", service ? service : "");
    }
    json_decref(object);
    return BSC_OK;
}

static void restore_split(struct bsc_router_proxy *router, const json_t *split)
{
    const char *service = json_string_value(json_object_get(split, "service"));
    const json_t *cells = json_object_get(split, "cells");
    for (unsigned kind = 0; service && kind < BSC_CELL_KINDS; kind++) {
        const json_t *cell = kind == BSC_CELL_CHOSEN
                                 ? json_object_get(json_object_get(split, "match"), "cell")
                                 : json_object_get(cells, bsc_slot_name((enum bsc_slot)kind));
        if (json_is_integer(cell) && json_integer_value(cell) >= 0 &&
            json_integer_value(cell) < BSC_CELLS)
            bsc_cell_restore(router, service, kind, number_of(split, "generation"),
                             (unsigned)json_integer_value(cell));
    }
}

static void restore_line(struct bsc_router_proxy *router, const json_t *object)
{
    size_t i;
    const json_t *item;
    bsc_settings_restore(router, object);
    json_array_foreach(json_object_get(json_object_get(object, "instances"), "list"), i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));
        uint64_t gauge = number_of(item, "gauge");
        if (id && gauge < BSC_GAUGES)
            bsc_gauge_restore(router, id, (unsigned)gauge);
    }
    json_array_foreach(json_object_get(object, "splits"), i, item) restore_split(router, item);
}

void bsc_wire_restore(struct bsc_router_proxy *router, const char *text, size_t size)
{
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;
        json_t *object = json_loadb(text, length, 0, NULL);
        restore_line(router, object);
        json_decref(object);
        length += end != NULL;
        text += length;
        size -= length;
    }
}
