/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_docker.c - see runtime_docker.h; the life of one container is in
 * docker_container.c.
 *
 * The Engine is asked for a list of what is ours, and from then on tells what ends. When it does
 * not answer, the list is asked for again until it does, and everything is looked at anew.
 */
#include "adapters/runtime_docker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/docker_container.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum {
    LIST_MS = 10000,
    AGAIN_MS = 500,
    LIST_PATIENCE_MS = 5000, /* then what is known without the Engine is told */
    EVENT_BYTES_MAX = 256 * 1024,
};

static const int64_t some_pid = -1; /* it runs, and nobody knows as what */

static struct bsc_docker_container *find(const struct bsc_runtime_docker *runtime, const char *id)
{
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers;
         at = at->next) {
        struct bsc_docker_container *container =
            BSC_CONTAINER(at, struct bsc_docker_container, link);
        if (!strcmp(container->id, id))
            return container;
    }
    return NULL;
}

static struct bsc_docker_container *find_or_create(struct bsc_runtime_docker *runtime,
                                                   const char *id)
{
    struct bsc_docker_container *container = find(runtime, id);
    return container ? container : bsc_docker_container_create(runtime, id);
}

/* Advancing may destroy the one that it is called for. */
static void look_at_all(struct bsc_runtime_docker *runtime)
{
    struct bsc_list *next;
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers; at = next) {
        next = at->next;
        bsc_docker_container_look(BSC_CONTAINER(at, struct bsc_docker_container, link));
    }
}

/* -- the list -------------------------------------------------------------------------------- */

static bool is_settled(const struct bsc_docker_container *container)
{
    return container->aim == BSC_DOCKER_REMOVE || container->state != BSC_DOCKER_UNKNOWN;
}

/* What was there when the Engine last answered counts as running until it says otherwise. */
static void take_up_directories(struct bsc_runtime_docker *runtime)
{
    int again = openat(runtime->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again == -1 ? NULL : fdopendir(again);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (bsc_shim_id_valid(entry->d_name) && !find(runtime, entry->d_name))
            bsc_docker_container_create(runtime, entry->d_name)->told_running = true;
    if (entries)
        closedir(entries);
    else if (again != -1)
        close(again);
}

static void answer_lists(struct bsc_runtime_docker *runtime)
{
    struct bsc_found *found = NULL;
    size_t count = 0, capacity = 0;
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers;
         at = at->next) {
        struct bsc_docker_container *container =
            BSC_CONTAINER(at, struct bsc_docker_container, link);
        bool unknown = container->state == BSC_DOCKER_UNKNOWN;
        bool runs = container->state == BSC_DOCKER_RUNNING || (unknown && container->told_running);
        if (container->aim == BSC_DOCKER_REMOVE || container->state == BSC_DOCKER_FOREIGN ||
            (!runs && container->state == BSC_DOCKER_ABSENT))
            continue;
        found = bsc_grow(found, &capacity, count + 1, sizeof *found);
        found[count++] = (struct bsc_found){ .id = container->id,
                                             .pid = !runs     ? 0
                                                    : unknown ? some_pid
                                                              : container->pid,
                                             .wait_status = container->wait_status };
        container->told_running = runs;
    }
    for (size_t i = 0; i < runtime->lists.count; i++)
        bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_LISTED,
                                                             .token = runtime->lists.items[i],
                                                             .runtime = BSC_RUNTIME_DOCKER,
                                                             .found = found,
                                                             .found_count = (unsigned)count });
    runtime->lists.count = 0;
    free(found);
}

static void answer_without_engine(struct bsc_runtime_docker *runtime)
{
    take_up_directories(runtime);
    if (!bsc_list_empty(&runtime->containers))
        bsc_log_warning("the Docker Engine does not answer: its containers count as running");
    answer_lists(runtime);
}

/* -- events ---------------------------------------------------------------------------------- */

