/* SPDX-License-Identifier: Apache-2.0
 * adapters/router_facts.c - what proxies tell of the users of an A/B test, on its way to the
 * engine; see router_internal.h.
 *
 * While a test is under way, the rings of all workers are read four times a second, each from where
 * it was read to. The engine may be busy: then a source stays where it is. What a proxy that goes
 * had still to tell is kept here until the engine has taken it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router_internal.h"
#include "base/arena.h"

enum { READ_MS = 250, BATCH = 4096 };

struct bsc_fact_reader {
    uv_timer_t timer; /* armed while a test is under way */
    bsc_deliver deliver;
    void *argument;
    struct bsc_trial_fact items[BATCH];
};

/* What is left of a source that is gone. */
struct bsc_fact_rest {
    struct bsc_list link;
    struct bsc_facts facts;
    struct bsc_trial_fact items[];
};

json_t *bsc_wire_trial(const struct bsc_routing *routing)
{
    const struct bsc_ab_spec *ab = routing->trial;
    if (!ab)
        return NULL;
    json_t *goals = json_array();
    for (unsigned i = 0; i < ab->goal_count; i++) {
        const struct bsc_goal_spec *goal = &ab->goals[i];
        json_array_append_new(goals, json_pack("{s:s,s:s?,s:I,s:I,s:s?,s:s?}", "path", goal->path,
                                               "method", goal->method, "status_low",
                                               (json_int_t)goal->status_low, "status_high",
                                               (json_int_t)goal->status_high, "header",
                                               goal->header, "value", goal->header_value));
    }
    return json_pack("{s:I,s:I,s:o,s:s?}", "id", (json_int_t)routing->rollout, "generation",
                     (json_int_t)routing->generation, "goals", goals, "value_header",
                     ab->value_header);
}

static struct bsc_fact_source *source_of(struct bsc_routed *routed, uint64_t source, uint64_t first)
{
    for (size_t i = 0; i < routed->source_count; i++)
        if (routed->sources[i].source == source)
            return &routed->sources[i];
    routed->sources = bsc_grow(routed->sources, &routed->source_capacity, routed->source_count + 1,
                               sizeof *routed->sources);
    routed->sources[routed->source_count] = (struct bsc_fact_source){ source, first };
    return &routed->sources[routed->source_count++];
}

/* Up to `most` facts about the test from where the worker's ring was read to; `out->read` is where
 * that ends. */
static void read_ring(struct bsc_routed *routed, const struct bsc_generation *generation,
                      unsigned worker, unsigned most, struct bsc_facts *out,
                      struct bsc_trial_fact *items)
{
    const struct bsc_shard *shard = &generation->counters->shards[worker];
    uint64_t written = bsc_counters_facts(generation, worker);
    uint64_t oldest = written < BSC_FACTS ? 0 : written - BSC_FACTS + 1;
    uint64_t source = generation->counters->birth + worker;
    uint64_t at = source_of(routed, source, oldest)->read;
    *out = (struct bsc_facts){ .rollout = routed->trial, .source = source, .items = items };
    if (at < oldest) { /* the rollout's among them are not known */
        out->lost = oldest - at;
        at = oldest;
    }
    for (; at < written && out->count < most; at++) {
        struct bsc_fact fact;
        if (!bsc_fact_read(shard, at, &fact))
            out->lost++;
        else if (fact.trial == routed->trial)
            items[out->count++] = (struct bsc_trial_fact){ .user = fact.user,
                                                           .candidate = fact.green,
                                                           .goals = fact.goals,
                                                           .valued = fact.valued,
                                                           .value = fact.value };
    }
    out->read = at;
}

/* True: the engine has them. */
static bool tell(struct bsc_router_proxy *router, const struct bsc_routed *routed,
                 const struct bsc_facts *facts)
{
    bool taken = false;
    char name[BSC_NAME_MAX + 1]; /* the service may be gone before the event is handled */
    struct bsc_facts told = *facts;
    told.taken = &taken;
    snprintf(name, sizeof name, "%s", routed->name);
    router->facts->deliver(
        router->facts->argument,
        &(struct bsc_event){ .kind = BSC_EVENT_FACTS, .service = name, .facts = &told });
    return taken;
}

