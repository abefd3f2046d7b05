/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_proxy.c - see router_proxy.h; its parts are listed in router_internal.h. */
#include "adapters/router_proxy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/router_internal.h"
#include "base/arena.h"
#include "base/log.h"

/* Who waits for PUBLISHED, or for CONFIGURED. */
struct waiter {
    struct bsc_list link;
    enum bsc_event_kind kind;
    bsc_token token;
    uint64_t first_line, line; /* what it waits for was said in these lines */
};

static void answer(struct bsc_router_proxy *router, enum bsc_event_kind kind, bsc_token token,
                   enum bsc_status status, const char *text)
{
    bsc_outbox_put(router->outbox, &(struct bsc_event){ .kind = kind,
                                                        .token = token,
                                                        .status = status,
                                                        .text = text && *text ? text : NULL });
}

/* -- how far the generations are ------------------------------------------------------------- */

/* The newest line that every live generation uses; 0 when none accepts. */
static uint64_t common_line(const struct bsc_router_proxy *router)
{
    uint64_t line = UINT64_MAX;
    bool accepts = false;
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        const struct bsc_generation *generation = BSC_CONTAINER(at, struct bsc_generation, link);
        line = generation->acked_line < line ? generation->acked_line : line;
        accepts = accepts || !generation->retiring;
    }
    return accepts ? line : 0;
}

bool bsc_router_everywhere(const struct bsc_router_proxy *router, uint64_t line)
{
    return common_line(router) >= line;
}

void bsc_router_progress(struct bsc_router_proxy *router)
{
    uint64_t line = common_line(router);
    struct bsc_list *next;
    for (struct bsc_list *at = router->waiters.next; at != &router->waiters; at = next) {
        struct waiter *waiter = BSC_CONTAINER(at, struct waiter, link);
        next = at->next;
        if (waiter->line > line)
            continue;
        answer(router, waiter->kind, waiter->token, BSC_OK, NULL);
        bsc_list_remove(&waiter->link);
        free(waiter);
    }
}

void bsc_router_refused(struct bsc_router_proxy *router, uint64_t line, const char *text)
{
    struct bsc_list *next;
    for (struct bsc_list *at = router->waiters.next; at != &router->waiters; at = next) {
        struct waiter *waiter = BSC_CONTAINER(at, struct waiter, link);
        next = at->next;
        if (line && (line < waiter->first_line || line > waiter->line))
            continue;
        /* Of settings, the supervisor has those that can fail: they are in force. */
        if (waiter->kind == BSC_EVENT_CONFIGURED)
            answer(router, waiter->kind, waiter->token, BSC_OK, NULL);
        else
            answer(router, waiter->kind, waiter->token, BSC_FAILED, text);
        bsc_list_remove(&waiter->link);
        free(waiter);
    }
    /* What is wanted is not what is in force: the next publish says it all again. */
    for (size_t i = 0; i < router->service_count; i++) {
        struct bsc_routed *routed = router->services[i];
        if (!line || (line >= routed->first_line && line <= routed->line))
            routed->refused = true;
    }
}

void bsc_router_emit(struct bsc_router_proxy *router, const struct bsc_text *body)
{
    router->line++;
    for (struct bsc_list *at = router->generations.next; at != &router->generations; at = at->next)
        bsc_generation_send(BSC_CONTAINER(at, struct bsc_generation, link), body);
    bsc_snapshots_want(router);
}

/* Only the newest one's word counts: the others serve what they have begun. */
void bsc_router_heard(struct bsc_router_proxy *router, const struct bsc_generation *generation,
                      const struct bsc_wire_answer *answer)
{
    bool ejected = answer->kind == BSC_WIRE_EJECTED;
    if (generation->link.next != &router->generations)
        return;
    bsc_outbox_put(router->outbox,
                   &(struct bsc_event){ .kind = ejected ? BSC_EVENT_EJECTED : BSC_EVENT_RETURNED,
                                        .service = answer->service,
                                        .id = answer->id,
                                        .text = ejected ? answer->text : NULL,
                                        .duration_us = answer->for_ms * 1000 });
}

static void wait_for(struct bsc_router_proxy *router, enum bsc_event_kind kind, bsc_token token,
                     uint64_t first_line, uint64_t line)
{
    if (!token)
        return;
    struct waiter *waiter = bsc_alloc(sizeof *waiter);
    waiter->kind = kind;
    waiter->token = token;
    waiter->first_line = first_line;
    waiter->line = line;
    bsc_list_add_tail(&router->waiters, &waiter->link);
    bsc_router_progress(router);
}

/* -- the port -------------------------------------------------------------------------------- */

