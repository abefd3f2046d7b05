/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_process.c - see runtime_process.h; the life of one process is in tracked.c. */
#include "adapters/runtime_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/tracked.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static struct bsc_tracked *find(const struct bsc_runtime_process *runtime, const char *id)
{
    for (struct bsc_list *at = runtime->tracked.next; at != &runtime->tracked; at = at->next) {
        struct bsc_tracked *tracked = BSC_CONTAINER(at, struct bsc_tracked, link);
        if (!strcmp(tracked->id, id))
            return tracked;
    }
    return NULL;
}

/* -- start ----------------------------------------------------------------------------------- */

static void tell_failed(struct bsc_runtime_process *runtime, const char *id, bsc_token token,
                        const struct bsc_error *error)
{
    bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                                         .token = token,
                                                         .id = id,
                                                         .status = error->status,
                                                         .wait_status = BSC_WAIT_UNKNOWN,
                                                         .text = error->text });
}

/* Starts a shim, or finds the one that runs it and is not known to this process. NULL, and `error`
 * says why. */
static struct bsc_tracked *launch_shim(struct bsc_runtime_process *runtime,
                                       const struct bsc_launch *launch, struct bsc_error *error)
{
    struct bsc_shim_handle shim;
    struct bsc_text path = { 0 };
    bool is_hook = launch->timeout_ms > 0; /* after a power loss it must not run a second time */
    enum bsc_status status =
        bsc_shim_directory_make(runtime->instances, launch->id, is_hook, error);
    if (status == BSC_OK) {
        bsc_text_printf(&path, "%s/%s", runtime->path, launch->id);
        status = bsc_shim_spawn(runtime->shim, path.data, launch, &shim, error);
        bsc_text_deinit(&path);
    }
    if (status == BSC_OK)
        return bsc_tracked_create(runtime, launch->id, &shim);
    return status == BSC_BUSY ? bsc_tracked_create(runtime, launch->id, NULL) : NULL;
}

static struct bsc_tracked *find_or_launch(struct bsc_runtime_process *runtime,
                                          const struct bsc_launch *launch, struct bsc_error *error)
{
    struct bsc_tracked *tracked = find(runtime, launch->id);
    if (tracked && tracked->phase == BSC_TRACK_SWEEPING)
        bsc_error_set(error, BSC_BUSY, "what its last run left is still being ended");
    else if (!bsc_shim_id_valid(launch->id))
        bsc_error_set(error, BSC_INVALID, "'%s' is no id", launch->id);
    else if (!launch->argv.count)
        bsc_error_set(error, BSC_INVALID, "there is no command");
    else
        return tracked ? tracked : launch_shim(runtime, launch, error);
    return NULL;
}

static void start(void *self, const struct bsc_launch *launch, bsc_token token)
{
    struct bsc_runtime_process *runtime = self;
    struct bsc_error error;
    struct bsc_tracked *tracked = find_or_launch(runtime, launch, &error);
    if (!tracked) {
        tell_failed(runtime, launch->id, token, &error);
    } else if (tracked->phase == BSC_TRACK_RUNNING) {
        bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_STARTED,
                                                             .token = token,
                                                             .id = launch->id,
                                                             .pid = tracked->pid });
    } else {
        bsc_tokens_add(&tracked->starts, token);
        bsc_tracked_advance(tracked);
    }
}

/* -- stop ------------------------------------------------------------------------------------ */

static void stop(void *self, const char *id, int64_t grace_ms, bsc_token token)
{
    struct bsc_runtime_process *runtime = self;
    struct bsc_tracked *tracked = find(runtime, id);
    if (!tracked && bsc_shim_id_valid(id))
        tracked = bsc_tracked_create(runtime, id, NULL);
    if (!tracked) {
        bsc_outbox_put(runtime->outbox, &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                                             .token = token,
                                                             .id = id,
                                                             .wait_status = BSC_WAIT_UNKNOWN });
        return;
    }
    bsc_tokens_add(&tracked->stops, token);
    tracked->stopping = true;
    tracked->heard = false;
    tracked->grace_ms = grace_ms;
    tracked->kill_at_ms = INT64_MAX;
    bsc_tracked_advance(tracked);
}

/* -- list ------------------------------------------------------------------------------------ */

struct found_list {
    struct bsc_found *items;
    size_t count, capacity;
    struct bsc_arena arena;
};

