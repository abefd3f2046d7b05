/* SPDX-License-Identifier: Apache-2.0
 * supervisor/supervisor.c - the loop, the signals, and the way to the end. See supervisor.h. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"

enum {
    TAKEOVER_MS = 2000,
    TERMINATE_MS = 60000,
    CLOSE_MS = 10000,
    DRAIN_DEFAULT_MS = 30000,
    LATE_MS = 500, /* that far behind a timer we were stopped or suspended */
    CONTROLLER_SETTLED_MS = 10000,
    PROXY_SETTLED_MS = 200,
    EXIT_INCOMPLETE = 1,
};

/* A word of every phase for the log. */
static const char *const phase_names[BSC_PHASE_COUNT] = {
    [BSC_PHASE_TAKEOVER] = "looking for proxies that run",
    [BSC_PHASE_RUN] = "running",
    [BSC_PHASE_DRAIN] = "draining the proxies",
    [BSC_PHASE_TERMINATE] = "stopping the instances",
    [BSC_PHASE_CLOSE] = "waiting for the controller to exit",
    [BSC_PHASE_DONE] = "done",
};

void bsc_supervisor_enter(struct bsc_supervisor *supervisor, enum bsc_phase phase)
{
    static const int64_t lengths_ms[BSC_PHASE_COUNT] = {
        [BSC_PHASE_TAKEOVER] = TAKEOVER_MS,
        [BSC_PHASE_TERMINATE] = TERMINATE_MS,
        [BSC_PHASE_CLOSE] = CLOSE_MS,
    };
    supervisor->phase = phase;
    supervisor->phase_deadline_ms =
        lengths_ms[phase] ? bsc_clock_boot_ms() + lengths_ms[phase] : BSC_NEVER_MS;
    bsc_log_info("%s", phase_names[phase]);
    switch (phase) {
    case BSC_PHASE_RUN:
        supervisor->controller.start_ms = 0;
        break;
    case BSC_PHASE_DRAIN:
        bsc_notify_send(&supervisor->notify, "STOPPING=1");
        bsc_listeners_deinit(&supervisor->listeners); /* refuse, rather than let wait in vain */
        bsc_proxy_retire_all(supervisor);
        break;
    case BSC_PHASE_TERMINATE:
        if (!supervisor->controller.pid)
            supervisor->controller.start_ms = 0;
        bsc_controller_tell(supervisor, NULL, 0, "terminate");
        break;
    case BSC_PHASE_CLOSE:
        supervisor->controller.start_ms = BSC_NEVER_MS;
        bsc_controller_close(supervisor);
        if (!supervisor->controller.pid)
            supervisor->phase = BSC_PHASE_DONE;
        break;
    case BSC_PHASE_TAKEOVER:
    case BSC_PHASE_DONE:
    case BSC_PHASE_COUNT:
        break;
    }
}

static void end_takeover(struct bsc_supervisor *supervisor)
{
    supervisor->phase = BSC_PHASE_RUN; /* from here on one is chosen */
    bsc_takeover_end(supervisor);
}

static void stop(struct bsc_supervisor *supervisor)
{
    if (supervisor->phase == BSC_PHASE_TAKEOVER)
        end_takeover(supervisor);
    if (supervisor->phase == BSC_PHASE_RUN)
        bsc_supervisor_enter(supervisor, BSC_PHASE_DRAIN);
    else if (supervisor->phase == BSC_PHASE_DRAIN)
        bsc_proxy_kill_all(supervisor, "told to stop a second time");
}

static void leave(struct bsc_supervisor *supervisor)
{
    if (supervisor->phase > BSC_PHASE_RUN)
        return;
    bsc_notify_send(&supervisor->notify, "STOPPING=1");
    supervisor->keep = true;
    bsc_supervisor_enter(supervisor, BSC_PHASE_CLOSE);
}

/* Everything that ends under us ends here, orphans of the controller included. */
static void reap(struct bsc_supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == supervisor->controller.pid) {
            bsc_controller_on_exit(supervisor, status);
            continue;
        }
        for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
            if (supervisor->proxies[i].state != BSC_GENERATION_NONE &&
                supervisor->proxies[i].pid == pid) {
                bsc_proxy_on_exit(supervisor, &supervisor->proxies[i], status);
                break;
            }
    }
}

static void on_signal(struct bsc_supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof info) == sizeof info)
        switch (info.ssi_signo) {
        case SIGCHLD:
            reap(supervisor);
            break;
        case SIGTERM:
        case SIGINT:
            stop(supervisor);
            break;
        case SIGHUP:
            bsc_controller_tell(supervisor, NULL, 0, "reload");
            break;
        case SIGUSR1:
            leave(supervisor);
            break;
        case SIGUSR2:
            bsc_proxy_upgrade(supervisor, "");
            break;
        }
}

/* The end of a proxy, our child or not. */
static void on_pidfd(struct bsc_supervisor *supervisor, struct bsc_proxy *proxy)
{
    int status;
    bsc_proxy_on_channel(supervisor, proxy); /* its last words */
    if (waitpid(proxy->pid, &status, WNOHANG) != proxy->pid)
        status = -1;
    bsc_proxy_on_exit(supervisor, proxy, status);
}