static void configure(void *self, const struct bsc_config *config, bsc_token token)
{
    struct bsc_router_proxy *router = self;
    struct bsc_configure next = { .token = token };
    struct bsc_error error;
    if (bsc_configure_make(router, config, &next, &error) != BSC_OK ||
        bsc_supervisor_link_configure(router->link, config, &error) != BSC_OK) {
        bsc_configure_deinit(&next);
        answer(router, BSC_EVENT_CONFIGURED, token, error.status, error.text);
        return;
    }
    router->configures = bsc_grow(router->configures, &router->configure_capacity,
                                  router->configure_count + 1, sizeof *router->configures);
    router->configures[router->configure_count++] = next;
}

static void tell_tripped(struct bsc_router_proxy *router, const struct bsc_routed *routed)
{
    enum bsc_slot slot = bsc_slot_other(routed->stable);
    struct bsc_totals totals = { 0 };
    char text[128];
    bool current = routed->tripped == routed->generation;
    bsc_router_proxy_totals(router, routed->name, slot, current ? &totals : NULL,
                            current ? NULL : &totals);
    uint64_t rescued = 0;
    for (unsigned i = 0; i < BSC_TOTALS_CAUSES; i++)
        rescued += totals.rescued[i];
    snprintf(text, sizeof text,
             "%" PRIu64 " of %" PRIu64 " requests failed in %s; %" PRIu64 " were rescued%s",
             totals.errors, totals.requests, bsc_slot_name(slot), rescued,
             rescued == totals.errors ? ", no user saw an error" : "");
    bsc_outbox_put(router->outbox, &(struct bsc_event){ .kind = BSC_EVENT_TRIPPED,
                                                        .id = routed->name,
                                                        .text = text,
                                                        .generation = routed->tripped });
}

void bsc_router_tripped(struct bsc_router_proxy *router, const char *service, uint64_t generation)
{
    struct bsc_routed *routed = bsc_routed_find(router, service);
    if (!routed || generation <= routed->tripped)
        return; /* another proxy said it first */
    routed->tripped = generation;
    tell_tripped(router, routed);
}

static void publish_together(void *self, const struct bsc_routing *routings,
                             const bsc_token *tokens, unsigned count)
{
    struct bsc_router_proxy *router = self;
    struct bsc_routed **routed = bsc_alloc(count * sizeof *routed);
    struct bsc_error error;
    bool taken = bsc_routed_publish(router, routings, count, routed, &error) == BSC_OK;
    if (!taken)
        bsc_log_error("the routes of %s%s: %s", routings->spec->name,
                      count > 1 ? " and others" : "", error.text);
    for (unsigned i = 0; i < count; i++) {
        if (!taken) {
            answer(router, BSC_EVENT_PUBLISHED, tokens[i], error.status, error.text);
            continue;
        }
        /* An engine that had to read its store again may have lost it. */
        if (routed[i]->rescue && routed[i]->tripped == routings[i].generation)
            tell_tripped(router, routed[i]);
        if (router->begun)
            wait_for(router, BSC_EVENT_PUBLISHED, tokens[i], routed[i]->first_line,
                     routed[i]->line);
        else
            wait_for(router, BSC_EVENT_PUBLISHED, tokens[i], router->line, router->line);
    }
    free(routed);
}

static void publish(void *self, const struct bsc_routing *routing, bsc_token token)
{
    publish_together(self, routing, &token, 1);
}

static void remove_service(void *self, const char *service, bsc_token token)
{
    struct bsc_router_proxy *router = self;
    struct bsc_routed *routed = bsc_routed_find(router, service);
    if (routed)
        bsc_routed_remove(router, routed);
    wait_for(router, BSC_EVENT_PUBLISHED, token, router->line, router->line);
}

static void drain(void *self, const char *const *ids, unsigned count, bsc_token token)
{
    bsc_drain_add(self, ids, count, token);
}

static void cancel(void *self, bsc_token token)
{
    struct bsc_router_proxy *router = self;
    bsc_drain_cancel(router, token);
    bsc_outbox_cancel(router->outbox, token);
}

/* -- what the supervisor says ---------------------------------------------------------------- */

static void on_configured(void *argument, enum bsc_status status, const char *text)
{
    struct bsc_router_proxy *router = argument;
    if (!router->configure_count)
        return;
    struct bsc_configure done = router->configures[0];
    memmove(router->configures, router->configures + 1,
            --router->configure_count * sizeof *router->configures);
    if (status == BSC_OK) {
        bsc_configure_settle(router, &done);
        bsc_settings_replace(router, &done.settings);
        bsc_router_tls_use(router, &done);
    }
    bsc_configure_deinit(&done);
    /* A proxy that is yet to come begins with them. */
    if (status == BSC_OK && common_line(router))
        wait_for(router, BSC_EVENT_CONFIGURED, done.token, router->line, router->line);
    else
        answer(router, BSC_EVENT_CONFIGURED, done.token, status, text);
}

static void on_snapshot(void *argument, uint64_t id, int memfd)
{
    bsc_snapshots_restore(argument, id, memfd);
    close(memfd);
}

