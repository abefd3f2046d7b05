/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_static.c - see runtime_static.h. */
#include "adapters/runtime_static.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

struct bsc_runtime_static {
    struct bsc_outbox *outbox;
    char **ids; /* what was started and not stopped */
    size_t count, capacity;
};

/* What runs must have a pid for the engine; ours stands for a process that we do not know. */
static int64_t any_pid(void)
{
    return getpid();
}

static size_t find(const struct bsc_runtime_static *runtime, const char *id)
{
    size_t i = 0;
    while (i < runtime->count && strcmp(runtime->ids[i], id) != 0)
        i++;
    return i;
}

static void start(void *self, const struct bsc_launch *launch, bsc_token token)
{
    struct bsc_runtime_static *runtime = self;
    if (find(runtime, launch->id) == runtime->count) {
        runtime->ids =
            bsc_grow(runtime->ids, &runtime->capacity, runtime->count + 1, sizeof *runtime->ids);
        runtime->ids[runtime->count++] = bsc_copy(launch->id);
    }
    bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_STARTED,
                                                         .token = token,
                                                         .id = launch->id,
                                                         .pid = any_pid() });
}

static void drop(struct bsc_runtime_static *runtime, const char *id)
{
    size_t at = find(runtime, id);
    if (at == runtime->count)
        return;
    free(runtime->ids[at]);
    runtime->ids[at] = runtime->ids[--runtime->count];
}

static void stop(void *self, const char *id, int64_t grace_ms, bsc_token token)
{
    (void)grace_ms;
    struct bsc_runtime_static *runtime = self;
    bsc_outbox_put(runtime->outbox,
                   &(struct bsc_event){ .kind = BSC_EVENT_EXITED, .token = token, .id = id });
    drop(runtime, id);
}

static void list(void *self, bsc_token token)
{
    struct bsc_runtime_static *runtime = self;
    struct bsc_found *found = bsc_alloc(runtime->count * sizeof *found);
    for (size_t i = 0; i < runtime->count; i++)
        found[i] = (struct bsc_found){ .id = runtime->ids[i], .pid = any_pid() };
    bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_LISTED,
                                                         .token = token,
                                                         .runtime = BSC_RUNTIME_STATIC,
                                                         .found = found,
                                                         .found_count = (unsigned)runtime->count });
    free(found);
}

static void forget(void *self, const char *id)
{
    drop(self, id);
}

static void tail(void *self, const char *id, char *out, size_t size)
{
    (void)self;
    (void)id;
    if (size)
        out[0] = '\0';
}

struct bsc_runtime_static *bsc_runtime_static_create(uv_loop_t *loop, bsc_deliver deliver,
                                                     void *argument)
{
    struct bsc_runtime_static *runtime = bsc_alloc(sizeof *runtime);
    runtime->outbox = bsc_outbox_create(loop, deliver, argument);
    return runtime;
}

void bsc_runtime_static_destroy(struct bsc_runtime_static *runtime)
{
    bsc_outbox_destroy(runtime->outbox);
    for (size_t i = 0; i < runtime->count; i++)
        free(runtime->ids[i]);
    free(runtime->ids);
    free(runtime);
}

struct bsc_runtime bsc_runtime_static_port(struct bsc_runtime_static *runtime)
{
    static const struct bsc_runtime_ops ops = {
        .name = "static", .start = start, .stop = stop, .list = list, .forget = forget, .tail = tail
    };
    return (struct bsc_runtime){ .ops = &ops, .self = runtime };
}
