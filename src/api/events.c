/* SPDX-License-Identifier: Apache-2.0
 * api/events.c - GET /v1/events: the audit as a list, or live as server-sent events.
 *
 * A stream is given new entries as they come while its reader keeps up. A reader that does not is
 * `behind`: its entries are not kept in memory, but read from the store when it has taken what it
 * was given, so nothing is ever missing between two ids. Names of changed services wait in a set.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "api/request.h"
#include "api/stream.h"
#include "api/view.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

enum { DEFAULT_LIMIT = 100, PAGE = 100, CHANGES_MS = 100 };

struct events {
    struct bsc_api_stream stream;
    uint64_t last; /* sequence of the newest entry that was written to the stream */
    bool behind;   /* there may be more in the store */
    json_t *changed;
};

static void write_event(struct events *events, const struct bsc_audit_row *row)
{
    json_t *json = bsc_api_view_event(row);
    bsc_api_sse_write(&events->stream.text, row->sequence, NULL, json);
    json_decref(json);
    events->last = row->sequence;
}

struct page {
    struct events *events;
    unsigned count;
};

static void on_page_row(void *argument, const struct bsc_audit_row *row)
{
    struct page *page = argument;
    write_event(page->events, row);
    page->count++;
}

static void fill(struct bsc_api_stream *stream)
{
    struct events *events = BSC_CONTAINER(stream, struct events, stream);
    const struct bsc_api_reads *reads = &stream->api->options.reads;
    const char *name;
    json_t *value;
    json_object_foreach(events->changed, name, value)
    {
        json_t *json = json_pack("{s:s}", "service", name);
        bsc_api_sse_write(&stream->text, 0, "changed", json);
        json_decref(json);
    }
    json_object_clear(events->changed);
    if (!events->behind)
        return;
    struct page page = { .events = events };
    struct bsc_error error;
    enum bsc_status status = reads->events(reads->self, stream->service, false, events->last, PAGE,
                                           on_page_row, &page, &error);
    if (status != BSC_OK) {
        bsc_log_warning("events: %s", error.text);
        bsc_api_stream_end(stream); /* the reader comes back with the last id that it has */
    }
    events->behind = page.count == PAGE;
}

static void on_audit(struct bsc_api_stream *stream, const struct bsc_audit_row *row)
{
    struct events *events = BSC_CONTAINER(stream, struct events, stream);
    bool wanted = !stream->service || (row->service && !strcmp(row->service, stream->service));
    if (!wanted || row->sequence <= events->last || events->behind)
        return;
    if (stream->text.size - stream->sent > BSC_API_STREAM_BYTES)
        events->behind = true;
    else
        write_event(events, row);
    bsc_api_stream_wake(stream);
}

static void on_changed(struct bsc_api_stream *stream, const char *service)
{
    struct events *events = BSC_CONTAINER(stream, struct events, stream);
    if (stream->service && strcmp(stream->service, service) != 0)
        return;
    json_object_set_new(events->changed, service, json_true());
    bsc_api_stream_wake(stream);
}

static void release(struct bsc_api_stream *stream)
{
    struct events *events = BSC_CONTAINER(stream, struct events, stream);
    json_decref(events->changed);
    free(events);
}

static void take_sequence(void *argument, const struct bsc_audit_row *row)
{
    *(uint64_t *)argument = row->sequence;
}

/* Where a stream begins: behind what its reader says that it has, else with what comes now. */
static bool find_beginning(struct bsc_api_request *request, struct events *events)
{
    const struct bsc_api_reads *reads = &request->api->options.reads;
    const char *last_id =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
    int64_t after = bsc_api_input_integer(request, "after", -1);
    if (last_id && *last_id) {
        char *end = NULL;
        errno = 0;
        unsigned long long number = strtoull(last_id, &end, 10);
        if (errno || *end || *last_id < '0' || *last_id > '9' || number > INT64_MAX) {
            bsc_api_answer_malformed(request, "Last-Event-ID must be a sequence number");
            return false;
        }
        after = (int64_t)number;
    }
    struct bsc_error error;
    uint64_t newest = 0;
    enum bsc_status status =
        reads->events(reads->self, NULL, true, 0, 1, take_sequence, &newest, &error);
    if (status != BSC_OK) {
        bsc_api_answer_error(request, status, error.text);
        return false;
    }
    /* A number that was never given comes from another database: nothing is behind it. */
    events->behind = after >= 0 && (uint64_t)after < newest;
    events->last = events->behind ? (uint64_t)after : newest;
    return true;
}

