/* SPDX-License-Identifier: Apache-2.0
 * load/run.c - see run.h. */
#include "load/run.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "load/transfer.h"

enum {
    LOGINS_AT_ONCE = 32,
    LOOK_US = 100000, /* how often it is looked how many users there shall be */
    OTHER_DESCRIPTORS = 64,
};

struct run {
    const struct bsc_load_scenario *scenario;
    const struct bsc_load_options *options;
    struct bsc_load_counts *counts;
    struct bsc_load_wire *wire;
    struct bsc_load_user *users;
    struct bsc_load_user **idle; /* a stack: who asked last is asked again, and connections few */
    struct bsc_load_user **heap; /* users that think, the next one first */
    unsigned idle_count, heap_count, busy, logged_in;
    int64_t start_us, end_us; /* on the clock */
    int64_t ticked_us;
    uint64_t next; /* open: the index of the next request */
    uint64_t random;
    uint64_t weight;
    bool stopped, failed;
    struct bsc_error *error;
};

/* Who thinks: a binary heap by due_us. */

static void place(struct run *run, unsigned at, struct bsc_load_user *user)
{
    run->heap[at] = user;
    user->heap = at;
}

static void think(struct run *run, struct bsc_load_user *user)
{
    unsigned at = run->heap_count++;
    for (; at > 0 && run->heap[(at - 1) / 2]->due_us > user->due_us; at = (at - 1) / 2)
        place(run, at, run->heap[(at - 1) / 2]);
    place(run, at, user);
}

static struct bsc_load_user *wake(struct run *run)
{
    struct bsc_load_user *first = run->heap[0], *last = run->heap[--run->heap_count];
    unsigned at = 0;
    for (unsigned child; (child = 2 * at + 1) < run->heap_count; at = child) {
        if (child + 1 < run->heap_count && run->heap[child + 1]->due_us < run->heap[child]->due_us)
            child++;
        if (run->heap[child]->due_us >= last->due_us)
            break;
        place(run, at, run->heap[child]);
    }
    if (run->heap_count)
        place(run, at, last);
    return first;
}

static unsigned draw_request(struct run *run)
{
    uint64_t drawn = bsc_load_random_between(&run->random, 0, run->weight - 1);
    unsigned index = 0;
    while (drawn >= run->scenario->requests[index].weight)
        drawn -= run->scenario->requests[index++].weight;
    return index;
}

static void ask(struct run *run, struct bsc_load_user *user, int64_t due_us, int64_t now_us)
{
    user->request = draw_request(run);
    user->due_us = due_us;
    user->begun_us = now_us;
    run->busy++;
    bsc_load_send(run->wire, user, &run->scenario->requests[user->request], &run->random);
}

static void on_logged_in(struct run *run, struct bsc_load_user *user,
                         const struct bsc_load_answer *answer)
{
    struct bsc_error why;
    enum bsc_status status = BSC_OK;
    if (answer->failure == BSC_LOAD_STATUS)
        status = bsc_error_set(&why, BSC_FAILED, "the answer was %u", answer->status);
    else if (answer->failure)
        status = bsc_error_set(&why, BSC_FAILED, "%s", bsc_load_failure_text(answer->failure));
    else
        status = bsc_load_user_keep(run->scenario, user, &why);
    run->counts->logins++;
    if (status && !run->failed) {
        bsc_error_set(run->error, BSC_FAILED, "user %u can't log in (%s %s): %s", user->number,
                      run->scenario->login.method, bsc_text_get(&user->url), why.text);
        run->failed = true;
    }
}

static void on_answer(void *argument, struct bsc_load_user *user,
                      const struct bsc_load_answer *answer)
{
    struct run *run = argument;
    const struct bsc_load_scenario *scenario = run->scenario;
    int64_t now_us = bsc_clock_boot_us();
    run->busy--;
    if (user->login) {
        on_logged_in(run, user, answer);
        return;
    }
    run->counts->bytes += answer->bytes;
    bsc_load_count(run->counts, user->request, user->due_us - run->start_us,
                   (uint64_t)(now_us - user->due_us), answer->failure, answer->status);
    if (scenario->model == BSC_LOAD_OPEN) {
        run->idle[run->idle_count++] = user;
        return;
    }
    user->due_us = now_us + (int64_t)bsc_load_random_between(
                                &run->random, (uint64_t)scenario->think_ms[0] * 1000,
                                (uint64_t)scenario->think_ms[1] * 1000);
    think(run, user);
}

