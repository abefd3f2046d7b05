/* SPDX-License-Identifier: Apache-2.0
 * sim/runtime.c - processes that start, fail, die and hang, and probes of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct sim_id *sim_id(struct sim *sim, const char *text)
{
    unsigned hash = 0;
    for (const char *at = text; *at; at++)
        hash = hash * 31 + (unsigned char)*at;
    struct sim_id **bucket = &sim->ids[hash % SIM_ID_BUCKETS], *id = *bucket;
    while (id && strcmp(id->text, text) != 0)
        id = id->next;
    if (id)
        return id;
    id = bsc_alloc(sizeof *id);
    snprintf(id->text, sizeof id->text, "%s", text);
    id->next = *bucket;
    *bucket = id;
    return id;
}

void sim_runtime_deinit(struct sim *sim)
{
    for (unsigned i = 0; i < SIM_ID_BUCKETS; i++)
        for (struct sim_id *id = sim->ids[i], *next; id; id = next) {
            next = id->next;
            free(id);
        }
}

struct sim_process *sim_process_find(struct sim *sim, const char *id)
{
    return sim_id(sim, id)->process;
}

bool sim_process_stopped(const struct sim_id *id)
{
    return id->process ? id->process->stopped : id->gone;
}

static struct sim_process *process_new(struct sim *sim, const char *id)
{
    for (unsigned i = 0; i < SIM_PROCESSES; i++)
        if (!sim->processes[i].used) {
            struct sim_process *process = &sim->processes[i];
            if (i >= sim->process_high)
                sim->process_high = i + 1;
            *process = (struct sim_process){ .used = true, .id = sim_id(sim, id) };
            process->id->process = process;
            return process;
        }
    sim_fail(sim, "more than %d processes", SIM_PROCESSES);
    return NULL;
}

static void process_free(struct sim_process *process)
{
    process->used = false;
    process->id->process = NULL;
    process->id->gone = process->stopped;
}

static void send_exited(struct sim *sim, const char *id, int wait_status, bsc_token token)
{
    struct bsc_event event = {
        .kind = BSC_EVENT_EXITED, .token = token, .id = id, .wait_status = wait_status
    };
    const struct sim_process *process = sim_process_find(sim, id);
    if (process && process->container)
        event.runtime = BSC_RUNTIME_DOCKER;
    sim_send(sim, 1, &event);
}

static void refuse_start(struct sim *sim, const char *id, bsc_token token, enum bsc_status status,
                         const char *text)
{
    struct bsc_event event = { .kind = BSC_EVENT_EXITED,
                               .token = token,
                               .id = id,
                               .status = status,
                               .wait_status = BSC_WAIT_UNKNOWN,
                               .text = text };
    sim_send(sim, 1 + (int64_t)sim_random(sim, 20), &event);
}

static void started(struct sim *sim, struct sim_process *process, bsc_token token)
{
    struct bsc_event event = {
        .kind = BSC_EVENT_STARTED, .token = token, .id = process->id->text, .pid = 1000
    };
    bool slow = sim_chance(sim, sim->weather.start_slow);
    if (process->container) {
        event.address = "10.0.0.1:8080";
        event.image = "sha256:1";
    }
    process->watched = true;
    sim_send(sim, 1 + (int64_t)sim_random(sim, slow ? 15000 : 30), &event);
}

/* Versions whose number divides by four never become healthy. */
static bool doomed(const struct bsc_launch *launch)
{
    for (unsigned i = 0; i < launch->environment.count; i++)
        if (!strncmp(launch->environment.items[i], "VERSION=v", 9))
            return (launch->environment.items[i][strlen(launch->environment.items[i]) - 1] - '0') %
                       4 ==
                   3;
    return false;
}

/* A gate that is to run once does so for each release. */
static void check_once(struct sim *sim, const struct bsc_launch *launch)
{
    uint64_t release = 0;
    const struct bsc_strings *argv = &launch->argv, *environment = &launch->environment;
    for (unsigned i = 0; i < environment->count; i++)
        if (!strncmp(environment->items[i], "RELEASE=", 8))
            release = strtoull(environment->items[i] + 8, NULL, 10);
    if (strcmp(argv->items[argv->count - 1], "once") != 0)
        return;
    for (unsigned i = 0; i < sim->once_count; i++)
        if (sim->once[i] == release)
            sim_fail(sim, "%s runs, and it ran once for release %llu", launch->id,
                     (unsigned long long)release);
    if (sim->once_count < sizeof sim->once / sizeof *sim->once)
        sim->once[sim->once_count++] = release;
}

