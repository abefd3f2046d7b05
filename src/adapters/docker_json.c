/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_json.c - what is said to the Engine of a container, and what it says. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/docker_container.h"
#include "adapters/environment.h"
#include "base/arena.h"

static const char label_state[] = "bascule.state-directory", label_id[] = "bascule.instance";

static json_t *texts(const struct bsc_strings *strings)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < strings->count; i++)
        json_array_append_new(list, json_string(strings->items[i]));
    return list;
}

static json_t *labels(const struct bsc_runtime_docker *runtime, const struct bsc_launch *launch)
{
    char release[24], number[16];
    snprintf(release, sizeof release, "%llu", (unsigned long long)launch->release);
    snprintf(number, sizeof number, "%u", launch->position + 1);
    json_t *map = json_object();
    const struct {
        const char *name, *value;
    } all[] = {
        { label_state, runtime->state_dir },
        { label_id, launch->id },
        { "bascule.service", launch->service },
        { "bascule.slot", launch->slot },
        { "bascule.release", release },
        /* What `docker compose ps` and `logs` look for. */
        { "com.docker.compose.project", runtime->project },
        { "com.docker.compose.service", launch->service },
        { "com.docker.compose.container-number", number },
        { "com.docker.compose.oneoff", "False" },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value)
            json_object_set_new(map, all[i].name, json_string(all[i].value));
    return map;
}

static enum bsc_status put_environment(json_t *config, const struct bsc_launch *launch,
                                       struct bsc_error *error)
{
    struct bsc_environment all = { 0 };
    enum bsc_status status = BSC_OK;
    for (unsigned i = 0; status == BSC_OK && i < launch->env_files.count; i++)
        status = bsc_environment_put_file(&all, launch->env_files.items[i], error);
    for (unsigned i = 0; i < launch->environment.count; i++)
        bsc_environment_put(&all, launch->environment.items[i]);
    json_t *list = json_array();
    for (size_t i = 0; i < all.count; i++)
        json_array_append_new(list, json_string(all.items[i]));
    json_object_set_new(config, "Env", list);
    bsc_environment_deinit(&all);
    return status;
}

static void put_network(json_t *config, json_t *host, const struct bsc_runtime_docker *runtime,
                        const struct bsc_launch *launch)
{
    const struct bsc_container_spec *container = launch->container;
    char inside[16], outside[16];
    snprintf(inside, sizeof inside, "%u/tcp", container->port);
    snprintf(outside, sizeof outside, "%u", launch->port);
    switch (container->network) {
    case BSC_NETWORK_HOST:
        json_object_set_new(host, "NetworkMode", json_string("host"));
        return;
    case BSC_NETWORK_LOOPBACK:
        json_object_set_new(host, "NetworkMode", json_string("bridge"));
        json_object_set_new(
            host, "PortBindings",
            json_pack("{s:[{s:s, s:s}]}", inside, "HostIp", "127.0.0.1", "HostPort", outside));
        break;
    case BSC_NETWORK_BRIDGE:
        break;
    }
    json_object_set_new(host, "NetworkMode", json_string(runtime->project));
    json_object_set_new(config, "ExposedPorts", json_pack("{s:{}}", inside));
}

static void put_text(json_t *map, const char *key, const char *text)
{
    if (text)
        json_object_set_new(map, key, json_string(text));
}

json_t *bsc_docker_config(const struct bsc_runtime_docker *runtime, const struct bsc_launch *launch,
                          struct bsc_error *error)
{
    const struct bsc_container_spec *container = launch->container;
    json_t *config = json_object();
    if (put_environment(config, launch, error) != BSC_OK) {
        json_decref(config);
        return NULL;
    }
    json_t *host = json_pack("{s:{s:s}}", "RestartPolicy", "Name", "no");
    if (launch->argv.count)
        json_object_set_new(config, "Cmd", texts(&launch->argv));
    if (container->entrypoint.argv.count)
        json_object_set_new(config, "Entrypoint", texts(&container->entrypoint.argv));
    put_text(config, "User", launch->user);
    put_text(config, "WorkingDir", launch->directory);
    put_text(config, "StopSignal", container->stop_signal);
    json_object_set_new(config, "Labels", labels(runtime, launch));
    if (container->volumes.count)
        json_object_set_new(host, "Binds", texts(&container->volumes));
    if (container->memory_bytes)
        json_object_set_new(host, "Memory", json_integer(container->memory_bytes));
    if (container->cpus)
        json_object_set_new(host, "NanoCpus", json_integer((json_int_t)container->cpus * 10000000));
    put_network(config, host, runtime, launch);
    json_object_set_new(config, "HostConfig", host);
    return config;
}

