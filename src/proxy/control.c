/* SPDX-License-Identifier: Apache-2.0
 * proxy/control.c - see control.h. */
#include "proxy/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { MESSAGES_AT_ONCE = 64, UPSTREAMS = 2048, MIRROR_TELL_MS = 300 };

void bsc_control_say(struct bsc_control *control, const int *fds, unsigned fd_count,
                     const char *format, ...)
{
    char text[BSC_CHANNEL_BYTES];
    struct bsc_error error;
    if (control->channel == -1)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (bsc_channel_send(control->channel, fds, fd_count, &error, "%s", text))
        bsc_log_warning("tell the supervisor: %s", error.text);
}

void bsc_control_post(struct bsc_control *control, struct bsc_update *take_update,
                      void (*on_done)(void *control, struct bsc_update *update))
{
    take_update->on_done = on_done;
    atomic_init(&take_update->pending, control->worker_count + (control->mirror_worker != NULL));
    bsc_list_add_tail(&control->updates, &take_update->node);
    for (unsigned i = 0; i < control->worker_count; i++)
        bsc_inbox_post(&control->workers[i]->inbox, take_update);
    if (control->mirror_worker)
        bsc_inbox_post(&control->mirror_worker->inbox, take_update);
}

static void finish_updates(struct bsc_control *control)
{
    while (!bsc_list_empty(&control->updates)) {
        struct bsc_update *update = BSC_CONTAINER(control->updates.next, struct bsc_update, node);
        if (atomic_load_explicit(&update->pending, memory_order_acquire))
            return;
        bsc_list_remove(&update->node);
        if (update->on_done)
            update->on_done(control, update);
        bsc_update_destroy(update);
    }
}

static void on_acknowledged(void *context, struct bsc_update *update)
{
    struct bsc_control *control = context;
    bsc_controller_acknowledge(&control->controller, update);
}

void bsc_control_on_line(void *context, const struct bsc_line *line)
{
    struct bsc_control *control = context;
    if (line->listeners && control->opened)
        bsc_control_serve(control, line->update);
    bsc_control_post(control, line->update, on_acknowledged);
    bsc_control_look_soon(control);
    if (line->end) {
        bsc_control_tell_ejected(control);
        bsc_control_tell_tripped(control);
        bsc_control_open(control);
    }
}

/* Half of the descriptors are for instances, but no more than UPSTREAMS of them: most of many
 * clients are idle, and when more ask at once, idle ones give way (proxy/admit.h). */
static unsigned clients_per_worker(unsigned workers)
{
    struct rlimit limit;
    unsigned reserved = 24 + 4 * workers;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 4000000)
        limit.rlim_cur = 4000000;
    unsigned long free_fds = limit.rlim_cur > reserved + 2 ? limit.rlim_cur - reserved : 2;
    unsigned long upstreams = free_fds / 2 < UPSTREAMS ? free_fds / 2 : UPSTREAMS;
    unsigned long share = (free_fds - upstreams) / workers;
    return share ? (unsigned)share : 1;
}

static enum bsc_status make_counters(struct bsc_control *control, struct bsc_counters **out,
                                     struct bsc_error *error)
{
    size_t size = sizeof **out + (control->worker_count + 1) * sizeof(struct bsc_shard);
    control->counters_fd = memfd_create("bascule-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (control->counters_fd == -1 || ftruncate(control->counters_fd, (off_t)size) ||
        fcntl(control->counters_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return bsc_error_errno(error, "make the counters");
    struct bsc_counters *counters = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_NORESERVE, control->counters_fd, 0);
    if (counters == MAP_FAILED)
        return bsc_error_errno(error, "map the counters");
    counters->version = BSC_COUNTERS_VERSION;
    counters->workers = control->worker_count;
    struct bsc_random random;
    bsc_random_seed(&random);
    counters->birth = bsc_random_next(&random);
    *out = counters;
    return BSC_OK;
}

enum bsc_status bsc_control_start_workers(struct bsc_control *control, unsigned count,
                                          struct bsc_error *error)
{
    struct bsc_counters *counters = NULL;
    control->worker_count = control->lines.worker_count = count;
    if (make_counters(control, &counters, error))
        return error->status;
    if (bsc_access_log_start(&control->access, count, error))
        return error->status;
    struct bsc_random random;
    bsc_random_seed(&random);
    struct bsc_limiter *limiter =
        bsc_limiter_create(bsc_random_next(&random), bsc_random_next(&random));
    if (bsc_mirror_init(&control->mirror, count, error))
        return error->status;
    for (unsigned i = 0; i <= count; i++) {
        struct bsc_worker_options options = { .number = i,
                                              .count = count,
                                              .peers = control->workers,
                                              .shard = &counters->shards[i],
                                              .news = control->news,
                                              .access = &control->access,
                                              .mirror = &control->mirror,
                                              .mirrors = i == count,
                                              .client_max = clients_per_worker(count),
                                              .options = control->lines.options,
                                              .limiter = limiter };
        struct bsc_worker **out = i < count ? &control->workers[i] : &control->mirror_worker;
        if (bsc_worker_start(&options, out, error))
            return error->status;
    }
    return BSC_OK;
}

static void check_workers(struct bsc_control *control)
{
    eventfd_t unused;
    eventfd_read(control->news, &unused);
    finish_updates(control);
    bool trips = false;
    for (unsigned i = 0; i < control->worker_count; i++) {
        if (atomic_exchange(&control->workers[i]->suspects, false))
            control->look_at_ms = 0;
        trips |= atomic_exchange(&control->workers[i]->trips, false);
    }
    if (trips)
        bsc_control_trip(control);
    /* While the next telling has its time, the mark stays, and nobody is woken by it. */
    if (control->mirror_worker && control->mirror_at_ms == INT64_MAX &&
        atomic_exchange(&control->mirror_worker->mirrored, false))
        control->mirror_at_ms = bsc_clock_boot_ms() + MIRROR_TELL_MS;
    bool idle = control->retired;
    for (unsigned i = 0; idle && i < control->worker_count; i++)
        idle = atomic_load(&control->workers[i]->idle_retired);
    control->over |= idle;
}

static void read_supervisor(struct bsc_control *control)
{
    for (unsigned i = 0; i < MESSAGES_AT_ONCE && control->channel != -1; i++) {
        struct bsc_message message;
        struct bsc_error error;
        bool got;
        if (bsc_channel_receive(control->channel, &message, &got, &error)) {
            bsc_log_warning("the supervisor is gone (%s); waiting for another one", error.text);
            close(control->channel);
            control->channel = -1;
            control->over |= control->worker_count == 0; /* it never told what to do */
            return;
        }
        if (!got)
            return;
        bsc_control_obey(control, &message);
        bsc_message_close_fds(&message);
    }
}

/* A new supervisor takes over. Nobody else can: the socket lies in a private directory, and the
 * peer must be the same user. */
static void accept_supervisor(struct bsc_control *control)
{
    int fd = accept4(control->takeover, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1)
        return;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.uid != control->owner) {
        bsc_log_warning("refused a supervisor of another user");
        close(fd);
        return;
    }
    if (control->channel != -1)
        close(control->channel);
    control->channel = fd;
    bsc_log_info("supervisor %ld took over", (long)peer.pid);
    bsc_control_introduce(control);
}