/* Closed: as many users ask as the shape says; those above it wait until they are wanted again. */
static int64_t ask_in_turn(struct run *run, int64_t now_us)
{
    double target = bsc_load_shape_at(&run->scenario->shape, now_us - run->start_us);
    unsigned wanted = (unsigned)lround(target);
    /* The stack's top is the user with the lowest number that does not ask. */
    while (run->idle_count && run->idle[run->idle_count - 1]->number <= wanted)
        ask(run, run->idle[--run->idle_count], now_us, now_us);
    while (run->heap_count && run->heap[0]->due_us <= now_us) {
        struct bsc_load_user *user = wake(run);
        if (user->number <= wanted) {
            ask(run, user, now_us, now_us);
            continue;
        }
        unsigned at = run->idle_count++;
        for (; at > 0 && run->idle[at - 1]->number < user->number; at--)
            run->idle[at] = run->idle[at - 1];
        run->idle[at] = user;
    }
    int64_t next_us = now_us + LOOK_US;
    return run->heap_count && run->heap[0]->due_us < next_us ? run->heap[0]->due_us : next_us;
}

/* Open: what is due is sent, late if every user waits. Returns when the next one is due. */
static int64_t ask_when_due(struct run *run, int64_t now_us)
{
    for (;;) {
        int64_t due_us = bsc_load_shape_due_us(&run->scenario->shape, run->next);
        if (due_us == INT64_MAX)
            return INT64_MAX;
        due_us += run->start_us;
        if (due_us > now_us)
            return due_us;
        if (!run->idle_count)
            return INT64_MAX; /* an answer wakes us */
        run->next++;
        run->counts->delayed += now_us - due_us > LOOK_US;
        ask(run, run->idle[--run->idle_count], due_us, now_us);
    }
}

/* What was due before the end and was never sent waited in vain. */
static void count_unsent(struct run *run, int64_t until_us)
{
    for (int64_t due_us;
         (due_us = bsc_load_shape_due_us(&run->scenario->shape, run->next)) != INT64_MAX &&
         due_us <= until_us - run->start_us;
         run->next++)
        bsc_load_count(run->counts, draw_request(run), due_us,
                       (uint64_t)(until_us - run->start_us - due_us), BSC_LOAD_UNSENT, 0);
}

static void tick(struct run *run, int64_t now_us, bool logging_in)
{
    if (!run->options->on_tick || now_us - run->ticked_us < run->options->tick_us)
        return;
    run->ticked_us = now_us;
    int64_t since_us = now_us - run->start_us;
    const struct bsc_load_progress progress = {
        .now_us = since_us,
        .end_us = run->end_us - run->start_us,
        .busy = run->busy,
        .target = bsc_load_shape_at(&run->scenario->shape, since_us),
        .logging_in = logging_in,
    };
    run->counts->elapsed_us = since_us < progress.end_us ? since_us : progress.end_us;
    run->options->on_tick(run->options->argument, &progress, run->counts);
}

static void turn(struct run *run, int64_t until_us)
{
    if (run->options->on_tick && run->ticked_us + run->options->tick_us < until_us)
        until_us = run->ticked_us + run->options->tick_us;
    if (!bsc_load_wire_turn(run->wire, until_us))
        run->stopped = true;
}

/* All users, before the first request is measured. */
static void log_in(struct run *run)
{
    unsigned begun = 0;
    while (run->scenario->has_login && !run->stopped &&
           (begun < run->scenario->users || run->busy)) {
        while (begun < run->scenario->users && run->busy < LOGINS_AT_ONCE && !run->failed) {
            run->busy++;
            bsc_load_send(run->wire, &run->users[begun++], &run->scenario->login, &run->random);
        }
        if (run->failed && !run->busy)
            return;
        int64_t now_us = bsc_clock_boot_us();
        tick(run, now_us, true);
        turn(run, now_us + LOOK_US);
    }
}