static void start(void *self, const struct bsc_launch *launch, bsc_token token)
{
    struct sim *sim = self;
    struct sim_process *process = sim_process_find(sim, launch->id);
    bool gate = strstr(launch->id, "-gate-") != NULL;
    bool hook = gate || strstr(launch->id, "-hook-") != NULL;
    sim_check_start(sim, launch);
    if (process && process->running) {
        started(sim, process, token);
        return;
    }
    if (process && hook)
        sim_fail(sim, "%s runs a second time", launch->id);
    if (sim_chance(sim, sim->weather.start_fails)) {
        refuse_start(sim, launch->id, token, BSC_FAILED, "exec: No such file or directory");
        return;
    }
    if (launch->port && sim_chance(sim, sim->weather.port_taken)) {
        refuse_start(sim, launch->id, token, BSC_EXISTS, "the port is in use");
        return;
    }
    if (!process)
        process = process_new(sim, launch->id);
    if (!process)
        return;
    process->running = true;
    process->stopped = false;
    process->passes = 0;
    process->hook = hook;
    process->doomed = doomed(launch);
    process->port = launch->port;
    process->container = launch->container != NULL;
    if (hook) {
        process->ends_ms = sim->now_ms + 1 + (int64_t)sim_random(sim, 3000);
        process->wait_status =
            sim_chance(sim, gate ? sim->weather.gate_fails : sim->weather.hook_fails) ? 256 : 0;
    }
    if (gate && sim_chance(sim, sim->weather.gate_hangs)) {
        process->ends_ms = sim->now_ms + launch->timeout_ms;
        process->wait_status = 15;
    }
    if (gate)
        check_once(sim, launch);
    started(sim, process, token);
}

static void stop(void *self, const char *id, int64_t grace_ms, bsc_token token)
{
    struct sim *sim = self;
    struct sim_process *process = sim_process_find(sim, id);
    sim_check_stop(sim, id);
    if (!process) {
        send_exited(sim, id, BSC_WAIT_UNKNOWN, token);
        return;
    }
    if (!process->running) {
        send_exited(sim, id, process->wait_status, token);
        return;
    }
    bool slow = sim_chance(sim, sim->weather.stop_slow);
    if (!process->stopped || process->ends_ms > sim->now_ms + grace_ms)
        process->ends_ms = sim->now_ms + 1 + (int64_t)sim_random(sim, slow ? 12000 : 500);
    process->stopped = process->watched = true;
    process->wait_status = 15;
    process->exit_token = token;
}

static void list_kind(struct sim *sim, enum bsc_runtime_kind kind, bsc_token token)
{
    struct bsc_found found[SIM_PROCESSES];
    struct bsc_event event = { .kind = BSC_EVENT_LISTED, .token = token, .found = found };
    event.runtime = kind;
    for (unsigned i = 0; i < sim->process_high; i++) {
        struct sim_process *process = &sim->processes[i];
        if (process->container != (kind == BSC_RUNTIME_DOCKER))
            continue;
        process->watched = true;
        if (process->used && !process->foreign)
            found[event.found_count++] = (struct bsc_found){
                .id = process->id->text,
                .pid = process->running ? 1000 : 0,
                .wait_status = process->running ? 0 : process->wait_status,
            };
    }
    sim_send(sim, kind == BSC_RUNTIME_DOCKER ? 1 : 1 + (int64_t)sim_random(sim, 10), &event);
}

static void list(void *self, bsc_token token)
{
    list_kind(self, BSC_RUNTIME_PROCESS, token);
}

static void docker_list(void *self, bsc_token token)
{
    list_kind(self, BSC_RUNTIME_DOCKER, token);
}

static void forget(void *self, const char *id)
{
    struct sim_process *process = sim_process_find(self, id);
    if (process && process->foreign)
        return;
    if (process && process->running)
        sim_fail(self, "%s is forgotten while it runs", id);
    if (process)
        process_free(process);
}

static void tail(void *self, const char *id, char *out, size_t size)
{
    (void)self;
    (void)id;
    snprintf(out, size, "the last line");
}

static void static_start(void *self, const struct bsc_launch *launch, bsc_token token)
{
    struct sim *sim = self;
    struct sim_process *process = sim_process_find(sim, launch->id);
    if (!process)
        process = process_new(sim, launch->id);
    if (!process)
        return;
    process->foreign = process->running = true;
    started(sim, process, token);
}