static void advance(struct bsc_supervisor *supervisor)
{
    bool over = bsc_clock_boot_ms() >= supervisor->phase_deadline_ms;
    switch (supervisor->phase) {
    case BSC_PHASE_TAKEOVER:
        if (!over && !bsc_takeover_complete(supervisor))
            break;
        end_takeover(supervisor);
        bsc_supervisor_enter(supervisor, BSC_PHASE_RUN);
        break;
    case BSC_PHASE_DRAIN:
        if (!bsc_proxy_count(supervisor, ~(1U << BSC_GENERATION_NONE)))
            bsc_supervisor_enter(supervisor, BSC_PHASE_TERMINATE);
        break;
    case BSC_PHASE_TERMINATE:
        if (!over)
            break;
        bsc_log_error("the controller did not stop all instances within %d s", TERMINATE_MS / 1000);
        supervisor->exit_status = EXIT_INCOMPLETE;
        bsc_supervisor_enter(supervisor, BSC_PHASE_CLOSE);
        break;
    case BSC_PHASE_CLOSE:
        if (over)
            bsc_supervisor_enter(supervisor, BSC_PHASE_DONE);
        break;
    case BSC_PHASE_RUN:
    case BSC_PHASE_DONE:
    case BSC_PHASE_COUNT:
        break;
    }
}

/* Returns when something must be done next. */
static int64_t on_time(struct bsc_supervisor *supervisor, bool late)
{
    int64_t times_ms[] = { bsc_proxy_on_time(supervisor, late), bsc_controller_on_time(supervisor),
                           bsc_notify_watchdog(&supervisor->notify, bsc_clock_boot_ms()),
                           supervisor->phase_deadline_ms };
    int64_t next_ms = BSC_NEVER_MS;
    for (size_t i = 0; i < sizeof times_ms / sizeof *times_ms; i++)
        next_ms = times_ms[i] < next_ms ? times_ms[i] : next_ms;
    return next_ms;
}

static void wait_and_handle(struct bsc_supervisor *supervisor, int timeout_ms)
{
    struct pollfd fds[2 + 2 * BSC_PROXIES_MAX] = {
        { .fd = supervisor->signals, .events = POLLIN },
        { .fd = supervisor->controller.channel, .events = POLLIN },
    };
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        const struct bsc_proxy *proxy = &supervisor->proxies[i];
        bool used = proxy->state != BSC_GENERATION_NONE;
        fds[2 + 2 * i] = (struct pollfd){ .fd = used ? proxy->channel : -1, .events = POLLIN };
        fds[3 + 2 * i] = (struct pollfd){ .fd = used ? proxy->pidfd : -1, .events = POLLIN };
    }
    if (poll(fds, sizeof fds / sizeof *fds, timeout_ms) <= 0)
        return;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++) {
        struct bsc_proxy *proxy = &supervisor->proxies[i];
        if (fds[2 + 2 * i].revents)
            bsc_proxy_on_channel(supervisor, proxy);
        if (fds[3 + 2 * i].revents && proxy->pidfd == fds[3 + 2 * i].fd)
            on_pidfd(supervisor, proxy);
    }
    if (fds[1].revents)
        bsc_controller_on_channel(supervisor);
    if (fds[0].revents)
        on_signal(supervisor);
}

static void loop(struct bsc_supervisor *supervisor)
{
    int64_t wake_ms = BSC_NEVER_MS;
    while (supervisor->phase != BSC_PHASE_DONE) {
        int64_t now_ms = bsc_clock_boot_ms();
        bool late = wake_ms != BSC_NEVER_MS && now_ms > wake_ms + LATE_MS;
        wake_ms = on_time(supervisor, late);
        int64_t left_ms = wake_ms == BSC_NEVER_MS ? -1 : wake_ms - bsc_clock_boot_ms();
        if (wake_ms != BSC_NEVER_MS && left_ms < 0)
            left_ms = 0;
        wait_and_handle(supervisor, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        advance(supervisor);
    }
}

static enum bsc_status prepare(struct bsc_supervisor *supervisor, struct bsc_error *error)
{
    static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };
    if (bsc_signals_open(taken, sizeof taken / sizeof *taken, &supervisor->signals, error))
        return error->status;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        return bsc_error_errno(error, "become a subreaper");
    if (mkdirat(supervisor->state_directory, "proxy", 0700) == -1 && errno != EEXIST)
        return bsc_error_errno(error, "make %s/proxy", supervisor->options->state);
    supervisor->proxy_directory = openat(supervisor->state_directory, "proxy",
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (supervisor->proxy_directory == -1)
        return bsc_error_errno(error, "open %s/proxy", supervisor->options->state);
    return BSC_OK;
}

int bsc_supervisor_run(struct bsc_supervisor *supervisor,
                       const struct bsc_supervisor_options *options, int state_directory)
{
    struct bsc_error error;
    *supervisor = (struct bsc_supervisor){
        .options = options,
        .state_directory = state_directory,
        .workers = 1,
        .access_log = -1,
        .drain_ms = DRAIN_DEFAULT_MS,
        .proxy_start_ms = BSC_NEVER_MS,
        .proxy_lived_ms = BSC_NEVER_MS,
        .proxy_backoff = { .settled_ms = PROXY_SETTLED_MS },
        .snapshot = -1,
        .controller = { .channel = -1,
                        .start_ms = BSC_NEVER_MS,
                        .kill_ms = BSC_NEVER_MS,
                        .backoff = { .settled_ms = CONTROLLER_SETTLED_MS },
                        .first = true },
    };
    bsc_notify_init(&supervisor->notify);
    bsc_listeners_init(&supervisor->listeners);
    if (prepare(supervisor, &error) != BSC_OK) {
        bsc_log_error("%s", error.text);
        return EXIT_INCOMPLETE;
    }
    bsc_takeover_begin(supervisor);
    bsc_supervisor_enter(supervisor, BSC_PHASE_TAKEOVER);
    advance(supervisor);
    loop(supervisor);
    if (!supervisor->keep)
        bsc_proxy_kill_all(supervisor, "the supervisor ends");
    bsc_listeners_deinit(&supervisor->listeners);
    return supervisor->exit_status;
}
