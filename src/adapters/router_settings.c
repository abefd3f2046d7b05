/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_settings.c - what the proxies are told that is no service's; see
 * router_internal.h.
 *
 * Settings are known by name, and one line each. A configuration brings all of them; those that
 * differ from what is in force are told when the supervisor has taken its addresses. A controller
 * that starts goes on with those of the last snapshot until then. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

static void setting_deinit(struct bsc_setting *setting)
{
    free(setting->name);
    bsc_text_deinit(&setting->body);
}

void bsc_settings_deinit(struct bsc_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        setting_deinit(&settings->items[i]);
    free(settings->items);
    *settings = (struct bsc_settings){ 0 };
}

static struct bsc_setting *find(const struct bsc_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (!strcmp(settings->items[i].name, name))
            return &settings->items[i];
    return NULL;
}

/* The body of a line is the object without the brace that opens it. */
static enum bsc_status write_body(json_t *take_object, struct bsc_text *out,
                                  struct bsc_error *error)
{
    char *text = take_object ? json_dumps(take_object, JSON_COMPACT) : NULL;
    json_decref(take_object);
    if (!text)
        return bsc_error_set(error, BSC_INVALID, "a text of the configuration is not UTF-8");
    bsc_text_clear(out);
    bsc_text_puts(out, text + 1);
    free(text);
    return BSC_OK;
}

static enum bsc_status put(struct bsc_settings *settings, const char *name, json_t *take_object,
                           struct bsc_error *error)
{
    struct bsc_setting *setting = find(settings, name);
    if (!setting) {
        settings->items = bsc_grow(settings->items, &settings->capacity, settings->count + 1,
                                   sizeof *settings->items);
        setting = &settings->items[settings->count++];
        *setting = (struct bsc_setting){ .name = bsc_copy(name) };
    }
    return write_body(take_object, &setting->body, error);
}

/* -- of a configuration ---------------------------------------------------------------------- */

static const char listener_prefix[] = "listener ";

static bool is_introduced(const struct bsc_config *config, const char *address)
{
    for (unsigned i = 0; i < config->listen_introduced.count; i++)
        if (!strcmp(config->listen_introduced.items[i], address))
            return true;
    return false;
}

/* `service`: of TCP, whose connections arrive there; NULL: HTTP does. */
static enum bsc_status put_listener(struct bsc_settings *settings, const struct bsc_config *config,
                                    const char *address, const char *service,
                                    struct bsc_error *error)
{
    struct bsc_text name = { 0 };
    bsc_text_printf(&name, "%s%s", listener_prefix, address);
    enum bsc_status status = put(settings, bsc_text_get(&name),
                                 json_pack("{s:{s:s,s:b,s:b,s:b,s:s?}}", "listener", "address",
                                           address, "tls", 0, "redirect", 0, "proxy_protocol",
                                           is_introduced(config, address), "service", service),
                                 error);
    bsc_text_deinit(&name);
    return status;
}

static const char options_name[] = "options";

static enum bsc_status put_options(struct bsc_settings *settings,
                                   const struct bsc_proxy_spec *proxy, struct bsc_error *error)
{
    json_t *options = json_object();
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        { "head_ms", proxy->head_ms },
        { "keep_alive_ms", proxy->keep_alive_ms },
        { "tunnel_ms", proxy->tunnel_ms },
        { "linger_ms", proxy->linger_ms },
        { "pooled_ms", proxy->pooled_ms },
        { "pooled_max", proxy->pooled_max },
        { "connections_max", proxy->connections_max },
        { "address_connections_max", proxy->address_connections_max },
        { "requests_max", proxy->requests_max },
        { "streams_max", proxy->streams_max },
        { "head_bytes", proxy->head_bytes },
        { "line_bytes", proxy->line_bytes },
        { "fields_max", proxy->fields_max },
        { "body_bytes", proxy->body_bytes },
        { "body_rate", proxy->body_rate },
        { "request_ms", proxy->request_ms },
        { "buffer_bytes", proxy->buffer_bytes },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(options, numbers[i].key, json_integer(numbers[i].value));
    static const char *const traces[] = { [BSC_TRACE_SAMPLED] = "sampled",
                                          [BSC_TRACE_UNSAMPLED] = "unsampled",
                                          [BSC_TRACE_PASS] = "pass" };
    json_object_set_new(options, "traceparent", json_string(traces[proxy->trace]));
    json_t *trusted = json_array();
    for (unsigned i = 0; i < proxy->trusted.count; i++)
        json_array_append_new(trusted, json_string(proxy->trusted.items[i]));
    json_object_set_new(options, "trusted", trusted);
    json_t *pages = json_array();
    for (unsigned i = 0; i < proxy->error_pages.count; i++) {
        const struct bsc_error_page *page = &proxy->error_pages.items[i];
        json_array_append_new(pages, json_pack("{s:s,s:s?,s:s?}", "for", page->key, "html",
                                               page->html, "json", page->json));
    }
    json_object_set_new(options, "pages", pages);
    return put(settings, options_name, json_pack("{s:o}", "options", options), error);
}

