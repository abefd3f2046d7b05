/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_tls.c - certificates and ticket keys on their way to the proxies; see
 * router_internal.h.
 *
 * The files are looked at every LOOK_MS. What changed is read when it has been quiet for as long,
 * so that a certificate and its key, replaced one after the other, are taken together. What can't
 * be used is told once, and the old stays in force. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

enum { LOOK_MS = 1000, TICKET_KEY_MS = 8 * 3600 * 1000 };

static void new_ticket_key(struct bsc_router_tls *tls)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[BSC_TICKET_KEY_BYTES];
    memmove(tls->keys[1], tls->keys[0], sizeof tls->keys - sizeof tls->keys[0]);
    for (size_t at = 0; at < sizeof bytes;) {
        ssize_t got = getrandom(bytes + at, sizeof bytes - at, 0);
        at += got > 0 ? (size_t)got : 0;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        tls->keys[0][2 * i] = digits[bytes[i] >> 4];
        tls->keys[0][2 * i + 1] = digits[bytes[i] & 15];
    }
    tls->keys[0][2 * sizeof bytes] = '\0';
    tls->renew_ms = bsc_clock_boot_ms() + TICKET_KEY_MS;
}

json_t *bsc_router_tls_line(struct bsc_router_tls *tls, const json_t *served)
{
    json_t *keys = json_array();
    json_t *object = served ? json_copy((json_t *)(uintptr_t)served) : json_object();
    if (!*tls->keys[0] && json_array_size(json_object_get(object, "certificates")))
        new_ticket_key(tls);
    for (size_t i = 0; i < BSC_TICKET_KEYS && *tls->keys[i]; i++)
        json_array_append_new(keys, json_string(tls->keys[i]));
    json_object_set_new(object, "ticket_keys", keys);
    json_object_set_new(object, "upstreams", bsc_upstream_ways_list(tls));
    return json_pack("{s:o}", "tls", object);
}

bool bsc_router_tls_wanted(const struct bsc_router_proxy *router)
{
    return router->tls.served || !bsc_list_empty(&router->tls.ways);
}

void bsc_router_tls_settle(struct bsc_router_proxy *router)
{
    struct bsc_router_tls *tls = &router->tls;
    if (tls->unsaid && router->begun)
        (void)bsc_settings_change_tls(router, bsc_router_tls_line(tls, tls->served));
    tls->unsaid = tls->unsaid && !router->begun;
}

void bsc_router_tls_restore(struct bsc_router_tls *tls, const json_t *object)
{
    const json_t *keys = json_object_get(object, "ticket_keys");
    for (size_t i = 0; i < BSC_TICKET_KEYS; i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        if (key && strlen(key) == 2 * BSC_TICKET_KEY_BYTES)
            memcpy(tls->keys[i], key, sizeof tls->keys[i]);
    }
    tls->renew_ms = bsc_clock_boot_ms() + TICKET_KEY_MS;
    json_decref(tls->served);
    json_decref(tls->restored);
    tls->restored = json_incref(json_object_get(object, "upstreams"));
    tls->served = json_copy((json_t *)(uintptr_t)object);
    json_object_del(tls->served, "ticket_keys");
    json_object_del(tls->served, "upstreams");
}

void bsc_router_tls_report(struct bsc_router_proxy *router, enum bsc_status status,
                           const char *text)
{
    struct bsc_text line = { 0 };
    size_t size = strlen(text);
    bsc_text_add(&line, text, size && text[size - 1] == '\n' ? size - 1 : size);
    for (char *at = line.data; at && (at = strchr(at, '\n'));)
        *at = ';';
    bsc_outbox_put(router->outbox, &(struct bsc_event){ .kind = BSC_EVENT_CERTIFICATES,
                                                        .status = status,
                                                        .text = bsc_text_get(&line) });
    bsc_text_deinit(&line);
}

/* Reads the files and puts in force what is new. */
static void reread(struct bsc_router_proxy *router)
{
    struct bsc_text notes = { 0 };
    struct bsc_error error;
    json_t *object;
    bool warns;
    if (bsc_certificates_read(router->tls.files, &object, &notes, &warns, &error) != BSC_OK) {
        bsc_error_wrap(&error, "the old certificates stay in use");
        bsc_router_tls_report(router, error.status, error.text);
    } else {
        json_decref(router->tls.served);
        router->tls.served = object;
        if (bsc_settings_change_tls(router, bsc_router_tls_line(&router->tls, object)))
            bsc_router_tls_report(router, warns ? BSC_INVALID : BSC_OK, bsc_text_get(&notes));
    }
    bsc_text_deinit(&notes);
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    struct bsc_router_tls *tls = &router->tls;
    bsc_upstream_ways_look(router);
    if (!tls->files || !tls->files->stamp_count)
        return;
    bool changed = bsc_certificates_changed(tls->files);
    bool renews = *tls->keys[0] && bsc_clock_boot_ms() >= tls->renew_ms;
    if (renews)
        new_ticket_key(tls);
    if ((tls->unsettled && !changed) || renews)
        reread(router);
    tls->unsettled = changed;
}

void bsc_router_tls_use(struct bsc_router_proxy *router, struct bsc_configure *configure)
{
    struct bsc_router_tls *tls = &router->tls;
    const char *at = bsc_text_get(&configure->notes);
    for (const char *end; (end = strchr(at, '\n')); at = end + 1)
        bsc_log_info("%.*s", (int)(end - at), at);
    if (configure->warns)
        bsc_router_tls_report(router, BSC_INVALID, bsc_text_get(&configure->notes));
    bsc_certificates_destroy(tls->files);
    tls->files = configure->files;
    configure->files = NULL;
    json_decref(tls->served);
    tls->served = configure->served;
    configure->served = NULL;
    tls->unsettled = false;
    bsc_router_tls_watch(router);
}

void bsc_router_tls_watch(struct bsc_router_proxy *router)
{
    const struct bsc_router_tls *tls = &router->tls;
    bool any = (tls->files && tls->files->stamp_count) || !bsc_list_empty(&tls->ways);
    if (any && !uv_is_active((uv_handle_t *)tls->timer))
        uv_timer_start(tls->timer, on_timer, LOOK_MS, LOOK_MS);
    else if (!any)
        uv_timer_stop(tls->timer);
}

void bsc_router_tls_init(struct bsc_router_proxy *router)
{
    router->tls.timer = bsc_alloc(sizeof *router->tls.timer);
    router->tls.timer->data = router;
    uv_timer_init(router->loop, router->tls.timer);
    bsc_list_init(&router->tls.ways);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void bsc_router_tls_deinit(struct bsc_router_proxy *router)
{
    uv_close((uv_handle_t *)router->tls.timer, on_closed);
    bsc_certificates_destroy(router->tls.files);
    bsc_upstream_ways_deinit(&router->tls);
    json_decref(router->tls.served);
}
