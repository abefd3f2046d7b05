/* SPDX-License-Identifier: Apache-2.0
 * api/stream.c - see stream.h. */
#include "api/stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "api/context.h"
#include "base/clock.h"

enum { HEARTBEAT_MS = 15000, BLOCK_BYTES = 16 * 1024 };

static ssize_t on_read(void *closure, uint64_t position, char *out, size_t size)
{
    (void)position;
    struct bsc_api_stream *stream = closure;
    if (stream->sent == stream->text.size) {
        bsc_text_clear(&stream->text);
        stream->sent = 0;
        if (!stream->ended)
            stream->fill(stream);
    }
    size_t left = stream->text.size - stream->sent;
    if (!left && stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!left) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    size = left < size ? left : size;
    memcpy(out, stream->text.data + stream->sent, size);
    stream->sent += size;
    stream->last_ms = bsc_clock_boot_ms();
    return (ssize_t)size;
}

static void on_free(void *closure)
{
    struct bsc_api_stream *stream = closure;
    bsc_list_remove(&stream->node);
    stream->api->stream_count--;
    bsc_text_deinit(&stream->text);
    free((void *)(uintptr_t)stream->service);
    stream->release(stream);
}

void bsc_api_stream_answer(struct bsc_api_request *request, struct bsc_api_stream *take_stream,
                           const char *type)
{
    struct bsc_api *api = request->api;
    take_stream->api = api;
    take_stream->connection = request->connection;
    take_stream->last_ms = bsc_clock_boot_ms();
    bsc_list_add_tail(&api->streams, &take_stream->node);
    if (api->stream_count++ >= BSC_API_STREAMS_MAX) {
        on_free(take_stream);
        bsc_api_answer_error(request, BSC_UNAVAILABLE, "too many open streams at once");
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, take_stream, on_free);
    MHD_add_response_header(response, "Content-Type", type);
    bsc_api_answer_response(request, MHD_HTTP_OK, response);
}

void bsc_api_stream_wake(struct bsc_api_stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    bsc_api_resume(stream->api, stream->connection);
}

void bsc_api_stream_end(struct bsc_api_stream *stream)
{
    stream->ended = true;
    bsc_api_stream_wake(stream);
}

static bool reader_has_left(const struct bsc_api_stream *stream)
{
    struct pollfd poll_fd = {
        .fd = MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
                  ->connect_fd,
    };
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & (POLLHUP | POLLERR);
}

void bsc_api_streams_sweep(struct bsc_api *api, int64_t now_ms)
{
    struct bsc_list *node = api->streams.next;
    while (node != &api->streams) {
        struct bsc_api_stream *stream = BSC_CONTAINER(node, struct bsc_api_stream, node);
        node = node->next; /* nothing is freed here: that happens in libmicrohttpd's turn */
        if (!stream->suspended)
            continue;
        if (reader_has_left(stream)) {
            bsc_api_stream_end(stream);
        } else if (stream->heartbeat && now_ms - stream->last_ms >= HEARTBEAT_MS) {
            bsc_text_puts(&stream->text, stream->heartbeat);
            bsc_api_stream_wake(stream);
        } else if (stream->tick) {
            stream->tick(stream);
        }
    }
}

void bsc_api_streams_end(struct bsc_api *api)
{
    for (struct bsc_list *node = api->streams.next; node != &api->streams; node = node->next)
        bsc_api_stream_end(BSC_CONTAINER(node, struct bsc_api_stream, node));
}
