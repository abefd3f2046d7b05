/* SPDX-License-Identifier: Apache-2.0
 * supervisor/controller.c - the controller: started, started again, listened to. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

enum {
    EXIT_UNUSABLE = 2,   /* configuration, usage or store: it has printed what is wrong */
    EXIT_WAIT_MS = 5000, /* from its channel's end to its own */
};

static void start(struct bsc_supervisor *supervisor)
{
    struct bsc_controller *controller = &supervisor->controller;
    const struct bsc_supervisor_options *options = supervisor->options;
    struct bsc_error error;
    char path[4096], state[4096], config[4096];
    char name[] = "bascule", command[] = "controller", fd[] = "3";
    char state_option[] = "--state", config_option[] = "--config", channel_option[] = "--channel";
    snprintf(path, sizeof path, "%s%s", options->controller ? "" : options->libexec,
             options->controller ? options->controller : "/bascule");
    snprintf(state, sizeof state, "%s", options->state);
    snprintf(config, sizeof config, "%s", options->config);
    char *const argv[] = { name,   command,        state_option, state, config_option,
                           config, channel_option, fd,           NULL };
    controller->started_ms = bsc_clock_boot_ms();
    controller->start_ms = BSC_NEVER_MS;
    controller->kill_ms = BSC_NEVER_MS;
    /* Bound to us, because even a stopped one must not keep the store from the next. */
    if (bsc_spawn(path, argv, true, &controller->pid, &controller->channel, &error) != BSC_OK) {
        bsc_log_error("start the controller: %s", error.text);
        controller->pid = 0;
        controller->start_ms = controller->started_ms + bsc_backoff_delay(&controller->backoff, 0);
        return;
    }
    bsc_log_info("controller: started (pid %d)", (int)controller->pid);
    if (supervisor->snapshot != -1)
        bsc_controller_tell(supervisor, &supervisor->snapshot, 1, "snapshot id=%lld",
                            supervisor->snapshot_id);
    supervisor->snapshot_told = supervisor->snapshot_id;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        bsc_proxy_introduce(supervisor, &supervisor->proxies[i]);
    if (supervisor->phase == BSC_PHASE_TERMINATE)
        bsc_controller_tell(supervisor, NULL, 0, "terminate");
}

void bsc_controller_tell(struct bsc_supervisor *supervisor, const int *fds, unsigned fd_count,
                         const char *format, ...)
{
    char line[BSC_CHANNEL_BYTES];
    struct bsc_error error;
    va_list arguments;
    if (supervisor->controller.channel == -1)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (bsc_channel_send(supervisor->controller.channel, fds, fd_count, &error, "%s", line) !=
        BSC_OK)
        bsc_log_warning("tell the controller '%.40s': %s", line, error.text);
}

void bsc_controller_tell_snapshot(struct bsc_supervisor *supervisor)
{
    if (supervisor->snapshot_told == supervisor->snapshot_id)
        return;
    for (size_t i = 0; i < BSC_PROXIES_MAX; i++)
        if (supervisor->proxies[i].state == BSC_GENERATION_STARTING &&
            !supervisor->proxies[i].introduced)
            return;
    supervisor->snapshot_told = supervisor->snapshot_id;
    bsc_controller_tell(supervisor, NULL, 0, "snapshot-taken id=%lld", supervisor->snapshot_id);
}

static bool serves(const struct bsc_supervisor *supervisor)
{
    return bsc_proxy_count(supervisor, 1U << BSC_GENERATION_READY | 1U << BSC_GENERATION_CURRENT);
}

static void take_access_log(struct bsc_supervisor *supervisor, struct bsc_message *message)
{
    char format[16], addresses[16];
    if (!bsc_message_value(message, "access_log", format, sizeof format))
        return; /* a controller that knows nothing of it */
    bsc_message_value(message, "access_addresses", addresses, sizeof addresses);
    if (supervisor->access_log != -1)
        close(supervisor->access_log);
    supervisor->access_log = message->fd_count ? message->fds[0] : -1;
    message->fds[0] = -1;
    snprintf(supervisor->access_words, sizeof supervisor->access_words,
             "access-log format=%s addresses=%s", format, addresses);
    bsc_proxy_tell_access_log(supervisor);
}

static void on_configure(struct bsc_supervisor *supervisor, struct bsc_message *message)
{
    char addresses[BSC_CHANNEL_BYTES];
    struct bsc_error error;
    if (supervisor->phase != BSC_PHASE_RUN) { /* nothing is to be served any more */
        bsc_controller_tell(supervisor, NULL, 0, "configured");
        return;
    }
    long long workers = bsc_message_number(message, "workers", 1);
    workers = workers < 1 ? 1 : workers > BSC_LISTENER_SOCKETS ? BSC_LISTENER_SOCKETS : workers;
    bsc_message_value(message, "listen", addresses, sizeof addresses);
    if (bsc_listeners_prepare(&supervisor->listeners, addresses, (unsigned)workers, &error) !=
        BSC_OK) {
        bsc_log_error("%s", error.text);
        bsc_controller_tell(supervisor, NULL, 0, "refused text=%s", error.text);
        return;
    }
    bsc_proxy_tell_listeners(supervisor);
    bsc_listeners_commit(&supervisor->listeners);
    supervisor->workers = (unsigned)workers;
    bsc_message_value(message, "sandbox", supervisor->sandbox, sizeof supervisor->sandbox);
    bsc_message_value(message, "user", supervisor->user, sizeof supervisor->user);
    supervisor->drain_ms = bsc_message_number(message, "drain_ms", supervisor->drain_ms);
    take_access_log(supervisor, message);
    supervisor->configured = true;
    bsc_controller_tell(supervisor, NULL, 0, "configured");
    bsc_proxy_ensure(supervisor);
}

