/* SPDX-License-Identifier: Apache-2.0
 * adapters/prober_http.c - HTTP and TCP probes: a libcurl multi handle driven by libuv.
 *
 * libcurl says which sockets to watch and when it wants to be woken; libuv does both.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/certificates.h"
#include "adapters/prober_internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"

enum {
    HEAD_MAX_BYTES = 16 * 1024,
    BODY_MAX_BYTES = 4 * 1024, /* the status decides; more of the body is not waited for */
    BODY_SHOWN_BYTES = 80,
    EXCHANGES_KEPT = 4, /* idle ones, with their libcurl handles */
};

struct bsc_http_exchange {
    struct bsc_list link; /* among the idle ones */
    CURL *easy;
    struct bsc_probe_run *run;
    struct curl_slist *headers;
    struct curl_slist *instead; /* where to connect to for a name */
    unsigned status_low, status_high;
    bool tcp;
    bool h2; /* nothing else will do */
    size_t head_bytes, body_bytes;
    bool head_too_large, body_cut;
    char reason[48];             /* of the status line */
    char fault[CURL_ERROR_SIZE]; /* what libcurl says */
    char body[BODY_SHOWN_BYTES];
};

struct bsc_probe_http {
    struct bsc_prober_loop *prober;
    CURLM *multi;
    uv_timer_t timer;
    struct bsc_list idle;
    unsigned idle_count;
};

struct watch { /* one socket of libcurl's */
    uv_poll_t poll;
    curl_socket_t socket;
    struct bsc_probe_http *http; /* not while closing */
    struct bsc_prober_loop *prober;
};

/* --- what comes in --- */

static size_t on_head(char *line, size_t one, size_t size, void *data)
{
    struct bsc_http_exchange *exchange = data;
    (void)one;
    exchange->head_bytes += size;
    if (exchange->head_bytes > HEAD_MAX_BYTES) {
        exchange->head_too_large = true;
        return 0;
    }
    if (size > 5 && !memcmp(line, "HTTP/", 5)) {
        /* "HTTP/1.1 503 Service Unavailable": what follows the second space. */
        const char *end = line + size;
        const char *at = memchr(line, ' ', size);
        at = at ? memchr(at + 1, ' ', (size_t)(end - at - 1)) : NULL;
        at = at ? at + 1 : end;
        while (end > at && (end[-1] == '\r' || end[-1] == '\n'))
            end--;
        snprintf(exchange->reason, sizeof exchange->reason, "%.*s", (int)(end - at), at);
    }
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    struct bsc_http_exchange *exchange = data;
    (void)one;
    if (exchange->body_bytes < sizeof exchange->body) {
        size_t room = sizeof exchange->body - exchange->body_bytes;
        memcpy(exchange->body + exchange->body_bytes, bytes, size < room ? size : room);
    }
    exchange->body_bytes += size;
    exchange->body_cut = exchange->body_bytes > BODY_MAX_BYTES;
    return exchange->body_cut ? 0 : size;
}

/* --- in words --- */

static void say_answer(const struct bsc_http_exchange *exchange, struct bsc_text *out)
{
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    bsc_text_printf(out, "answered %ld", status);
    if (exchange->reason[0]) {
        bsc_text_puts(out, " ");
        bsc_text_add_escaped(out, exchange->reason, strlen(exchange->reason));
    }
}

static void say_unexpected(const struct bsc_http_exchange *exchange, struct bsc_text *out)
{
    size_t size =
        exchange->body_bytes < sizeof exchange->body ? exchange->body_bytes : sizeof exchange->body;
    while (size && strchr(" \t\r\n", exchange->body[size - 1]))
        size--;
    say_answer(exchange, out);
    if (size) {
        bsc_text_puts(out, ": ");
        bsc_text_add_escaped(out, exchange->body, size);
    }
}

