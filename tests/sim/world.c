/* SPDX-License-Identifier: Apache-2.0
 * sim/world.c - the scheduler: time, randomness, events on their way, crashes.
 */
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_MS = 120000, CALM_MS = 300000, REST_MS = 60000, TURNS_MAX = 400000 };

struct sim_pending {
    struct sim_pending *next;
    int64_t at_ms;
    uint64_t order;
    struct bsc_event event;
    struct bsc_found found[]; /* event.found; the strings follow it */
};

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failure[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
    if (!sim->trial)
        sim_say(sim, "BROKEN: %s", sim->failure);
}

void sim_say(struct sim *sim, const char *format, ...)
{
    if (!sim->verbose)
        return;
    printf("%9lld ", (long long)sim->now_ms);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static size_t string_size(const char *string)
{
    return string ? strlen(string) + 1 : 0;
}

static size_t strings_size(const struct bsc_event *event)
{
    size_t size = string_size(event->text) + string_size(event->id);
    for (unsigned i = 0; i < event->found_count; i++)
        size += string_size(event->found[i].id) + string_size(event->found[i].text);
    return size;
}

static const char *put_string(char **room, const char *string)
{
    size_t size = string_size(string);
    if (!string)
        return NULL;
    char *copy = memcpy(*room, string, size);
    *room += size;
    return copy;
}

void sim_send(struct sim *sim, int64_t delay_ms, const struct bsc_event *event)
{
    struct sim_pending *pending;
    assert(!event->service && !event->version && !event->actor); /* results only, and an APPLY */
    size_t head = sizeof *pending + event->found_count * sizeof *pending->found;
    pending = bsc_realloc(NULL, head + strings_size(event));
    char *room = (char *)pending + head;
    pending->at_ms = sim->now_ms + delay_ms;
    pending->order = sim->order++;
    pending->event = *event;
    pending->event.text = put_string(&room, event->text);
    pending->event.id = put_string(&room, event->id);
    pending->event.found = pending->found;
    for (unsigned i = 0; i < event->found_count; i++) {
        pending->found[i] = event->found[i];
        pending->found[i].id = put_string(&room, event->found[i].id);
        pending->found[i].text = put_string(&room, event->found[i].text);
    }
    struct sim_pending **at = &sim->pending;
    while (*at && ((*at)->at_ms < pending->at_ms ||
                   ((*at)->at_ms == pending->at_ms && (*at)->order < pending->order)))
        at = &(*at)->next;
    pending->next = *at;
    *at = pending;
}

void sim_drop_pending(struct sim *sim)
{
    while (sim->pending) {
        struct sim_pending *pending = sim->pending;
        sim->pending = pending->next;
        free(pending);
    }
}

void sim_cancel_pending(struct sim *sim, enum bsc_event_kind kind, bsc_token token)
{
    for (struct sim_pending **at = &sim->pending; *at;) {
        struct sim_pending *pending = *at;
        if (pending->event.kind == kind && pending->event.token == token) {
            *at = pending->next;
            free(pending);
        } else {
            at = &pending->next;
        }
    }
}

static int64_t boot_ms(void *self)
{
    return ((struct sim *)self)->now_ms;
}

static int64_t wall_ms(void *self)
{
    struct sim *sim = self;
    return INT64_C(1700000000000) + sim->now_ms + sim->wall_offset_ms;
}

static void reply(void *self, bsc_token token, const struct bsc_reply *answer)
{
    sim_replied(self, token, answer);
}

static void audit(void *self, const struct bsc_audit_row *row)
{
    sim_say(self, "  %s %s: %s", row->service ? row->service : "-", row->kind, row->text);
}

static void changed(void *self, const char *service)
{
    (void)self;
    (void)service;
}

static void on_ready(void *self, enum bsc_status status, const char *text)
{
    struct sim *sim = self;
    sim_say(sim, "engine %s %s", status == BSC_OK ? "ready" : "not ready:", text);
    if (status == BSC_OK && !sim->ready) {
        sim->ready = true;
        struct bsc_event apply = { .kind = BSC_EVENT_APPLY, .config = sim->config };
        sim_send(sim, 1, &apply);
    }
}

static bool spec_diff(const struct bsc_spec *old, const struct bsc_spec *new, struct bsc_text *out)
{
    if (old != new)
        bsc_text_puts(out, "specification changed\n");
    return old != new;
}

static void config_diff(struct bsc_text *kept, const struct bsc_config *new, struct bsc_text *out)
{
    (void)kept, (void)new, (void)out;
}

/* Never the same twice, and of no effect on what the seed draws. */
static void fill(void *self, void *bytes, size_t size)
{
    struct sim *sim = self;
    memset(bytes, 0, size);
    sim->keys++;
    memcpy(bytes, &sim->keys, size < sizeof sim->keys ? size : sizeof sim->keys);
}

static uint64_t user(void *self, const char *key, const char *identity)
{
    uint64_t hash = 1469598103934665603U;
    (void)self, (void)key;
    while (*identity)
        hash = (hash ^ (unsigned char)*identity++) * 1099511628211U;
    return hash;
}

void sim_engine_start(struct sim *sim)
{
    static const struct bsc_clock_ops clock_ops = { boot_ms, wall_ms };
    static const struct bsc_entropy_ops entropy_ops = { fill, user };
    static const struct bsc_notifier_ops notifier_ops = { "sim", reply, audit, changed };
    struct bsc_ports ports = {
        .runtimes = { sim_runtime_port(sim, BSC_RUNTIME_PROCESS),
                      sim_runtime_port(sim, BSC_RUNTIME_STATIC),
                      sim_runtime_port(sim, BSC_RUNTIME_DOCKER) },
        .prober = sim_prober_port(sim),
        .query = sim_query_port(sim),
        .router = sim_router_port(sim),
        .store = sim_store_port(sim),
        .notifier = { &notifier_ops, sim },
        .clock = { &clock_ops, sim },
        .entropy = { &entropy_ops, sim },
        .spec_diff = spec_diff,
        .config_diff = config_diff,
    };
    sim->ready = false;
    sim->engine = bsc_engine_create(&ports);
    bsc_engine_on_ready(sim->engine, on_ready, sim);
}

static void start_again(struct sim *sim)
{
    bsc_engine_destroy(sim->engine);
    sim_drop_pending(sim);
    sim_router_controller_lost(sim);
    sim_runtime_controller_lost(sim);
    memset(sim->open, 0, sizeof sim->open);
    sim->terminating = 0;
    bool long_pause = !sim->fate.script && sim_chance(sim, 100000);
    sim->now_ms += (int64_t)sim_random(sim, long_pause ? 700000 : 500);
    sim_engine_start(sim);
}

/* The controller is killed. What was committed may or may not have reached the disk; nobody hears
 * of it. Shims and proxies go on. */
void sim_crash(struct sim *sim)
{
    sim->crash_wanted = false;
    sim->crashes++;
    if (sim->commit) {
        bool durable = sim_random(sim, 2);
        for (unsigned i = 0; i < 2; i++)
            if (sim->commits == sim->fate.crash_at[i])
                durable = sim->fate.durable[i];
        sim_say(sim, "CRASH during a commit that is %s", durable ? "durable" : "lost");
        sim_store_decide(sim, durable);
    } else {
        sim_say(sim, "CRASH");
    }
    if (sim->terminating) { /* the supervisor was stopping the proxies, too */
        sim_router_stop(sim);
        sim_runtime_stop(sim);
    }
    start_again(sim);
}

/* All was stopped as asked, then `bascule serve` runs again. */
static void restart(struct sim *sim)
{
    sim_say(sim, "everything is stopped, and started again");
    sim->stopped = false;
    sim_check_stopped(sim);
    if (sim->commit)
        sim_store_decide(sim, true);
    sim_router_stop(sim);
    start_again(sim);
}

static void deliver(struct sim *sim)
{
    struct sim_pending *pending = sim->pending;
    sim->pending = pending->next;
    struct bsc_event *event = &pending->event;
    if (event->kind == BSC_EVENT_COMMITTED) {
        /* What the store could not confirm may be on the disk all the same. */
        bool found = event->status == BSC_FAILED && sim_random(sim, 2);
        sim_store_decide(sim, event->status == BSC_OK || found);
        sim->told_full = event->full;
        sim_check_durable(sim);
    }
    if (event->kind == BSC_EVENT_LOADED && event->status == BSC_OK)
        event->state = sim_store_state(sim);
    bsc_engine_handle(sim->engine, event);
    sim_check_memory(sim);
    free(pending);
}

void sim_turn(struct sim *sim)
{
    int64_t next = bsc_engine_next_ms(sim->engine);
    if (sim->pending && sim->pending->at_ms <= next)
        next = sim->pending->at_ms;
    int64_t router = sim_router_next_ms(sim);
    if (router < next)
        next = router;
    int64_t runtime = sim_runtime_next_ms(sim);
    if (runtime < next)
        next = runtime;
    int64_t step = sim->now_ms + (sim->calm ? 5000 : 1 + (int64_t)sim_random(sim, 400));
    if (step < next)
        next = step;
    if (next > sim->now_ms)
        sim->now_ms = next;
    if (sim_chance(sim, sim->weather.wall_jumps))
        sim->wall_offset_ms += ((int64_t)sim_random(sim, 7200) - 3600) * 1000;
    sim_router_turn(sim);
    sim_runtime_turn(sim);
    if (sim->calm)
        sim_scenario_calm(sim);
    if (sim->pending && sim->pending->at_ms <= sim->now_ms)
        deliver(sim);
    else if (bsc_engine_next_ms(sim->engine) <= sim->now_ms)
        bsc_engine_handle(sim->engine, &(struct bsc_event){ .kind = BSC_EVENT_TICK });
    else if (sim->fate.script)
        sim_script_turn(sim); /* does nothing when a test drives */
    else if (!sim->calm)
        sim_scenario_turn(sim);
    if (sim->crash_wanted || sim_chance(sim, sim->weather.crash_anywhere))
        sim_crash(sim);
    else if (sim->stopped)
        restart(sim);
}

/* The weather clears up, and everything comes to rest: nothing may be left half-done. */
static void calm_down(struct sim *sim, unsigned *turns)
{
    sim->calm = true;
    sim->full = false;
    int64_t end_ms = sim->now_ms + CALM_MS, look_ms = sim->now_ms + REST_MS;
    while (sim->now_ms < end_ms && !sim->failure[0] && (*turns)++ < TURNS_MAX) {
        sim_turn(sim);
        if (sim->now_ms < look_ms)
            continue;
        if (sim_at_rest(sim))
            break;
        look_ms += REST_MS;
    }
}

struct sim *sim_open(uint64_t seed, const struct sim_fate *fate, bool verbose)
{
    struct sim *sim = bsc_alloc(sizeof *sim);
    sim->seed = sim->random = seed;
    sim->verbose = verbose;
    sim->fate = *fate;
    sim->now_ms = 1000;
    sim_store_init(sim);
    sim_scenario_init(sim);
    sim_engine_start(sim);
    return sim;
}

void sim_close(struct sim *sim)
{
    bsc_engine_destroy(sim->engine);
    sim_drop_pending(sim);
    if (sim->commit)
        sim_store_decide(sim, false);
    sim_store_deinit(sim);
    sim_scenario_deinit(sim);
    sim_runtime_deinit(sim);
    free(sim->flying);
    free(sim);
}

bool sim_run(uint64_t seed, bool verbose, const struct sim_fate *fate, struct sim *out)
{
    struct sim *sim = sim_open(seed, fate, verbose);
    unsigned turns = 0;
    while (sim->now_ms < RUN_MS && !sim->failure[0] && turns++ < TURNS_MAX)
        sim_turn(sim);
    calm_down(sim, &turns);
    if (turns >= TURNS_MAX)
        sim_fail(sim, "no rest after %d turns", TURNS_MAX);
    if (!sim->failure[0])
        sim_check_end(sim);
    if (!sim->failure[0] && fate->script)
        sim_script_check(sim);
    *out = *sim;
    sim_close(sim);
    return !out->failure[0];
}
