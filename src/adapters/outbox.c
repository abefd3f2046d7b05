/* SPDX-License-Identifier: Apache-2.0
 * adapters/outbox.c - see outbox.h. */
#include "adapters/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/list.h"
#include "core/mirror.h"

struct entry {
    struct bsc_list link;
    struct bsc_event event;
    struct bsc_arena arena;
};

struct bsc_outbox {
    uv_idle_t idle; /* active while there is something to deliver */
    struct bsc_list entries;
    bsc_deliver deliver;
    void *argument;
    bool destroyed;
};

static void entry_destroy(struct entry *entry)
{
    bsc_list_remove(&entry->link);
    bsc_arena_deinit(&entry->arena);
    free(entry);
}

/* Events that are put while these are delivered come with the next turn of the loop, so that a
 * chatty exchange cannot starve it. */
static void on_idle(uv_idle_t *idle)
{
    struct bsc_outbox *outbox = idle->data;
    struct bsc_list *last = outbox->entries.previous, *node = NULL;
    while (node != last && !outbox->destroyed && (node = bsc_list_pop(&outbox->entries))) {
        struct entry *entry = BSC_CONTAINER(node, struct entry, link);
        outbox->deliver(outbox->argument, &entry->event);
        entry_destroy(entry);
    }
    if (!outbox->destroyed && bsc_list_empty(&outbox->entries))
        uv_idle_stop(idle);
}

struct bsc_outbox *bsc_outbox_create(uv_loop_t *loop, bsc_deliver deliver, void *argument)
{
    struct bsc_outbox *outbox = bsc_alloc(sizeof *outbox);
    uv_idle_init(loop, &outbox->idle);
    outbox->idle.data = outbox;
    outbox->deliver = deliver;
    outbox->argument = argument;
    bsc_list_init(&outbox->entries);
    return outbox;
}

static void on_close(uv_handle_t *handle)
{
    free(handle->data);
}

void bsc_outbox_destroy(struct bsc_outbox *outbox)
{
    struct bsc_list *node;
    while ((node = bsc_list_pop(&outbox->entries)))
        entry_destroy(BSC_CONTAINER(node, struct entry, link));
    outbox->destroyed = true;
    uv_close((uv_handle_t *)&outbox->idle, on_close);
}

void bsc_outbox_put(struct bsc_outbox *outbox, const struct bsc_event *event)
{
    assert(!event->version && !event->config && !event->state);
    struct entry *entry = bsc_alloc(sizeof *entry);
    bsc_arena_init(&entry->arena);
    entry->event = *event;
    entry->event.text = bsc_arena_copy(&entry->arena, event->text);
    entry->event.service = bsc_arena_copy(&entry->arena, event->service);
    entry->event.id = bsc_arena_copy(&entry->arena, event->id);
    entry->event.address = bsc_arena_copy(&entry->arena, event->address);
    entry->event.image = bsc_arena_copy(&entry->arena, event->image);
    if (event->report) {
        struct bsc_mirror_report *report = bsc_arena_alloc(&entry->arena, sizeof *report);
        *report = *event->report;
        entry->event.report = report;
    }
    if (event->found_count) {
        struct bsc_found *found =
            bsc_arena_alloc(&entry->arena, event->found_count * sizeof *found);
        for (unsigned i = 0; i < event->found_count; i++) {
            found[i] = event->found[i];
            found[i].id = bsc_arena_copy(&entry->arena, event->found[i].id);
            found[i].text = bsc_arena_copy(&entry->arena, event->found[i].text);
        }
        entry->event.found = found;
    }
    bsc_list_add_tail(&outbox->entries, &entry->link);
    uv_idle_start(&outbox->idle, on_idle);
}

void bsc_outbox_cancel(struct bsc_outbox *outbox, bsc_token token)
{
    struct bsc_list *next;
    for (struct bsc_list *at = outbox->entries.next; at != &outbox->entries; at = next) {
        struct entry *entry = BSC_CONTAINER(at, struct entry, link);
        next = at->next;
        if (entry->event.token == token)
            entry_destroy(entry);
    }
}
