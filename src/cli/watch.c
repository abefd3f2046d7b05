/* SPDX-License-Identifier: Apache-2.0
 * cli/watch.c - see watch.h.
 *
 * The event stream tells that something changed; what, is asked for. So a lost stream, a restarted
 * controller or a missed event costs a little time and never the truth.
 */
#include "cli/watch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/screen.h"
#include "cli/sse.h"

enum {
    FRAME_MS = 100,         /* between two drawings, at least */
    ASK_LEAST_MS = 50,      /* between two questions, at least */
    ASK_STREAM_MS = 2000,   /* between two questions when the stream is silent */
    ASK_ALONE_MS = 300,     /* between two questions without a stream */
    STREAM_RETRY_MS = 1000, /* before the stream is opened again */
    ANSWER_MS = 5000,       /* for one question */
    SILENCE_MS = 60000,     /* no answer for so long: the daemon is not reachable */
    LOG_LINES = 10,
    WIDEST = 100, /* cells: farther apart the times are not seen with their steps */
};

struct watch {
    struct bsc_cli *cli;
    const struct bsc_watch_spec *spec;
    struct bsc_progress progress;
    struct bsc_screen screen;
    struct bsc_sse events;
    struct bsc_request *stream, *question;
    json_t *service; /* the first half of an answer, while the second is asked for */
    bool second;     /* `question` is that */
    bool dirty;      /* something changed since the last question */
    int64_t asked_ms, answered_ms, streamed_ms, drawn_ms;
    int64_t until_ms; /* INT64_MAX: no limit */
    int signals;      /* signalfd */
    sigset_t signals_before;
    char *trouble; /* why there is no answer; NULL: there is one */
    struct bsc_error error;
    int exit_status; /* -1: goes on */
};

static void on_event(void *argument, const char *event, const char *data)
{
    struct watch *watch = argument;
    (void)event;
    (void)data;
    watch->dirty = true;
}

static void on_stream(void *argument, const char *data, size_t size)
{
    struct watch *watch = argument;
    bsc_sse_feed(&watch->events, data, size);
}

static char *rollout_path(const char *id)
{
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, "/v1/rollouts/");
    bsc_client_escape(&path, id);
    return path.data;
}

static void open_stream(struct watch *watch, int64_t now_ms)
{
    struct bsc_text path = { 0 };
    bsc_text_puts(&path, "/v1/events?service=");
    bsc_client_escape(&path, watch->spec->service);
    bsc_sse_restart(&watch->events);
    watch->stream = bsc_request_begin(&watch->cli->client,
                                      &(struct bsc_request_spec){ .method = "GET",
                                                                  .path = bsc_text_get(&path),
                                                                  .accept = "text/event-stream",
                                                                  .on_data = on_stream,
                                                                  .argument = watch });
    watch->streamed_ms = now_ms;
    bsc_text_deinit(&path);
}

static void keep_stream(struct watch *watch, int64_t now_ms)
{
    if (watch->stream && bsc_request_done(watch->stream)) {
        bsc_request_destroy(watch->stream);
        watch->stream = NULL;
        watch->dirty = true;
    }
    if (!watch->stream && now_ms >= watch->streamed_ms + STREAM_RETRY_MS)
        open_stream(watch, now_ms);
}

static void ask(struct watch *watch, const char *path)
{
    watch->question = bsc_request_begin(
        &watch->cli->client,
        &(struct bsc_request_spec){ .method = "GET", .path = path, .timeout_ms = ANSWER_MS });
}

static void show(struct watch *watch, int64_t now_ms)
{
    const struct bsc_output *output = &watch->cli->output;
    struct bsc_text frame = { 0 };
    unsigned columns, rows;
    if (!output->live || output->quiet || output->json)
        return;
    bsc_output_size(&columns, &rows);
    columns = columns < WIDEST ? columns : WIDEST;
    bsc_progress_frame(&watch->progress, watch->trouble, now_ms, columns, rows - 1, &frame);
    if (frame.size)
        bsc_screen_draw(&watch->screen, bsc_text_get(&frame));
    watch->drawn_ms = now_ms;
    bsc_text_deinit(&frame);
}

/* Without a live display every change is a line of its own. */
static void tell_changes(const struct watch *watch, const char *changes)
{
    const struct bsc_output *output = &watch->cli->output;
    char time[BSC_TIME_BYTES];
    if (output->live || output->quiet || output->json)
        return;
    bsc_time_format(bsc_clock_wall_ms(), time);
    while (*changes) {
        size_t size = strcspn(changes, "\n");
        printf("%s %s: %.*s\n", time, watch->spec->service, (int)size, changes);
        changes += size + (changes[size] == '\n');
    }
    fflush(stdout);
}

