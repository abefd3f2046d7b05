/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker.c - see docker.h.
 *
 * A libcurl multi handle driven by libuv. What libcurl hands over inside of its own calls is only
 * kept; it is told afterwards, so that whoever hears it may send and cancel as he likes.
 */
#include "adapters/docker.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"

enum {
    KEPT_BYTES_MAX = 4 * 1024 * 1024,
    PING_MS = 10000,
    API_MAJOR = 1,
    API_OLDEST = 25, /* Docker 1.13 */
    API_NEWEST = 51, /* what we were written against; later Engines speak it, too */
};

struct bsc_docker {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    char *socket;
    unsigned api;                    /* minor version agreed on; 0: not asked yet */
    struct bsc_docker_request *ping; /* it is being asked for */
    struct bsc_list waiting;         /* for the version */
    struct bsc_list sent;
    unsigned handles; /* of libuv that are open */
    bool destroyed;
};

struct bsc_docker_request {
    struct bsc_list link;
    struct bsc_docker *docker;
    CURL *easy;
    char *method, *path, *body;
    struct curl_slist *headers;
    int64_t timeout_ms;
    void (*on_bytes)(void *argument, const char *bytes, size_t size);
    void (*on_done)(void *argument, const struct bsc_docker_answer *answer);
    void *argument;
    struct bsc_text bytes; /* come and not told yet */
    bool too_long;
    unsigned offered; /* ping: the Engine's newest version */
    char fault[CURL_ERROR_SIZE];
};

struct watch { /* one socket of libcurl's */
    uv_poll_t poll;
    curl_socket_t socket;
    struct bsc_docker *docker;
};

/* It is on no list any more. */
static void free_request(struct bsc_docker_request *request)
{
    if (request->easy) {
        curl_multi_remove_handle(request->docker->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->headers);
    bsc_text_deinit(&request->bytes);
    free(request->method);
    free(request->path);
    free(request->body);
    free(request);
}

/* -- what comes in --------------------------------------------------------------------------- */

static size_t on_head(char *line, size_t one, size_t size, void *argument)
{
    static const char name[] = "api-version:";
    struct bsc_docker_request *request = argument;
    unsigned major, minor;
    char text[64];
    (void)one;
    if (size < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0)
        return size;
    snprintf(text, sizeof text, "%.*s", (int)size, line);
    if (sscanf(text + sizeof name - 1, " %u.%u", &major, &minor) == 2 && major == API_MAJOR)
        request->offered = minor;
    return size;
}

static bool succeeded(CURL *easy)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *argument)
{
    struct bsc_docker_request *request = argument;
    bool kept = !request->on_bytes || !succeeded(request->easy);
    (void)one;
    if (kept && request->bytes.size + size > KEPT_BYTES_MAX) {
        request->too_long = true;
        return 0;
    }
    bsc_text_add(&request->bytes, bytes, size);
    return size;
}

/* The Engine's {"message": "..."}, else what it wrote, else the status. */
static void say_refusal(const struct bsc_docker_request *request, unsigned status,
                        struct bsc_text *out)
{
    const char *body = bsc_text_get(&request->bytes);
    json_t *answer = json_loadb(body, request->bytes.size, 0, NULL);
    const char *message = json_string_value(json_object_get(answer, "message"));
    size_t size = message ? strlen(message) : strcspn(body, "\r\n");
    if (!message)
        message = body;
    if (size)
        bsc_text_add_escaped(out, message, size < 800 ? size : 800);
    else
        bsc_text_printf(out, "the Docker Engine answered %u", status);
    json_decref(answer);
}

static void say_silence(const struct bsc_docker_request *request, CURLcode code,
                        struct bsc_text *out)
{
    long number = 0;
    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &number);
    bsc_text_printf(out, "the Docker Engine (%s) does not answer: ", request->docker->socket);
    if (request->too_long)
        bsc_text_printf(out, "more than %d MiB came", KEPT_BYTES_MAX / 1024 / 1024);
    else if (code == CURLE_COULDNT_CONNECT && number)
        bsc_text_puts(out, strerror((int)number));
    else
        bsc_text_puts(out, request->fault[0] ? request->fault : curl_easy_strerror(code));
}

static void tell(struct bsc_docker_request *request, unsigned status, const char *text,
                 const struct bsc_text *body)
{
    struct bsc_docker_answer answer = {
        .status = status, .text = text, .body = bsc_text_get(body), .size = body->size
    };
    request->on_done(request->argument, &answer);
}

