/* SPDX-License-Identifier: Apache-2.0
 * query.c - the sources that are asked: each answers as its name says. See world.h. */
#include <string.h>

#include "world.h"

static void ask(void *self, const struct bsc_question *question, bsc_token token)
{
    static const struct bsc_answer_read good = { BSC_ANSWER_NUMBER, 0.001, false, NULL };
    static const struct bsc_answer_read bad = { BSC_ANSWER_NUMBER, 0.12, false, NULL };
    static const struct bsc_answer_read none = { .kind = BSC_ANSWER_NONE,
                                                 .text = "no data: no series matches the query" };
    static const struct bsc_answer_read late = { .kind = BSC_ANSWER_NONE,
                                                 .text = "no answer within its time" };
    struct sim *sim = self;
    const char *name = question->spec->name;
    struct bsc_event event = { .kind = BSC_EVENT_ANSWERED, .token = token, .answer = &good };
    int64_t delay_ms = (int64_t)sim_random(sim, 20);
    if (!strcmp(name, "bad"))
        event.answer = &bad;
    if (!strcmp(name, "none"))
        event.answer = &none;
    if (!strcmp(name, "hangs")) {
        event.answer = &late;
        delay_ms = question->spec->timeout_ms;
    }
    sim_send(sim, delay_ms, &event);
}

static void cancel(void *self, bsc_token token)
{
    sim_cancel_pending(self, BSC_EVENT_ANSWERED, token);
}

struct bsc_query_port sim_query_port(struct sim *sim)
{
    static const struct bsc_query_ops ops = { "sim", ask, cancel };
    return (struct bsc_query_port){ &ops, sim };
}

struct bsc_query_spec sim_draw_query(struct sim *sim)
{
    static const char *const answers[] = { "good", "good", "good", "bad", "none", "hangs" };
    return (struct bsc_query_spec){
        .name = answers[sim_random(sim, 6)],
        .accept = { .text = "< 0.01", .low = -1, .high = 0.01, .open = true },
        .interval_ms = 300,
        .timeout_ms = 700,
        .count = 1 + (unsigned)sim_random(sim, 3),
        .failure_limit = 1 + (unsigned)sim_random(sim, 3),
        .on_error = (enum bsc_query_on_error)sim_random(sim, 3),
        .dry_run = sim_random(sim, 3) == 0,
    };
}
