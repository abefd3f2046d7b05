/* SPDX-License-Identifier: Apache-2.0
 * adapters/tracked.c - see tracked.h. */
#include "adapters/tracked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "shim/shim.h"

enum {
    LOOK_MS = 250,          /* while starting, in case a change of the directory was not told */
    LOOK_UNWATCHED_MS = 20, /* what can't be watched: the directory, or the shim */
    SWEEP_MS = 20,
    SWEEPS_CLEAN = 3,
    STOP_AGAIN_MS = 50, /* the shim does not listen yet */
    OBEY_MS = 5000,     /* on top of the grace: then the shim is killed */
    PATIENCE_MS = 5000,
};

void bsc_tokens_add(struct bsc_tokens *tokens, bsc_token token)
{
    tokens->items =
        bsc_grow(tokens->items, &tokens->capacity, tokens->count + 1, sizeof *tokens->items);
    tokens->items[tokens->count++] = token;
}

/* -- what the directory says ----------------------------------------------------------------- */

static enum bsc_status status_of(const char *text, bool ran)
{
    if (ran)
        return BSC_TIMEOUT; /* the only thing that a shim says of what ran */
    return !strncmp(text, "port ", 5) && strstr(text, " is in use") ? BSC_EXISTS : BSC_FAILED;
}

/* Why it never ran, as far as that is certain; how it ended when nobody knows has no text. */
static const char *text_of(const struct bsc_runtime_process *runtime,
                           const struct bsc_shim_report *report)
{
    bool same_boot = !strcmp(report->boot_id, runtime->boot_id);
    if (report->error[0])
        return report->error;
    if (!report->pid && report->phase != BSC_REPORT_EXITED && same_boot)
        return "its shim was killed";
    return "";
}

void bsc_ending_read(const struct bsc_runtime_process *runtime, int directory,
                     struct bsc_ending *out)
{
    struct bsc_shim_report report;
    struct bsc_error error;
    *out = (struct bsc_ending){ .wait_status = BSC_WAIT_UNKNOWN };
    const char *text = "it was never started";
    enum bsc_status status = BSC_NOT_FOUND;
    if (directory != -1)
        status = bsc_shim_report_read(directory, &report, &error);
    if (status == BSC_OK) {
        out->pid = report.pid;
        out->wait_status = report.wait_status;
        text = text_of(runtime, &report);
    } else if (status != BSC_NOT_FOUND) {
        bsc_log_warning("an instance's directory: %s", error.text);
        text = "";
    }
    out->status = *text ? status_of(text, out->pid > 0) : BSC_OK;
    snprintf(out->text, sizeof out->text, "%s", text);
}

bool bsc_ending_needs_sweep(const struct bsc_runtime_process *runtime, int directory)
{
    struct bsc_shim_report report;
    return bsc_shim_report_read(directory, &report, NULL) == BSC_OK &&
           report.phase != BSC_REPORT_EXITED && !strcmp(report.boot_id, runtime->boot_id);
}

static int open_directory(const struct bsc_tracked *tracked)
{
    return bsc_shim_directory_open(tracked->runtime->instances, tracked->id);
}

/* -- its handles ----------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_watch(struct bsc_tracked *tracked)
{
    if (tracked->watch)
        uv_close((uv_handle_t *)tracked->watch, on_closed);
    tracked->watch = NULL;
}

static void close_shim(struct bsc_tracked *tracked)
{
    if (tracked->poll)
        uv_close((uv_handle_t *)tracked->poll, on_closed);
    tracked->poll = NULL;
    if (tracked->shim.pidfd != -1)
        close(tracked->shim.pidfd);
    tracked->shim.pidfd = -1;
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    (void)events;
    (void)status;
    struct bsc_tracked *tracked = watch->data;
    if (!name || !strcmp(name, BSC_SHIM_STATE) || !strcmp(name, BSC_SHIM_CONTROL))
        bsc_tracked_advance(tracked);
}

static void on_shim_ended(uv_poll_t *poll, int status, int events);

static void watch_shim(struct bsc_tracked *tracked)
{
    if (tracked->shim.pidfd == -1)
        return;
    tracked->poll = bsc_alloc(sizeof *tracked->poll);
    tracked->poll->data = tracked;
    uv_poll_init(tracked->runtime->loop, tracked->poll, tracked->shim.pidfd);
    uv_poll_start(tracked->poll, UV_READABLE, on_shim_ended);
}

struct bsc_tracked *bsc_tracked_create(struct bsc_runtime_process *runtime, const char *id,
                                       const struct bsc_shim_handle *shim)
{
    struct bsc_tracked *tracked = bsc_alloc(sizeof *tracked);
    struct bsc_text path = { 0 };
    bsc_text_printf(&path, "%s/%s", runtime->path, id);
    tracked->runtime = runtime;
    tracked->id = bsc_copy(id);
    tracked->path = path.data;
    tracked->patience_ms = bsc_clock_boot_ms() + PATIENCE_MS;
    tracked->kill_at_ms = INT64_MAX;
    tracked->shim.pidfd = -1;
    bsc_list_add_tail(&runtime->tracked, &tracked->link);
    tracked->watch = bsc_alloc(sizeof *tracked->watch);
    tracked->watch->data = tracked;
    uv_fs_event_init(runtime->loop, tracked->watch);
    if (uv_fs_event_start(tracked->watch, on_change, tracked->path, 0) != 0)
        close_watch(tracked);
    if (shim) {
        tracked->phase = BSC_TRACK_STARTING;
        tracked->shim = *shim;
        watch_shim(tracked);
    }
    return tracked;
}

void bsc_tracked_destroy(struct bsc_tracked *tracked)
{
    bsc_list_remove(&tracked->link);
    close_watch(tracked);
    close_shim(tracked);
    free(tracked->starts.items);
    free(tracked->stops.items);
    free(tracked->path);
    free(tracked->id);
    free(tracked);
}

/* -- what is told ---------------------------------------------------------------------------- */