static void say_timeout(const struct bsc_http_exchange *exchange, struct bsc_text *out)
{
    char limit[BSC_DURATION_BYTES];
    long status = 0;
    curl_off_t connected_us = 0;
    bsc_duration_format(exchange->run->timeout_ms, limit);
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(exchange->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    if (status) {
        say_answer(exchange, out);
        bsc_text_printf(out, ", but did not end its answer within %s", limit);
    } else {
        bsc_text_printf(out, "no %s within %s", connected_us ? "answer" : "connection", limit);
    }
}

static void say_failure(const struct bsc_http_exchange *exchange, CURLcode code,
                        struct bsc_text *out)
{
    long number = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &number);
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        say_timeout(exchange, out);
        break;
    case CURLE_COULDNT_CONNECT:
        if (number == ECONNREFUSED)
            bsc_text_puts(out, "connection refused");
        else
            bsc_text_printf(out, "cannot connect: %s",
                            number ? strerror((int)number) : curl_easy_strerror(code));
        break;
    case CURLE_GOT_NOTHING:
        bsc_text_puts(out, "connection closed without an answer");
        break;
    case CURLE_PARTIAL_FILE:
        say_answer(exchange, out);
        bsc_text_puts(out, ", but broke off in the middle of its answer");
        break;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        bsc_text_puts(out, "connection reset");
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        bsc_text_puts(out, "the answer is not HTTP");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        bsc_text_puts(out, "no TLS: ");
        bsc_text_puts(out, *exchange->fault ? exchange->fault : curl_easy_strerror(code));
        break;
    default:
        if (exchange->head_too_large)
            bsc_text_printf(out, "the head of the answer is larger than %d KiB",
                            HEAD_MAX_BYTES / 1024);
        else
            bsc_text_puts(out, curl_easy_strerror(code));
    }
}

static bool judge(const struct bsc_http_exchange *exchange, CURLcode code, struct bsc_text *out)
{
    int64_t took_ms = (bsc_clock_boot_us() - exchange->run->began_us) / 1000;
    long status = 0;
    if (code == CURLE_WRITE_ERROR && exchange->body_cut)
        code = CURLE_OK;
    if (code) {
        say_failure(exchange, code, out);
        return false;
    }
    if (exchange->tcp) {
        bsc_text_printf(out, "connected in %lld ms", (long long)took_ms);
        return true;
    }
    long version = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_VERSION, &version);
    if (exchange->h2 && version != CURL_HTTP_VERSION_2_0) {
        bsc_text_puts(out, "does not agree to HTTP/2 (ALPN h2)");
        return false;
    }
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < (long)exchange->status_low || status > (long)exchange->status_high) {
        say_unexpected(exchange, out);
        return false;
    }
    bsc_text_printf(out, "%ld in %lld ms", status, (long long)took_ms);
    return true;
}

/* --- exchanges --- */

static void free_exchange(struct bsc_http_exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    free(exchange);
}

/* Options that are the same for every probe. */
static void set_up(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* certificates are looked at */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never waits for a resolver's thread */
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
}

static struct bsc_http_exchange *take_exchange(struct bsc_probe_http *http)
{
    struct bsc_http_exchange *exchange;
    if (!bsc_list_empty(&http->idle)) {
        exchange = BSC_CONTAINER(http->idle.next, struct bsc_http_exchange, link);
        bsc_list_remove(&exchange->link);
        http->idle_count--;
        CURL *easy = exchange->easy;
        *exchange = (struct bsc_http_exchange){ .easy = easy };
    } else {
        exchange = bsc_alloc(sizeof *exchange);
        exchange->easy = curl_easy_init();
        if (!exchange->easy) {
            free(exchange);
            return NULL;
        }
        set_up(exchange->easy);
    }
    bsc_list_init(&exchange->link);
    return exchange;
}

static void give_back(struct bsc_probe_http *http, struct bsc_http_exchange *exchange)
{
    curl_multi_remove_handle(http->multi, exchange->easy);
    curl_slist_free_all(exchange->headers);
    curl_slist_free_all(exchange->instead);
    curl_easy_setopt(exchange->easy, CURLOPT_CONNECT_TO, NULL);
    exchange->headers = exchange->instead = NULL;
    exchange->run = NULL;
    if (http->idle_count == EXCHANGES_KEPT) {
        free_exchange(exchange);
        return;
    }
    bsc_list_add_head(&http->idle, &exchange->link);
    http->idle_count++;
}