static void static_stop(void *self, const char *id, int64_t grace_ms, bsc_token token)
{
    struct sim *sim = self;
    (void)grace_ms;
    sim_check_stop(sim, id);
    send_exited(sim, id, 0, token);
}

static void static_list(void *self, bsc_token token)
{
    struct bsc_event event = { .kind = BSC_EVENT_LISTED,
                               .token = token,
                               .runtime = BSC_RUNTIME_STATIC };
    sim_send(self, 1, &event);
}

static void static_forget(void *self, const char *id)
{
    struct sim_process *process = sim_process_find(self, id);
    if (process)
        process_free(process);
}

static void no_tail(void *self, const char *id, char *out, size_t size)
{
    (void)self;
    (void)id;
    snprintf(out, size, "%s", "");
}

struct bsc_runtime sim_runtime_port(struct sim *sim, enum bsc_runtime_kind kind)
{
    static const struct bsc_runtime_ops process = { "sim", start, stop, list, forget, tail };
    static const struct bsc_runtime_ops other = { "sim static", static_start,  static_stop,
                                                  static_list,  static_forget, no_tail };
    static const struct bsc_runtime_ops docker = { "sim docker", start,  stop,
                                                   docker_list,  forget, tail };
    static const struct bsc_runtime_ops *const all[] = { &process, &other, &docker };
    return (struct bsc_runtime){ all[kind], sim };
}

static void ends(struct sim *sim, struct sim_process *process)
{
    process->running = false;
    if (process->watched)
        send_exited(sim, process->id->text, process->wait_status, process->exit_token);
    process->exit_token = 0;
}

/* Hooks and what was told to stop end, instances die. */
void sim_runtime_turn(struct sim *sim)
{
    for (unsigned i = 0; i < sim->process_high; i++) {
        struct sim_process *process = &sim->processes[i];
        if (!process->used || !process->running || process->foreign)
            continue;
        if (process->hook || process->stopped) {
            if (process->ends_ms <= sim->now_ms)
                ends(sim, process);
        } else if (sim_chance(sim, sim->weather.dies)) {
            sim_say(sim, "%s dies", process->id->text);
            process->wait_status = sim_random(sim, 2) ? 9 : 0;
            ends(sim, process);
        }
    }
}

int64_t sim_runtime_next_ms(const struct sim *sim)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < sim->process_high; i++) {
        const struct sim_process *process = &sim->processes[i];
        if (process->used && process->running && (process->hook || process->stopped) &&
            process->ends_ms < next)
            next = process->ends_ms;
    }
    return next;
}

void sim_runtime_stop(struct sim *sim)
{
    for (unsigned i = 0; i < sim->process_high; i++)
        if (sim->processes[i].used && sim->processes[i].stopped)
            sim->processes[i].running = false;
}

/* Whoever comes next looks himself; what ends until then is found ended. */
void sim_runtime_controller_lost(struct sim *sim)
{
    for (unsigned i = 0; i < sim->process_high; i++) {
        sim->processes[i].watched = false;
        sim->processes[i].exit_token = 0;
    }
}

static void probe(void *self, const struct bsc_probe *request, bsc_token token)
{
    struct sim *sim = self;
    struct sim_process *process = sim_process_find(sim, request->id);
    bool passed = process && process->running && !process->doomed &&
                  !sim_chance(sim, sim->weather.probe_fails);
    if (process)
        process->passes = passed ? process->passes + 1 : 0;
    struct bsc_event event = { .kind = BSC_EVENT_PROBED,
                               .token = token,
                               .id = request->id,
                               .passed = passed,
                               .text = passed ? "200 in 1 ms" : "answered 503",
                               .duration_us = 1000 };
    if (sim_chance(sim, sim->weather.probe_silent)) {
        event.passed = false;
        event.text = "no answer within 2 s";
        sim_send(sim, request->health->timeout_ms, &event);
        return;
    }
    sim_send(sim, (int64_t)sim_random(sim, sim_chance(sim, 20000) ? 2000 : 20), &event);
}

static void probe_cancel(void *self, bsc_token token)
{
    sim_cancel_pending(self, BSC_EVENT_PROBED, token);
}

struct bsc_prober sim_prober_port(struct sim *sim)
{
    static const struct bsc_prober_ops ops = { "sim", probe, probe_cancel };
    return (struct bsc_prober){ &ops, sim };
}