/* -- sending --------------------------------------------------------------------------------- */

static void transfer(struct bsc_docker_request *request)
{
    struct bsc_docker *docker = request->docker;
    struct bsc_text url = { 0 };
    CURL *easy = curl_easy_init();
    if (!easy)
        abort(); /* memory: as bsc_alloc does */
    request->easy = easy;
    if (docker->api)
        bsc_text_printf(&url, "http://docker/v%d.%u%s", API_MAJOR, docker->api, request->path);
    else
        bsc_text_printf(&url, "http://docker%s", request->path);
    curl_easy_setopt(easy, CURLOPT_URL, bsc_text_get(&url));
    bsc_text_deinit(&url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, docker->socket);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bascule");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->fault);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    if (!strcmp(request->method, "POST")) {
        const char *body = request->body ? request->body : "";
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    } else if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
    bsc_list_add_tail(&docker->sent, &request->link);
    if (curl_multi_add_handle(docker->multi, easy) != CURLM_OK)
        abort();
}

static struct bsc_docker_request *make(struct bsc_docker *docker,
                                       const struct bsc_docker_call *call)
{
    struct bsc_docker_request *request = bsc_alloc(sizeof *request);
    bsc_list_init(&request->link);
    request->docker = docker;
    request->method = bsc_copy(call->method);
    request->path = bsc_copy(call->path);
    request->body = bsc_copy(call->body);
    request->timeout_ms = call->timeout_ms;
    request->on_bytes = call->on_bytes;
    request->on_done = call->on_done;
    request->argument = call->argument;
    request->headers = curl_slist_append(NULL, "Expect:");
    if (call->body)
        request->headers = curl_slist_append(request->headers, "Content-Type: application/json");
    if (call->registry_auth) {
        struct bsc_text header = { 0 };
        bsc_text_printf(&header, "X-Registry-Auth: %s", call->registry_auth);
        request->headers = curl_slist_append(request->headers, bsc_text_get(&header));
        bsc_text_deinit(&header);
    }
    return request;
}

static void fail_waiting(struct bsc_docker *docker, unsigned status, const char *text)
{
    static const struct bsc_text nothing;
    struct bsc_list *node, all;
    bsc_list_init(&all); /* what is sent from within waits for the next answer */
    while ((node = bsc_list_pop(&docker->waiting)))
        bsc_list_add_tail(&all, node);
    while ((node = bsc_list_pop(&all))) {
        struct bsc_docker_request *request = BSC_CONTAINER(node, struct bsc_docker_request, link);
        tell(request, status, text, &nothing);
        free_request(request);
    }
}

static void on_pinged(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker *docker = argument;
    unsigned offered = docker->ping->offered;
    struct bsc_list *node;
    docker->ping = NULL;
    if (*answer->text) {
        fail_waiting(docker, answer->status, answer->text);
    } else if (offered < API_OLDEST) {
        fail_waiting(docker, answer->status,
                     "the Docker Engine is older than 1.13 (or is none): bascule needs version "
                     "1.25 of its API");
    } else {
        docker->api = offered < API_NEWEST ? offered : API_NEWEST;
        while ((node = bsc_list_pop(&docker->waiting)))
            transfer(BSC_CONTAINER(node, struct bsc_docker_request, link));
    }
}

struct bsc_docker_request *bsc_docker_send(struct bsc_docker *docker,
                                           const struct bsc_docker_call *call)
{
    struct bsc_docker_request *request = make(docker, call);
    if (docker->api) {
        transfer(request);
        return request;
    }
    bsc_list_add_tail(&docker->waiting, &request->link);
    if (!docker->ping) {
        docker->ping = make(docker, &(struct bsc_docker_call){ .method = "GET",
                                                               .path = "/_ping",
                                                               .timeout_ms = PING_MS,
                                                               .on_done = on_pinged,
                                                               .argument = docker });
        transfer(docker->ping);
    }
    return request;
}

void bsc_docker_cancel(struct bsc_docker_request *request)
{
    bsc_list_remove(&request->link);
    free_request(request);
}

/* -- the end of a transfer ------------------------------------------------------------------- */