static void on_snapshot(struct bsc_supervisor *supervisor, struct bsc_message *message)
{
    if (message->fd_count != 1)
        return;
    if (supervisor->snapshot != -1)
        close(supervisor->snapshot);
    supervisor->snapshot = message->fds[0];
    message->fds[0] = -1;
    supervisor->snapshot_id = bsc_message_number(message, "id", 0);
    bsc_proxy_tell_snapshot(supervisor);
    bsc_controller_tell_snapshot(supervisor);
}

static void on_ready(struct bsc_supervisor *supervisor)
{
    supervisor->controller.ready = true;
    bsc_notify_send(&supervisor->notify, "READY=1\nMAINPID=%ld", (long)getpid());
}

/* Where users are served, they are served on, and whoever waits for the start (systemd) must not
 * take it for failed and stop everything. */
static void on_unusable(struct bsc_supervisor *supervisor)
{
    if (supervisor->phase != BSC_PHASE_RUN)
        return;
    if (supervisor->controller.ready || serves(supervisor)) {
        on_ready(supervisor);
        return;
    }
    supervisor->exit_status = EXIT_UNUSABLE;
    bsc_supervisor_enter(supervisor, BSC_PHASE_CLOSE);
}

static void on_message(struct bsc_supervisor *supervisor, struct bsc_message *message)
{
    char token[BSC_TOKEN_BYTES];
    if (bsc_message_is(message, "configure")) {
        on_configure(supervisor, message);
    } else if (bsc_message_is(message, "snapshot")) {
        on_snapshot(supervisor, message);
    } else if (bsc_message_is(message, "ready")) {
        on_ready(supervisor);
    } else if (bsc_message_is(message, "unusable")) {
        on_unusable(supervisor);
    } else if (bsc_message_is(message, "upgrade")) {
        bsc_message_value(message, "token", token, sizeof token);
        bsc_proxy_upgrade(supervisor, token);
    } else if (bsc_message_is(message, "terminated") && supervisor->phase == BSC_PHASE_TERMINATE) {
        /* all instances are stopped */
        bsc_supervisor_enter(supervisor, BSC_PHASE_CLOSE);
    }
}

void bsc_controller_close(struct bsc_supervisor *supervisor)
{
    struct bsc_controller *controller = &supervisor->controller;
    if (controller->channel != -1)
        close(controller->channel);
    controller->channel = -1;
    if (controller->pid)
        controller->kill_ms = bsc_clock_boot_ms() + EXIT_WAIT_MS;
}

void bsc_controller_on_channel(struct bsc_supervisor *supervisor)
{
    struct bsc_message message;
    struct bsc_error error;
    bool got = true;
    while (got && supervisor->controller.channel != -1) {
        if (bsc_channel_receive(supervisor->controller.channel, &message, &got, &error) != BSC_OK) {
            bsc_controller_close(supervisor);
        } else if (got) {
            on_message(supervisor, &message);
            bsc_message_close_fds(&message);
        }
    }
}

void bsc_controller_on_exit(struct bsc_supervisor *supervisor, int status)
{
    struct bsc_controller *controller = &supervisor->controller;
    int64_t now_ms = bsc_clock_boot_ms();
    bool unusable = WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_UNUSABLE ||
                                          WEXITSTATUS(status) == BSC_EXIT_CANNOT_EXECUTE);
    bsc_controller_on_channel(supervisor); /* its last words */
    bsc_controller_close(supervisor);
    controller->pid = 0;
    controller->kill_ms = BSC_NEVER_MS;
    if (supervisor->phase == BSC_PHASE_CLOSE) {
        bsc_supervisor_enter(supervisor, BSC_PHASE_DONE);
        return;
    }
    bsc_log_warning("controller ended: %s %d", WIFSIGNALED(status) ? "signal" : "exit status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (unusable && controller->first && !controller->ready && supervisor->phase == BSC_PHASE_RUN &&
        !serves(supervisor)) {
        supervisor->exit_status = EXIT_UNUSABLE;
        bsc_supervisor_enter(supervisor, BSC_PHASE_DONE);
        return;
    }
    controller->first = false;
    controller->start_ms =
        now_ms + bsc_backoff_delay(&controller->backoff, now_ms - controller->started_ms);
}

int64_t bsc_controller_on_time(struct bsc_supervisor *supervisor)
{
    struct bsc_controller *controller = &supervisor->controller;
    int64_t now_ms = bsc_clock_boot_ms();
    if (now_ms >= controller->start_ms)
        start(supervisor);
    if (now_ms >= controller->kill_ms && controller->pid) {
        bsc_log_warning("controller (pid %d) is killed: its channel is closed and it stays",
                        (int)controller->pid);
        kill(controller->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
        controller->kill_ms = BSC_NEVER_MS;
    }
    return controller->start_ms < controller->kill_ms ? controller->start_ms : controller->kill_ms;
}
