/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_container.c - see docker_container.h. */
#include "adapters/docker_container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/port.h"
#include "base/text.h"

enum {
    LOOK_MS = 15000,
    CHANGE_MS = 90000,   /* creating, starting, removing: disks may be slow */
    AGAIN_MS = 500,      /* after the Engine refused something for reasons of its own */
    PATIENCE_MS = 15000, /* with an Engine that does not answer, before a start is given up */
    LAST_OUTPUT_MS = 1000,
};

/* -- life and death -------------------------------------------------------------------------- */

static int open_directory(int parent, const char *id)
{
    return openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

struct bsc_docker_container *bsc_docker_container_create(struct bsc_runtime_docker *runtime,
                                                         const char *id)
{
    struct bsc_docker_container *container = bsc_alloc(sizeof *container);
    struct bsc_text name = { 0 };
    bsc_text_printf(&name, "%s-%s", runtime->project, id);
    container->runtime = runtime;
    container->id = bsc_copy(id);
    container->name = name.data;
    container->wait_status = BSC_WAIT_UNKNOWN;
    if (mkdirat(runtime->directory, id, 0700) == -1 && errno != EEXIST)
        bsc_log_warning("make %s/containers/%s: %s", runtime->state_dir, id, strerror(errno));
    bsc_docker_log_init(&container->log, open_directory(runtime->directory, id));
    bsc_list_add_tail(&runtime->containers, &container->link);
    return container;
}

static void forget_launch(struct bsc_docker_container *container)
{
    if (container->wish)
        bsc_docker_image_cancel(container->wish);
    container->wish = NULL;
    json_decref(container->config);
    container->config = NULL;
    free(container->image);
    free(container->pinned);
    free(container->resolved);
    container->image = container->pinned = container->resolved = NULL;
}

void bsc_docker_container_destroy(struct bsc_docker_container *container)
{
    if (container->request)
        bsc_docker_cancel(container->request);
    if (container->follow)
        bsc_docker_cancel(container->follow);
    forget_launch(container);
    bsc_docker_log_deinit(&container->log);
    bsc_list_remove(&container->link);
    free(container->starts.items);
    free(container->stops.items);
    free(container->id);
    free(container->name);
    free(container);
}

enum bsc_status bsc_docker_container_prepare(struct bsc_docker_container *container,
                                             const struct bsc_launch *launch,
                                             struct bsc_error *error)
{
    if (!launch->container || !launch->container->image)
        return bsc_error_set(error, BSC_INVALID, "there is no image");
    forget_launch(container);
    container->config = bsc_docker_config(container->runtime, launch, error);
    if (!container->config)
        return error->status;
    container->image = bsc_copy(launch->container->image);
    container->pinned = bsc_copy(launch->image);
    container->pull = launch->container->pull;
    container->network = launch->container->network;
    container->port = launch->container->port;
    container->port_outside = launch->port;
    container->created = container->begun = false;
    return BSC_OK;
}

/* -- what is told ---------------------------------------------------------------------------- */

static void tell_started(struct bsc_docker_container *container)
{
    char address[sizeof container->address + 8];
    bool own = container->network == BSC_NETWORK_BRIDGE && container->address[0];
    snprintf(address, sizeof address, "%s:%u", container->address, container->port);
    for (size_t i = 0; i < container->starts.count; i++)
        bsc_outbox_put(container->runtime->outbox,
                       &(struct bsc_event){ .kind = BSC_EVENT_STARTED,
                                            .token = container->starts.items[i],
                                            .id = container->id,
                                            .pid = container->pid,
                                            .address = own ? address : NULL,
                                            .image = container->resolved,
                                            .runtime = BSC_RUNTIME_DOCKER });
    container->starts.count = 0;
    container->told_running = true;
    container->aim = BSC_DOCKER_WATCH;
}

static void tell_exited(struct bsc_docker_container *container, bsc_token token,
                        enum bsc_status status, int wait_status, const char *text)
{
    bsc_outbox_put(container->runtime->outbox,
                   &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                        .token = token,
                                        .id = container->id,
                                        .status = status,
                                        .wait_status = wait_status,
                                        .text = text && *text ? text : NULL,
                                        .runtime = BSC_RUNTIME_DOCKER });
}

void bsc_docker_container_tell_failed(struct bsc_docker_container *container,
                                      enum bsc_status status, const char *text)
{
    for (size_t i = 0; i < container->starts.count; i++)
        tell_exited(container, container->starts.items[i], status, BSC_WAIT_UNKNOWN, text);
    container->starts.count = 0;
    if (container->aim == BSC_DOCKER_RUN)
        container->aim = BSC_DOCKER_WATCH;
    container->told_running = false;
}