/* The rollout may have begun before the watching. */
static void count_from_start(struct watch *watch, int64_t now_ms)
{
    int64_t started_ms;
    const char *started = bsc_json_text(watch->progress.rollout, "started_at");
    if (!bsc_cli_time_parse(started, &started_ms))
        return;
    int64_t age_ms = bsc_clock_wall_ms() - started_ms;
    if (age_ms > 0) /* else a clock was set */
        watch->progress.began_ms = now_ms - age_ms;
}

static void take(struct watch *watch, json_t *take_rollout, int64_t now_ms)
{
    struct bsc_text changes = { 0 };
    bool first = !watch->progress.rollout;
    bsc_progress_take(&watch->progress, watch->service, take_rollout, now_ms, &changes);
    watch->service = NULL;
    if (first)
        count_from_start(watch, now_ms);
    tell_changes(watch, bsc_text_get(&changes));
    bsc_text_deinit(&changes);
    if (bsc_progress_ended(&watch->progress))
        watch->exit_status = BSC_EXIT_DONE; /* judged by conclude() */
}

static void note_trouble(struct watch *watch, const struct bsc_answer *answer, int64_t now_ms)
{
    bool passing = answer->status == BSC_UNAVAILABLE || answer->status == BSC_NO_SPACE;
    if (!watch->trouble)
        watch->trouble = bsc_copy("the controller does not answer; trying again");
    watch->error = answer->error;
    if (!passing || now_ms >= watch->answered_ms + SILENCE_MS)
        watch->exit_status = bsc_exit_of(answer->status);
}

/* A question is the service, and then the rollout by its id when the service has another by now. */
static void take_answer(struct watch *watch, int64_t now_ms)
{
    struct bsc_answer answer;
    bsc_request_answer(watch->question, &answer);
    bsc_request_destroy(watch->question);
    watch->question = NULL;
    bool gone = answer.status == BSC_NOT_FOUND && !watch->second; /* the service left the file */
    if (answer.status && !gone) {
        note_trouble(watch, &answer, now_ms);
        json_decref(answer.body);
        json_decref(watch->service);
        watch->service = NULL;
        watch->second = false;
        return;
    }
    free(watch->trouble);
    watch->trouble = NULL;
    watch->answered_ms = now_ms;
    if (watch->second) {
        watch->second = false;
        take(watch, answer.body, now_ms);
        return;
    }
    json_t *rollout = json_object_get(answer.body, "rollout");
    bool ours = !gone && !strcmp(bsc_json_text(rollout, "id"), watch->spec->rollout);
    if (ours)
        json_incref(rollout);
    if (gone)
        json_decref(answer.body);
    else
        watch->service = answer.body;
    if (ours) {
        take(watch, rollout, now_ms);
        return;
    }
    char *path = rollout_path(watch->spec->rollout);
    ask(watch, path);
    watch->second = true;
    free(path);
}

static void keep_asking(struct watch *watch, int64_t now_ms)
{
    if (watch->question) {
        if (bsc_request_done(watch->question))
            take_answer(watch, now_ms);
        return;
    }
    int64_t pause_ms = watch->dirty ? ASK_LEAST_MS : watch->stream ? ASK_STREAM_MS : ASK_ALONE_MS;
    if (watch->trouble)
        pause_ms = ASK_ALONE_MS;
    if (now_ms < watch->asked_ms + pause_ms)
        return;
    watch->dirty = false;
    watch->asked_ms = now_ms;
    char *path = bsc_cli_service_path(watch->spec->service, "");
    ask(watch, path);
    free(path);
}

static void detach(struct watch *watch, int signal_number)
{
    bool spoken = !watch->cli->output.quiet;
    bsc_screen_close(&watch->screen);
    if (spoken)
        fprintf(stderr,
                "\nThe rollout goes on. `bascule wait %s` watches it again, `bascule abort %s` "
                "takes it back.\n",
                watch->spec->rollout, watch->spec->service);
    fflush(stdout);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    sigprocmask(SIG_SETMASK, &watch->signals_before, NULL); /* here it is delivered */
    _exit(128 + signal_number);
}

