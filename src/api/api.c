/* SPDX-License-Identifier: Apache-2.0
 * api/api.c - the API as a whole: its life, and its side of the conversation with the engine. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/context.h"
#include "api/request.h"
#include "api/view.h"
#include "base/arena.h"
#include "base/clock.h"

enum { HANDLES = 4 };

static void free_api(struct bsc_api *api)
{
    free((void *)(uintptr_t)api->options.socket_path);
    free((void *)(uintptr_t)api->options.group);
    free((void *)(uintptr_t)api->options.config_file);
    free(api->ready_text);
    json_decref(api->changed);
    free(api);
}

enum bsc_status bsc_api_create(const struct bsc_api_options *options, struct bsc_api **out,
                               struct bsc_error *error)
{
    int listener = -1;
    enum bsc_status status = bsc_api_listen(options->socket_path, options->group, &listener, error);
    if (status != BSC_OK)
        return status;
    struct bsc_api *api = bsc_alloc(sizeof *api);
    api->options = *options;
    api->options.socket_path = bsc_copy(options->socket_path);
    api->options.group = bsc_copy(options->group);
    api->options.config_file = bsc_copy(options->config_file);
    api->next_token = BSC_API_TOKEN_FIRST;
    api->ready = BSC_UNAVAILABLE;
    api->ready_text = bsc_copy("the daemon is starting");
    api->changed = json_object();
    bsc_list_init(&api->connections);
    bsc_list_init(&api->requests);
    bsc_list_init(&api->streams);
    status = bsc_api_server_start(api, listener, error);
    if (status != BSC_OK) {
        unlink(options->socket_path);
        close(listener);
        free_api(api);
        return status;
    }
    uv_timer_init(options->loop, &api->changes);
    api->changes.data = api;
    *out = api;
    return BSC_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct bsc_api *api = handle->data;
    if (--api->open_handles == 0)
        free_api(api);
}

void bsc_api_destroy(struct bsc_api *api)
{
    if (!api)
        return;
    api->stopping = true;
    unlink(api->options.socket_path);
    bsc_api_server_stop(api);
    uv_handle_t *const handles[HANDLES] = {
        (uv_handle_t *)&api->poll,
        (uv_handle_t *)&api->timer,
        (uv_handle_t *)&api->sweep,
        (uv_handle_t *)&api->changes,
    };
    api->open_handles = HANDLES;
    for (unsigned i = 0; i < HANDLES; i++)
        uv_close(handles[i], on_closed);
}

void bsc_api_set_ready(struct bsc_api *api, enum bsc_status status, const char *text)
{
    api->ready = status;
    free(api->ready_text);
    api->ready_text = bsc_copy(text ? text : "");
}

static struct bsc_api_request *find_request(struct bsc_api *api, bsc_token token)
{
    for (struct bsc_list *node = api->requests.next; node != &api->requests; node = node->next) {
        struct bsc_api_request *request = BSC_CONTAINER(node, struct bsc_api_request, node);
        if (request->token == token)
            return request;
    }
    return NULL;
}

/* The answer to a command that began or ended a rollout. */
static void answer_rollout(struct bsc_api_request *request, const struct bsc_reply *reply)
{
    const struct bsc_service *service =
        bsc_engine_service(request->api->options.engine, request->parameter);
    bool known = service && service->rollout && service->rollout->row.id == reply->rollout;
    bsc_api_answer_json(request, request->route->status,
                        json_pack("{s:o, s:o, s:o}", "id", bsc_api_id('r', reply->rollout),
                                  "record",
                                  bsc_api_id('d', known ? service->rollout->row.record : 0), "done",
                                  bsc_api_words(reply->text ? reply->text : "")));
}

static void on_reply(void *self, bsc_token token, const struct bsc_reply *reply)
{
    struct bsc_api_request *request = token ? find_request(self, token) : NULL;
    if (!request)
        return; /* another submitter's, or one that was told already that the daemon stops */
    if (request->on_reply)
        request->on_reply(request, reply);
    else if (reply->status != BSC_OK)
        bsc_api_answer_error(request, reply->status, reply->text ? reply->text : "");
    else
        answer_rollout(request, reply);
}

void bsc_api_upgraded(struct bsc_api *api, bsc_token token, enum bsc_status status,
                      unsigned generation, const char *text)
{
    struct bsc_api_request *request = find_request(api, token);
    if (!request)
        return;
    if (status != BSC_OK)
        bsc_api_answer_error(request, status, text ? text : "");
    else
        bsc_api_answer_json(request, request->route->status,
                            json_pack("{s:i}", "generation", (int)generation));
}

static void on_audit(void *self, const struct bsc_audit_row *row)
{
    bsc_api_events_add(self, row);
}

static void on_changed(void *self, const char *service)
{
    bsc_api_events_changed(self, service);
    bsc_api_logs_changed(self, service);
}

struct bsc_notifier bsc_api_notifier(struct bsc_api *api)
{
    static const struct bsc_notifier_ops ops = {
        .name = "api",
        .reply = on_reply,
        .audit = on_audit,
        .changed = on_changed,
    };
    return (struct bsc_notifier){ &ops, api };
}

void bsc_api_command(struct bsc_api_request *request, struct bsc_event *event,
                     void (*reply)(struct bsc_api_request *request, const struct bsc_reply *reply))
{
    struct bsc_api *api = request->api;
    request->token = event->token = api->next_token++;
    request->on_reply = reply;
    event->actor = request->from->peer.actor;
    if (*request->parameter && !event->release)
        event->service = request->parameter;
    api->options.submit(api->options.argument, event);
}

static void on_query(struct bsc_engine *engine, void *argument)
{
    struct bsc_api_request *request = argument;
    request->view(request, engine);
}

void bsc_api_query(struct bsc_api_request *request,
                   void (*view)(struct bsc_api_request *request, const struct bsc_engine *engine))
{
    request->view = view;
    struct bsc_event event = { .kind = BSC_EVENT_QUERY, .query = on_query, .argument = request };
    request->api->options.submit(request->api->options.argument, &event);
}