/* What is told may lead to a publish, so nothing of the service is looked at after it. */
static bool tell_rest(struct bsc_router_proxy *router, struct bsc_routed *routed)
{
    if (bsc_list_empty(&routed->rests))
        return false;
    struct bsc_fact_rest *rest = BSC_CONTAINER(routed->rests.next, struct bsc_fact_rest, link);
    bsc_list_remove(&rest->link);
    rest->facts.items = rest->items;
    if (tell(router, routed, &rest->facts))
        free(rest);
    else
        bsc_list_add_tail(&routed->rests, &rest->link);
    return true;
}

static struct bsc_routed *find_trial(const struct bsc_router_proxy *router, uint64_t trial)
{
    for (size_t i = 0; i < router->service_count; i++)
        if (router->services[i]->trial == trial)
            return router->services[i];
    return NULL;
}

/* One batch of each worker. A publish may end the test in between. */
static void read_all(struct bsc_router_proxy *router, uint64_t trial)
{
    struct bsc_routed *routed = find_trial(router, trial);
    if (tell_rest(router, routed))
        return;
    for (struct bsc_list *at = router->generations.next; at != &router->generations;
         at = at->next) {
        const struct bsc_generation *generation = BSC_CONTAINER(at, struct bsc_generation, link);
        for (unsigned w = 0; generation->counters && w < generation->workers; w++) {
            struct bsc_facts facts;
            read_ring(routed, generation, w, BATCH, &facts, router->facts->items);
            bool news = facts.count || facts.lost;
            if (news && !tell(router, routed, &facts))
                return;
            if (news)
                routed = find_trial(router, trial);
            if (!routed)
                return;
            source_of(routed, facts.source, 0)->read = facts.read;
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_router_proxy *router = timer->data;
    bool any = false;
    for (size_t i = 0; i < router->service_count; i++)
        if (router->services[i]->trial) {
            any = true;
            read_all(router, router->services[i]->trial);
        }
    if (!any)
        uv_timer_stop(timer);
}

static void forget_rests(struct bsc_routed *routed)
{
    struct bsc_list *node;
    while (routed->rests.next && (node = bsc_list_pop(&routed->rests)))
        free(BSC_CONTAINER(node, struct bsc_fact_rest, link));
}

void bsc_facts_publish(struct bsc_router_proxy *router, struct bsc_routed *routed,
                       const struct bsc_routing *routing)
{
    uint64_t trial = routing->trial ? routing->rollout : 0;
    if (!routed->rests.next)
        bsc_list_init(&routed->rests);
    if (trial == routed->trial)
        return;
    forget_rests(routed);
    routed->trial = trial;
    routed->source_count = 0;
    for (unsigned i = 0; i < routing->source_count; i++)
        source_of(routed, routing->sources[i].source, routing->sources[i].read);
    if (trial && !uv_is_active((const uv_handle_t *)&router->facts->timer))
        uv_timer_start(&router->facts->timer, on_timer, READ_MS, READ_MS);
}

void bsc_facts_rescue(struct bsc_router_proxy *router, const struct bsc_generation *generation)
{
    for (size_t i = 0; i < router->service_count; i++) {
        struct bsc_routed *routed = router->services[i];
        for (unsigned w = 0; routed->trial && generation->counters && w < generation->workers;
             w++) {
            struct bsc_fact_rest *rest =
                bsc_alloc(sizeof *rest + BSC_FACTS * sizeof rest->items[0]);
            read_ring(routed, generation, w, BSC_FACTS, &rest->facts, rest->items);
            if (rest->facts.count || rest->facts.lost)
                bsc_list_add_tail(&routed->rests, &rest->link);
            else
                free(rest);
        }
    }
}

void bsc_facts_forget(struct bsc_routed *routed)
{
    forget_rests(routed);
    free(routed->sources);
}

void bsc_facts_init(struct bsc_router_proxy *router, bsc_deliver deliver, void *argument)
{
    struct bsc_fact_reader *reader = router->facts = bsc_alloc(sizeof *reader);
    reader->deliver = deliver;
    reader->argument = argument;
    uv_timer_init(router->loop, &reader->timer);
    reader->timer.data = router;
}

static void on_closed(uv_handle_t *handle)
{
    free(BSC_CONTAINER((uv_timer_t *)handle, struct bsc_fact_reader, timer));
}

void bsc_facts_deinit(struct bsc_router_proxy *router)
{
    uv_close((uv_handle_t *)&router->facts->timer, on_closed);
}