/* It does not run, and whoever waits for that hears it. */
static void tell_end(struct bsc_docker_container *container)
{
    bool known = container->state == BSC_DOCKER_EXITED;
    int wait_status = known ? container->wait_status : BSC_WAIT_UNKNOWN;
    size_t waiting = container->starts.count + container->stops.count;
    for (size_t i = 0; i < container->starts.count; i++)
        tell_exited(container, container->starts.items[i], BSC_OK, wait_status, container->text);
    for (size_t i = 0; i < container->stops.count; i++)
        tell_exited(container, container->stops.items[i], BSC_OK, wait_status, container->text);
    if (!waiting && container->told_running)
        tell_exited(container, 0, BSC_OK, wait_status, container->text);
    container->starts.count = container->stops.count = 0;
    container->told_running = false;
    container->aim = BSC_DOCKER_WATCH;
}

/* -- requests -------------------------------------------------------------------------------- */

/* True: it was answered, whatever the answer; else everything is looked at again when the Engine
 * is back. */
static bool heard(struct bsc_docker_container *container, const struct bsc_docker_answer *answer)
{
    container->request = NULL;
    if (answer->status) {
        container->failing_since_ms = 0;
        if (container->stale)
            container->state = BSC_DOCKER_UNKNOWN;
        container->stale = false;
        return true;
    }
    if (!container->failing_since_ms)
        container->failing_since_ms = bsc_clock_boot_ms();
    container->state = BSC_DOCKER_UNKNOWN;
    container->stale = false;
    snprintf(container->text, sizeof container->text, "%s", answer->text);
    bsc_docker_away(container->runtime);
    return false;
}

void bsc_docker_container_lose_patience(struct bsc_docker_container *container)
{
    if (container->aim == BSC_DOCKER_RUN && container->failing_since_ms &&
        bsc_clock_boot_ms() - container->failing_since_ms >= PATIENCE_MS)
        bsc_docker_container_tell_failed(container, BSC_UNAVAILABLE, container->text);
}

static void ask(struct bsc_docker_container *container, const char *method, const char *verb,
                int64_t timeout_ms,
                void (*on_done)(void *argument, const struct bsc_docker_answer *answer))
{
    struct bsc_text path = { 0 };
    bsc_text_printf(&path, "/containers/%s%s", container->name, verb);
    container->request = bsc_docker_send(container->runtime->docker,
                                         &(struct bsc_docker_call){ .method = method,
                                                                    .path = bsc_text_get(&path),
                                                                    .timeout_ms = timeout_ms,
                                                                    .on_done = on_done,
                                                                    .argument = container });
    bsc_text_deinit(&path);
}

static void again_later(struct bsc_docker_container *container)
{
    container->state = BSC_DOCKER_UNKNOWN;
    container->due_ms = bsc_clock_boot_ms() + AGAIN_MS;
    bsc_docker_turn(container->runtime);
}

static void take_absence(struct bsc_docker_container *container)
{
    container->state = BSC_DOCKER_ABSENT;
    container->text[0] = '\0';
    if (container->told_running && container->aim == BSC_DOCKER_WATCH)
        snprintf(container->text, sizeof container->text,
                 "its container is gone: somebody else removed it");
}

/* The Engine learns of a lack of memory apart from the end that it leads to, and maybe after it. */
static bool was_killed(struct bsc_docker_container *container)
{
    bool killed = container->state == BSC_DOCKER_EXITED && container->limit_bytes &&
                  container->wait_status == SIGKILL && !container->text[0];
    bool again = killed && !container->seen_twice && container->aim != BSC_DOCKER_REMOVE;
    if (killed && !again && container->aim != BSC_DOCKER_STOP) /* it does not always learn of it */
        snprintf(container->text, sizeof container->text,
                 "killed by signal 9, probably out of memory, of which it may have %lld MiB "
                 "(mem_limit)",
                 (long long)container->limit_bytes >> 20);
    container->seen_twice = killed;
    return again;
}

static void on_looked(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker_container *container = argument;
    bool stale = container->stale;
    if (!heard(container, answer))
        return;
    if (answer->status == 200)
        bsc_docker_inspected(container, answer->body, answer->size);
    else if (answer->status == 404)
        take_absence(container);
    if ((answer->status != 200 && answer->status != 404) || was_killed(container))
        again_later(container);
    else if (stale)
        bsc_docker_container_look(container);
    else
        bsc_docker_container_advance(container);
}

/* After a change the Engine is asked what came of it: its answer alone does not say. */
static void on_changed(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker_container *container = argument;
    if (!heard(container, answer))
        return;
    if (answer->status >= 400 && answer->status != 404) /* 409: its removal is under way */
        again_later(container);
    else
        bsc_docker_container_look(container);
}