/* {"Action": "die", "Actor": {"Attributes": {"bascule.instance": "web-blue-3"}}} */
static void take_event(struct bsc_runtime_docker *runtime, const char *line, size_t size)
{
    json_t *event = json_loadb(line, size, 0, NULL);
    const json_t *actor = json_object_get(event, "Actor");
    const char *id = json_string_value(
        json_object_get(json_object_get(actor, "Attributes"), "bascule.instance"));
    struct bsc_docker_container *container = id ? find(runtime, id) : NULL;
    if (container)
        bsc_docker_container_look(container);
    json_decref(event);
}

static void on_event_bytes(void *argument, const char *bytes, size_t size)
{
    struct bsc_runtime_docker *runtime = argument;
    const char *end;
    bsc_text_add(&runtime->event, bytes, size);
    while (runtime->event.size && (end = memchr(runtime->event.data, '\n', runtime->event.size))) {
        size_t line = (size_t)(end - runtime->event.data);
        take_event(runtime, runtime->event.data, line);
        bsc_text_drop_front(&runtime->event, line + 1);
    }
    if (runtime->event.size > EVENT_BYTES_MAX)
        bsc_text_clear(&runtime->event);
}

static void on_events_end(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_runtime_docker *runtime = argument;
    (void)answer;
    runtime->events = NULL;
    bsc_text_clear(&runtime->event);
    bsc_docker_away(runtime);
}

/* From a little before the list was made: what ends meanwhile is told twice rather than never. */
static void watch(struct bsc_runtime_docker *runtime)
{
    struct bsc_text path = { 0 };
    if (runtime->events)
        return;
    char *filters = bsc_docker_filters(runtime, true);
    bsc_text_printf(&path, "/events?since=%lld&filters=%s", (long long)runtime->since_s, filters);
    runtime->events =
        bsc_docker_send(runtime->docker, &(struct bsc_docker_call){ .method = "GET",
                                                                    .path = bsc_text_get(&path),
                                                                    .on_bytes = on_event_bytes,
                                                                    .on_done = on_events_end,
                                                                    .argument = runtime });
    bsc_text_deinit(&path);
    free(filters);
}

/* -- asking for the list --------------------------------------------------------------------- */

/* Nothing of ours was ever left there. */
static bool is_empty(const struct bsc_runtime_docker *runtime)
{
    int again = openat(runtime->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again == -1 ? NULL : fdopendir(again);
    unsigned count = 0;
    while (entries && readdir(entries))
        count++;
    if (entries)
        closedir(entries);
    else if (again != -1)
        close(again);
    return bsc_list_empty(&runtime->containers) && count == 2; /* "." and ".." */
}

static void take_list(struct bsc_runtime_docker *runtime, const char *body, size_t size)
{
    json_t *all = json_loadb(body, size, 0, NULL), *item;
    size_t i;
    json_array_foreach(all, i, item)
    {
        const char *id =
            json_string_value(json_object_get(json_object_get(item, "Labels"), "bascule.instance"));
        if (id && bsc_shim_id_valid(id))
            find_or_create(runtime, id);
    }
    json_decref(all);
}

static void on_listed(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_runtime_docker *runtime = argument;
    runtime->listing = NULL;
    if (answer->status != 200) {
        if (is_empty(runtime)) /* nobody here uses it */
            runtime->lists_until_ms = 0;
        bsc_docker_away(runtime);
        return;
    }
    runtime->listed = true;
    take_list(runtime, answer->body, answer->size);
    watch(runtime);
    look_at_all(runtime);
    bsc_docker_turn(runtime);
}

static void ask_for_list(struct bsc_runtime_docker *runtime)
{
    struct bsc_text path = { 0 };
    if (runtime->listing)
        return;
    runtime->since_s = bsc_clock_wall_ms() / 1000 - 2;
    char *filters = bsc_docker_filters(runtime, false);
    bsc_text_printf(&path, "/containers/json?all=1&filters=%s", filters);
    runtime->listing =
        bsc_docker_send(runtime->docker, &(struct bsc_docker_call){ .method = "GET",
                                                                    .path = bsc_text_get(&path),
                                                                    .timeout_ms = LIST_MS,
                                                                    .on_done = on_listed,
                                                                    .argument = runtime });
    bsc_text_deinit(&path);
    free(filters);
}

void bsc_docker_away(struct bsc_runtime_docker *runtime)
{
    runtime->listed = false;
    runtime->network = BSC_DOCKER_NO_NETWORK;
    bsc_docker_turn(runtime);
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_runtime_docker *runtime = timer->data;
    int64_t now_ms = bsc_clock_boot_ms();
    struct bsc_list *next;
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers; at = next) {
        struct bsc_docker_container *container =
            BSC_CONTAINER(at, struct bsc_docker_container, link);
        next = at->next;
        bsc_docker_container_lose_patience(container);
        if (container->due_ms && container->due_ms <= now_ms)
            bsc_docker_container_advance(container);
    }
    if (!runtime->listed)
        ask_for_list(runtime);
    bsc_docker_turn(runtime);
}