static void tell_line(void *context, json_t *take_line)
{
    bsc_controller_tell(context, take_line);
}

/* Without a controller they wait for the next one. */
static void tell_mirrored(struct bsc_control *control)
{
    int64_t now_ms = bsc_clock_boot_ms();
    if (now_ms < control->mirror_at_ms)
        return;
    bool waits = control->controller.fd == -1 || !control->lines.in_force;
    atomic_store(&control->mirror_worker->mirrored, false); /* what comes from here on marks anew */
    bool told =
        !waits && bsc_mirror_tell(&control->mirror, now_ms, tell_line, &control->controller);
    control->mirror_at_ms = waits || told ? now_ms + MIRROR_TELL_MS : INT64_MAX;
}

static void serve_controller(struct bsc_control *control, short events)
{
    struct bsc_controller *controller = &control->controller;
    bool alive = true;
    control->lines.now_ms = bsc_clock_boot_ms();
    if (events & (POLLIN | POLLHUP | POLLERR))
        alive = bsc_controller_read(controller, &control->lines, bsc_control_on_line, control);
    if (alive && controller->fd != -1)
        return;
    bsc_log_info("the controller is gone; routes stay as they are");
    bsc_controller_close(controller);
    bsc_lines_cancel(&control->lines);
}

static int wait_ms(const struct bsc_control *control)
{
    int64_t at_ms = control->look_at_ms;
    if (control->exit_at_ms && control->exit_at_ms < at_ms)
        at_ms = control->exit_at_ms;
    if (control->mirror_at_ms < at_ms)
        at_ms = control->mirror_at_ms;
    if (at_ms == INT64_MAX)
        return -1;
    int64_t left_ms = at_ms - bsc_clock_boot_ms();
    return left_ms < 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms;
}

static void turn(struct bsc_control *control)
{
    enum { CHANNEL, TAKEOVER, NEWS, CONTROLLER, COUNT };
    struct bsc_controller *controller = &control->controller;
    if (controller->fd != -1 && controller->out.size && !bsc_controller_write(controller)) {
        bsc_controller_close(controller);
        bsc_lines_cancel(&control->lines);
    }
    struct pollfd polls[COUNT] = {
        [CHANNEL] = { .fd = control->channel, .events = POLLIN },
        [TAKEOVER] = { .fd = control->takeover, .events = POLLIN },
        [NEWS] = { .fd = control->news, .events = POLLIN },
        [CONTROLLER] = { .fd = controller->fd,
                         .events = (short)(POLLIN | (controller->out.size ? POLLOUT : 0)) },
    };
    if (poll(polls, COUNT, wait_ms(control)) == -1)
        return;
    if (polls[NEWS].revents)
        check_workers(control);
    if (polls[CONTROLLER].revents)
        serve_controller(control, polls[CONTROLLER].revents);
    if (polls[CHANNEL].revents)
        read_supervisor(control);
    if (polls[TAKEOVER].revents)
        accept_supervisor(control);
    bsc_control_look(control);
    tell_mirrored(control);
    if (control->exit_at_ms && bsc_clock_boot_ms() >= control->exit_at_ms)
        control->over = true;
}

enum bsc_status bsc_control_run(int channel, struct bsc_error *error)
{
    struct bsc_control control = { .channel = channel,
                                   .takeover = -1,
                                   .counters_fd = -1,
                                   .mirror_at_ms = INT64_MAX,
                                   .snapshot = -1,
                                   .news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                   .owner = geteuid(),
                                   .pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0) };
    if (control.news == -1 || control.pidfd == -1)
        return bsc_error_errno(error, "start the control thread");
    bsc_list_init(&control.updates);
    bsc_list_init(&control.listens);
    bsc_lines_init(&control.lines);
    bsc_controller_init(&control.controller);
    while (!control.over)
        turn(&control);
    bsc_access_log_flush(&control.access);
    bsc_controller_bye(&control.controller);
    exit(0);
}