/* -- what is seen ---------------------------------------------------------------------------- */

/* As of waitpid(2). By convention a status above 128 is that of a signal. */
static int wait_status_of(json_int_t code)
{
    if (code > 128 && code <= 128 + 64)
        return (int)code - 128;
    return (int)(code & 0xff) << 8;
}

static void read_end(struct bsc_docker_container *container, const json_t *image,
                     const json_t *state)
{
    json_int_t limit =
        json_integer_value(json_object_get(json_object_get(image, "HostConfig"), "Memory"));
    container->limit_bytes = limit;
    container->wait_status = wait_status_of(json_integer_value(json_object_get(state, "ExitCode")));
    if (json_is_true(json_object_get(state, "OOMKilled")) && limit)
        snprintf(container->text, sizeof container->text,
                 "killed: out of memory, of which it may have %lld MiB (mem_limit)",
                 (long long)limit / 1024 / 1024);
    else if (json_is_true(json_object_get(state, "OOMKilled")))
        snprintf(container->text, sizeof container->text, "killed: the machine is out of memory");
}

static void read_address(struct bsc_docker_container *container, const json_t *answer)
{
    const json_t *networks =
        json_object_get(json_object_get(answer, "NetworkSettings"), "Networks");
    const json_t *ours = json_object_get(networks, container->runtime->project);
    const char *address = json_string_value(json_object_get(ours, "IPAddress"));
    container->address[0] = '\0';
    if (address && *address)
        snprintf(container->address, sizeof container->address, "%s", address);
}

void bsc_docker_inspected(struct bsc_docker_container *container, const char *body, size_t size)
{
    json_t *answer = json_loadb(body, size, 0, NULL);
    const json_t *state = json_object_get(answer, "State");
    const json_t *marks = json_object_get(json_object_get(answer, "Config"), "Labels");
    const char *owner = json_string_value(json_object_get(marks, label_state));
    const char *status = json_string_value(json_object_get(state, "Status"));
    container->pid = 0;
    container->text[0] = '\0';
    if (!owner || strcmp(owner, container->runtime->state_dir) != 0) {
        container->state = BSC_DOCKER_FOREIGN;
    } else if (json_is_true(json_object_get(state, "Running"))) {
        container->state = BSC_DOCKER_RUNNING;
        container->pid = json_integer_value(json_object_get(state, "Pid"));
        read_address(container, answer);
    } else if (status && !strcmp(status, "created")) {
        container->state = BSC_DOCKER_CREATED;
    } else {
        container->state = BSC_DOCKER_EXITED;
        read_end(container, answer, state);
    }
    json_decref(answer);
}

char *bsc_docker_filters(const struct bsc_runtime_docker *runtime, bool events)
{
    struct bsc_text label = { 0 };
    bsc_text_printf(&label, "%s=%s", label_state, runtime->state_dir);
    json_t *filters = json_pack("{s:[s]}", "label", bsc_text_get(&label));
    if (events) {
        json_object_set_new(filters, "type", json_pack("[s]", "container"));
        json_object_set_new(filters, "event", json_pack("[s, s]", "die", "destroy"));
    }
    char *plain = json_dumps(filters, JSON_COMPACT);
    char *escaped = curl_easy_escape(NULL, plain, 0);
    char *copy = bsc_copy(escaped);
    curl_free(escaped);
    free(plain);
    json_decref(filters);
    bsc_text_deinit(&label);
    return copy;
}