static void tell_started(struct bsc_tracked *tracked, int64_t pid)
{
    for (size_t i = 0; i < tracked->starts.count; i++)
        bsc_outbox_put(tracked->runtime->outbox,
                       &(struct bsc_event){ .kind = BSC_EVENT_STARTED,
                                            .token = tracked->starts.items[i],
                                            .id = tracked->id,
                                            .pid = pid });
    tracked->starts.count = 0;
}

static void tell_exited(const struct bsc_tracked *tracked, const struct bsc_ending *ending,
                        bsc_token token)
{
    bsc_outbox_put(tracked->runtime->outbox,
                   &(struct bsc_event){ .kind = BSC_EVENT_EXITED,
                                        .token = token,
                                        .id = tracked->id,
                                        .status = ending->status,
                                        .wait_status = ending->wait_status,
                                        .text = ending->text[0] ? ending->text : NULL });
}

/* Who waits for a start that came to nothing is always told why. */
static void tell_not_started(struct bsc_tracked *tracked, const struct bsc_ending *ending)
{
    struct bsc_ending told = *ending;
    if (!told.text[0])
        snprintf(told.text, sizeof told.text, "how it ended is not known");
    if (told.status == BSC_OK)
        told.status = BSC_FAILED;
    for (size_t i = 0; i < tracked->starts.count; i++)
        tell_exited(tracked, &told, tracked->starts.items[i]);
}

/* The end that nobody asked for is news, except to who waits for a list: that tells it. */
static void tell_end(struct bsc_tracked *tracked, const struct bsc_ending *ending)
{
    if (ending->pid)
        tell_started(tracked, ending->pid);
    bool answered =
        tracked->starts.count > 0 || tracked->stops.count > 0 || tracked->runtime->lists.count > 0;
    tell_not_started(tracked, ending);
    for (size_t i = 0; i < tracked->stops.count; i++)
        tell_exited(tracked, ending, tracked->stops.items[i]);
    if (!answered)
        tell_exited(tracked, ending, 0);
}

static void finish(struct bsc_tracked *tracked)
{
    struct bsc_runtime_process *runtime = tracked->runtime;
    struct bsc_ending ending;
    int directory = open_directory(tracked);
    bsc_ending_read(runtime, directory, &ending);
    if (directory != -1)
        close(directory);
    tell_end(tracked, &ending);
    bsc_tracked_destroy(tracked);
}

/* -- going on -------------------------------------------------------------------------------- */

/* True while something of the tree may be left. One look is not enough: a process that is just in
 * exec has no environment to be seen, and one may be forked behind the place that was read. */
static bool sweep(struct bsc_tracked *tracked)
{
    unsigned count = bsc_shim_sweep(tracked->path, tracked->shim.pid);
    if (count)
        bsc_log_warning("%s: killed %u processes that its shim left behind", tracked->id, count);
    tracked->clean_sweeps = count ? 0 : tracked->clean_sweeps + 1;
    return tracked->clean_sweeps < SWEEPS_CLEAN;
}

/* The shim is gone, and with it the lock. Goes on to its end, or to what it left behind. */
static void shim_gone(struct bsc_tracked *tracked)
{
    struct bsc_shim_report report;
    int directory = open_directory(tracked);
    bool clean = directory == -1 || (bsc_shim_report_read(directory, &report, NULL) == BSC_OK &&
                                     report.phase == BSC_REPORT_EXITED);
    if (directory != -1)
        close(directory);
    close_watch(tracked);
    close_shim(tracked);
    tracked->phase = BSC_TRACK_SWEEPING;
    /* Our own child is a zombie until it is reaped: its session can't be anybody else's so far. */
    bool left = !clean && sweep(tracked);
    int code = bsc_shim_reap(&tracked->shim);
    if (code == BSC_SHIM_LOCKED) {
        tracked->phase = BSC_TRACK_FINDING;
        tracked->shim.pid = 0;
        tracked->patience_ms = bsc_clock_boot_ms() + PATIENCE_MS;
        tracked->heard = false;
    } else if (!left) {
        finish(tracked);
        return;
    }
    tracked->due_ms = bsc_clock_boot_ms() + SWEEP_MS;
}

static void on_shim_ended(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct bsc_tracked *tracked = poll->data;
    struct bsc_runtime_process *runtime = tracked->runtime;
    shim_gone(tracked);
    bsc_runtime_process_turn(runtime);
}

