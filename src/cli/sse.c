/* SPDX-License-Identifier: Apache-2.0
 * cli/sse.c - see sse.h. */
#include "cli/sse.h"

#include <stdlib.h>
#include <string.h>

static void dispatch(struct bsc_sse *sse)
{
    if (sse->data.size) {
        sse->data.data[--sse->data.size] = '\0'; /* the last line's LF does not count */
        sse->on_event(sse->argument, sse->event.size ? bsc_text_get(&sse->event) : "message",
                      bsc_text_get(&sse->data));
    }
    bsc_text_clear(&sse->event);
    bsc_text_clear(&sse->data);
}

static void take_line(struct bsc_sse *sse, const char *line)
{
    if (!*line) {
        dispatch(sse);
        return;
    }
    size_t name = strcspn(line, ":");
    const char *value = line[name] ? line + name + 1 : line + name;
    if (*value == ' ')
        value++;
    if (name == 5 && !strncmp(line, "event", name)) {
        bsc_text_clear(&sse->event);
        bsc_text_puts(&sse->event, value);
    } else if (name == 4 && !strncmp(line, "data", name)) {
        bsc_text_puts(&sse->data, value);
        bsc_text_puts(&sse->data, "\n");
    } else if (name == 2 && !strncmp(line, "id", name)) {
        char *end;
        long long id = strtoll(value, &end, 10);
        if (end != value && !*end)
            sse->last_id = id;
    }
}

void bsc_sse_feed(struct bsc_sse *sse, const char *bytes, size_t size)
{
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        if (!end) {
            bsc_text_add(&sse->line, bytes, size);
            return;
        }
        bsc_text_add(&sse->line, bytes, (size_t)(end - bytes));
        if (sse->line.size && sse->line.data[sse->line.size - 1] == '\r')
            sse->line.data[--sse->line.size] = '\0';
        take_line(sse, bsc_text_get(&sse->line));
        bsc_text_clear(&sse->line);
        size -= (size_t)(end - bytes) + 1;
        bytes = end + 1;
    }
}

void bsc_sse_restart(struct bsc_sse *sse)
{
    bsc_text_clear(&sse->line);
    bsc_text_clear(&sse->event);
    bsc_text_clear(&sse->data);
}

void bsc_sse_deinit(struct bsc_sse *sse)
{
    bsc_text_deinit(&sse->line);
    bsc_text_deinit(&sse->event);
    bsc_text_deinit(&sse->data);
}