static void on_started(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker_container *container = argument;
    if (!heard(container, answer))
        return;
    if (answer->status >= 400) {
        bool taken = strstr(answer->text, "port is already allocated") ||
                     strstr(answer->text, "address already in use");
        container->state = BSC_DOCKER_UNKNOWN;
        bsc_docker_container_tell_failed(container, taken ? BSC_EXISTS : BSC_FAILED, answer->text);
        if (strstr(answer->text, "network"))
            container->runtime->network = BSC_DOCKER_NO_NETWORK; /* somebody may have removed it */
    } else {
        container->begun = true;
    }
    bsc_docker_container_look(container);
}

static void on_created(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker_container *container = argument;
    if (!heard(container, answer))
        return;
    if (answer->status == 409) { /* by an earlier try, or by somebody else */
        bsc_docker_container_look(container);
        return;
    }
    if (answer->status >= 400) {
        container->state = BSC_DOCKER_UNKNOWN;
        bsc_docker_container_tell_failed(container, BSC_FAILED, answer->text);
        bsc_docker_container_look(container);
        return;
    }
    container->created = true;
    container->state = BSC_DOCKER_CREATED;
    bsc_docker_container_advance(container);
}

static void create(struct bsc_docker_container *container)
{
    struct bsc_text path = { 0 };
    struct bsc_error error;
    if (container->port_outside && bsc_port_probe(container->port_outside, &error) != BSC_OK) {
        bsc_docker_container_tell_failed(container, error.status, error.text);
        return;
    }
    json_object_set_new(container->config, "Image", json_string(container->resolved));
    char *body = json_dumps(container->config, JSON_COMPACT);
    bsc_text_printf(&path, "/containers/create?name=%s", container->name);
    container->request = bsc_docker_send(container->runtime->docker,
                                         &(struct bsc_docker_call){ .method = "POST",
                                                                    .path = bsc_text_get(&path),
                                                                    .body = body,
                                                                    .timeout_ms = CHANGE_MS,
                                                                    .on_done = on_created,
                                                                    .argument = container });
    bsc_text_deinit(&path);
    free(body);
}

/* -- the image ------------------------------------------------------------------------------- */

static void on_progress(void *argument, const char *text)
{
    struct bsc_docker_container *container = argument;
    for (size_t i = 0; i < container->starts.count; i++)
        bsc_outbox_put(container->runtime->outbox,
                       &(struct bsc_event){ .kind = BSC_EVENT_STARTING,
                                            .token = container->starts.items[i],
                                            .id = container->id,
                                            .text = text,
                                            .runtime = BSC_RUNTIME_DOCKER });
}

static void on_image(void *argument, const char *resolved, const char *text, bool away)
{
    struct bsc_docker_container *container = argument;
    container->wish = NULL;
    if (resolved) {
        container->resolved = bsc_copy(resolved);
    } else if (!heard(container,
                      &(struct bsc_docker_answer){ .status = away ? 0 : 404, .text = text })) {
        return;
    } else {
        bsc_docker_container_tell_failed(container, BSC_NOT_FOUND, text);
    }
    bsc_docker_container_advance(container);
}

static void get_image(struct bsc_docker_container *container)
{
    bool pinned = container->pinned != NULL, again = container->pull == BSC_PULL_ALWAYS;
    container->wish =
        bsc_docker_image_get(container->runtime->images,
                             &(struct bsc_docker_image_call){
                                 .name = pinned ? container->pinned : container->image,
                                 .pull = pinned && again ? BSC_PULL_MISSING : container->pull,
                                 .on_progress = on_progress,
                                 .on_done = on_image,
                                 .argument = container });
}

/* -- the output ------------------------------------------------------------------------------ */

static void on_output(void *argument, const char *bytes, size_t size)
{
    struct bsc_docker_container *container = argument;
    bsc_docker_log_add(&container->log, bytes, size);
}

static void on_output_end(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_docker_container *container = argument;
    container->follow = NULL;
    if (!answer->status) {
        bsc_docker_away(container->runtime);
        return;
    }
    container->log_done = true;
    if (container->state == BSC_DOCKER_EXITED)
        bsc_docker_container_advance(container);
}

