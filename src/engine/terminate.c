/* SPDX-License-Identifier: Apache-2.0
 * engine/terminate.c - the end: everything is stopped, what is wished stays as it is stored.
 *
 * With a store the engine knows what runs and how much time each instance has. Without one, which
 * may never work again, it asks the runtimes. Then nothing is forgotten that they keep: the next
 * start judges by it, as after a power loss.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/internal.h"

/* The default of stop_grace_period: what was configured can't be read. */
static const int64_t blind_grace_ms = 10000;

static void answer(struct bsc_engine *engine, const char *text)
{
    struct bsc_reply reply = { .status = BSC_OK, .text = text };
    if (engine->terminate_reply)
        engine->ports.notifier.ops->reply(engine->ports.notifier.self, engine->terminate_reply,
                                          &reply);
    engine->terminate_reply = 0;
}

static void answer_when_gone(struct bsc_engine *engine)
{
    if (!engine->lists_awaited && !engine->found_count)
        answer(engine, "whatever ran is stopped");
}

void bsc_terminate_blindly(struct bsc_engine *engine)
{
    bsc_log_warning("the store can't be used: stopping whatever runs");
    bsc_found_ask(engine);
}

static void stop_found(struct bsc_engine *engine)
{
    size_t running = 0;
    for (size_t i = 0; i < engine->found_count; i++) {
        struct bsc_found_copy found = engine->found[i];
        if (!found.pid) {
            free(found.text);
            continue;
        }
        const struct bsc_runtime *runtime = &engine->ports.runtimes[found.runtime];
        found.stop = bsc_token_next(engine, NULL);
        runtime->ops->stop(runtime->self, found.id, blind_grace_ms, found.stop);
        engine->found[running++] = found;
    }
    engine->found_count = running;
}

void bsc_terminate_hear(struct bsc_engine *engine, const struct bsc_event *event)
{
    if (!engine->terminating)
        return;
    if (event->kind == BSC_EVENT_LISTED && event->token == engine->load_token) {
        if (bsc_found_add(engine, event))
            stop_found(engine);
    }
    for (size_t i = 0; event->kind == BSC_EVENT_EXITED && i < engine->found_count; i++)
        if (engine->found[i].stop && engine->found[i].stop == event->token) {
            free(engine->found[i].text);
            engine->found[i] = engine->found[--engine->found_count];
        }
    answer_when_gone(engine);
}

void bsc_terminate_command(struct bsc_engine *engine, const struct bsc_event *event)
{
    bool again = engine->terminating;
    answer(engine, "overtaken by a newer command");
    engine->terminating = true;
    engine->terminate_reply = event->token;
    if (engine->phase == BSC_PHASE_READY)
        bsc_terminate_stop(engine);
    else if (!again)
        bsc_terminate_blindly(engine);
    else
        answer_when_gone(engine);
}

void bsc_terminate_stop(struct bsc_engine *engine)
{
    for (struct bsc_service *s = engine->services; s; s = s->next)
        for (size_t i = 0; i < s->instance_count; i++) {
            struct bsc_instance *instance = &s->instances[i];
            const struct bsc_spec *spec = bsc_instance_spec(s, instance);
            if (!instance->pid && !instance->runtime_token)
                continue;
            struct bsc_effect *effect = bsc_effect_add(engine, BSC_EFFECT_STOP, s);
            effect->runtime = spec->runtime;
            effect->grace_ms = spec->grace_ms;
            effect->token = instance->runtime_token = bsc_token_next(engine, s);
            snprintf(effect->id, sizeof effect->id, "%s", instance->row.id);
        }
}

void bsc_terminate_progress(struct bsc_engine *engine)
{
    for (const struct bsc_service *s = engine->services; s; s = s->next)
        for (size_t i = 0; i < s->instance_count; i++)
            if (s->instances[i].runtime_token)
                return;
    answer(engine, "every instance is stopped");
}