enum bsc_status bsc_settings_make(const struct bsc_config *config, struct bsc_settings *out,
                                  struct bsc_error *error)
{
    enum bsc_status status = BSC_OK;
    *out = (struct bsc_settings){ 0 };
    for (unsigned i = 0; status == BSC_OK && i < config->listen_http.count; i++)
        status = put_listener(out, config, config->listen_http.items[i], NULL, error);
    for (unsigned i = 0; i < config->service_count; i++) {
        const struct bsc_spec *spec = config->services[i];
        for (unsigned k = 0; status == BSC_OK && k < spec->listen.count; k++)
            status = put_listener(out, config, spec->listen.items[k], spec->name, error);
    }
    if (status == BSC_OK)
        status = put_options(out, &config->proxy, error);
    if (status != BSC_OK)
        bsc_settings_deinit(out);
    return status;
}

/* -- in force -------------------------------------------------------------------------------- */

/* Only addresses come and go; every other setting is always there. */
static void tell_removed(struct bsc_router_proxy *router, const struct bsc_setting *setting)
{
    struct bsc_text body = { 0 };
    struct bsc_error error;
    if (!strncmp(setting->name, listener_prefix, sizeof listener_prefix - 1) &&
        write_body(json_pack("{s:{s:s}}", "remove-listener", "address",
                             setting->name + sizeof listener_prefix - 1),
                   &body, &error) == BSC_OK)
        bsc_router_emit(router, &body);
    bsc_text_deinit(&body);
}

static bool same(const struct bsc_text *a, const struct bsc_text *b)
{
    return !strcmp(bsc_text_get(a), bsc_text_get(b));
}

void bsc_settings_replace(struct bsc_router_proxy *router, struct bsc_settings *take_new)
{
    struct bsc_settings old = router->settings;
    router->settings = *take_new;
    *take_new = (struct bsc_settings){ 0 };
    for (size_t i = 0; router->begun && i < router->settings.count; i++) {
        const struct bsc_setting *setting = &router->settings.items[i];
        const struct bsc_setting *before = find(&old, setting->name);
        if (!before || !same(&before->body, &setting->body))
            bsc_router_emit(router, &setting->body);
    }
    for (size_t i = 0; router->begun && i < old.count; i++)
        if (!find(&router->settings, old.items[i].name))
            tell_removed(router, &old.items[i]);
    bsc_settings_deinit(&old);
}

/* -- of an earlier controller's snapshot ----------------------------------------------------- */

void bsc_settings_restore(struct bsc_router_proxy *router, const json_t *line)
{
    struct bsc_error error;
    json_t *options = json_object_get(line, "options");
    if (options)
        (void)put(&router->settings, options_name, json_pack("{s:O}", "options", options), &error);
    const json_t *listener = json_object_get(line, "listener");
    const char *address = json_string_value(json_object_get(listener, "address"));
    if (!address)
        return;
    struct bsc_text name = { 0 };
    bsc_text_printf(&name, "%s%s", listener_prefix, address);
    (void)put(&router->settings, bsc_text_get(&name),
              json_pack("{s:O}", "listener", (json_t *)(uintptr_t)listener), &error);
    bsc_text_deinit(&name);
}
