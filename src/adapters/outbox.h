/* SPDX-License-Identifier: Apache-2.0
 * adapters/outbox.h - results of ports on their way to the engine.
 *
 * A port call returns at once and never answers from inside itself: what it has to say is put here
 * and delivered by the loop, in order. One outbox per adapter; one thread.
 */
#ifndef BASCULE_ADAPTERS_OUTBOX_H
#define BASCULE_ADAPTERS_OUTBOX_H

#include <uv.h>

#include "ports/event.h"

typedef void (*bsc_deliver)(void *argument, const struct bsc_event *event);

struct bsc_outbox;

struct bsc_outbox *bsc_outbox_create(uv_loop_t *loop, bsc_deliver deliver, void *argument);
/* What was not delivered is dropped. The memory goes when the loop has turned once more. */
void bsc_outbox_destroy(struct bsc_outbox *outbox);

/* Copies the event with its `service`, `text`, `id`, `address`, `image` and `found`; its other
 * pointers must be NULL. */
void bsc_outbox_put(struct bsc_outbox *outbox, const struct bsc_event *event);
/* Drops the events of `token` that were not delivered yet. */
void bsc_outbox_cancel(struct bsc_outbox *outbox, bsc_token token);

#endif