static void on_snapshot_taken(void *argument, uint64_t id)
{
    bsc_snapshots_taken(argument, id);
}

static void on_arrived(void *argument, const struct bsc_proxy_arrival *arrival)
{
    bsc_log_info("proxy %" PRIu64 " (pid %ld) is there", arrival->generation, (long)arrival->pid);
    bsc_generation_arrive(argument, arrival);
    answer(argument, BSC_EVENT_RETURNED, 0, BSC_OK, NULL); /* it will tell whom it ejected */
}

static void on_retiring(void *argument, uint64_t number)
{
    struct bsc_generation *generation = bsc_generation_find(argument, number);
    if (generation)
        generation->retiring = true;
}

static void on_gone(void *argument, uint64_t number, int wait_status)
{
    struct bsc_router_proxy *router = argument;
    struct bsc_generation *generation = bsc_generation_find(router, number);
    if (!generation)
        return;
    bsc_log_info("proxy %" PRIu64 " is gone (wait status %d)", number, wait_status);
    bsc_cells_fold(router, generation);
    bsc_facts_rescue(router, generation);
    bsc_counters_figures(generation, &router->gone);
    router->gone.connections = router->gone.held = 0; /* went with it */
    bsc_generation_destroy(generation);
    bsc_router_progress(router);
}

/* -- life ------------------------------------------------------------------------------------ */

struct bsc_router_proxy *bsc_router_proxy_create(uv_loop_t *loop, struct bsc_supervisor_link *link,
                                                 uint64_t epoch, bsc_deliver deliver,
                                                 void *argument)
{
    static const struct bsc_proxy_events events = { .configured = on_configured,
                                                    .snapshot = on_snapshot,
                                                    .snapshot_taken = on_snapshot_taken,
                                                    .arrived = on_arrived,
                                                    .retiring = on_retiring,
                                                    .gone = on_gone };
    struct bsc_router_proxy *router = bsc_alloc(sizeof *router);
    router->loop = loop;
    router->link = link;
    router->epoch = epoch;
    router->line = 1;
    router->gauges.next = 1;
    router->outbox = bsc_outbox_create(loop, deliver, argument);
    bsc_list_init(&router->generations);
    bsc_list_init(&router->waiters);
    bsc_list_init(&router->cells.retired);
    bsc_snapshots_init(router);
    bsc_router_tls_init(router);
    bsc_drains_init(router);
    bsc_watch_init(router, deliver, argument);
    bsc_facts_init(router, deliver, argument);
    bsc_supervisor_link_route(link, &events, router);
    return router;
}

void bsc_router_proxy_begin(struct bsc_router_proxy *router)
{
    struct bsc_error error;
    assert(!router->begun);
    router->begun = true;
    bsc_router_tls_settle(router);
    for (size_t i = 0; i < router->service_count; i++)
        if (bsc_routed_begin(router, router->services[i], &error) != BSC_OK)
            bsc_router_refused(router, router->line, error.text);
    bsc_cells_begin(router);
    for (struct bsc_list *at = router->generations.next; at != &router->generations; at = at->next)
        bsc_generation_resync(BSC_CONTAINER(at, struct bsc_generation, link));
    bsc_snapshots_want(router);
}

void bsc_router_proxy_destroy(struct bsc_router_proxy *router)
{
    bsc_supervisor_link_route(router->link, NULL, NULL);
    while (!bsc_list_empty(&router->generations))
        bsc_generation_destroy(
            BSC_CONTAINER(router->generations.next, struct bsc_generation, link));
    while (router->service_count)
        bsc_routed_destroy(router, router->services[router->service_count - 1]);
    struct bsc_list *node;
    while ((node = bsc_list_pop(&router->waiters)))
        free(BSC_CONTAINER(node, struct waiter, link));
    bsc_watch_deinit(router);
    bsc_facts_deinit(router);
    bsc_drains_deinit(router);
    bsc_snapshots_deinit(router);
    bsc_cells_deinit(&router->cells);
    bsc_gauges_deinit(&router->gauges);
    bsc_outbox_destroy(router->outbox);
    bsc_settings_deinit(&router->settings);
    for (size_t i = 0; i < router->configure_count; i++)
        bsc_configure_deinit(&router->configures[i]);
    bsc_router_tls_deinit(router);
    free(router->services);
    free(router->configures);
    free(router);
}

static bool listener(void *self, unsigned index, struct bsc_router_listener *out)
{
    return bsc_router_proxy_listener(self, index, out);
}

struct bsc_router bsc_router_proxy_port(struct bsc_router_proxy *router)
{
    static const struct bsc_router_ops ops = { .name = "proxy",
                                               .configure = configure,
                                               .publish = publish,
                                               .publish_together = publish_together,
                                               .remove = remove_service,
                                               .drain = drain,
                                               .cancel = cancel,
                                               .listener = listener };
    return (struct bsc_router){ .ops = &ops, .self = router };
}
