/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_settings.c - what the proxies are told that is no service's; see
 * router_internal.h.
 *
 * Settings are known by name, and one line each. A configuration brings all of them; those that
 * differ from what is in force are told when the supervisor has taken its addresses. A controller
 * that starts goes on with those of the last snapshot until then. */
#include <jansson.h>
#include <stdio.h>
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

/* What is spoken at an address; all off: plain HTTP. */
struct role {
    const char *service; /* of TCP, whose connections arrive there; NULL: HTTP does */
    bool tls, redirect;
    unsigned redirect_port;
};

static enum bsc_status put_listener(struct bsc_settings *settings, const char *address,
                                    const struct role *role, bool introduced,
                                    struct bsc_error *error)
{
    struct bsc_text name = { 0 };
    bsc_text_printf(&name, "%s%s", listener_prefix, address);
    enum bsc_status status =
        put(settings, bsc_text_get(&name),
            json_pack("{s:{s:s,s:b,s:b,s:i,s:b,s:s?}}", "listener", "address", address, "tls",
                      (int)role->tls, "redirect", (int)role->redirect, "redirect_port",
                      (int)role->redirect_port, "proxy_protocol", (int)introduced, "service",
                      role->service),
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
        { "read_rate", proxy->read_rate },
        { "rate_grace_ms", proxy->rate_grace_ms },
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
    json_object_set_new(options, "pages", bsc_wire_pages(&proxy->error_pages));
    return put(settings, options_name, json_pack("{s:o}", "options", options), error);
}

static enum bsc_status put_listeners(struct bsc_settings *settings, const struct bsc_config *config,
                                     const struct bsc_strings *addresses, const struct role *role,
                                     struct bsc_error *error)
{
    for (unsigned i = 0; i < addresses->count; i++)
        if (put_listener(settings, addresses->items[i], role,
                         is_introduced(config, addresses->items[i]), error) != BSC_OK)
            return error->status;
    return BSC_OK;
}

/* Where plain HTTP is sent to: the port of the first address of HTTPS, 0 for the usual one. */
static unsigned https_port(const struct bsc_config *config)
{
    enum { HTTPS_PORT = 443 };
    const char *colon = strrchr(config->listen_https.items[0], ':');
    unsigned port = colon ? (unsigned)atoi(colon + 1) : 0;
    return port == HTTPS_PORT ? 0 : port;
}

static enum bsc_status put_all_listeners(struct bsc_settings *settings,
                                         const struct bsc_config *config, struct bsc_error *error)
{
    const struct role https = { .tls = true };
    struct role http = { .redirect = config->listen_https.count && config->tls.redirect };
    if (http.redirect)
        http.redirect_port = https_port(config);
    if (put_listeners(settings, config, &config->listen_http, &http, error) != BSC_OK ||
        put_listeners(settings, config, &config->listen_https, &https, error) != BSC_OK)
        return error->status;
    for (unsigned i = 0; i < config->service_count; i++) {
        const struct bsc_spec *spec = config->services[i];
        const struct role tcp = { .service = spec->name };
        const struct role secure = { .service = spec->name, .tls = true };
        if (put_listeners(settings, config, &spec->listen, &tcp, error) != BSC_OK ||
            put_listeners(settings, config, &spec->listen_tls, &secure, error) != BSC_OK)
            return error->status;
    }
    return BSC_OK;
}

static const char tls_name[] = "tls";

/* Who has never spoken TLS is not told of it. */
static enum bsc_status put_tls(struct bsc_router_proxy *router, struct bsc_configure *configure,
                               struct bsc_error *error)
{
    if (!configure->files->stamp_count && !find(&router->settings, tls_name))
        return BSC_OK;
    if (bsc_certificates_read(configure->files, &configure->served, &configure->notes,
                              &configure->warns, error) != BSC_OK)
        return error->status;
    return put(&configure->settings, tls_name, bsc_router_tls_line(&router->tls, configure->served),
               error);
}

/* What the next release of a service would speak TLS with is good for that. */
static enum bsc_status check_upstreams(const struct bsc_config *config,
                                       struct bsc_configure *configure, struct bsc_error *error)
{
    for (unsigned i = 0; i < config->service_count; i++) {
        const struct bsc_upstream_tls_spec *tls = bsc_upstream_tls(config->services[i]);
        json_t *object = NULL;
        if (tls && bsc_certificates_upstream(tls, &object, &configure->notes, &configure->warns,
                                             error) != BSC_OK)
            return bsc_error_wrap(error, "services.%s", config->services[i]->name);
        json_decref(object);
    }
    return BSC_OK;
}

void bsc_configure_settle(struct bsc_router_proxy *router, struct bsc_configure *configure)
{
    struct bsc_error error;
    if (configure->served || bsc_router_tls_wanted(router))
        (void)put(&configure->settings, tls_name,
                  bsc_router_tls_line(&router->tls, configure->served), &error);
    router->tls.unsaid = false;
}

void bsc_configure_deinit(struct bsc_configure *configure)
{
    bsc_settings_deinit(&configure->settings);
    bsc_certificates_destroy(configure->files);
    bsc_text_deinit(&configure->notes);
    json_decref(configure->served);
    configure->files = NULL;
    configure->served = NULL;
}

/* Certificates stand before the addresses that need them. */
enum bsc_status bsc_configure_make(struct bsc_router_proxy *router, const struct bsc_config *config,
                                   struct bsc_configure *out, struct bsc_error *error)
{
    out->files = bsc_certificates_create(config);
    if (put_options(&out->settings, &config->proxy, error) == BSC_OK &&
        put_tls(router, out, error) == BSC_OK && check_upstreams(config, out, error) == BSC_OK &&
        put_all_listeners(&out->settings, config, error) == BSC_OK)
        return BSC_OK;
    bsc_configure_deinit(out);
    return error->status;
}

/* -- in force -------------------------------------------------------------------------------- */

static bool is_listener(const struct bsc_setting *setting)
{
    return !strncmp(setting->name, listener_prefix, sizeof listener_prefix - 1);
}

/* Only addresses come and go; every other setting is always there. */
static void tell_removed(struct bsc_router_proxy *router, const struct bsc_setting *setting)
{
    struct bsc_text body = { 0 };
    struct bsc_error error;
    if (is_listener(setting) && write_body(json_pack("{s:{s:s}}", "remove-listener", "address",
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

bool bsc_settings_change_tls(struct bsc_router_proxy *router, json_t *take_line)
{
    struct bsc_text before = { 0 };
    struct bsc_error error;
    const struct bsc_setting *setting = find(&router->settings, tls_name);
    if (setting)
        bsc_text_puts(&before, bsc_text_get(&setting->body));
    bool put_it = put(&router->settings, tls_name, take_line, &error) == BSC_OK;
    setting = find(&router->settings, tls_name);
    bool changed = put_it && !same(&before, &setting->body);
    if (changed && router->begun)
        bsc_router_emit(router, &setting->body);
    bsc_text_deinit(&before);
    return changed;
}

static bool flag_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void read_listener(const struct bsc_setting *setting, struct bsc_router_listener *out)
{
    struct bsc_text line = { 0 };
    bsc_text_printf(&line, "{%s", bsc_text_get(&setting->body));
    json_t *whole = json_loads(bsc_text_get(&line), 0, NULL);
    const json_t *listener = json_object_get(whole, "listener");
    const char *service = json_string_value(json_object_get(listener, "service"));
    *out = (struct bsc_router_listener){
        .tls = flag_of(listener, "tls"),
        .redirect = flag_of(listener, "redirect"),
        .redirect_port = (unsigned)json_integer_value(json_object_get(listener, "redirect_port")),
        .proxy_protocol = flag_of(listener, "proxy_protocol"),
    };
    snprintf(out->address, sizeof out->address, "%s", setting->name + sizeof listener_prefix - 1);
    snprintf(out->service, sizeof out->service, "%s", service ? service : "");
    json_decref(whole);
    bsc_text_deinit(&line);
}

bool bsc_router_proxy_listener(const struct bsc_router_proxy *router, unsigned index,
                               struct bsc_router_listener *out)
{
    for (size_t i = 0; i < router->settings.count; i++)
        if (is_listener(&router->settings.items[i]) && !index--) {
            read_listener(&router->settings.items[i], out);
            return true;
        }
    return false;
}

/* -- of an earlier controller's snapshot ----------------------------------------------------- */

void bsc_settings_restore(struct bsc_router_proxy *router, const json_t *line)
{
    struct bsc_error error;
    json_t *options = json_object_get(line, "options");
    if (options)
        (void)put(&router->settings, options_name, json_pack("{s:O}", "options", options), &error);
    json_t *tls = json_object_get(line, tls_name);
    if (tls) {
        bsc_router_tls_restore(&router->tls, tls);
        (void)put(&router->settings, tls_name, json_pack("{s:O}", tls_name, tls), &error);
    }
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
