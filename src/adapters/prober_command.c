/* SPDX-License-Identifier: Apache-2.0
 * adapters/prober_command.c - command probes: a process in a session of its own, whose whole group
 * is killed when its time is over or when it has ended and left others behind.
 *
 * A process is freed when it is reaped and its handles are closed, however long after its probe.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/prober_internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/text.h"

enum {
    TAIL_BYTES = 256,  /* of the output are kept */
    DRAIN_READS = 64,  /* of 1 KiB each after the end: a child left behind may go on writing */
    LINGERING_MAX = 2, /* processes of one instance that were killed and have not gone yet */
};

struct bsc_probe_command {
    struct bsc_list link;
    struct bsc_prober_loop *prober;
    struct bsc_probe_run *run; /* NULL: nobody waits any more */
    char id[BSC_ID_BYTES];
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer;
    unsigned handles;  /* open */
    bool process_open; /* that of the process is among them */
    pid_t group;       /* 0: not started, or reaped */
    char buffer[1024];
    char tail[TAIL_BYTES];
    size_t tail_size;
};

/* --- output --- */

static void keep_tail(struct bsc_probe_command *command, const char *bytes, size_t size)
{
    if (size >= sizeof command->tail) {
        memcpy(command->tail, bytes + size - sizeof command->tail, sizeof command->tail);
        command->tail_size = sizeof command->tail;
        return;
    }
    size_t room = sizeof command->tail - command->tail_size;
    if (size > room) {
        memmove(command->tail, command->tail + size - room, command->tail_size - (size - room));
        command->tail_size -= size - room;
    }
    memcpy(command->tail + command->tail_size, bytes, size);
    command->tail_size += size;
}

/* ": " and the last line of the output, if there is any. */
static void say_last_line(const struct bsc_probe_command *command, struct bsc_text *out)
{
    size_t end = command->tail_size;
    while (end && strchr(" \t\r\n", command->tail[end - 1]))
        end--;
    size_t begin = end;
    while (begin && command->tail[begin - 1] != '\n')
        begin--;
    if (begin == end)
        return;
    bsc_text_puts(out, ": ");
    bsc_text_add_escaped(out, command->tail + begin, end - begin);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct bsc_probe_command *command = handle->data;
    (void)suggested;
    *out = uv_buf_init(command->buffer, sizeof command->buffer);
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    if (size > 0)
        keep_tail(stream->data, buffer->base, (size_t)size);
    else if (size < 0)
        uv_read_stop(stream);
}

static void drain(struct bsc_probe_command *command)
{
    int fd;
    if (uv_fileno((uv_handle_t *)&command->output, &fd))
        return;
    for (unsigned i = 0; i < DRAIN_READS; i++) {
        ssize_t size = read(fd, command->buffer, sizeof command->buffer);
        if (size <= 0)
            return;
        keep_tail(command, command->buffer, (size_t)size);
    }
}

/* --- the end --- */

static void on_closed(uv_handle_t *handle)
{
    struct bsc_probe_command *command = handle->data;
    struct bsc_prober_loop *prober = command->prober;
    if (--command->handles == 0) {
        bsc_list_remove(&command->link);
        free(command);
        bsc_prober_handle_closed(prober);
    }
}

static void close_handles(struct bsc_probe_command *command)
{
    if (command->process_open)
        uv_close((uv_handle_t *)&command->process, on_closed);
    uv_close((uv_handle_t *)&command->output, on_closed);
    uv_close((uv_handle_t *)&command->timer, on_closed);
}

static void kill_group(const struct bsc_probe_command *command)
{
    if (command->group)
        kill(-command->group, SIGKILL);
}

static void finish(struct bsc_probe_command *command, bool passed, struct bsc_text *detail)
{
    struct bsc_probe_run *run = command->run;
    command->run = NULL;
    if (run)
        bsc_probe_finish(run, passed, bsc_text_get(detail));
    bsc_text_deinit(detail);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
    struct bsc_probe_command *command = process->data;
    struct bsc_text detail = { 0 };
    drain(command);
    kill_group(command); /* whoever it left behind */
    command->group = 0;
    if (signal)
        bsc_text_printf(&detail, "killed by signal %d", signal);
    else
        bsc_text_printf(&detail, "exited with status %lld", (long long)status);
    say_last_line(command, &detail);
    finish(command, !signal && !status, &detail);
    close_handles(command);
}

static void on_timeout(uv_timer_t *timer)
{
    struct bsc_probe_command *command = timer->data;
    struct bsc_text detail = { 0 };
    char limit[BSC_DURATION_BYTES];
    kill_group(command);
    bsc_text_printf(&detail, "did not end within %s",
                    bsc_duration_format(command->run->timeout_ms, limit));
    drain(command);
    say_last_line(command, &detail);
    finish(command, false, &detail);
}

/* --- the beginning --- */