void bsc_docker_turn(struct bsc_runtime_docker *runtime)
{
    int64_t now_ms = bsc_clock_boot_ms(), due_ms = INT64_MAX;
    bool settled = true;
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers;
         at = at->next) {
        const struct bsc_docker_container *container =
            BSC_CONTAINER(at, struct bsc_docker_container, link);
        settled = settled && is_settled(container);
        if (container->due_ms && container->due_ms < due_ms)
            due_ms = container->due_ms;
    }
    if (runtime->lists.count && runtime->listed && settled)
        answer_lists(runtime);
    else if (runtime->lists.count && now_ms >= runtime->lists_until_ms)
        answer_without_engine(runtime);
    bool cares = !bsc_list_empty(&runtime->containers) || runtime->lists.count;
    if (!runtime->listed && !runtime->listing && cares && due_ms > now_ms + AGAIN_MS)
        due_ms = now_ms + AGAIN_MS;
    if (runtime->lists.count && runtime->lists_until_ms < due_ms)
        due_ms = runtime->lists_until_ms;
    if (due_ms == INT64_MAX)
        uv_timer_stop(runtime->timer);
    else
        uv_timer_start(runtime->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 1,
                       0);
}

/* -- the network ----------------------------------------------------------------------------- */

static void go_on(struct bsc_runtime_docker *runtime)
{
    struct bsc_list *next;
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers; at = next) {
        next = at->next;
        bsc_docker_container_advance(BSC_CONTAINER(at, struct bsc_docker_container, link));
    }
}

static void fail_waiting(struct bsc_runtime_docker *runtime, const char *text)
{
    for (struct bsc_list *at = runtime->containers.next; at != &runtime->containers;
         at = at->next) {
        struct bsc_docker_container *container =
            BSC_CONTAINER(at, struct bsc_docker_container, link);
        if (container->aim == BSC_DOCKER_RUN && container->resolved && !container->request &&
            container->state == BSC_DOCKER_ABSENT && container->network != BSC_NETWORK_HOST)
            bsc_docker_container_tell_failed(container, BSC_FAILED, text);
    }
}

static void on_network_made(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_runtime_docker *runtime = argument;
    struct bsc_text text = { 0 };
    runtime->asking = NULL;
    runtime->network = BSC_DOCKER_NO_NETWORK;
    if (!answer->status) {
        look_at_all(runtime); /* each finds out that nobody answers */
        return;
    }
    if (answer->status < 300 || answer->status == 409) {
        runtime->network = BSC_DOCKER_HAS_NETWORK;
        go_on(runtime);
        return;
    }
    bsc_text_printf(&text, "make the network %s: %s", runtime->project, answer->text);
    fail_waiting(runtime, bsc_text_get(&text));
    bsc_text_deinit(&text);
}

static void on_network_seen(void *argument, const struct bsc_docker_answer *answer)
{
    struct bsc_runtime_docker *runtime = argument;
    if (answer->status != 404) {
        on_network_made(runtime, answer);
        return;
    }
    json_t *network =
        json_pack("{s:s, s:b, s:s, s:{s:s}}", "Name", runtime->project, "CheckDuplicate", 1,
                  "Driver", "bridge", "Labels", "bascule.state-directory", runtime->state_dir);
    char *body = json_dumps(network, JSON_COMPACT);
    runtime->asking =
        bsc_docker_send(runtime->docker, &(struct bsc_docker_call){ .method = "POST",
                                                                    .path = "/networks/create",
                                                                    .body = body,
                                                                    .timeout_ms = LIST_MS,
                                                                    .on_done = on_network_made,
                                                                    .argument = runtime });
    free(body);
    json_decref(network);
}

