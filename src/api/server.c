/* SPDX-License-Identifier: Apache-2.0
 * api/server.c - libmicrohttpd turned by libuv, and the path of a request up to its handler.
 *
 * Whatever is wrong with a request is answered when its body has been read (and thrown away), so
 * that a client that writes first and reads then gets the answer; only a body beyond all measure
 * ends the connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/context.h"
#include "api/request.h"
#include "api/stream.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    DISCARD_BYTES = 16 * 1024 * 1024,
    IDLE_S = 30,
    SWEEP_MS = 250,
    REFUSAL_EVERY_MS = 60000,
};

static void on_timer(uv_timer_t *timer);

static void turn(struct bsc_api *api)
{
    MHD_run(api->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(api->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&api->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&api->timer);
}

void bsc_api_resume(struct bsc_api *api, struct MHD_Connection *connection)
{
    MHD_resume_connection(connection);
    uv_timer_start(&api->timer, on_timer, 0, 0); /* a resumed connection wakes nobody by itself */
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

/* Cuts connections that keep a request waiting, however busily they trickle. */
static void on_sweep(uv_timer_t *timer)
{
    struct bsc_api *api = timer->data;
    int64_t now_ms = bsc_clock_boot_ms();
    for (struct bsc_list *node = api->connections.next; node != &api->connections;
         node = node->next) {
        struct bsc_api_connection *from = BSC_CONTAINER(node, struct bsc_api_connection, node);
        if (from->waiting_since_ms && now_ms - from->waiting_since_ms > BSC_API_REQUEST_MS)
            shutdown(from->fd, SHUT_RDWR);
    }
    bsc_api_streams_sweep(api, now_ms);
}