static unsigned lingering(struct bsc_prober_loop *prober, const char *id)
{
    unsigned count = 0;
    for (struct bsc_list *node = prober->commands.next; node != &prober->commands;
         node = node->next)
        count += !strcmp(BSC_CONTAINER(node, struct bsc_probe_command, link)->id, id);
    return count;
}

static struct bsc_probe_command *create(struct bsc_probe_run *run)
{
    struct bsc_prober_loop *prober = run->prober;
    struct bsc_probe_command *command = bsc_alloc(sizeof *command);
    command->prober = prober;
    command->run = run;
    command->handles = 2;
    command->process.data = command->output.data = command->timer.data = command;
    snprintf(command->id, sizeof command->id, "%s", run->id);
    uv_pipe_init(prober->loop, &command->output, 0);
    uv_timer_init(prober->loop, &command->timer);
    bsc_list_add_tail(&prober->commands, &command->link);
    prober->handles++;
    run->command = command;
    return command;
}

static char **copy_strings(struct bsc_arena *arena, struct bsc_strings strings)
{
    char **copy = bsc_arena_alloc(arena, (strings.count + 1) * sizeof *copy);
    for (unsigned i = 0; i < strings.count; i++)
        copy[i] = bsc_arena_copy(arena, strings.items[i]);
    return copy;
}

static int set_user(uv_process_options_t *options, const char *name)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    int code = getpwnam_r(name, &entry, room, sizeof room, &found);
    if (!found)
        return code ? code : ENOENT;
    if (found->pw_uid == geteuid())
        return 0;
    options->uid = found->pw_uid;
    options->gid = found->pw_gid;
    options->flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
    return 0;
}

/* libuv sets up the handle of the process even when it fails. */
static int spawn(struct bsc_probe_command *command, uv_process_options_t *options)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == -1)
        return errno;
    int code = -uv_pipe_open(&command->output, fds[0]);
    if (code) {
        close(fds[0]);
        close(fds[1]);
        return code;
    }
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
                                      { .flags = UV_INHERIT_FD, .data.fd = fds[1] },
                                      { .flags = UV_INHERIT_FD, .data.fd = fds[1] } };
    options->stdio = stdio;
    options->stdio_count = 3;
    command->process_open = true;
    command->handles++;
    struct rlimit limit = bsc_descriptors_lower();
    code = -uv_spawn(command->prober->loop, &command->process, options);
    bsc_descriptors_restore(&limit);
    close(fds[1]);
    return code;
}

static bool launch(struct bsc_probe_command *command, const struct bsc_probe *probe,
                   struct bsc_text *why)
{
    struct bsc_arena arena = { 0 };
    const struct bsc_command *wanted = &probe->health->command;
    char shell[] = "/bin/sh", flag[] = "-c";
    char *by_shell[] = { shell, flag, bsc_arena_copy(&arena, wanted->shell), NULL };
    uv_process_options_t options = { .exit_cb = on_exit_status, .flags = UV_PROCESS_DETACHED };
    options.args = wanted->shell ? by_shell : copy_strings(&arena, wanted->argv);
    options.file = options.args[0] ? options.args[0] : "";
    options.env = copy_strings(&arena, probe->environment);
    options.cwd = probe->directory;

    int code = probe->user ? set_user(&options, probe->user) : 0;
    if (code) {
        bsc_text_printf(why, "cannot run as user %s: %s", probe->user, strerror(code));
    } else {
        code = spawn(command, &options);
        if (code)
            bsc_text_printf(why, "cannot start %s: %s", options.file, strerror(code));
        else
            command->group = command->process.pid;
    }
    bsc_arena_deinit(&arena);
    return !code;
}

void bsc_probe_command_start(struct bsc_probe_run *run, const struct bsc_probe *probe)
{
    struct bsc_text why = { 0 };
    if (lingering(run->prober, run->id) >= LINGERING_MAX) {
        bsc_probe_finish(run, false, "earlier probes of it were killed and have not gone yet");
        return;
    }
    struct bsc_probe_command *command = create(run);
    if (!launch(command, probe, &why)) {
        finish(command, false, &why);
        close_handles(command);
        return;
    }
    uv_timer_start(&command->timer, on_timeout, (uint64_t)run->timeout_ms, 0);
    uv_read_start((uv_stream_t *)&command->output, on_room, on_output);
}

void bsc_probe_command_cancel(struct bsc_probe_run *run)
{
    struct bsc_probe_command *command = run->command;
    run->command = NULL;
    command->run = NULL;
    uv_timer_stop(&command->timer);
    kill_group(command);
}

void bsc_probe_commands_kill(struct bsc_prober_loop *prober)
{
    for (struct bsc_list *node = prober->commands.next; node != &prober->commands;
         node = node->next)
        kill_group(BSC_CONTAINER(node, struct bsc_probe_command, link));
}
