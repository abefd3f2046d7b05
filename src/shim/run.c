/* SPDX-License-Identifier: Apache-2.0
 * shim/run.c - see run.h. Between happenings it sleeps in poll without a time-out. */
#include "shim/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/port.h"
#include "base/signals.h"
#include "shim/command.h"
#include "shim/shim.h"
#include "shim/tree.h"

enum {
    LEFTOVER_GRACE_MS = 1000, /* for what a command that exited by itself leaves behind */
    KILL_AGAIN_FIRST_MS = 10,
    KILL_AGAIN_LAST_MS = 1000,
    DRAIN_MS = 1000, /* for output that is still in the pipe when the tree is gone */
    READ_BYTES = 16384,
};

static const int64_t never_ms = INT64_MAX;

static void record(struct bsc_run *run, enum bsc_shim_phase phase)
{
    struct bsc_error error;
    run->state.phase = phase;
    enum bsc_status status = bsc_shim_state_write(&run->state, run->directory, &error);
    run->unrecorded = status != BSC_OK;
}

static enum bsc_status make_control(int directory, int *out, struct bsc_error *error)
{
    unlinkat(directory, BSC_SHIM_CONTROL, 0);
    if (mkfifoat(directory, BSC_SHIM_CONTROL, 0600) == -1)
        return bsc_error_errno(error, "make %s", BSC_SHIM_CONTROL);
    /* Open for both: it never is at its end, and opening waits for no writer. */
    *out = openat(directory, BSC_SHIM_CONTROL, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return *out == -1 ? bsc_error_errno(error, "open %s", BSC_SHIM_CONTROL) : BSC_OK;
}

enum bsc_status bsc_run_init(struct bsc_run *run, const struct bsc_shim_options *options,
                             int directory, struct bsc_error *error)
{
    *run = (struct bsc_run){ .options = options,
                             .directory = directory,
                             .pipe = -1,
                             .kill_ms = never_ms,
                             .timeout_ms = never_ms,
                             .kill_again_ms = KILL_AGAIN_FIRST_MS };
    static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    bsc_shim_state_init(&run->state);
    enum bsc_status status = bsc_output_init(&run->output, directory, options->log_bytes,
                                             (unsigned)options->log_files, error);
    if (status == BSC_OK)
        status = make_control(directory, &run->control, error);
    if (status == BSC_OK)
        status = bsc_signals_open(taken, sizeof taken / sizeof *taken, &run->signals, error);
    if (status == BSC_OK)
        status = bsc_shim_state_write(&run->state, directory, error);
    return status;
}

/* Stopping again can only bring the KILL forward. */
static void stop(struct bsc_run *run, int64_t grace_ms)
{
    int64_t kill_ms = bsc_clock_boot_ms() + grace_ms;
    if (kill_ms < run->kill_ms)
        run->kill_ms = kill_ms;
    if (run->state.phase == BSC_SHIM_STOPPING)
        return;
    record(run, BSC_SHIM_STOPPING);
    bsc_tree_signal(SIGTERM);
    bsc_tree_signal(SIGCONT); /* what is stopped could not handle it */
}

static void kill_tree(struct bsc_run *run, int64_t now_ms)
{
    struct bsc_tree_result result = bsc_tree_signal(SIGKILL);
    run->kill_ms = now_ms + run->kill_again_ms;
    if (run->kill_again_ms < KILL_AGAIN_LAST_MS)
        run->kill_again_ms *= 2;
    if (result.denied && !result.reached) {
        snprintf(run->state.error, sizeof run->state.error,
                 "%zu processes are left that belong to another user", result.denied);
        run->tree_gone = true;
    }
}

/* Descendants lose their parents to us, so that none is left when we have no child. */
static void reap(struct bsc_run *run)
{
    int wait_status;
    pid_t pid;
    bool exited = false;
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0 || (pid == -1 && errno == EINTR))
        if (pid == run->state.pid) {
            run->state.wait_status = wait_status;
            exited = true;
        }
    if (pid == -1)
        run->tree_gone = true;
    else if (exited && run->state.phase == BSC_SHIM_RUNNING)
        stop(run, LEFTOVER_GRACE_MS);
}

static void obey(struct bsc_run *run, const char *line)
{
    char *end;
    if (!strcmp(line, "kill")) {
        stop(run, 0);
        return;
    }
    if (strncmp(line, "stop ", 5) != 0)
        return;
    long long grace_ms = strtoll(line + 5, &end, 10);
    if (end != line + 5 && !*end && grace_ms >= 0)
        stop(run, grace_ms < INT32_MAX ? grace_ms : INT32_MAX);
}