bool bsc_docker_network_ready(struct bsc_runtime_docker *runtime)
{
    struct bsc_text path = { 0 };
    if (runtime->network != BSC_DOCKER_NO_NETWORK)
        return runtime->network == BSC_DOCKER_HAS_NETWORK;
    runtime->network = BSC_DOCKER_ASKING;
    bsc_text_printf(&path, "/networks/%s", runtime->project);
    if (runtime->asking)
        bsc_docker_cancel(runtime->asking);
    runtime->asking =
        bsc_docker_send(runtime->docker, &(struct bsc_docker_call){ .method = "GET",
                                                                    .path = bsc_text_get(&path),
                                                                    .timeout_ms = LIST_MS,
                                                                    .on_done = on_network_seen,
                                                                    .argument = runtime });
    bsc_text_deinit(&path);
    return false;
}

/* -- the port -------------------------------------------------------------------------------- */

static void start(void *self, const struct bsc_launch *launch, bsc_token token)
{
    struct bsc_runtime_docker *runtime = self;
    struct bsc_error error;
    if (!bsc_shim_id_valid(launch->id)) {
        bsc_error_set(&error, BSC_INVALID, "'%s' is no id", launch->id);
        bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                                             .token = token,
                                                             .id = launch->id,
                                                             .status = error.status,
                                                             .wait_status = BSC_WAIT_UNKNOWN,
                                                             .text = error.text,
                                                             .runtime = BSC_RUNTIME_DOCKER });
        return;
    }
    struct bsc_docker_container *container = find_or_create(runtime, launch->id);
    bsc_tokens_add(&container->starts, token);
    if (container->aim != BSC_DOCKER_RUN) {
        container->aim = BSC_DOCKER_RUN;
        container->failing_since_ms = 0;
        if (bsc_docker_container_prepare(container, launch, &error) != BSC_OK) {
            bsc_docker_container_tell_failed(container, error.status, error.text);
            return;
        }
    }
    bsc_docker_container_look(container);
    if (!runtime->listed)
        ask_for_list(runtime);
}

static void stop(void *self, const char *id, int64_t grace_ms, bsc_token token)
{
    struct bsc_runtime_docker *runtime = self;
    if (!bsc_shim_id_valid(id)) {
        bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                                             .token = token,
                                                             .id = id,
                                                             .wait_status = BSC_WAIT_UNKNOWN,
                                                             .runtime = BSC_RUNTIME_DOCKER });
        return;
    }
    struct bsc_docker_container *container = find_or_create(runtime, id);
    bsc_tokens_add(&container->stops, token);
    container->grace_ms = grace_ms;
    if (container->wish)
        bsc_docker_image_cancel(container->wish);
    container->wish = NULL;
    if (container->aim == BSC_DOCKER_STOP && container->request) { /* with another grace */
        bsc_docker_cancel(container->request);
        container->request = NULL;
    }
    container->aim = BSC_DOCKER_STOP;
    bsc_docker_container_look(container);
}

static void list(void *self, bsc_token token)
{
    struct bsc_runtime_docker *runtime = self;
    bsc_tokens_add(&runtime->lists, token);
    bool there = access(runtime->socket, F_OK) == 0;
    runtime->listed = false;
    runtime->lists_until_ms = bsc_clock_boot_ms() + (there ? LIST_PATIENCE_MS : 0);
    if (there)
        ask_for_list(runtime);
    bsc_docker_turn(runtime);
}

static void forget(void *self, const char *id)
{
    struct bsc_runtime_docker *runtime = self;
    struct bsc_docker_container *container = find(runtime, id);
    if (!container)
        return;
    container->aim = BSC_DOCKER_REMOVE;
    bsc_docker_container_look(container);
}

