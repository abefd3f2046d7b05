/* SPDX-License-Identifier: Apache-2.0
 * proxy/supervision.c - the supervisor's words, and what the proxy says to it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/control.h"
#include "proxy/sandbox.h"

static const off_t snapshot_max_bytes = (off_t)1 << 30;
enum { SPREAD_MAX_MS = 5000 };

static int take_fd(struct bsc_message *message, unsigned at)
{
    if (at >= message->fd_count)
        return -1;
    int fd = message->fds[at];
    message->fds[at] = -1;
    return fd;
}

static void say_hello(struct bsc_control *control)
{
    int fds[2] = { control->pidfd, control->counters_fd };
    bsc_control_say(control, fds, 2, "hello generation=%u pid=%ld workers=%u state=%s",
                    control->generation, (long)getpid(), control->worker_count,
                    control->retiring ? "retiring" : "current");
}

void bsc_control_introduce(struct bsc_control *control)
{
    say_hello(control);
    for (struct bsc_list *node = control->listens.next; node != &control->listens;
         node = node->next) {
        const struct bsc_listen *listen = BSC_CONTAINER(node, struct bsc_listen, node);
        bsc_control_say(control, listen->fds, listen->count, "listen address=%s shared=%d",
                        listen->address, listen->shared);
    }
    if (control->snapshot != -1)
        bsc_control_say(control, &control->snapshot, 1, "snapshot id=%lld", control->snapshot_id);
    if (control->ready)
        bsc_control_say(control, NULL, 0, "ready");
    if (control->retired)
        bsc_control_say(control, NULL, 0, "retired");
}

/* Whether what failed may be missing; else there is no proxy. A user that does not exist is a
 * mistake, not a machine that forbids something. */
static bool may_miss(const char *wanted, enum bsc_status status, const struct bsc_error *error)
{
    bool mistake = status == BSC_NOT_FOUND || status == BSC_INVALID;
    if (status == BSC_OK)
        return true;
    if (mistake) {
        bsc_log_error("sandbox: %s", error->text);
        return false;
    }
    if (!strcmp(wanted, "preferred")) {
        bsc_log_warning("sandbox: %s: going on without it", error->text);
        return true;
    }
    bsc_log_error("sandbox: %s; 'proxy: { sandbox: preferred }' would go on without it",
                  error->text);
    return false;
}

static bool start_workers(struct bsc_control *control, const struct bsc_message *message,
                          unsigned workers)
{
    struct bsc_error error;
    char wanted[16], user[64];
    bsc_message_value(message, "sandbox", wanted, sizeof wanted); /* "": required */
    bsc_message_value(message, "user", user, sizeof user);
    bool off = !strcmp(wanted, "off") || BSC_SANDBOX_IMPOSSIBLE;
    if (!off && !may_miss(wanted, bsc_sandbox_drop(user, &error), &error))
        return false;
    if (bsc_control_start_workers(control, workers, &error)) {
        bsc_log_error("%s", error.text);
        return false;
    }
    return off || may_miss(wanted, bsc_sandbox_seal(&error), &error);
}

static void start(struct bsc_control *control, struct bsc_message *message)
{
    long long workers = bsc_message_number(message, "workers", 1);
    if (control->worker_count)
        return;
    if (workers < 1)
        workers = 1;
    if (workers > BSC_COUNTERS_WORKERS_MAX)
        workers = BSC_COUNTERS_WORKERS_MAX;
    control->generation = (unsigned)bsc_message_number(message, "generation", 0);
    control->takeover = take_fd(message, 0);
    if (!start_workers(control, message, (unsigned)workers))
        exit(1);
    say_hello(control);
}

static struct bsc_listen *find_listen(struct bsc_control *control, const char *address)
{
    for (struct bsc_list *node = control->listens.next; node != &control->listens;
         node = node->next) {
        struct bsc_listen *listen = BSC_CONTAINER(node, struct bsc_listen, node);
        if (!strcmp(listen->address, address))
            return listen;
    }
    return NULL;
}

/* Once it is known what is spoken there. */
static void serve(struct bsc_control *control, struct bsc_listen *listen, struct bsc_update *update)
{
    struct bsc_role role;
    if (!bsc_roles_of(&control->lines.now.roles, listen->address, &role))
        return;
    if (listen->served && bsc_role_same(&listen->role, &role))
        return;
    listen->served = true;
    listen->role = role;
    bsc_update_serve(update, listen, &role);
}

void bsc_control_serve(struct bsc_control *control, struct bsc_update *update)
{
    for (struct bsc_list *node = control->listens.next; node != &control->listens;
         node = node->next)
        serve(control, BSC_CONTAINER(node, struct bsc_listen, node), update);
}

static void listen_on(struct bsc_control *control, struct bsc_message *message)
{
    char address[sizeof((struct bsc_listen *)0)->address];
    if (!bsc_message_value(message, "address", address, sizeof address) || control->retiring ||
        find_listen(control, address))
        return;
    struct bsc_listen *listen = bsc_alloc(sizeof *listen);
    memcpy(listen->address, address, sizeof address);
    listen->shared = bsc_message_number(message, "shared", 0) != 0;
    for (unsigned i = 0; i < message->fd_count; i++) {
        int fd = take_fd(message, i);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* an inherited one may not be */
        listen->fds[listen->count++] = fd;
    }
    bsc_list_add_tail(&control->listens, &listen->node);
    if (!control->opened)
        return;
    struct bsc_update *update = bsc_update_create();
    serve(control, listen, update);
    bsc_control_post(control, update, NULL);
}