/* Hands out what streams brought. Whoever hears it may cancel any of them, so each begins anew. */
static void hand_out(struct bsc_docker *docker)
{
    struct bsc_list *at = docker->sent.next;
    while (at != &docker->sent) {
        struct bsc_docker_request *request = BSC_CONTAINER(at, struct bsc_docker_request, link);
        at = at->next;
        if (!request->on_bytes || !request->bytes.size || !succeeded(request->easy))
            continue;
        struct bsc_text bytes = request->bytes;
        request->bytes = (struct bsc_text){ 0 };
        request->on_bytes(request->argument, bytes.data, bytes.size);
        bsc_text_deinit(&bytes);
        at = docker->sent.next;
    }
}

static void finish(struct bsc_docker_request *request, CURLcode code)
{
    struct bsc_docker *docker = request->docker;
    struct bsc_text text = { 0 };
    long status = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        say_silence(request, code, &text);
        if (!request->too_long && code != CURLE_OPERATION_TIMEDOUT)
            docker->api = 0; /* another one may come back */
        status = 0;
    } else if (status >= 400) {
        say_refusal(request, (unsigned)status, &text);
    }
    bsc_list_remove(&request->link); /* over: nobody can cancel it now */
    tell(request, (unsigned)status, bsc_text_get(&text), &request->bytes);
    bsc_text_deinit(&text);
    free_request(request);
}

static void collect(struct bsc_docker *docker)
{
    CURLMsg *message;
    int left;
    hand_out(docker);
    while ((message = curl_multi_info_read(docker->multi, &left))) {
        char *request = NULL;
        CURLcode code = message->data.result; /* the message goes with its handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        finish((struct bsc_docker_request *)(void *)request, code);
    }
}

/* -- sockets and time ------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
    struct bsc_docker *docker = timer->data;
    int running;
    curl_multi_socket_action(docker->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(docker);
}

static int on_wakeup(CURLM *multi, long timeout_ms, void *argument)
{
    struct bsc_docker *docker = argument;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&docker->timer);
    else
        uv_timer_start(&docker->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct bsc_docker *docker = watch->docker;
    int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(docker->multi, watch->socket, flags, &running);
    collect(docker);
}

static void handle_closed(struct bsc_docker *docker)
{
    if (--docker->handles || !docker->destroyed)
        return;
    free(docker->socket);
    free(docker);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    handle_closed(watch->docker);
    free(watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static struct watch *watch_create(struct bsc_docker *docker, curl_socket_t socket)
{
    struct watch *watch = bsc_alloc(sizeof *watch);
    if (uv_poll_init_socket(docker->loop, &watch->poll, socket)) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->socket = socket;
    watch->docker = docker;
    docker->handles++;
    curl_multi_assign(docker->multi, socket, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *argument, void *assigned)
{
    struct bsc_docker *docker = argument;
    struct watch *watch = assigned;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl_multi_assign(docker->multi, socket, NULL);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        }
        return 0;
    }
    if (!watch)
        watch = watch_create(docker, socket);
    if (!watch)
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_ready) ? -1 : 0;
}

/* -- life and death -------------------------------------------------------------------------- */

struct bsc_docker *bsc_docker_create(uv_loop_t *loop, const char *socket)
{
    struct bsc_docker *docker = bsc_alloc(sizeof *docker);
    docker->loop = loop;
    docker->socket = bsc_copy(socket);
    bsc_list_init(&docker->waiting);
    bsc_list_init(&docker->sent);
    docker->multi = curl_multi_init();
    if (!docker->multi)
        abort();
    uv_timer_init(loop, &docker->timer);
    docker->timer.data = docker;
    docker->handles = 1;
    curl_multi_setopt(docker->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(docker->multi, CURLMOPT_SOCKETDATA, docker);
    curl_multi_setopt(docker->multi, CURLMOPT_TIMERFUNCTION, on_wakeup);
    curl_multi_setopt(docker->multi, CURLMOPT_TIMERDATA, docker);
    curl_multi_setopt(docker->multi, CURLMOPT_MAXCONNECTS, 4L);
    return docker;
}

void bsc_docker_destroy(struct bsc_docker *docker)
{
    struct bsc_list *first;
    while ((first = bsc_list_pop(&docker->waiting)) || (first = bsc_list_pop(&docker->sent)))
        free_request(BSC_CONTAINER(first, struct bsc_docker_request, link));
    curl_multi_cleanup(docker->multi);
    docker->destroyed = true;
    uv_close((uv_handle_t *)&docker->timer, on_timer_closed);
}

const char *bsc_docker_socket(void)
{
    const char *host = getenv("DOCKER_HOST");
    if (!host || !*host)
        return BSC_DOCKER_SOCKET;
    return strncmp(host, "unix://", 7) ? NULL : host + 7;
}