/* The lock's holder stays unknown: it can be neither watched nor stopped. */
static void give_up(struct bsc_tracked *tracked)
{
    static const struct bsc_ending ending = {
        .wait_status = BSC_WAIT_UNKNOWN,
        .status = BSC_FAILED,
        .text = "its lock is held by a process that is not its shim",
    };
    bsc_log_error("%s: %s", tracked->id, ending.text);
    tell_end(tracked, &ending);
    bsc_tracked_destroy(tracked);
}

/* FINDING: true when it was destroyed. */
static bool find(struct bsc_tracked *tracked, int64_t now_ms)
{
    int directory = open_directory(tracked);
    bool locked = directory != -1 && bsc_shim_locked(directory);
    bool found = locked && bsc_shim_find(directory, tracked->path, &tracked->shim);
    bool left = directory != -1 && bsc_ending_needs_sweep(tracked->runtime, directory);
    if (directory != -1)
        close(directory);
    if (found) {
        watch_shim(tracked);
        tracked->phase = BSC_TRACK_STARTING;
        return false;
    }
    if (locked && now_ms < tracked->patience_ms)
        return false;
    if (locked) {
        give_up(tracked);
        return true;
    }
    if (!left) {
        finish(tracked);
        return true;
    }
    tracked->phase = BSC_TRACK_SWEEPING;
    return false;
}

static void check_running(struct bsc_tracked *tracked)
{
    struct bsc_shim_report report;
    int directory = open_directory(tracked);
    if (directory == -1)
        return;
    bool runs = bsc_shim_report_read(directory, &report, NULL) == BSC_OK &&
                report.shim_pid == tracked->shim.pid && report.pid > 0 &&
                (report.phase == BSC_REPORT_RUNNING || report.phase == BSC_REPORT_STOPPING);
    close(directory);
    if (!runs)
        return;
    tracked->phase = BSC_TRACK_RUNNING;
    tracked->pid = report.pid;
    close_watch(tracked);
    tell_started(tracked, report.pid);
}

static void press_stop(struct bsc_tracked *tracked, int64_t now_ms)
{
    if (!tracked->heard) {
        char command[64];
        int directory = open_directory(tracked);
        snprintf(command, sizeof command, "stop %" PRId64 "\n", tracked->grace_ms);
        tracked->heard = directory != -1 && bsc_shim_command(directory, command);
        if (directory != -1)
            close(directory);
    }
    if (now_ms >= tracked->kill_at_ms && tracked->phase != BSC_TRACK_FINDING) {
        bsc_log_warning("%s: its shim did not stop it in time and is killed", tracked->id);
        bsc_shim_kill(&tracked->shim);
        tracked->kill_at_ms = now_ms + OBEY_MS;
    }
}

static int64_t due(const struct bsc_tracked *tracked, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;
    if (tracked->phase == BSC_TRACK_SWEEPING)
        return now_ms + SWEEP_MS;
    if (tracked->phase != BSC_TRACK_RUNNING)
        due_ms = now_ms + (tracked->watch ? LOOK_MS : LOOK_UNWATCHED_MS);
    if (tracked->phase != BSC_TRACK_FINDING && !tracked->poll)
        due_ms = now_ms + LOOK_UNWATCHED_MS;
    if (tracked->stopping) {
        int64_t stop_ms = tracked->heard ? tracked->kill_at_ms : now_ms + STOP_AGAIN_MS;
        due_ms = stop_ms < due_ms ? stop_ms : due_ms;
    }
    return due_ms;
}

/* A shim without a pidfd has to be looked after. True when it has ended. */
static bool has_ended_unwatched(const struct bsc_tracked *tracked)
{
    if (tracked->poll || tracked->phase == BSC_TRACK_SWEEPING)
        return false;
    int directory = open_directory(tracked);
    bool ended = bsc_shim_ended(&tracked->shim, directory);
    if (directory != -1)
        close(directory);
    return ended;
}

void bsc_tracked_advance(struct bsc_tracked *tracked)
{
    struct bsc_runtime_process *runtime = tracked->runtime;
    int64_t now_ms = bsc_clock_boot_ms();
    if (tracked->phase == BSC_TRACK_FINDING && find(tracked, now_ms))
        goto turn;
    if (tracked->phase == BSC_TRACK_STARTING)
        check_running(tracked);
    if (tracked->phase != BSC_TRACK_FINDING && has_ended_unwatched(tracked)) {
        shim_gone(tracked);
        goto turn;
    }
    if (tracked->phase == BSC_TRACK_SWEEPING && !sweep(tracked)) {
        finish(tracked);
        goto turn;
    }
    if (tracked->stopping && tracked->kill_at_ms == INT64_MAX)
        tracked->kill_at_ms = now_ms + tracked->grace_ms + OBEY_MS;
    if (tracked->stopping && tracked->phase != BSC_TRACK_SWEEPING)
        press_stop(tracked, now_ms);
    tracked->due_ms = due(tracked, now_ms);
turn:
    bsc_runtime_process_turn(runtime);
}