static void on_control(struct bsc_run *run)
{
    char *line = run->line;
    ssize_t got = read(run->control, line + run->line_size, sizeof run->line - run->line_size);
    if (got <= 0)
        return;
    run->line_size += (size_t)got;
    for (char *end; (end = memchr(line, '\n', run->line_size));) {
        *end = '\0';
        obey(run, line);
        size_t used = (size_t)(end - line) + 1;
        run->line_size -= used;
        memmove(line, line + used, run->line_size);
    }
    if (run->line_size == sizeof run->line) /* no command is that long */
        run->line_size = 0;
}

static void on_signal(struct bsc_run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(run, run->options->grace_ms);
}

static void on_output(struct bsc_run *run)
{
    char bytes[READ_BYTES];
    ssize_t got = read(run->pipe, bytes, sizeof bytes);
    if (got > 0) {
        bsc_output_write(&run->output, bytes, (size_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(run->pipe);
        run->pipe = -1;
    }
}

/* How long poll may sleep until `when_ms`. */
static int wait_for(int64_t when_ms)
{
    if (when_ms == never_ms)
        return -1;
    int64_t left_ms = when_ms - bsc_clock_boot_ms();
    return left_ms <= 0 ? 0 : left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

static void wait_and_handle(struct bsc_run *run)
{
    struct pollfd fds[] = { { .fd = run->signals, .events = POLLIN },
                            { .fd = run->control, .events = POLLIN },
                            { .fd = run->pipe, .events = POLLIN } };
    int64_t next_ms = run->kill_ms < run->timeout_ms ? run->kill_ms : run->timeout_ms;
    if (poll(fds, 3, wait_for(next_ms)) == -1)
        return;
    if (fds[2].revents)
        on_output(run);
    if (fds[1].revents)
        on_control(run);
    if (fds[0].revents)
        on_signal(run);
}

static void drain_output(struct bsc_run *run)
{
    const int64_t end_ms = bsc_clock_boot_ms() + DRAIN_MS;
    while (run->pipe != -1) {
        struct pollfd fd = { .fd = run->pipe, .events = POLLIN };
        if (poll(&fd, 1, wait_for(end_ms)) <= 0 || bsc_clock_boot_ms() >= end_ms)
            break;
        on_output(run);
    }
}

static void watch(struct bsc_run *run)
{
    while (reap(run), !run->tree_gone) {
        wait_and_handle(run);
        int64_t now_ms = bsc_clock_boot_ms();
        if (now_ms >= run->timeout_ms) {
            run->timeout_ms = never_ms;
            if (run->state.phase == BSC_SHIM_RUNNING) {
                snprintf(run->state.error, sizeof run->state.error, "timed out");
                stop(run, run->options->grace_ms);
            }
        }
        if (now_ms >= run->kill_ms)
            kill_tree(run, now_ms);
    }
}

static enum bsc_status start(struct bsc_run *run, struct bsc_error *error)
{
    const struct bsc_shim_options *options = run->options;
    int output[2];
    if (options->port) {
        enum bsc_status status = bsc_port_probe((unsigned)options->port, error);
        if (status != BSC_OK)
            return status;
    }
    if (pipe2(output, O_CLOEXEC) == -1)
        return bsc_error_errno(error, "pipe");
    run->pipe = output[0];
    fcntl(output[0], F_SETFL, O_NONBLOCK); /* the command's end stays blocking */
    pid_t pid;
    enum bsc_status status = bsc_command_spawn(options, output[1], &pid, error);
    close(output[1]);
    if (status != BSC_OK)
        return status;
    run->state.pid = pid;
    if (options->timeout_ms)
        run->timeout_ms = bsc_clock_boot_ms() + options->timeout_ms;
    record(run, BSC_SHIM_RUNNING);
    if (run->unrecorded) /* nobody could know of it */
        stop(run, 0);
    return BSC_OK;
}

enum bsc_status bsc_run_to_end(struct bsc_run *run, struct bsc_error *error)
{
    enum bsc_status status = start(run, error);
    if (status == BSC_OK) {
        watch(run);
        drain_output(run);
    } else {
        snprintf(run->state.error, sizeof run->state.error, "%s", error->text);
    }
    bsc_output_deinit(&run->output);
    unlinkat(run->directory, BSC_SHIM_CONTROL, 0);
    run->state.exited_ms = bsc_clock_wall_ms();
    record(run, BSC_SHIM_EXITED);
    if (status == BSC_OK && run->unrecorded)
        status = bsc_error_set(error, BSC_FAILED, "the end of the command could not be recorded");
    return status;
}
