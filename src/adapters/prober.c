/* SPDX-License-Identifier: Apache-2.0
 * adapters/prober.c - the prober port: which probes are under way, and how their results are told.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/prober_internal.h"
#include "base/arena.h"
#include "base/clock.h"

static void free_run(struct bsc_probe_run *run)
{
    bsc_list_remove(&run->by_token);
    bsc_list_remove(&run->by_result);
    free(run);
}

static void deliver_one(struct bsc_prober_loop *prober, struct bsc_probe_run *run)
{
    struct bsc_event event = {
        .kind = BSC_EVENT_PROBED,
        .token = run->token,
        .id = run->id,
        .passed = run->passed,
        .text = run->detail,
        .duration_us = run->duration_us,
    };
    /* Out of the lists first: the engine may begin or cancel probes from within. */
    bsc_list_remove(&run->by_token);
    bsc_list_remove(&run->by_result);
    prober->deliver(prober->argument, &event);
    free(run);
}

static void on_soon(uv_timer_t *timer)
{
    struct bsc_prober_loop *prober = timer->data;
    struct bsc_list batch; /* what finishes from now on has its own turn */
    bsc_list_init(&batch);
    struct bsc_list *node;
    while ((node = bsc_list_pop(&prober->results)))
        bsc_list_add_tail(&batch, node);
    while (!bsc_list_empty(&batch)) /* a delivery may cancel others of the batch */
        deliver_one(prober, BSC_CONTAINER(batch.next, struct bsc_probe_run, by_result));
}

void bsc_probe_finish(struct bsc_probe_run *run, bool passed, const char *detail)
{
    struct bsc_prober_loop *prober = run->prober;
    run->passed = passed;
    run->duration_us = bsc_clock_boot_us() - run->began_us;
    run->exchange = NULL;
    run->command = NULL;
    snprintf(run->detail, sizeof run->detail, "%s", detail);
    bsc_list_add_tail(&prober->results, &run->by_result);
    if (!uv_is_active((uv_handle_t *)&prober->soon))
        uv_timer_start(&prober->soon, on_soon, 0, 0);
}

static void probe(void *self, const struct bsc_probe *wanted, bsc_token token)
{
    struct bsc_prober_loop *prober = self;
    struct bsc_probe_run *run = bsc_alloc(sizeof *run);
    run->prober = prober;
    run->token = token;
    run->began_us = bsc_clock_boot_us();
    run->timeout_ms = wanted->health->timeout_ms > 0 ? wanted->health->timeout_ms : 1;
    snprintf(run->id, sizeof run->id, "%s", wanted->id);
    bsc_list_init(&run->by_result);
    bsc_list_add_tail(&prober->probes[token % BSC_PROBE_BUCKETS], &run->by_token);
    if (wanted->health->kind == BSC_PROBE_COMMAND)
        bsc_probe_command_start(run, wanted);
    else
        bsc_probe_http_start(run, wanted);
}

static void cancel_run(struct bsc_probe_run *run)
{
    if (run->exchange)
        bsc_probe_http_cancel(run);
    if (run->command)
        bsc_probe_command_cancel(run);
    free_run(run);
}

static void cancel(void *self, bsc_token token)
{
    struct bsc_prober_loop *prober = self;
    struct bsc_list *bucket = &prober->probes[token % BSC_PROBE_BUCKETS];
    for (struct bsc_list *node = bucket->next; node != bucket; node = node->next) {
        struct bsc_probe_run *run = BSC_CONTAINER(node, struct bsc_probe_run, by_token);
        if (run->token == token) {
            cancel_run(run);
            return;
        }
    }
}

static const struct bsc_prober_ops ops = { .name = "loop", .probe = probe, .cancel = cancel };

enum bsc_status bsc_prober_create(uv_loop_t *loop,
                                  void (*deliver)(void *argument, const struct bsc_event *event),
                                  void *argument, struct bsc_prober *out, struct bsc_error *error)
{
    struct bsc_prober_loop *prober = bsc_alloc(sizeof *prober);
    prober->loop = loop;
    prober->deliver = deliver;
    prober->argument = argument;
    for (unsigned i = 0; i < BSC_PROBE_BUCKETS; i++)
        bsc_list_init(&prober->probes[i]);
    bsc_list_init(&prober->results);
    bsc_list_init(&prober->commands);
    enum bsc_status status = bsc_probe_http_create(prober, error);
    if (status) {
        free(prober);
        return status;
    }
    uv_timer_init(loop, &prober->soon);
    prober->soon.data = prober;
    prober->handles++;
    out->ops = &ops;
    out->self = prober;
    return BSC_OK;
}

void bsc_prober_trust(struct bsc_prober *handle, bsc_upstream_lookup lookup, void *argument)
{
    struct bsc_prober_loop *prober = handle->self;
    prober->lookup = lookup;
    prober->lookup_argument = argument;
}

void bsc_prober_handle_closed(struct bsc_prober_loop *prober)
{
    assert(prober->handles > 0);
    if (--prober->handles == 0)
        free(prober);
}

static void on_soon_closed(uv_handle_t *handle)
{
    bsc_prober_handle_closed(handle->data);
}

void bsc_prober_destroy(struct bsc_prober *handle)
{
    struct bsc_prober_loop *prober = handle->self;
    *handle = (struct bsc_prober){ 0 };
    struct bsc_list *node;
    for (unsigned i = 0; i < BSC_PROBE_BUCKETS; i++)
        while ((node = bsc_list_pop(&prober->probes[i])))
            cancel_run(BSC_CONTAINER(node, struct bsc_probe_run, by_token));
    bsc_probe_commands_kill(prober);
    bsc_probe_http_destroy(prober->http);
    uv_close((uv_handle_t *)&prober->soon, on_soon_closed);
}
