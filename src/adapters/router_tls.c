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

json_t *bsc_router_tls_line(struct bsc_router_tls *tls, json_t *take_tls)
{
    json_t *keys = json_array();
    if (!*tls->keys[0] && json_array_size(json_object_get(take_tls, "certificates")))
        new_ticket_key(tls);
    for (size_t i = 0; i < BSC_TICKET_KEYS && *tls->keys[i]; i++)
        json_array_append_new(keys, json_string(tls->keys[i]));
    json_object_set_new(take_tls, "ticket_keys", keys);
    return json_pack("{s:o}", "tls", take_tls);
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
}

static void report(struct bsc_router_proxy *router, enum bsc_status status, const char *text)
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
        report(router, error.status, error.text);
    } else if (bsc_settings_change_tls(router, bsc_router_tls_line(&router->tls, object))) {
        report(router, warns ? BSC_INVALID : BSC_OK, bsc_text_get(&notes));
    }
    bsc_text_deinit(&notes);
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    struct bsc_router_tls *tls = &router->tls;
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
        report(router, BSC_INVALID, bsc_text_get(&configure->notes));
    bsc_certificates_destroy(tls->files);
    tls->files = configure->files;
    configure->files = NULL;
    tls->unsettled = false;
    if (tls->files->stamp_count)
        uv_timer_start(tls->timer, on_timer, LOOK_MS, LOOK_MS);
    else
        uv_timer_stop(tls->timer);
}

void bsc_router_tls_init(struct bsc_router_proxy *router)
{
    router->tls.timer = bsc_alloc(sizeof *router->tls.timer);
    router->tls.timer->data = router;
    uv_timer_init(router->loop, router->tls.timer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void bsc_router_tls_deinit(struct bsc_router_proxy *router)
{
    uv_close((uv_handle_t *)router->tls.timer, on_closed);
    bsc_certificates_destroy(router->tls.files);
}
