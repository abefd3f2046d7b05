/* SPDX-License-Identifier: Apache-2.0
 * load/transfer.c - see transfer.h. */
#include "load/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS = 256, LOGIN_ANSWER_BYTES = 1 << 20 };

struct bsc_load_wire {
    const struct bsc_load_scenario *scenario;
    CURLM *multi;
    int epoll, timer; /* the timer knows microseconds, epoll_wait does not */
    int stop_fd;
    int64_t curl_us; /* when curl wants to be called; INT64_MAX: not */
    bsc_load_on_answer on_answer;
    void *argument;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *known)
{
    struct bsc_load_wire *wire = argument;
    struct epoll_event event = { .data.fd = fd };
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(wire->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    if (epoll_ctl(wire->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == -1)
        epoll_ctl(wire->epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(wire->multi, fd, wire);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *argument)
{
    struct bsc_load_wire *wire = argument;
    (void)multi;
    wire->curl_us = timeout_ms < 0 ? INT64_MAX : bsc_clock_boot_us() + timeout_ms * 1000;
    return 0;
}

enum bsc_status bsc_load_wire_create(const struct bsc_load_scenario *scenario, int stop_fd,
                                     bsc_load_on_answer on_answer, void *argument,
                                     struct bsc_load_wire **out, struct bsc_error *error)
{
    struct bsc_load_wire *wire = bsc_alloc(sizeof *wire);
    *wire = (struct bsc_load_wire){ .scenario = scenario,
                                    .stop_fd = stop_fd,
                                    .curl_us = INT64_MAX,
                                    .on_answer = on_answer,
                                    .argument = argument };
    wire->epoll = epoll_create1(EPOLL_CLOEXEC);
    wire->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    const int watched[] = { wire->timer, stop_fd };
    for (size_t i = 0; i < 2; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = watched[i] };
        if (watched[i] == -1 && i == 1)
            continue;
        if (epoll_ctl(wire->epoll, EPOLL_CTL_ADD, watched[i], &event) == -1) {
            enum bsc_status status = bsc_error_errno(error, "wait for answers");
            close(wire->epoll);
            close(wire->timer);
            free(wire);
            return status;
        }
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    wire->multi = curl_multi_init();
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, (long)scenario->users);
    *out = wire;
    return BSC_OK;
}

void bsc_load_wire_destroy(struct bsc_load_wire *wire)
{
    if (!wire)
        return;
    curl_multi_cleanup(wire->multi);
    curl_global_cleanup();
    close(wire->epoll);
    close(wire->timer);
    free(wire);
}

void bsc_load_user_deinit(struct bsc_load_wire *wire, struct bsc_load_user *user)
{
    if (user->easy) {
        curl_multi_remove_handle(wire->multi, user->easy);
        curl_easy_cleanup(user->easy);
    }
    curl_slist_free_all(user->fields);
    bsc_text_deinit(&user->url);
    bsc_text_deinit(&user->body);
    bsc_text_deinit(&user->answer);
    for (unsigned i = 0; i < BSC_LOAD_KEPT_MAX; i++)
        free(user->kept[i]);
}

/* Only a log-in's answer is kept. */
static size_t on_body(char *data, size_t size, size_t count, void *argument)
{
    struct bsc_load_user *user = argument;
    size *= count;
    if (user->login && user->answer.size + size <= LOGIN_ANSWER_BYTES)
        bsc_text_add(&user->answer, data, size);
    return size;
}

static bool has_field(const struct bsc_load_fields *fields, const char *name)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (!strcasecmp(fields->items[i].name, name))
            return true;
    return false;
}

static void add_field(struct bsc_load_user *user, const struct bsc_load_field *field,
                      const struct bsc_load_values *values)
{
    struct bsc_text value = { 0 }, line = { 0 };
    bsc_load_render(&field->value, values, &value);
    /* curl takes "NAME;" for an empty value and "NAME:" for none at all. */
    bsc_text_printf(&line, value.size ? "%s: %s" : "%s;", field->name, bsc_text_get(&value));
    user->fields = curl_slist_append(user->fields, bsc_text_get(&line));
    bsc_text_deinit(&value);
    bsc_text_deinit(&line);
}

static void set_fields(const struct bsc_load_scenario *scenario, struct bsc_load_user *user,
                       const struct bsc_load_request *request, const struct bsc_load_values *values)
{
    curl_slist_free_all(user->fields);
    user->fields = curl_slist_append(NULL, "Expect:");
    if (request->json && !has_field(&request->headers, "Content-Type") &&
        !has_field(&scenario->headers, "Content-Type"))
        user->fields = curl_slist_append(user->fields, "Content-Type: application/json");
    for (unsigned i = 0; i < scenario->headers.count; i++)
        if (!has_field(&request->headers, scenario->headers.items[i].name))
            add_field(user, &scenario->headers.items[i], values);
    for (unsigned i = 0; i < request->headers.count; i++)
        add_field(user, &request->headers.items[i], values);
    curl_easy_setopt(user->easy, CURLOPT_HTTPHEADER, user->fields);
}

static void set_url(const struct bsc_load_scenario *scenario, struct bsc_load_user *user,
                    const struct bsc_load_request *request, const struct bsc_load_values *values)
{
    static const char local[] = "unix:";
    bsc_text_clear(&user->url);
    if (!strncmp(scenario->url, local, sizeof local - 1)) {
        curl_easy_setopt(user->easy, CURLOPT_UNIX_SOCKET_PATH, scenario->url + sizeof local - 1);
        bsc_text_puts(&user->url, "http://localhost");
    } else {
        size_t size = strlen(scenario->url);
        bsc_text_add(&user->url, scenario->url, size - (scenario->url[size - 1] == '/'));
    }
    bsc_load_render(&request->path, values, &user->url);
    curl_easy_setopt(user->easy, CURLOPT_URL, bsc_text_get(&user->url));
    curl_easy_setopt(user->easy, CURLOPT_PATH_AS_IS, 1L);
}

static void set_body(struct bsc_load_user *user, const struct bsc_load_request *request,
                     const struct bsc_load_values *values)
{
    bsc_text_clear(&user->body);
    if (!request->has_body)
        return;
    bsc_load_render(&request->body, values, &user->body);
    curl_easy_setopt(user->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)user->body.size);
    curl_easy_setopt(user->easy, CURLOPT_POSTFIELDS, bsc_text_get(&user->body));
}