static void add_found(struct found_list *list, const struct bsc_found *found)
{
    list->items = bsc_grow(list->items, &list->capacity, list->count + 1, sizeof *list->items);
    struct bsc_found *item = &list->items[list->count++];
    *item = *found;
    item->id = bsc_arena_copy(&list->arena, found->id);
    item->text = found->text && *found->text ? bsc_arena_copy(&list->arena, found->text) : NULL;
}

/* Calls `each` for every directory that can be an instance's. False: it can't be read. */
static bool for_each_directory(struct bsc_runtime_process *runtime,
                               void (*each)(struct bsc_runtime_process *runtime, const char *id,
                                            int directory, void *argument),
                               void *argument)
{
    int again = openat(runtime->instances, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again == -1 ? NULL : fdopendir(again);
    if (!entries) {
        if (again != -1)
            close(again);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!bsc_shim_id_valid(entry->d_name) || find(runtime, entry->d_name))
            continue;
        int directory = bsc_shim_directory_open(runtime->instances, entry->d_name);
        if (directory == -1)
            continue;
        each(runtime, entry->d_name, directory, argument);
        close(directory);
    }
    closedir(entries);
    return true;
}

static void take_up(struct bsc_runtime_process *runtime, const char *id, int directory,
                    void *unused)
{
    (void)unused;
    if (bsc_shim_locked(directory) || bsc_ending_needs_sweep(runtime, directory))
        bsc_tracked_create(runtime, id, NULL);
}

static void add_ended(struct bsc_runtime_process *runtime, const char *id, int directory,
                      void *argument)
{
    struct bsc_ending ending;
    bsc_ending_read(runtime, directory, &ending);
    add_found(argument, &(struct bsc_found){
                            .id = id, .wait_status = ending.wait_status, .text = ending.text });
}

static void answer_lists(struct bsc_runtime_process *runtime)
{
    struct found_list list = { 0 };
    struct bsc_error error = { .text = "" };
    bsc_arena_init(&list.arena);
    for (struct bsc_list *at = runtime->tracked.next; at != &runtime->tracked; at = at->next) {
        struct bsc_tracked *tracked = BSC_CONTAINER(at, struct bsc_tracked, link);
        int64_t pid = tracked->pid ? tracked->pid : tracked->shim.pid;
        add_found(&list, &(struct bsc_found){ .id = tracked->id, .pid = pid });
    }
    if (!for_each_directory(runtime, add_ended, &list))
        (void)bsc_error_errno(&error, "read %s", runtime->path);
    for (size_t i = 0; i < runtime->lists.count; i++)
        bsc_outbox_put(runtime->outbox,
                       &(struct bsc_event){ .kind = BSC_EVENT_LISTED,
                                            .token = runtime->lists.items[i],
                                            .status = *error.text ? error.status : BSC_OK,
                                            .text = *error.text ? error.text : NULL,
                                            .runtime = BSC_RUNTIME_PROCESS,
                                            .found = list.items,
                                            .found_count = (unsigned)list.count });
    runtime->lists.count = 0;
    free(list.items);
    bsc_arena_deinit(&list.arena);
}

static void list(void *self, bsc_token token)
{
    struct bsc_runtime_process *runtime = self;
    bsc_tokens_add(&runtime->lists, token);
    (void)for_each_directory(runtime, take_up, NULL); /* answer_lists says when it can't be read */
    for (struct bsc_list *at = runtime->tracked.next; at != &runtime->tracked; at = at->next)
        BSC_CONTAINER(at, struct bsc_tracked, link)->due_ms = 0;
    bsc_runtime_process_turn(runtime);
}

/* -- time ------------------------------------------------------------------------------------ */