static void begin_stream(struct bsc_api_request *request)
{
    struct events *events = bsc_alloc(sizeof *events);
    if (!find_beginning(request, events)) {
        free(events);
        return;
    }
    events->changed = json_object();
    events->stream.service = bsc_copy(bsc_api_input_string(request, "service"));
    events->stream.heartbeat = ":\n\n";
    events->stream.fill = fill;
    events->stream.audit = on_audit;
    events->stream.changed = on_changed;
    events->stream.release = release;
    bsc_text_puts(&events->stream.text, ":\n\n"); /* the reader sees at once that it is connected */
    bsc_api_stream_answer(request, &events->stream, "text/event-stream");
}

static void add_event(void *list, const struct bsc_audit_row *row)
{
    json_array_append_new(list, bsc_api_view_event(row));
}

static void answer_list(struct bsc_api_request *request)
{
    const struct bsc_api_reads *reads = &request->api->options.reads;
    int64_t after = bsc_api_input_integer(request, "after", -1);
    struct bsc_error error;
    json_t *list = json_array();
    enum bsc_status status = reads->events(
        reads->self, bsc_api_input_string(request, "service"), after < 0,
        after < 0 ? 0 : (uint64_t)after,
        (unsigned)bsc_api_input_integer(request, "limit", DEFAULT_LIMIT), add_event, list, &error);
    if (status == BSC_OK) {
        bsc_api_answer_json(request, MHD_HTTP_OK, list);
    } else {
        json_decref(list);
        bsc_api_answer_error(request, status, error.text);
    }
}

/* A service that left the configuration keeps its events. */
static bool is_known(const struct bsc_api_request *request, const struct bsc_engine *engine,
                     const char *service)
{
    const struct bsc_api_reads *reads = &request->api->options.reads;
    uint64_t found = 0;
    return !service || bsc_engine_service(engine, service) ||
           reads->events(reads->self, service, true, 0, 1, take_sequence, &found, NULL) != BSC_OK ||
           found;
}

static void view_events(struct bsc_api_request *request, const struct bsc_engine *engine)
{
    const char *service = bsc_api_input_string(request, "service");
    if (!is_known(request, engine, service)) {
        snprintf(request->parameter, sizeof request->parameter, "%s", service);
        bsc_api_answer_no_service(request, engine);
        return;
    }
    const char *accept =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");
    if (accept && strstr(accept, "text/event-stream"))
        begin_stream(request);
    else
        answer_list(request);
}

void bsc_api_get_events(struct bsc_api_request *request)
{
    bsc_api_query(request, view_events);
}

void bsc_api_events_add(struct bsc_api *api, const struct bsc_audit_row *row)
{
    for (struct bsc_list *node = api->streams.next; node != &api->streams; node = node->next) {
        struct bsc_api_stream *stream = BSC_CONTAINER(node, struct bsc_api_stream, node);
        if (stream->audit && !stream->ended)
            stream->audit(stream, row);
    }
}

static void tell_changed(struct bsc_api *api, const char *service)
{
    for (struct bsc_list *node = api->streams.next; node != &api->streams; node = node->next) {
        struct bsc_api_stream *stream = BSC_CONTAINER(node, struct bsc_api_stream, node);
        if (stream->changed && !stream->ended)
            stream->changed(stream, service);
    }
}

static void on_changes_timer(uv_timer_t *timer)
{
    struct bsc_api *api = timer->data;
    const char *name;
    json_t *value;
    json_object_foreach(api->changed, name, value) tell_changed(api, name);
    json_object_clear(api->changed);
    api->changes_told_ms = bsc_clock_boot_ms();
}

/* The first one is told at once, others together CHANGES_MS after it. */
void bsc_api_events_changed(struct bsc_api *api, const char *service)
{
    if (bsc_list_empty(&api->streams) || api->stopping)
        return;
    json_object_set_new(api->changed, service, json_true());
    if (uv_is_active((const uv_handle_t *)&api->changes))
        return;
    int64_t wait_ms = api->changes_told_ms + CHANGES_MS - bsc_clock_boot_ms();
    uv_timer_start(&api->changes, on_changes_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}
