/* SPDX-License-Identifier: Apache-2.0
 * cli/client.c - see client.h. */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/refusal.h"

/* No answer of the daemon is longer; a logfile comes as a stream. */
enum { ANSWER_MAX_BYTES = 64 * 1024 * 1024, REFUSED_RETRY_MS = 2000, REFUSED_PAUSE_MS = 50 };

struct bsc_request {
    struct bsc_client *client;
    CURL *easy; /* NULL when the socket's path can't be one */
    struct curl_slist *headers;
    char *payload;
    struct bsc_text body;
    void (*on_data)(void *argument, const char *data, size_t size);
    void *argument;
    CURLcode result;
    bool done;
};

void bsc_client_deinit(struct bsc_client *client)
{
    if (client->multi) {
        curl_multi_cleanup(client->multi);
        curl_global_cleanup();
    }
    client->multi = NULL;
}

static size_t on_body(char *data, size_t size, size_t count, void *argument)
{
    struct bsc_request *request = argument;
    long code = 0;
    size *= count;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &code);
    if (request->on_data && code / 100 == 2)
        request->on_data(request->argument, data, size);
    else if (request->body.size + size > ANSWER_MAX_BYTES)
        return 0;
    else
        bsc_text_add(&request->body, data, size);
    return size;
}

static void set_headers(struct bsc_request *request, const struct bsc_request_spec *spec)
{
    struct bsc_text line = { 0 };
    bsc_text_printf(&line, "Accept: %s", spec->accept ? spec->accept : "application/json");
    request->headers = curl_slist_append(request->headers, bsc_text_get(&line));
    request->headers = curl_slist_append(request->headers, "Expect:");
    if (spec->body)
        request->headers = curl_slist_append(request->headers, "Content-Type: application/json");
    if (spec->last_event) {
        bsc_text_clear(&line);
        bsc_text_printf(&line, "Last-Event-ID: %lld", (long long)spec->last_event);
        request->headers = curl_slist_append(request->headers, bsc_text_get(&line));
    }
    bsc_text_deinit(&line);
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
}

static void set_options(struct bsc_request *request, const struct bsc_request_spec *spec)
{
    CURL *easy = request->easy;
    struct bsc_text url = { 0 };
    bsc_text_printf(&url, "http://bascule%s", spec->path);
    curl_easy_setopt(easy, CURLOPT_URL, bsc_text_get(&url));
    bsc_text_deinit(&url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->client->socket);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not what http_proxy says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, spec->method);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    set_headers(request, spec);
    if (spec->body) {
        request->payload = json_dumps(spec->body, JSON_COMPACT);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->payload);
    }
}

struct bsc_request *bsc_request_begin(struct bsc_client *client,
                                      const struct bsc_request_spec *spec)
{
    struct bsc_request *request = bsc_alloc(sizeof *request);
    request->client = client;
    request->on_data = spec->on_data;
    request->argument = spec->argument;
    if (strlen(client->socket) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        request->done = true;
        return request;
    }
    if (!client->multi) {
        curl_global_init(CURL_GLOBAL_NOTHING); /* neither TLS nor Win32 is needed */
        client->multi = curl_multi_init();
    }
    request->easy = curl_easy_init();
    set_options(request, spec);
    curl_multi_add_handle(client->multi, request->easy);
    return request;
}

bool bsc_request_done(const struct bsc_request *request)
{
    return request->done;
}

void bsc_request_destroy(struct bsc_request *request)
{
    if (!request)
        return;
    if (request->easy) {
        curl_multi_remove_handle(request->client->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->headers);
    free(request->payload);
    bsc_text_deinit(&request->body);
    free(request);
}

static bool collect_finished(struct bsc_client *client)
{
    CURLMsg *message;
    int left;
    bool any = false;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct bsc_request *request = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        request->result = message->data.result;
        request->done = any = true;
    }
    return any;
}

