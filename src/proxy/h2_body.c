/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_body.c - see h2_body.h. */
#include "proxy/h2_body.h"

#include <string.h>

/* Room for `size` bytes at the end of *buffer, which holds at most BSC_BUFFER_LARGE. */
static struct bsc_buffer *make_room(struct bsc_buffers *buffers, struct bsc_buffer **buffer,
                                    size_t size)
{
    struct bsc_buffer *old = *buffer;
    if (!old)
        return *buffer = bsc_buffer_lend(buffers, size);
    if (old->capacity - old->end >= size)
        return old;
    uint32_t held = bsc_buffer_size(old);
    if (held + size <= old->capacity) {
        memmove(old->bytes, old->bytes + old->begin, held);
    } else {
        struct bsc_buffer *larger = bsc_buffer_lend(buffers, held + size);
        memcpy(larger->bytes, old->bytes + old->begin, held);
        bsc_buffer_return(buffers, buffer);
        *buffer = larger;
    }
    (*buffer)->begin = 0;
    (*buffer)->end = held;
    return *buffer;
}

static void append(struct bsc_buffers *buffers, struct bsc_buffer **buffer, const void *bytes,
                   size_t size)
{
    struct bsc_buffer *room = make_room(buffers, buffer, size);
    memcpy(room->bytes + room->end, bytes, size);
    room->end += (uint32_t)size;
}

static void take(struct bsc_buffers *buffers, struct bsc_buffer **buffer, size_t size)
{
    (*buffer)->begin += (uint32_t)size;
    if (!bsc_buffer_size(*buffer))
        bsc_buffer_return(buffers, buffer);
}

void bsc_h2_inbound_put(struct bsc_buffers *buffers, struct bsc_h2_inbound *inbound,
                        const void *bytes, size_t size)
{
    append(buffers, &inbound->data, bytes, size);
}

static void stage(struct bsc_h2_inbound *inbound, const char *text, size_t size)
{
    memcpy(inbound->staging, text, size);
    inbound->staged = 0;
    inbound->staged_size = (uint8_t)size;
}

/* Stages the next piece of framing; false: there is none now. */
static bool next_frame(struct bsc_buffers *buffers, struct bsc_h2_inbound *inbound)
{
    if (inbound->data) {
        inbound->chunk = bsc_buffer_size(inbound->data);
        inbound->staged = 0;
        inbound->staged_size = (uint8_t)bsc_chunk_frame(inbound->staging, inbound->chunk);
        return true;
    }
    if (!inbound->ended || inbound->said)
        return false;
    inbound->said = true;
    if (inbound->trailers) {
        append(buffers, &inbound->trailers, "\r\n", 2);
        stage(inbound, "0\r\n", 3);
    } else {
        stage(inbound, "0\r\n\r\n", 5);
    }
    return true;
}

size_t bsc_h2_text_read(struct bsc_buffers *buffers, struct bsc_buffer **from, char *out,
                        size_t size)
{
    if (!*from)
        return 0;
    uint32_t held = bsc_buffer_size(*from);
    if (size > held)
        size = held;
    memcpy(out, (*from)->bytes + (*from)->begin, size);
    take(buffers, from, size);
    return size;
}

size_t bsc_h2_inbound_read(struct bsc_buffers *buffers, struct bsc_h2_inbound *inbound, char *out,
                           size_t size, size_t *data_bytes)
{
    size_t used = 0;
    *data_bytes = 0;
    if (!inbound->chunked) {
        if (inbound->data)
            used = bsc_h2_text_read(buffers, &inbound->data, out, size);
        *data_bytes = used;
        return used;
    }
    while (used < size) {
        if (inbound->staged < inbound->staged_size) {
            out[used++] = inbound->staging[inbound->staged++];
        } else if (inbound->chunk) {
            size_t room = size - used < inbound->chunk ? size - used : inbound->chunk;
            size_t copied = bsc_h2_text_read(buffers, &inbound->data, out + used, room);
            used += copied;
            *data_bytes += copied;
            inbound->chunk -= (uint32_t)copied;
            if (!inbound->chunk)
                stage(inbound, "\r\n", 2);
        } else if (inbound->said && inbound->trailers) {
            used += bsc_h2_text_read(buffers, &inbound->trailers, out + used, size - used);
        } else if (!next_frame(buffers, inbound)) {
            break;
        }
    }
    return used;
}

void bsc_h2_outbound_begin(struct bsc_h2_outbound *outbound, enum bsc_framing framing,
                           uint64_t length)
{
    outbound->framing = (uint8_t)framing;
    outbound->left = framing == BSC_FRAMING_LENGTH ? length : 0;
    outbound->complete =
        framing == BSC_FRAMING_NONE || (framing == BSC_FRAMING_LENGTH && length == 0);
    outbound->chunked = (struct bsc_chunked){ 0 };
}

static size_t room_left(const struct bsc_h2_outbound *outbound)
{
    return BSC_BUFFER_LARGE - bsc_buffer_size(outbound->data);
}

static ssize_t put_chunked(struct bsc_buffers *buffers, struct bsc_h2_outbound *outbound,
                           const char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size && !outbound->complete) {
        struct bsc_chunked_run run;
        struct bsc_fault fault;
        size_t room = room_left(outbound);
        if (!room)
            break;
        size_t piece = size - used < room ? size - used : room;
        enum bsc_parse parse =
            bsc_chunked_next(&outbound->chunked, bytes + used, piece, &run, &fault);
        if (parse == BSC_PARSE_REFUSED)
            return -1;
        if (run.data_size)
            append(buffers, &outbound->data, bytes + used + run.data_at, run.data_size);
        if (run.trailer_size)
            append(buffers, &outbound->trailers, bytes + used + run.trailer_at, run.trailer_size);
        outbound->complete = parse == BSC_PARSE_DONE;
        used += run.used;
    }
    if (outbound->complete && bsc_buffer_size(outbound->trailers) <= 2) /* the empty line only */
        bsc_buffer_return(buffers, &outbound->trailers);
    return (ssize_t)used;
}

ssize_t bsc_h2_outbound_put(struct bsc_buffers *buffers, struct bsc_h2_outbound *outbound,
                            const char *bytes, size_t size)
{
    if (outbound->framing == BSC_FRAMING_CHUNKED)
        return put_chunked(buffers, outbound, bytes, size);
    if (outbound->framing == BSC_FRAMING_NONE)
        return size ? -1 : 0;
    size_t room = room_left(outbound);
    if (outbound->framing == BSC_FRAMING_LENGTH && size > outbound->left)
        return -1;
    if (size > room)
        size = room;
    if (size)
        append(buffers, &outbound->data, bytes, size);
    if (outbound->framing == BSC_FRAMING_LENGTH) {
        outbound->left -= size;
        outbound->complete = outbound->left == 0;
    }
    return (ssize_t)size;
}

void bsc_h2_outbound_sent(struct bsc_buffers *buffers, struct bsc_h2_outbound *outbound,
                          size_t size)
{
    if (size)
        take(buffers, &outbound->data, size);
}