static void set_options(struct bsc_load_wire *wire, struct bsc_load_user *user)
{
    const struct bsc_load_scenario *scenario = wire->scenario;
    CURL *easy = user->easy;
    curl_easy_reset(easy);                     /* keeps connections and cookies */
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not what http_proxy says */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)scenario->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, scenario->tls_verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, scenario->tls_verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bascule-load");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, user);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, user);
}

void bsc_load_send(struct bsc_load_wire *wire, struct bsc_load_user *user,
                   const struct bsc_load_request *request, uint64_t *random)
{
    struct bsc_load_values values = { .random = random, .user = user->number };
    for (unsigned i = 0; i < BSC_LOAD_KEPT_MAX; i++)
        values.kept[i] = user->kept[i];
    if (!user->easy) {
        user->easy = curl_easy_init();
        /* A first cookie, and none any more: cookies are kept from now on, resets included. With
         * CURLOPT_COOKIEFILE curl would keep a little memory for each request. */
        curl_easy_setopt(user->easy, CURLOPT_COOKIELIST, "Set-Cookie: a=b; domain=nowhere.invalid");
        curl_easy_setopt(user->easy, CURLOPT_COOKIELIST, "ALL");
    }
    set_options(wire, user);
    set_url(wire->scenario, user, request, &values);
    set_fields(wire->scenario, user, request, &values);
    set_body(user, request, &values);
    if (!strcmp(request->method, "HEAD"))
        curl_easy_setopt(user->easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(user->easy, CURLOPT_CUSTOMREQUEST, request->method);
    user->login = request == &wire->scenario->login;
    bsc_text_clear(&user->answer);
    curl_multi_add_handle(wire->multi, user->easy);
}

static enum bsc_load_failure failure_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return BSC_LOAD_FINE;
    case CURLE_OPERATION_TIMEDOUT:
        return BSC_LOAD_TIMED_OUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return BSC_LOAD_REFUSED;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return BSC_LOAD_RESET;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return BSC_LOAD_TLS;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9 when not allowed" */
    case CURLE_BAD_CONTENT_ENCODING:
        return BSC_LOAD_MALFORMED;
    default:
        return BSC_LOAD_OTHER;
    }
}

