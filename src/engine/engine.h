/* SPDX-License-Identifier: Apache-2.0
 * engine/engine.h - the release engine: an actor that turns events into effects on ports.
 *
 * One thread, one event at a time, no clock of its own, no I/O: the same engine runs on libuv in
 * production and under a seeded scheduler in the simulator. A transition is committed to the store
 * before its effects and replies are released; while a commit is under way further events wait.
 * When a commit fails, memory is thrown away and read again.
 */
#ifndef BASCULE_ENGINE_ENGINE_H
#define BASCULE_ENGINE_ENGINE_H

#include "base/text.h"
#include "ports/clock.h"
#include "ports/entropy.h"
#include "ports/event.h"
#include "ports/notifier.h"
#include "ports/prober.h"
#include "ports/query.h"
#include "ports/router.h"
#include "ports/runtime.h"
#include "ports/store.h"

struct bsc_ports {
    struct bsc_runtime runtimes[BSC_RUNTIME_COUNT];
    struct bsc_prober prober;
    struct bsc_query_port query;
    struct bsc_router router;
    struct bsc_store store;
    struct bsc_notifier notifier;
    struct bsc_clock clock;
    struct bsc_entropy entropy;
    const char *program; /* the path of bascule itself, for gates that run a part of it */
    /* What differs between two specifications, a line a key; nothing when they are equal. */
    bool (*spec_diff)(const struct bsc_spec *old, const struct bsc_spec *new, struct bsc_text *out);
    /* The same for what is not a service's. `kept` is the old one in a form of its own, or empty
     * when that is not known: then nothing differs. It becomes the new one. */
    void (*config_diff)(struct bsc_text *kept, const struct bsc_config *new, struct bsc_text *out);
};

/* Begins by loading the store. `ports` is copied. */
struct bsc_engine *bsc_engine_create(const struct bsc_ports *ports);
void bsc_engine_destroy(struct bsc_engine *engine);

/* Never re-entered: a port that answers at once still answers by a later event. */
void bsc_engine_handle(struct bsc_engine *engine, const struct bsc_event *event);

/* When BSC_EVENT_TICK is due, on the boot clock; INT64_MAX: never. */
int64_t bsc_engine_next_ms(const struct bsc_engine *engine);

/* Called once when the store was read and the runtimes were listed: commands are obeyed from now
 * on (before, they wait). A store that can't be read is told with its status, and nothing works
 * until BSC_EVENT_TICK tries again. */
void bsc_engine_on_ready(struct bsc_engine *engine,
                         void (*on_ready)(void *argument, enum bsc_status status, const char *text),
                         void *argument);

#endif