bool bsc_client_turn(struct bsc_client *client, int64_t wait_ms, int fd)
{
    int running;
    struct curl_waitfd extra = { .fd = fd, .events = CURL_WAIT_POLLIN };
    if (!client->multi) {
        struct pollfd waited = { .fd = fd, .events = POLLIN };
        return poll(&waited, 1, (int)wait_ms) > 0;
    }
    curl_multi_perform(client->multi, &running);
    if (collect_finished(client))
        return false;
    curl_multi_poll(client->multi, &extra, fd == -1 ? 0 : 1, (int)wait_ms, NULL);
    curl_multi_perform(client->multi, &running);
    collect_finished(client);
    return extra.revents != 0;
}

enum bsc_status bsc_problem_status(const char *type, long code)
{
    static const char prefix[] = "urn:bascule:";
    if (type && !strncmp(type, prefix, sizeof prefix - 1))
        for (enum bsc_status status = BSC_FAILED; status < BSC_STATUS_COUNT; status++)
            if (!strcmp(type + sizeof prefix - 1, bsc_status_name(status)))
                return status;
    switch (code) {
    case 400:
    case 413:
    case 422:
        return BSC_INVALID;
    case 403:
        return BSC_DENIED;
    case 404:
        return BSC_NOT_FOUND;
    case 409:
        return BSC_STATE;
    case 503:
        return BSC_UNAVAILABLE;
    default:
        return BSC_FAILED;
    }
}

static void judge_answer(struct bsc_answer *answer, long code, const struct bsc_text *raw)
{
    answer->answered = true;
    answer->body = json_loadb(bsc_text_get(raw), raw->size, JSON_DECODE_ANY, NULL);
    if (code / 100 == 2)
        return;
    const char *type = json_string_value(json_object_get(answer->body, "type"));
    const char *detail = json_string_value(json_object_get(answer->body, "detail"));
    const char *title = json_string_value(json_object_get(answer->body, "title"));
    answer->status = bsc_problem_status(type, code);
    const char *text = detail && *detail ? detail : title;
    if (text && *text)
        bsc_error_set(&answer->error, answer->status, "%s", text);
    else
        bsc_error_set(&answer->error, answer->status, "the daemon answered with status %ld", code);
}

void bsc_request_answer(struct bsc_request *request, struct bsc_answer *answer)
{
    long code = 0, number = 0;
    *answer = (struct bsc_answer){ 0 };
    if (!request->easy) {
        answer->status = bsc_error_set(&answer->error, BSC_INVALID,
                                       "the path of the socket is longer than 107 bytes: %s",
                                       request->client->socket);
        return;
    }
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &number);
    if (request->result == CURLE_OK) {
        judge_answer(answer, code, &request->body);
        return;
    }
    if (request->result == CURLE_OPERATION_TIMEDOUT)
        answer->status = bsc_error_set(&answer->error, BSC_UNAVAILABLE,
                                       "the daemon does not answer in time (it may be stopped)");
    else if (request->result == CURLE_COULDNT_CONNECT)
        answer->status = bsc_refusal_explain(request->client->socket, (int)number, &answer->error);
    else
        answer->status = bsc_error_set(&answer->error, BSC_UNAVAILABLE, "the daemon hung up: %s",
                                       curl_easy_strerror(request->result));
}

enum bsc_status bsc_client_call(struct bsc_client *client, const struct bsc_request_spec *spec,
                                struct bsc_answer *answer)
{
    int64_t until_ms = bsc_clock_boot_ms() + REFUSED_RETRY_MS;
    for (;;) {
        struct bsc_request *request = bsc_request_begin(client, spec);
        while (!bsc_request_done(request))
            bsc_client_turn(client, 1000, -1);
        bsc_request_answer(request, answer);
        bsc_request_destroy(request);
        bool refused = !answer->answered && answer->error.number == ECONNREFUSED;
        if (!refused || bsc_clock_boot_ms() >= until_ms)
            return answer->status;
        poll(NULL, 0, REFUSED_PAUSE_MS);
    }
}

void bsc_client_escape(struct bsc_text *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') || strchr("-._~", byte);
        if (plain)
            bsc_text_add(out, text, 1);
        else
            bsc_text_printf(out, "%%%02X", byte);
    }
}