static void finish(struct bsc_load_wire *wire, CURL *easy, CURLcode result)
{
    struct bsc_load_user *user = NULL;
    long status = 0;
    curl_off_t bytes = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&user);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
    curl_multi_remove_handle(wire->multi, easy);
    const struct bsc_load_request *request =
        user->login ? &wire->scenario->login : &wire->scenario->requests[user->request];
    struct bsc_load_answer answer = { .failure = failure_of(result),
                                      .status = (unsigned)status,
                                      .bytes = (uint64_t)bytes };
    bool expected = answer.status >= request->expect[0] && answer.status <= request->expect[1];
    if (!answer.failure && !expected)
        answer.failure = BSC_LOAD_STATUS;
    wire->on_answer(wire->argument, user, &answer);
}

static void arm(struct bsc_load_wire *wire, int64_t at_us)
{
    if (at_us < 1)
        at_us = 1; /* zero would disarm */
    const struct itimerspec when = { .it_value = { at_us / 1000000, at_us % 1000000 * 1000 } };
    timerfd_settime(wire->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

bool bsc_load_wire_turn(struct bsc_load_wire *wire, int64_t until_us)
{
    struct epoll_event events[EVENTS];
    bool go_on = true;
    int running;
    arm(wire, until_us < wire->curl_us ? until_us : wire->curl_us);
    int count = epoll_wait(wire->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        uint64_t expired;
        if (fd == wire->stop_fd) {
            go_on = false;
        } else if (fd == wire->timer) {
            if (read(wire->timer, &expired, sizeof expired) == -1 && errno != EAGAIN)
                go_on = false;
        } else {
            unsigned what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0U) |
                            (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0U) |
                            (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0U);
            curl_multi_socket_action(wire->multi, fd, (int)what, &running);
        }
    }
    if (bsc_clock_boot_us() >= wire->curl_us) {
        wire->curl_us = INT64_MAX; /* curl sets the next one */
        curl_multi_socket_action(wire->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(wire->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            finish(wire, message->easy_handle, message->data.result);
    return go_on;
}

static char *json_field(const struct bsc_text *answer, const char *path)
{
    json_t *root = json_loadb(bsc_text_get(answer), answer->size, JSON_DECODE_ANY, NULL);
    const json_t *at = root;
    for (const char *part = path; at && *part;) {
        size_t size = strcspn(part, ".");
        char *key = strndup(part, size);
        at = json_object_get(at, key);
        free(key);
        part += size + (part[size] == '.');
    }
    char *value = NULL;
    if (json_is_string(at))
        value = bsc_copy(json_string_value(at));
    else if (json_is_number(at) || json_is_boolean(at))
        value = json_dumps(at, JSON_ENCODE_ANY);
    json_decref(root);
    return value;
}

static char *header_field(const struct bsc_load_user *user, const char *name)
{
    struct curl_header *found;
    if (curl_easy_header(user->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
        return NULL;
    return bsc_copy(found->value);
}

enum bsc_status bsc_load_user_keep(const struct bsc_load_scenario *scenario,
                                   struct bsc_load_user *user, struct bsc_error *error)
{
    for (unsigned i = 0; i < scenario->keep_count; i++) {
        const struct bsc_load_keep *keep = &scenario->keeps[i];
        free(user->kept[i]);
        user->kept[i] =
            keep->json ? json_field(&user->answer, keep->from) : header_field(user, keep->from);
        if (!user->kept[i])
            return bsc_error_set(error, BSC_FAILED, "its answer has no %s %s",
                                 keep->json ? "JSON field" : "header", keep->from);
    }
    return BSC_OK;
}