static void collect(struct bsc_probe_http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct bsc_http_exchange *exchange = NULL;
        struct bsc_text detail = { 0 };
        CURLcode code = message->data.result; /* the message goes with its handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        struct bsc_probe_run *run = exchange->run;
        bool passed = judge(exchange, code, &detail);
        give_back(http, exchange);
        bsc_probe_finish(run, passed, bsc_text_get(&detail));
        bsc_text_deinit(&detail);
    }
}

/* --- sockets and time --- */

static void on_timer(uv_timer_t *timer)
{
    struct bsc_probe_http *http = timer->data;
    int running;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(http);
}

static int on_wakeup(CURLM *multi, long timeout_ms, void *data)
{
    struct bsc_probe_http *http = data;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct bsc_probe_http *http = watch->http;
    int running, flags = 0;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(http->multi, watch->socket, flags, &running);
    collect(http);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct bsc_prober_loop *prober = watch->prober;
    free(watch);
    bsc_prober_handle_closed(prober);
}

static struct watch *watch_create(struct bsc_probe_http *http, curl_socket_t socket)
{
    struct watch *watch = bsc_alloc(sizeof *watch);
    if (uv_poll_init_socket(http->prober->loop, &watch->poll, socket)) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->socket = socket;
    watch->http = http;
    watch->prober = http->prober;
    http->prober->handles++;
    curl_multi_assign(http->multi, socket, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *assigned)
{
    struct bsc_probe_http *http = data;
    struct watch *watch = assigned;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl_multi_assign(http->multi, socket, NULL);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        }
        return 0;
    }
    if (!watch)
        watch = watch_create(http, socket);
    if (!watch)
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_ready) ? -1 : 0;
}

/* --- for prober.c --- */

/* What is spoken on the instance's own port need not be spoken on another one. */
static const struct bsc_upstream_tls_spec *tls_of(const struct bsc_probe *probe)
{
    bool tcp = probe->health->kind == BSC_PROBE_TCP;
    return probe->health->port || tcp ? NULL : probe->tls;
}

/* "host:port" of the instance, with the probe's own port where it has one; a Unix socket's path
 * apart. */
static void locate(const struct bsc_probe *probe, struct bsc_text *url, const char **socket_path)
{
    const char *address = probe->address;
    const char *colon = strrchr(address, ':');
    *socket_path = NULL;
    if (!strncmp(address, "unix:", 5)) {
        if (!probe->health->port) {
            *socket_path = address + 5;
            bsc_text_puts(url, "localhost");
            return;
        }
        bsc_text_puts(url, "127.0.0.1");
    } else if (!probe->health->port) {
        bsc_text_puts(url, address);
        return;
    } else {
        bsc_text_add(url, address, colon ? (size_t)(colon - address) : strlen(address));
    }
    bsc_text_printf(url, ":%u", probe->health->port);
}

/* The name that the certificate is for stands in the URL, and the instance's address beside it. */
static void write_url(struct bsc_http_exchange *exchange, const struct bsc_probe *probe,
                      struct bsc_text *url, const char **socket_path)
{
    const struct bsc_upstream_tls_spec *tls = tls_of(probe);
    struct bsc_text place = { 0 };
    locate(probe, &place, socket_path);
    bsc_text_puts(url, tls ? "https://" : "http://");
    if (tls && tls->server_name) {
        const char *port = strrchr(bsc_text_get(&place), ':');
        struct bsc_text instead = { 0 };
        bool six = strchr(tls->server_name, ':');
        bsc_text_printf(url, "%s%s%s%s", six ? "[" : "", tls->server_name, six ? "]" : "",
                        *socket_path || !port ? "" : port);
        bsc_text_printf(&instead, "::%s", bsc_text_get(&place));
        exchange->instead = curl_slist_append(NULL, bsc_text_get(&instead));
        bsc_text_deinit(&instead);
    } else {
        bsc_text_puts(url, bsc_text_get(&place));
    }
    bsc_text_deinit(&place);
}

/* NULL takes it out again. */
static void set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob blob = { .data = (void *)(uintptr_t)text,
                              .len = text ? strlen(text) : 0,
                              .flags = CURL_BLOB_COPY };
    curl_easy_setopt(easy, option, text ? &blob : NULL);
}

static void set_tls(struct bsc_http_exchange *exchange, const struct bsc_upstream_tls_spec *tls)
{
    const struct bsc_prober_loop *prober = exchange->run->prober;
    CURL *easy = exchange->easy;
    if (!tls)
        return;
    const json_t *known = prober->lookup ? prober->lookup(prober->lookup_argument, tls) : NULL;
    const char *ca = tls->ca ? json_string_value(json_object_get(known, "ca")) : NULL;
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca ? tls->ca : bsc_certificates_system());
    /* Those of the system are many, and seldom others. */
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, tls->ca ? 0L : 3600L);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, known ? NULL : tls->certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, known ? NULL : tls->key);
    set_blob(easy, CURLOPT_CAINFO_BLOB, ca);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, json_string_value(json_object_get(known, "chain")));
    set_blob(easy, CURLOPT_SSLKEY_BLOB, json_string_value(json_object_get(known, "key")));
}