static void follow(struct bsc_docker_container *container)
{
    struct bsc_text path = { 0 };
    char since[40];
    if (container->follow)
        return;
    bsc_docker_log_restart(&container->log);
    bsc_docker_log_since(&container->log, since, sizeof since);
    bsc_text_printf(&path, "/containers/%s/logs?follow=1&stdout=1&stderr=1&timestamps=1&since=%s",
                    container->name, since);
    container->follow = bsc_docker_send(container->runtime->docker,
                                        &(struct bsc_docker_call){ .method = "GET",
                                                                   .path = bsc_text_get(&path),
                                                                   .on_bytes = on_output,
                                                                   .on_done = on_output_end,
                                                                   .argument = container });
    bsc_text_deinit(&path);
}

/* -- on and on ------------------------------------------------------------------------------- */

/* Its last lines say why it ended, so they are waited for, a little. */
static bool has_last_output(struct bsc_docker_container *container)
{
    int64_t now_ms = bsc_clock_boot_ms();
    if (container->state != BSC_DOCKER_EXITED || container->log_done)
        return true;
    if (!container->log_until_ms)
        container->log_until_ms = now_ms + LAST_OUTPUT_MS;
    if (now_ms >= container->log_until_ms)
        return true;
    follow(container);
    container->due_ms = container->log_until_ms;
    bsc_docker_turn(container->runtime);
    return false;
}

static void advance_run(struct bsc_docker_container *container)
{
    switch (container->state) {
    case BSC_DOCKER_RUNNING:
        tell_started(container);
        follow(container);
        break;
    case BSC_DOCKER_FOREIGN: {
        struct bsc_text text = { 0 };
        bsc_text_printf(&text, "the Docker Engine has a container %s that is not ours",
                        container->name);
        bsc_docker_container_tell_failed(container, BSC_FAILED, bsc_text_get(&text));
        bsc_text_deinit(&text);
        break;
    }
    case BSC_DOCKER_EXITED:
        if (!container->begun)
            ask(container, "DELETE", "?force=1&v=1", CHANGE_MS, on_changed);
        else if (has_last_output(container))
            tell_end(container);
        break;
    case BSC_DOCKER_CREATED:
        if (container->created)
            ask(container, "POST", "/start", CHANGE_MS, on_started);
        else
            ask(container, "DELETE", "?force=1&v=1", CHANGE_MS, on_changed);
        break;
    default: /* it is absent */
        container->created = container->begun = false;
        container->log_done = false;
        container->log_until_ms = 0;
        if (!container->resolved)
            get_image(container);
        else if (container->network == BSC_NETWORK_HOST ||
                 bsc_docker_network_ready(container->runtime))
            create(container);
        break;
    }
}

static void advance_stop(struct bsc_docker_container *container)
{
    char verb[40];
    if (container->state == BSC_DOCKER_RUNNING) {
        snprintf(verb, sizeof verb, "/stop?t=%lld", (long long)(container->grace_ms + 999) / 1000);
        ask(container, "POST", verb, container->grace_ms + CHANGE_MS, on_changed);
    } else if (has_last_output(container)) {
        tell_end(container);
    }
}

static void advance_remove(struct bsc_docker_container *container)
{
    struct bsc_runtime_docker *runtime = container->runtime;
    struct bsc_error error;
    if (container->state != BSC_DOCKER_ABSENT && container->state != BSC_DOCKER_FOREIGN) {
        ask(container, "DELETE", "?force=1&v=1", CHANGE_MS, on_changed);
        return;
    }
    if (bsc_shim_directory_remove(runtime->directory, container->id, &error) != BSC_OK &&
        error.status != BSC_NOT_FOUND)
        bsc_log_warning("%s", error.text);
    bsc_docker_container_destroy(container);
    bsc_docker_turn(runtime);
}

static void advance_watch(struct bsc_docker_container *container)
{
    if (container->state == BSC_DOCKER_RUNNING)
        follow(container); /* anew, when the Engine was away */
    else if (container->told_running && has_last_output(container))
        tell_end(container);
    bsc_docker_turn(container->runtime);
}

void bsc_docker_container_advance(struct bsc_docker_container *container)
{
    container->due_ms = 0;
    if (container->request || container->wish)
        return;
    if (container->state == BSC_DOCKER_UNKNOWN) {
        ask(container, "GET", "/json", LOOK_MS, on_looked);
        return;
    }
    switch (container->aim) {
    case BSC_DOCKER_WATCH:
        advance_watch(container);
        break;
    case BSC_DOCKER_RUN:
        advance_run(container);
        break;
    case BSC_DOCKER_STOP:
        advance_stop(container);
        break;
    case BSC_DOCKER_REMOVE:
        advance_remove(container);
        break;
    }
}

void bsc_docker_container_look(struct bsc_docker_container *container)
{
    if (container->request) {
        container->stale = true;
        return;
    }
    container->state = BSC_DOCKER_UNKNOWN;
    bsc_docker_container_advance(container);
}