/* Is it known whether it runs? What takes too long to tell counts as running. */
static bool is_settled(const struct bsc_tracked *tracked, int64_t now_ms)
{
    switch (tracked->phase) {
    case BSC_TRACK_RUNNING:
        return true;
    case BSC_TRACK_STARTING:
        return now_ms >= tracked->patience_ms;
    default: /* FINDING ends by itself, SWEEPING by SIGKILL */
        return false;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct bsc_runtime_process *runtime = timer->data;
    int64_t now_ms = bsc_clock_boot_ms();
    struct bsc_list *next;
    /* Advancing destroys at most the one that it is called for. */
    for (struct bsc_list *at = runtime->tracked.next; at != &runtime->tracked; at = next) {
        struct bsc_tracked *tracked = BSC_CONTAINER(at, struct bsc_tracked, link);
        next = at->next;
        if (tracked->due_ms <= now_ms)
            bsc_tracked_advance(tracked);
    }
    bsc_runtime_process_turn(runtime);
}

void bsc_runtime_process_turn(struct bsc_runtime_process *runtime)
{
    int64_t now_ms = bsc_clock_boot_ms(), due_ms = INT64_MAX;
    bool settled = true;
    for (struct bsc_list *at = runtime->tracked.next; at != &runtime->tracked; at = at->next) {
        const struct bsc_tracked *tracked = BSC_CONTAINER(at, struct bsc_tracked, link);
        settled = settled && is_settled(tracked, now_ms);
        due_ms = tracked->due_ms < due_ms ? tracked->due_ms : due_ms;
    }
    if (settled && runtime->lists.count)
        answer_lists(runtime);
    if (due_ms == INT64_MAX)
        uv_timer_stop(runtime->timer);
    else
        uv_timer_start(runtime->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0,
                       0);
}

/* -- the rest -------------------------------------------------------------------------------- */

static void forget(void *self, const char *id)
{
    struct bsc_runtime_process *runtime = self;
    struct bsc_error error;
    if (!bsc_shim_id_valid(id))
        return;
    enum bsc_status status = bsc_shim_directory_remove(runtime->instances, id, &error);
    if (status != BSC_OK && status != BSC_NOT_FOUND)
        bsc_log_warning("%s", error.text);
}

static void tail(void *self, const char *id, char *out, size_t size)
{
    struct bsc_runtime_process *runtime = self;
    if (size)
        out[0] = '\0';
    int directory = bsc_shim_id_valid(id) ? bsc_shim_directory_open(runtime->instances, id) : -1;
    if (directory == -1)
        return;
    bsc_shim_tail(directory, out, size);
    close(directory);
}

static enum bsc_status open_instances(struct bsc_runtime_process *runtime, const char *state_dir,
                                      struct bsc_error *error)
{
    struct stat file;
    struct bsc_text path = { 0 };
    enum bsc_status status = BSC_OK;
    char *real = realpath(state_dir, NULL);
    if (!real)
        return bsc_error_errno(error, "state directory %s", state_dir);
    bsc_text_printf(&path, "%s/instances", real);
    runtime->path = path.data;
    free(real);
    if (mkdir(runtime->path, 0700) == -1 && errno != EEXIST)
        return bsc_error_errno(error, "make %s", runtime->path);
    runtime->instances = open(runtime->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (runtime->instances == -1)
        return bsc_error_errno(error, "open %s", runtime->path);
    if (fstat(runtime->instances, &file) == -1)
        status = bsc_error_errno(error, "open %s", runtime->path);
    else if (file.st_uid != geteuid() || (file.st_mode & 022))
        status = bsc_error_set(error, BSC_DENIED,
                               "%s must belong to the daemon's user, and nobody else may write "
                               "to it",
                               runtime->path);
    if (status != BSC_OK)
        close(runtime->instances);
    return status;
}

enum bsc_status bsc_runtime_process_create(uv_loop_t *loop, const char *state_dir, const char *shim,
                                           bsc_deliver deliver, void *argument,
                                           struct bsc_runtime_process **out,
                                           struct bsc_error *error)
{
    struct bsc_runtime_process *runtime = bsc_alloc(sizeof *runtime);
    enum bsc_status status = open_instances(runtime, state_dir, error);
    if (status != BSC_OK) {
        free(runtime->path);
        free(runtime);
        return status;
    }
    runtime->loop = loop;
    runtime->shim = bsc_copy(shim);
    bsc_boot_id_read(runtime->boot_id);
    bsc_list_init(&runtime->tracked);
    runtime->outbox = bsc_outbox_create(loop, deliver, argument);
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

void bsc_runtime_process_destroy(struct bsc_runtime_process *runtime)
{
    while (!bsc_list_empty(&runtime->tracked))
        bsc_tracked_destroy(BSC_CONTAINER(runtime->tracked.next, struct bsc_tracked, link));
    bsc_outbox_destroy(runtime->outbox);
    uv_close((uv_handle_t *)runtime->timer, on_timer_closed);
    close(runtime->instances);
    free(runtime->lists.items);
    free(runtime->path);
    free(runtime->shim);
    free(runtime);
}

struct bsc_runtime bsc_runtime_process_port(struct bsc_runtime_process *runtime)
{
    static const struct bsc_runtime_ops ops = { .name = "process",
                                                .start = start,
                                                .stop = stop,
                                                .list = list,
                                                .forget = forget,
                                                .tail = tail };
    return (struct bsc_runtime){ .ops = &ops, .self = runtime };
}