static void on_connection(void *closure, struct MHD_Connection *connection, void **memory,
                          enum MHD_ConnectionNotificationCode code)
{
    struct bsc_api *api = closure;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct bsc_api_connection *from = *memory;
        bsc_list_remove(&from->node);
        free(from);
        if (--api->connection_count == 0)
            uv_timer_stop(&api->sweep);
        return;
    }
    struct bsc_api_connection *from = bsc_alloc(sizeof *from);
    from->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    from->waiting_since_ms = bsc_clock_boot_ms();
    bsc_api_peer_read(from->fd, api->options.group, &from->peer);
    bsc_list_add_tail(&api->connections, &from->node);
    *memory = from;
    if (api->connection_count++ == 0 && !api->stopping)
        uv_timer_start(&api->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void on_completed(void *closure, struct MHD_Connection *connection, void **memory,
                         enum MHD_RequestTerminationCode code)
{
    (void)closure;
    (void)connection;
    (void)code;
    struct bsc_api_request *request = *memory;
    if (!request)
        return;
    *memory = NULL;
    request->from->waiting_since_ms = bsc_clock_boot_ms();
    request->api->upload_bytes -= request->upload.capacity;
    if (request->response)
        MHD_destroy_response(request->response);
    bsc_list_remove(&request->node);
    bsc_text_deinit(&request->upload);
    bsc_config_destroy(request->config);
    json_decref(request->input);
    free(request);
}

/* In the audit, but not so often that it could be filled on purpose. */
static void record_refusal(struct bsc_api *api, const char *actor)
{
    char text[128], more[64] = "";
    int64_t now_ms = bsc_clock_boot_ms();
    if (api->refusal_told_ms && now_ms < api->refusal_told_ms + REFUSAL_EVERY_MS) {
        api->refusals_untold++;
        return;
    }
    if (api->refusals_untold)
        snprintf(more, sizeof more, ", after %u other refusals", api->refusals_untold);
    snprintf(text, sizeof text, "%s may not use the API's socket%s", actor, more);
    api->refusal_told_ms = now_ms;
    api->refusals_untold = 0;
    bsc_log_warning("API: refused: %s", text);
    struct bsc_event event = { .kind = BSC_EVENT_REFUSED, .actor = actor, .text = text };
    api->options.submit(api->options.argument, &event);
}

static void answer_denied(struct bsc_api_request *request)
{
    const struct bsc_api_options *options = &request->api->options;
    char detail[256];
    snprintf(detail, sizeof detail,
             "only root, the daemon's user%s%s may use this socket; you are %s",
             options->group ? " and members of the group " : "",
             options->group ? options->group : "", request->from->peer.actor);
    record_refusal(request->api, request->from->peer.actor);
    bsc_api_answer_error(request, BSC_DENIED, detail);
}

static void answer_no_route(struct bsc_api_request *request, const char *url, const char *method,
                            const char *methods)
{
    struct bsc_text detail = { 0 };
    if (!*methods) {
        bsc_text_puts(&detail, "there is nothing at ");
        bsc_text_add_escaped(&detail, url, strnlen(url, 256));
        bsc_text_puts(&detail, "; GET /v1/openapi.json tells what there is");
        bsc_api_answer_error(request, BSC_NOT_FOUND, bsc_text_get(&detail));
    } else {
        bsc_text_add_escaped(&detail, method, strnlen(method, 32));
        bsc_text_printf(&detail, " is not possible here, but %s", methods);
        bsc_api_answer_problem(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method-not-allowed",
                               "Not with this method", bsc_text_get(&detail), NULL);
        MHD_add_response_header(request->response, "Allow", methods);
    }
    bsc_text_deinit(&detail);
}

static void answer_too_large(struct bsc_api_request *request)
{
    char detail[96];
    snprintf(detail, sizeof detail, "the body may have %zu bytes here", request->route->body_bytes);
    bsc_api_answer_problem(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
                           "The request is too large", detail, NULL);
}

static const char *header(const struct bsc_api_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* What can be said before the body: answers, or leaves the request to be read on. */
static void look_at_head(struct bsc_api_request *request, const char *url, const char *method)
{
    struct bsc_api *api = request->api;
    char methods[BSC_API_METHODS_BYTES];
    if (!request->from->peer.allowed) {
        answer_denied(request);
        return;
    }
    if (api->connection_count > BSC_API_CONNECTIONS_BUSY) {
        bsc_api_answer_error(request, BSC_UNAVAILABLE, "too many connections at once");
        MHD_add_response_header(request->response, "Connection", "close");
        return;
    }
    request->route =
        bsc_api_route_find(method, url, request->parameter, sizeof request->parameter, methods);
    if (!request->route) {
        answer_no_route(request, url, method, methods);
        return;
    }
    const char *type = header(request, "Content-Type");
    if (request->route->body_bytes && type && strncasecmp(type, "application/json", 16) != 0) {
        bsc_api_answer_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type",
                               "Not in this format", "the body must be application/json", NULL);
        return;
    }
    bsc_api_read_query(request);
}

/* False: so much is declared to come that reading it only to throw it away makes no sense. */
static bool is_worth_reading(struct bsc_api_request *request)
{
    const char *length = header(request, "Content-Length");
    return !length || strtoull(length, NULL, 10) <= DISCARD_BYTES;
}

static enum MHD_Result send_answer(struct bsc_api_request *request)
{
    struct MHD_Response *response = request->response;
    request->response = NULL;
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result begin(struct bsc_api *api, struct MHD_Connection *connection,
                             const char *url, const char *method, void **memory)
{
    struct bsc_api_request *request = bsc_alloc(sizeof *request);
    request->api = api;
    request->connection = connection;
    request->from =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request->began_ms = bsc_clock_boot_ms();
    bsc_list_add_tail(&api->requests, &request->node);
    *memory = request;
    look_at_head(request, url, method);
    if (is_worth_reading(request))
        return MHD_YES;
    if (!request->response)
        answer_too_large(request);
    return send_answer(request);
}

static enum MHD_Result take_upload(struct bsc_api_request *request, const char *bytes, size_t size)
{
    struct bsc_api *api = request->api;
    request->upload_bytes += size;
    if (request->upload_bytes > DISCARD_BYTES)
        return MHD_NO;
    if (request->response)
        return MHD_YES;
    if (request->upload_bytes > request->route->body_bytes) {
        answer_too_large(request);
        return MHD_YES;
    }
    if (api->upload_bytes + size > BSC_API_UPLOADS_BYTES) {
        bsc_api_answer_error(request, BSC_UNAVAILABLE, "too many large requests at once");
        return MHD_YES;
    }
    api->upload_bytes -= request->upload.capacity;
    bsc_text_add(&request->upload, bytes, size);
    api->upload_bytes += request->upload.capacity;
    return MHD_YES;
}

static void dispatch(struct bsc_api_request *request)
{
    struct bsc_api *api = request->api;
    const struct bsc_api_route *route = request->route;
    bool good = !route->body_bytes || bsc_api_read_body(request);
    api->upload_bytes -= request->upload.capacity;
    bsc_text_deinit(&request->upload);
    if (!good)
        return;
    if (api->ready != BSC_OK && !route->early)
        bsc_api_answer_error(request, api->ready, api->ready_text);
    else
        route->handle(request);
}

static enum MHD_Result on_request(void *closure, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **memory)
{
    (void)version;
    struct bsc_api_request *request = *memory;
    if (!request)
        return begin(closure, connection, url, method, memory);
    if (*upload_size) {
        enum MHD_Result result = take_upload(request, upload, *upload_size);
        *upload_size = 0;
        return result;
    }
    request->from->waiting_since_ms = 0;
    if (!request->response)
        dispatch(request);
    if (request->response)
        return send_answer(request);
    request->suspended = true; /* until whoever was asked answers */
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_log(void *closure, const char *format, va_list arguments)
{
    (void)closure;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    bsc_log_debug("API: %s", text);
}

enum bsc_status bsc_api_server_start(struct bsc_api *api, int listener, struct bsc_error *error)
{
    api->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        api, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)BSC_API_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api, MHD_OPTION_END);
    if (!api->daemon)
        return bsc_error_errno(error, "start libmicrohttpd on the API socket");
    int fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int result = uv_poll_init(api->options.loop, &api->poll, fd);
    if (result != 0) {
        MHD_stop_daemon(api->daemon);
        return bsc_error_set(error, BSC_FAILED, "watch the API socket: %s", uv_strerror(result));
    }
    uv_timer_init(api->options.loop, &api->timer);
    uv_timer_init(api->options.loop, &api->sweep);
    api->poll.data = api->timer.data = api->sweep.data = api;
    uv_poll_start(&api->poll, UV_READABLE, on_poll);
    return BSC_OK;
}

void bsc_api_server_stop(struct bsc_api *api)
{
    uv_poll_stop(&api->poll);
    for (struct bsc_list *node = api->requests.next; node != &api->requests; node = node->next) {
        struct bsc_api_request *request = BSC_CONTAINER(node, struct bsc_api_request, node);
        if (request->suspended)
            bsc_api_answer_error(request, BSC_UNAVAILABLE, "the daemon is stopping");
    }
    bsc_api_streams_end(api);
    /* libmicrohttpd takes up resumed connections in one turn, writes in the next. */
    for (unsigned i = 0; i < 3; i++)
        MHD_run(api->daemon);
    uv_timer_stop(&api->timer);
    MHD_stop_daemon(api->daemon);
}
