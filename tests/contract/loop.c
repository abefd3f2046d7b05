/* SPDX-License-Identifier: Apache-2.0
 * contract/loop.c - see loop.h. */
#include "loop.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum { LIMIT_MS = 20000, BEAT_MS = 5 };

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

void loop_init(struct loop *loop)
{
    *loop = (struct loop){ .directory = "/tmp/bascule-test-XXXXXX" };
    assert_non_null(mkdtemp(loop->directory));
    assert_int_equal(uv_loop_init(&loop->uv), 0);
    /* A turn of the loop that delivers something would go on to wait for the next thing. */
    uv_timer_init(&loop->uv, &loop->beat);
    uv_timer_start(&loop->beat, on_beat, BEAT_MS, BEAT_MS);
}

static int remove_one(const char *path, const struct stat *file, int type, struct FTW *at)
{
    (void)file;
    (void)type;
    (void)at;
    return remove(path);
}

void loop_deinit(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->beat, NULL);
    for (int i = 0; i < 10; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&loop->uv), 0);
    for (size_t i = 0; i < loop->count; i++)
        free(loop->events[i].found);
    free(loop->events);
    assert_int_equal(nftw(loop->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

void loop_deliver(void *argument, const struct bsc_event *event)
{
    struct loop *loop = argument;
    assert_false(loop->inside);
    loop->events = bsc_grow(loop->events, &loop->capacity, loop->count + 1, sizeof *loop->events);
    struct loop_event *kept = &loop->events[loop->count++];
    *kept = (struct loop_event){ .kind = event->kind,
                                 .token = event->token,
                                 .status = event->status,
                                 .pid = event->pid,
                                 .wait_status = event->wait_status,
                                 .found_count = event->found_count };
    copy(kept->id, sizeof kept->id, event->id);
    copy(kept->text, sizeof kept->text, event->text);
    kept->found = bsc_alloc(event->found_count * sizeof *kept->found);
    for (unsigned i = 0; i < event->found_count; i++) {
        kept->found[i].pid = event->found[i].pid;
        kept->found[i].wait_status = event->found[i].wait_status;
        copy(kept->found[i].id, sizeof kept->found[i].id, event->found[i].id);
        copy(kept->found[i].text, sizeof kept->found[i].text, event->found[i].text);
    }
}

void loop_until(struct loop *loop, bool (*done)(struct loop *loop, const void *argument),
                const void *argument)
{
    int64_t end_ms = bsc_clock_boot_ms() + LIMIT_MS;
    while (!done(loop, argument)) {
        uv_run(&loop->uv, UV_RUN_ONCE);
        if (bsc_clock_boot_ms() > end_ms)
            fail_msg("waited %d s in vain", LIMIT_MS / 1000);
    }
}

void loop_turn_for(struct loop *loop, int64_t ms)
{
    int64_t end_ms = bsc_clock_boot_ms() + ms;
    while (bsc_clock_boot_ms() < end_ms)
        uv_run(&loop->uv, UV_RUN_ONCE);
}

struct wanted {
    enum bsc_event_kind kind;
    bsc_token token;
    const char *id;
};

static bool is_there(struct loop *loop, const void *argument)
{
    const struct wanted *wanted = argument;
    return loop_find(loop, wanted->kind, wanted->token, wanted->id) != NULL;
}

const struct loop_event *loop_wait(struct loop *loop, enum bsc_event_kind kind, bsc_token token,
                                   const char *id)
{
    loop_until(loop, is_there, &(struct wanted){ kind, token, id });
    return loop_find(loop, kind, token, id);
}

const struct loop_event *loop_find(struct loop *loop, enum bsc_event_kind kind, bsc_token token,
                                   const char *id)
{
    for (size_t i = 0; i < loop->count; i++) {
        const struct loop_event *event = &loop->events[i];
        if (event->kind == kind && event->token == token && (!id || !strcmp(event->id, id)))
            return event;
    }
    return NULL;
}

const struct loop_found *loop_found(const struct loop_event *listed, const char *id)
{
    for (unsigned i = 0; i < listed->found_count; i++)
        if (!strcmp(listed->found[i].id, id))
            return &listed->found[i];
    return NULL;
}