static void set_version(struct bsc_http_exchange *exchange, const struct bsc_probe *probe)
{
    long version = CURL_HTTP_VERSION_1_1;
    if (probe->speech == BSC_SPEECH_H2 && !probe->health->port)
        version = probe->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    exchange->h2 = version == CURL_HTTP_VERSION_2TLS && !exchange->tcp;
    curl_easy_setopt(exchange->easy, CURLOPT_HTTP_VERSION, version);
}

static CURLcode ask(struct bsc_http_exchange *exchange, const struct bsc_probe *probe)
{
    CURL *easy = exchange->easy;
    const struct bsc_upstream_tls_spec *tls = tls_of(probe);
    const char *named = probe->health->host ? probe->health->host : tls ? tls->server_name : NULL;
    const char *socket_path;
    struct bsc_text url = { 0 }, host = { 0 };
    write_url(exchange, probe, &url, &socket_path);
    exchange->headers = curl_slist_append(NULL, "Connection: close");
    exchange->headers = curl_slist_append(exchange->headers, "User-Agent: bascule-probe");
    if (!exchange->tcp) {
        bsc_text_puts(&url, probe->health->path ? probe->health->path : "/");
        if (named) {
            bsc_text_printf(&host, "Host: %s", named);
            exchange->headers = curl_slist_append(exchange->headers, bsc_text_get(&host));
        }
    }
    set_version(exchange, probe);
    set_tls(exchange, tls);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->fault);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, exchange->instead);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, exchange->tcp ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)exchange->run->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, bsc_text_get(&url));
    bsc_text_deinit(&url);
    bsc_text_deinit(&host);
    return code;
}

void bsc_probe_http_start(struct bsc_probe_run *run, const struct bsc_probe *probe)
{
    struct bsc_probe_http *http = run->prober->http;
    struct bsc_http_exchange *exchange = take_exchange(http);
    if (!exchange) {
        bsc_probe_finish(run, false, "out of memory");
        return;
    }
    exchange->run = run;
    exchange->tcp = probe->health->kind == BSC_PROBE_TCP;
    exchange->status_low = probe->health->status_low;
    exchange->status_high = probe->health->status_high;
    run->exchange = exchange;
    CURLcode code = ask(exchange, probe);
    if (!code && curl_multi_add_handle(http->multi, exchange->easy))
        code = CURLE_FAILED_INIT;
    if (code) {
        give_back(http, exchange);
        bsc_probe_finish(run, false, curl_easy_strerror(code));
    }
}

void bsc_probe_http_cancel(struct bsc_probe_run *run)
{
    give_back(run->prober->http, run->exchange);
    run->exchange = NULL;
}

enum bsc_status bsc_probe_http_create(struct bsc_prober_loop *prober, struct bsc_error *error)
{
    /* Since 7.57 its flags change nothing: libcurl sets up TLS in any case. */
    if (curl_global_init(CURL_GLOBAL_NOTHING))
        return bsc_error_set(error, BSC_FAILED, "libcurl cannot be set up");
    CURLM *multi = curl_multi_init();
    if (!multi) {
        curl_global_cleanup();
        return bsc_error_set(error, BSC_NO_MEMORY, "libcurl cannot be set up: out of memory");
    }
    struct bsc_probe_http *http = bsc_alloc(sizeof *http);
    http->prober = prober;
    http->multi = multi;
    bsc_list_init(&http->idle);
    uv_timer_init(prober->loop, &http->timer);
    http->timer.data = http;
    prober->handles++;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_wakeup);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
    prober->http = http;
    return BSC_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct bsc_probe_http *http = handle->data;
    struct bsc_prober_loop *prober = http->prober;
    free(http);
    bsc_prober_handle_closed(prober);
}

void bsc_probe_http_destroy(struct bsc_probe_http *http)
{
    struct bsc_list *node;
    while ((node = bsc_list_pop(&http->idle)))
        free_exchange(BSC_CONTAINER(node, struct bsc_http_exchange, link));
    curl_multi_cleanup(http->multi); /* closes the sockets' watches by on_socket */
    curl_global_cleanup();
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}