static void ask_all(struct run *run)
{
    bool open = run->scenario->model == BSC_LOAD_OPEN;
    run->start_us = bsc_clock_boot_us();
    run->end_us = run->start_us + bsc_load_shape_us(&run->scenario->shape);
    while (!run->stopped) {
        int64_t now_us = bsc_clock_boot_us();
        if (now_us >= run->end_us)
            break;
        int64_t next_us = open ? ask_when_due(run, now_us) : ask_in_turn(run, now_us);
        tick(run, now_us, false);
        turn(run, next_us < run->end_us ? next_us : run->end_us);
    }
    int64_t now_us = bsc_clock_boot_us();
    if (!run->stopped && open)
        ask_when_due(run, run->end_us);
    if (open)
        count_unsent(run, run->stopped ? now_us - LOOK_US : run->end_us);
    run->counts->elapsed_us =
        (run->stopped && now_us < run->end_us ? now_us : run->end_us) - run->start_us;
    /* What was begun ends, at the latest by its own time limit. */
    while (run->busy && !run->stopped) {
        now_us = bsc_clock_boot_us();
        tick(run, now_us, false);
        turn(run, now_us + LOOK_US);
    }
}

static enum bsc_status get_descriptors(unsigned users, struct bsc_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return bsc_error_errno(error, "look at the limit of open files");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < users + OTHER_DESCRIPTORS)
        return bsc_error_set(error, BSC_INVALID,
                             "%u users need as many connections, but this process may open only "
                             "%llu files (ulimit -Hn)",
                             users, (unsigned long long)limit.rlim_max);
    return BSC_OK;
}

static void make_users(struct run *run)
{
    unsigned count = run->scenario->users;
    run->users = bsc_alloc(count * sizeof *run->users);
    run->idle = bsc_alloc(count * sizeof(struct bsc_load_user *));
    run->heap = bsc_alloc(count * sizeof(struct bsc_load_user *));
    for (unsigned i = 0; i < count; i++)
        run->users[i].number = i + 1;
    while (run->idle_count < count) {
        run->idle[run->idle_count] = &run->users[count - 1 - run->idle_count];
        run->idle_count++;
    }
}

static void deinit(struct run *run)
{
    for (unsigned i = 0; run->users && i < run->scenario->users; i++)
        bsc_load_user_deinit(run->wire, &run->users[i]);
    bsc_load_wire_destroy(run->wire);
    free(run->users);
    free(run->idle);
    free(run->heap);
}

enum bsc_status bsc_load_run(const struct bsc_load_scenario *scenario,
                             const struct bsc_load_options *options, struct bsc_load_counts *counts,
                             bool *stopped, struct bsc_error *error)
{
    struct run run = { .scenario = scenario, .options = options, .counts = counts, .error = error };
    for (unsigned i = 0; i < scenario->request_count; i++)
        run.weight += scenario->requests[i].weight;
    assert(run.weight && scenario->users && scenario->url);
    if (getrandom(&run.random, sizeof run.random, 0) != sizeof run.random)
        return bsc_error_errno(error, "random numbers");
    enum bsc_status status = get_descriptors(scenario->users, error);
    if (status)
        return status;
    status = bsc_load_wire_create(scenario, options->stop_fd, on_answer, &run, &run.wire, error);
    if (status)
        return status;
    counts->planned_us = bsc_load_shape_us(&scenario->shape);
    make_users(&run);
    run.start_us = bsc_clock_boot_us();
    run.end_us = run.start_us + counts->planned_us;
    log_in(&run);
    if (!run.failed && !run.stopped)
        ask_all(&run);
    *stopped = run.stopped;
    deinit(&run);
    return run.failed ? BSC_FAILED : BSC_OK;
}