static void tail(void *self, const char *id, char *out, size_t size)
{
    struct bsc_runtime_docker *runtime = self;
    struct bsc_docker_container *container = find(runtime, id);
    if (size)
        out[0] = '\0';
    if (container && container->log.directory != -1)
        bsc_shim_tail(container->log.directory, out, size);
}

/* -- life and death -------------------------------------------------------------------------- */

/* The last part of the state directory's path, as a name of Docker's may be. */
static char *project_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : "bascule";
    struct bsc_text text = { 0 };
    for (; *name; name++) {
        char letter = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        bool plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
        if (plain || (text.size && (letter == '-' || letter == '_')))
            bsc_text_add(&text, &letter, 1);
    }
    if (text.size < 2)
        bsc_text_puts(&text, "bascule");
    return text.data;
}

static enum bsc_status open_containers(struct bsc_runtime_docker *runtime, struct bsc_error *error)
{
    struct bsc_text path = { 0 };
    enum bsc_status status = BSC_OK;
    bsc_text_printf(&path, "%s/containers", runtime->state_dir);
    if (mkdir(path.data, 0700) == -1 && errno != EEXIST)
        status = bsc_error_errno(error, "make %s", path.data);
    runtime->directory = open(path.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (status == BSC_OK && runtime->directory == -1)
        status = bsc_error_errno(error, "open %s", path.data);
    bsc_text_deinit(&path);
    return status;
}

static void free_runtime(struct bsc_runtime_docker *runtime)
{
    if (runtime->directory != -1)
        close(runtime->directory);
    bsc_text_deinit(&runtime->event);
    free(runtime->lists.items);
    free(runtime->state_dir);
    free(runtime->project);
    free(runtime->socket);
    free(runtime);
}

enum bsc_status bsc_runtime_docker_create(uv_loop_t *loop, const char *state_dir,
                                          const char *socket, bsc_deliver deliver, void *argument,
                                          struct bsc_runtime_docker **out, struct bsc_error *error)
{
    char *real = realpath(state_dir, NULL);
    if (!real)
        return bsc_error_errno(error, "state directory %s", state_dir);
    if (!socket)
        socket = bsc_docker_socket();
    if (!socket) {
        socket = BSC_DOCKER_SOCKET;
        bsc_log_warning("DOCKER_HOST names no Unix socket of this machine: %s is used", socket);
    }
    struct bsc_runtime_docker *runtime = bsc_alloc(sizeof *runtime);
    runtime->state_dir = real;
    runtime->socket = bsc_copy(socket);
    enum bsc_status status = open_containers(runtime, error);
    if (status != BSC_OK) {
        free_runtime(runtime);
        return status;
    }
    runtime->loop = loop;
    runtime->project = project_of(real);
    bsc_list_init(&runtime->containers);
    runtime->outbox = bsc_outbox_create(loop, deliver, argument);
    runtime->docker = bsc_docker_create(loop, socket);
    runtime->images = bsc_docker_images_create(runtime->docker);
    runtime->timer = bsc_alloc(sizeof *runtime->timer);
    runtime->timer->data = runtime;
    uv_timer_init(loop, runtime->timer);
    *out = runtime;
    return BSC_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void bsc_runtime_docker_destroy(struct bsc_runtime_docker *runtime)
{
    while (!bsc_list_empty(&runtime->containers))
        bsc_docker_container_destroy(
            BSC_CONTAINER(runtime->containers.next, struct bsc_docker_container, link));
    bsc_docker_images_destroy(runtime->images);
    bsc_docker_destroy(runtime->docker);
    bsc_outbox_destroy(runtime->outbox);
    uv_close((uv_handle_t *)runtime->timer, on_timer_closed);
    free_runtime(runtime);
}

struct bsc_runtime bsc_runtime_docker_port(struct bsc_runtime_docker *runtime)
{
    static const struct bsc_runtime_ops ops = {
        .name = "docker", .start = start, .stop = stop, .list = list, .forget = forget, .tail = tail
    };
    return (struct bsc_runtime){ .ops = &ops, .self = runtime };
}
