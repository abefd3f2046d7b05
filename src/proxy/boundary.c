/* SPDX-License-Identifier: Apache-2.0
 * proxy/boundary.c - see boundary.h. */
#include "proxy/boundary.h"

enum { OPCODE_CLOSE = 8, MASK_BYTES = 4 };

bool bsc_boundary_here(const struct bsc_boundary *boundary)
{
    if (boundary->kind == BSC_BOUNDARY_EVENTS)
        return !boundary->begun || boundary->line_ends == 2;
    return boundary->head_at == 0 && boundary->left == 0;
}

static void end_frame(struct bsc_boundary *boundary)
{
    if (bsc_boundary_here(boundary) && boundary->opcode == OPCODE_CLOSE)
        boundary->closed = true;
}

static void take_head(struct bsc_boundary *boundary, unsigned char byte)
{
    unsigned at = boundary->head_at++;
    if (at == 0) {
        boundary->opcode = byte & 0x0f;
        boundary->head_size = 2;
    } else if (at == 1) {
        unsigned length = byte & 0x7f;
        boundary->length_end = (uint8_t)(length == 127 ? 10 : length == 126 ? 4 : 2);
        boundary->head_size = (uint8_t)(boundary->length_end + (byte & 0x80 ? MASK_BYTES : 0));
        boundary->left = length < 126 ? length : 0;
    } else if (at < boundary->length_end) {
        boundary->left = boundary->left << 8 | byte;
    }
    if (boundary->head_at > 1 && boundary->head_at == boundary->head_size) {
        boundary->head_at = 0;
        end_frame(boundary);
    }
}

static size_t pass_frames(struct bsc_boundary *boundary, const char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size && !(boundary->stop && bsc_boundary_here(boundary))) {
        if (boundary->head_at || !boundary->left) {
            take_head(boundary, (unsigned char)bytes[used++]);
            continue;
        }
        size_t rest = size - used;
        size_t taken = rest < boundary->left ? rest : (size_t)boundary->left;
        used += taken;
        boundary->left -= taken;
        end_frame(boundary);
    }
    return used;
}

/* Lines end in CR LF, LF or CR (HTML, 9.2.5). */
static void take_event_byte(struct bsc_boundary *boundary, char byte)
{
    bool second_half = byte == '\n' && boundary->after_cr;
    boundary->begun = true;
    boundary->after_cr = byte == '\r';
    if (byte != '\r' && byte != '\n')
        boundary->line_ends = 0;
    else if (!second_half && boundary->line_ends < 2)
        boundary->line_ends++;
}

static size_t pass_events(struct bsc_boundary *boundary, const char *bytes, size_t size)
{
    enum { LOOK_BACK = 4 }; /* the longest end of an event */
    size_t used = 0;
    if (!boundary->stop && size > LOOK_BACK) {
        used = size - LOOK_BACK;
        boundary->line_ends = 0;
        boundary->after_cr = false;
    }
    for (; used < size; used++) {
        bool lf = bytes[used] == '\n' && boundary->after_cr; /* belongs to what was before it */
        if (boundary->stop && bsc_boundary_here(boundary) && !lf)
            break;
        take_event_byte(boundary, bytes[used]);
    }
    return used;
}

size_t bsc_boundary_pass(struct bsc_boundary *boundary, const char *bytes, size_t size)
{
    if (boundary->reached)
        return 0;
    size_t used = boundary->kind == BSC_BOUNDARY_FRAMES ? pass_frames(boundary, bytes, size)
                                                        : pass_events(boundary, bytes, size);
    boundary->reached = boundary->stop && bsc_boundary_here(boundary);
    return used;
}