static void take_signal(struct watch *watch)
{
    struct signalfd_siginfo info;
    if (read(watch->signals, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGWINCH:
        watch->drawn_ms = 0;
        break;
    case SIGTSTP:
        bsc_screen_close(&watch->screen);
        raise(SIGSTOP);
        watch->drawn_ms = 0; /* continued: on a fresh piece of the terminal */
        break;
    default:
        detach(watch, (int)info.ssi_signo);
    }
}

static void catch_signals(struct watch *watch)
{
    sigset_t caught;
    sigemptyset(&caught);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGHUP);
    sigaddset(&caught, SIGWINCH);
    sigaddset(&caught, SIGTSTP);
    sigprocmask(SIG_BLOCK, &caught, &watch->signals_before);
    watch->signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The last lines that the candidate printed, when they are there and the reason does not have them
 * already; else NULL. The caller frees them. */
static char *fetch_log(struct watch *watch)
{
    const struct bsc_progress *progress = &watch->progress;
    const char *slot = bsc_json_text(progress->rollout, "slot");
    bool told = strchr(bsc_json_text(progress->rollout, "reason"), '\n') != NULL;
    char tail[64];
    struct bsc_answer answer;
    struct bsc_text log = { 0 };
    snprintf(tail, sizeof tail, "/logs?lines=%d&slot=%s", LOG_LINES, slot);
    if (told || !bsc_progress_candidate(progress, progress->service))
        return NULL;
    char *path = bsc_cli_service_path(watch->spec->service, tail);
    bsc_client_call(&watch->cli->client,
                    &(struct bsc_request_spec){ .method = "GET",
                                                .path = path,
                                                .accept = "text/plain",
                                                .timeout_ms = ANSWER_MS,
                                                .on_data = bsc_cli_collect,
                                                .argument = &log },
                    &answer);
    json_decref(answer.body);
    free(path);
    return log.data;
}

/* Says how it ended and returns the exit status. */
static int conclude(struct watch *watch)
{
    struct bsc_cli *cli = watch->cli;
    const char *status = bsc_progress_status(&watch->progress);
    bool back = !strcmp(status, "cancelled") || !strcmp(status, "rolled-back");
    bool forth = !strcmp(status, "promoted") || !strcmp(status, "staged");
    bool wanted = watch->spec->taking_back ? back || forth : forth;
    char *log = wanted || cli->output.json ? NULL : fetch_log(watch);
    struct bsc_text said = { 0 };
    bsc_progress_summary(&watch->progress, wanted, log, &said);
    if (cli->output.json)
        bsc_cli_print_json(watch->progress.rollout);
    else if (!wanted)
        fputs(bsc_text_get(&said), stderr);
    else if (!cli->output.quiet)
        fputs(bsc_text_get(&said), stdout);
    bsc_text_deinit(&said);
    free(log);
    return wanted ? BSC_EXIT_DONE : BSC_EXIT_FAILED;
}

static void say_timed_out(const struct watch *watch)
{
    if (watch->cli->output.json && watch->progress.rollout)
        bsc_cli_print_json(watch->progress.rollout);
    fprintf(stderr,
            "bascule: timed out; the rollout goes on. `bascule wait %s` watches it again, "
            "`bascule abort %s` takes it back.\n",
            watch->spec->rollout, watch->spec->service);
}

static void run(struct watch *watch)
{
    while (watch->exit_status < 0) {
        int64_t now_ms = bsc_clock_boot_ms();
        keep_stream(watch, now_ms);
        keep_asking(watch, now_ms);
        if (watch->exit_status < 0 && now_ms >= watch->until_ms)
            watch->exit_status = BSC_EXIT_TIMEOUT;
        if (now_ms >= watch->drawn_ms + FRAME_MS)
            show(watch, now_ms);
        if (watch->exit_status < 0 &&
            bsc_client_turn(&watch->cli->client, ASK_LEAST_MS, watch->signals))
            take_signal(watch);
    }
    show(watch, bsc_clock_boot_ms());
}

int bsc_watch(struct bsc_cli *cli, const struct bsc_watch_spec *spec)
{
    int64_t now_ms = bsc_clock_boot_ms();
    struct watch watch = {
        .cli = cli,
        .spec = spec,
        .answered_ms = now_ms,
        .streamed_ms = now_ms - STREAM_RETRY_MS,
        .until_ms = spec->timeout_ms ? now_ms + spec->timeout_ms : INT64_MAX,
        .exit_status = -1,
    };
    watch.events = (struct bsc_sse){ .on_event = on_event, .argument = &watch };
    bsc_progress_init(&watch.progress, &cli->output, now_ms);
    catch_signals(&watch);
    run(&watch);
    bsc_screen_close(&watch.screen);
    close(watch.signals);
    sigprocmask(SIG_SETMASK, &watch.signals_before, NULL);
    bsc_request_destroy(watch.stream);
    bsc_request_destroy(watch.question);

    int exit_status = watch.exit_status;
    if (exit_status == BSC_EXIT_DONE)
        exit_status = conclude(&watch);
    else if (exit_status == BSC_EXIT_TIMEOUT)
        say_timed_out(&watch);
    else
        bsc_cli_fail(&watch.error);
    json_decref(watch.service);
    free(watch.trouble);
    bsc_sse_deinit(&watch.events);
    bsc_progress_deinit(&watch.progress);
    return exit_status;
}
