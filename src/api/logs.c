/* SPDX-License-Identifier: Apache-2.0
 * api/logs.c - GET /v1/services/NAME/logs: the last lines of the instances' output, and what comes.
 *
 * A followed log also takes up instances that start later, and lets go of those that are gone once
 * their last line was sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/stream.h"
#include "api/tail.h"
#include "base/arena.h"

enum { DEFAULT_LINES = 100, LIMIT_BYTES = 8 * 1024 * 1024, PATH_BYTES = 4096 };

struct log_tail {
    struct bsc_tail tail;
    bool gone; /* the engine has it no more: read to the end, then leave */
};

struct logs {
    struct bsc_api_stream stream;
    int slot;       /* -1: both */
    char *instance; /* NULL: all */
    struct log_tail *tails;
    size_t count, capacity, next; /* next: whose turn it is, so that a loud one hides nobody */
};

static bool is_wanted(const struct bsc_instance *instance, int slot, const char *id)
{
    return (slot < 0 || (int)instance->row.slot == slot) && (!id || !strcmp(instance->row.id, id));
}

static bool has_tail(const struct logs *logs, const char *id)
{
    for (size_t i = 0; i < logs->count; i++)
        if (!strcmp(logs->tails[i].tail.label, id))
            return true;
    return false;
}

static void add_tail(struct logs *logs, const struct bsc_api_options *options, const char *id)
{
    char path[PATH_BYTES];
    if (has_tail(logs, id) || !options->log_path(options->argument, id, path, sizeof path))
        return;
    logs->tails = bsc_grow(logs->tails, &logs->capacity, logs->count + 1, sizeof *logs->tails);
    struct log_tail *added = &logs->tails[logs->count++];
    added->gone = false;
    bsc_tail_init(&added->tail, id, path);
}

/* Takes up what is there and not yet followed: instances, and the command of a hook or gate that
 * runs; returns how many are wanted. */
static unsigned take_up(struct logs *logs, const struct bsc_api_options *options,
                        const struct bsc_service *service)
{
    unsigned wanted = 0;
    char command[BSC_ID_BYTES];
    for (size_t i = 0; i < service->instance_count; i++) {
        if (!is_wanted(&service->instances[i], logs->slot, logs->instance))
            continue;
        wanted++;
        add_tail(logs, options, service->instances[i].row.id);
    }
    if (logs->slot < 0 && bsc_service_command(service, command) &&
        (!logs->instance || !strcmp(logs->instance, command))) {
        wanted++;
        add_tail(logs, options, command);
    }
    return wanted;
}

static void leave(struct logs *logs, size_t index)
{
    bsc_tail_flush(&logs->tails[index].tail, &logs->stream.text);
    bsc_tail_deinit(&logs->tails[index].tail);
    logs->tails[index] = logs->tails[--logs->count];
}

static void fill(struct bsc_api_stream *stream)
{
    struct logs *logs = BSC_CONTAINER(stream, struct logs, stream);
    for (size_t idle = 0; idle < logs->count && stream->text.size < BSC_API_STREAM_BYTES;) {
        logs->next %= logs->count;
        struct log_tail *tail = &logs->tails[logs->next];
        if (bsc_tail_read(&tail->tail, &stream->text)) {
            idle = 0;
            logs->next++;
        } else if (tail->gone) {
            leave(logs, logs->next);
        } else {
            idle++;
            logs->next++;
        }
    }
}

static void on_tick(struct bsc_api_stream *stream)
{
    struct logs *logs = BSC_CONTAINER(stream, struct logs, stream);
    for (size_t i = 0; i < logs->count; i++)
        if (logs->tails[i].gone || bsc_tail_has_more(&logs->tails[i].tail)) {
            bsc_api_stream_wake(stream);
            return;
        }
}

static bool has_instance(const struct bsc_service *service, const char *id)
{
    for (size_t i = 0; service && i < service->instance_count; i++)
        if (!strcmp(service->instances[i].row.id, id))
            return true;
    char command[BSC_ID_BYTES];
    return service && bsc_service_command(service, command) && !strcmp(command, id);
}