static void close_listen(struct bsc_listen *listen)
{
    for (unsigned i = 0; i < listen->count; i++)
        close(listen->fds[i]);
    free(listen);
}

static void on_unlistened(void *context, struct bsc_update *update)
{
    (void)context;
    close_listen((struct bsc_listen *)(uintptr_t)update->unlisten);
}

static void unlisten(struct bsc_control *control, struct bsc_message *message)
{
    char address[sizeof((struct bsc_listen *)0)->address];
    bsc_message_value(message, "address", address, sizeof address);
    struct bsc_listen *listen = find_listen(control, address);
    if (!listen)
        return;
    bsc_list_remove(&listen->node);
    struct bsc_update *update = bsc_update_create();
    update->unlisten = listen;
    bsc_control_post(control, update, on_unlistened);
}

static void on_ready(void *context, struct bsc_update *update)
{
    (void)update;
    struct bsc_control *control = context;
    control->ready = true;
    bsc_control_say(control, NULL, 0, "ready");
}

void bsc_control_open(struct bsc_control *control)
{
    if (control->opened)
        return;
    control->opened = true;
    struct bsc_update *update = bsc_update_create();
    bsc_control_serve(control, update);
    bsc_control_post(control, update, on_ready);
}

/* Applies the lines of a snapshot exactly as if the controller had sent them. */
static void apply_snapshot(struct bsc_control *control)
{
    off_t end_at = lseek(control->snapshot, 0, SEEK_END);
    if (end_at <= 0 || end_at > snapshot_max_bytes)
        return;
    size_t size = (size_t)end_at;
    char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, control->snapshot, 0);
    if (text == MAP_FAILED)
        return;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        struct bsc_line line;
        struct bsc_error error;
        if (length && bsc_lines_take(&control->lines, text + at, length, &line, &error))
            bsc_log_warning("snapshot %lld: %s", control->snapshot_id, error.text);
        else if (length && line.update)
            bsc_control_on_line(control, &line);
        at += length + 1;
    }
    munmap(text, size);
    bsc_lines_cancel(&control->lines); /* if its end was missing */
}

static void snapshot(struct bsc_control *control, struct bsc_message *message)
{
    int fd = take_fd(message, 0);
    if (fd == -1)
        return;
    if (control->snapshot != -1)
        close(control->snapshot);
    control->snapshot = fd;
    control->snapshot_id = bsc_message_number(message, "id", 0);
    if (control->worker_count && !control->lines.in_force && !control->lines.collecting)
        apply_snapshot(control);
}

static void controller(struct bsc_control *control, struct bsc_message *message)
{
    int fd = take_fd(message, 0);
    if (fd == -1)
        return;
    bsc_lines_cancel(&control->lines);
    bsc_controller_open(&control->controller, fd, control->generation, control->worker_count);
}

static void on_pinged(void *context, struct bsc_update *update)
{
    bsc_control_say(context, NULL, 0, "pong id=%lld", update->number);
}

static void ping(struct bsc_control *control, struct bsc_message *message)
{
    struct bsc_update *update = bsc_update_create();
    update->number = bsc_message_number(message, "id", 0);
    bsc_control_post(control, update, on_pinged);
}

static void on_retired(void *context, struct bsc_update *update)
{
    (void)update;
    struct bsc_control *control = context;
    struct bsc_list *node;
    while ((node = bsc_list_pop(&control->listens)))
        close_listen(BSC_CONTAINER(node, struct bsc_listen, node));
    control->retired = true;
    bsc_control_say(control, NULL, 0, "retired");
}

static void retire(struct bsc_control *control, struct bsc_message *message)
{
    long long drain_ms = bsc_message_number(message, "drain_ms", 0);
    int64_t exit_at_ms = bsc_clock_boot_ms() + (drain_ms > 0 ? drain_ms : 0);
    if (!control->exit_at_ms || exit_at_ms < control->exit_at_ms)
        control->exit_at_ms = exit_at_ms;
    if (control->retiring)
        return;
    control->retiring = true;
    struct bsc_update *update = bsc_update_create();
    update->retire = true;
    update->drain_ms = drain_ms > 0 ? drain_ms : 0;
    update->spread_ms = drain_ms > 4 * SPREAD_MAX_MS ? SPREAD_MAX_MS : drain_ms / 4;
    bsc_control_post(control, update, on_retired);
}

/* Where the access log goes; without a descriptor there is none. */
static void access_log(struct bsc_control *control, struct bsc_message *message)
{
    char format[16], addresses[16];
    bsc_message_value(message, "format", format, sizeof format);
    bsc_message_value(message, "addresses", addresses, sizeof addresses);
    const struct bsc_access_style style = {
        .format = !strcmp(format, "combined") ? BSC_ACCESS_COMBINED : BSC_ACCESS_JSON,
        .anonymous = !strcmp(addresses, "anonymous"),
    };
    if (control->worker_count)
        bsc_access_log_use(&control->access, take_fd(message, 0), &style);
}

void bsc_control_obey(struct bsc_control *control, struct bsc_message *message)
{
    static const struct {
        const char *verb;
        void (*obey)(struct bsc_control *control, struct bsc_message *message);
    } verbs[] = {
        { "start", start },       { "listen", listen_on },      { "unlisten", unlisten },
        { "snapshot", snapshot }, { "controller", controller }, { "ping", ping },
        { "retire", retire },     { "access-log", access_log },
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (!bsc_message_is(message, verbs[i].verb))
            continue;
        verbs[i].obey(control, message);
        return;
    }
}