static void on_refresh(struct bsc_api_stream *stream)
{
    struct logs *logs = BSC_CONTAINER(stream, struct logs, stream);
    const struct bsc_api_options *options = &stream->api->options;
    const struct bsc_service *service = bsc_engine_service(options->engine, stream->service);
    for (size_t i = 0; i < logs->count; i++)
        logs->tails[i].gone = !has_instance(service, logs->tails[i].tail.label);
    if (service)
        take_up(logs, options, service);
}

static void free_logs(struct logs *logs)
{
    for (size_t i = 0; i < logs->count; i++)
        bsc_tail_deinit(&logs->tails[i].tail);
    free(logs->tails);
    free(logs->instance);
    free(logs);
}

static void release(struct bsc_api_stream *stream)
{
    free_logs(BSC_CONTAINER(stream, struct logs, stream));
}

static void answer(struct bsc_api_request *request, struct logs *logs)
{
    bool follow = bsc_api_input_boolean(request, "follow");
    unsigned lines = (unsigned)bsc_api_input_integer(request, "lines", DEFAULT_LINES);
    size_t limit_bytes = LIMIT_BYTES / (logs->count ? logs->count : 1);
    struct bsc_text *text = &logs->stream.text;
    for (size_t i = 0; i < logs->count; i++) {
        bsc_tail_last(&logs->tails[i].tail, lines, limit_bytes, text);
        if (!follow)
            bsc_tail_flush(&logs->tails[i].tail, text);
    }
    if (!follow) {
        bsc_api_answer_text(request, "text/plain; charset=utf-8", bsc_text_get(text), text->size);
        bsc_text_deinit(text);
        free_logs(logs);
        return;
    }
    logs->stream.service = bsc_copy(request->parameter);
    logs->stream.fill = fill;
    logs->stream.tick = on_tick;
    logs->stream.refresh = on_refresh;
    logs->stream.release = release;
    bsc_api_stream_answer(request, &logs->stream, "text/plain; charset=utf-8");
}

static void view_logs(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const struct bsc_service *service = bsc_engine_service(engine, request->parameter);
    const char *slot_name = bsc_api_input_string(request, "slot");
    const char *instance = bsc_api_input_string(request, "instance");
    enum bsc_slot slot = BSC_BLUE;
    char detail[256];
    if (!service) {
        bsc_api_answer_no_service(request, engine);
        return;
    }
    if (service->row.spec->runtime == BSC_RUNTIME_STATIC) {
        snprintf(detail, sizeof detail,
                 "%s has static targets: bascule does not run them and has no output of them",
                 service->name);
        bsc_api_answer_error(request, BSC_STATE, detail);
        return;
    }
    struct logs *logs = bsc_alloc(sizeof *logs);
    logs->slot = slot_name && bsc_slot_parse(slot_name, &slot) ? (int)slot : -1;
    logs->instance = bsc_copy(instance);
    if (!take_up(logs, &request->api->options, service) && instance) {
        snprintf(detail, sizeof detail, "%s has no instance '%.100s'%s%s", service->name, instance,
                 slot_name ? " in " : "", slot_name ? slot_name : "");
        bsc_api_answer_error(request, BSC_NOT_FOUND, detail);
        free_logs(logs);
        return;
    }
    answer(request, logs);
}

void bsc_api_get_logs(struct bsc_api_request *request)
{
    bsc_api_query(request, view_logs);
}

void bsc_api_logs_changed(struct bsc_api *api, const char *service)
{
    for (struct bsc_list *node = api->streams.next; node != &api->streams; node = node->next) {
        struct bsc_api_stream *stream = BSC_CONTAINER(node, struct bsc_api_stream, node);
        if (stream->refresh && !stream->ended && !strcmp(stream->service, service))
            stream->refresh(stream);
    }
}
