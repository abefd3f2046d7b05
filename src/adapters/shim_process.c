/* SPDX-License-Identifier: Apache-2.0
 * adapters/shim_process.c - see shim_process.h. */
#include "adapters/shim_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/shim_directory.h"
#include "base/arena.h"
#include "base/descriptors.h"
#include "base/text.h"
#include "shim/shim.h"

enum { PROC_BYTES_MAX = 1 << 20 };

static enum bsc_status build_environment(const char *path, const struct bsc_launch *launch,
                                         struct bsc_environment *out, struct bsc_error *error)
{
    enum bsc_status status = bsc_environment_put_base(out, launch->user, error);
    for (unsigned i = 0; status == BSC_OK && i < launch->env_files.count; i++)
        status = bsc_environment_put_file(out, launch->env_files.items[i], error);
    for (unsigned i = 0; status == BSC_OK && i < launch->environment.count; i++)
        bsc_environment_put(out, launch->environment.items[i]);
    bsc_environment_set(out, BSC_SHIM_MARKER, path);
    return status;
}

struct arguments {
    struct bsc_arena *arena;
    char **items;
    size_t count;
};

static void add(struct arguments *arguments, const char *text)
{
    arguments->items[arguments->count++] = bsc_arena_copy(arguments->arena, text);
}

static void add_option(struct arguments *arguments, const char *name, const char *value)
{
    if (!value)
        return;
    add(arguments, name);
    add(arguments, value);
}

static void add_number(struct arguments *arguments, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    add_option(arguments, name, text);
}

static char **build_argv(struct bsc_arena *arena, const char *shim, const char *path,
                         const struct bsc_launch *launch)
{
    enum { OWN_MAX = 20 };
    struct arguments argv = { .arena = arena };
    argv.items = bsc_arena_alloc(arena, (OWN_MAX + launch->argv.count) * sizeof *argv.items);
    add(&argv, shim);
    add_option(&argv, "--directory", path);
    add_option(&argv, "--id", launch->id);
    add_option(&argv, "--chdir", launch->directory ? launch->directory : path);
    add_option(&argv, "--user", launch->user);
    add_number(&argv, "--grace-ms", launch->grace_ms);
    if (launch->timeout_ms)
        add_number(&argv, "--timeout-ms", launch->timeout_ms);
    if (launch->port)
        add_number(&argv, "--port", launch->port);
    add(&argv, "--");
    for (unsigned i = 0; i < launch->argv.count; i++)
        add(&argv, launch->argv.items[i]);
    return argv.items;
}

/* posix_spawn and its attributes answer with an error number. */
static int spawn_detached(const char *shim, const char *log, char **argv, char **environment,
                          pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int number = posix_spawn_file_actions_init(&actions);
    if (number)
        return number;
    number = posix_spawnattr_init(&attributes);
    if (number)
        goto destroy_actions;
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    number = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!number)
        number = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!number)
        number = posix_spawn_file_actions_addopen(&actions, 2, log,
                                                  O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (!number)
        number = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!number)
        number = posix_spawn(pid, shim, &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
destroy_actions:
    posix_spawn_file_actions_destroy(&actions);
    return number;
}

enum bsc_status bsc_shim_spawn(const char *shim, const char *path, const struct bsc_launch *launch,
                               struct bsc_shim_handle *out, struct bsc_error *error)
{
    struct bsc_environment environment = { 0 };
    struct bsc_arena arena;
    bsc_arena_init(&arena);
    enum bsc_status status = build_environment(path, launch, &environment, error);
    if (status != BSC_OK)
        goto free_environment;
    /* What keeps the shim itself from working is told where the command's output goes. */
    const char *log = bsc_arena_printf(&arena, "%s/%s", path, BSC_SHIM_LOG);
    char **argv = build_argv(&arena, shim, path, launch);
    struct rlimit limit = bsc_descriptors_lower();
    int number = spawn_detached(shim, log, argv, environment.items, &out->pid);
    bsc_descriptors_restore(&limit);
    errno = number;
    if (errno) {
        status = bsc_error_errno(error, "start %s", shim);
        goto free_environment;
    }
    out->child = true;
    out->pidfd = pidfd_open(out->pid, 0); /* not reaped yet, so the pid is still its own */
    if (out->pidfd == -1 && errno != ENOSYS) {
        status = bsc_error_errno(error, "open the process of %s", shim);
        kill(out->pid, SIGKILL);
        waitpid(out->pid, NULL, 0);
    }
free_environment:
    bsc_arena_deinit(&arena);
    bsc_environment_deinit(&environment);
    return status;
}

/* Reads a file of /proc/PID. The text may hold NULs and gets one more at its end. */
static bool read_proc(pid_t pid, const char *name, struct bsc_text *out)
{
    char path[64], chunk[4096];
    bsc_text_clear(out);
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t size;
    while ((size = read(fd, chunk, sizeof chunk)) > 0 && out->size < PROC_BYTES_MAX)
        bsc_text_add(out, chunk, (size_t)size);
    close(fd);
    return size == 0 && out->size > 0;
}

/* Is `string` one of the NUL-terminated strings in `list`? */
static bool holds_string(const struct bsc_text *list, const char *string)
{
    size_t size = strlen(string);
    for (size_t at = 0; at < list->size; at += strlen(list->data + at) + 1)
        if (!strncmp(list->data + at, string, size + 1))
            return true;
    return false;
}

static bool has_ended(int pidfd)
{
    struct pollfd ended = { .fd = pidfd, .events = POLLIN };
    return poll(&ended, 1, 0) != 0;
}

/* The pid in the state file may be of a shim that is gone. It is believed when the process, pinned
 * by a pidfd, names this directory in its command line, lives, and the lock is held after that. */
static bool prove(int directory, const char *path, const struct bsc_shim_handle *handle)
{
    struct bsc_text command = { 0 };
    bool proved = read_proc(handle->pid, "cmdline", &command) && holds_string(&command, path) &&
                  holds_string(&command, "--directory") &&
                  (handle->pidfd == -1 || !has_ended(handle->pidfd)) && bsc_shim_locked(directory);
    bsc_text_deinit(&command);
    return proved;
}

bool bsc_shim_find(int directory, const char *path, struct bsc_shim_handle *out)
{
    struct bsc_shim_report report;
    if (!bsc_shim_locked(directory) || bsc_shim_report_read(directory, &report, NULL) != BSC_OK)
        return false;
    struct bsc_shim_handle handle = { .pid = report.shim_pid,
                                      .pidfd = pidfd_open(report.shim_pid, 0) };
    if (handle.pidfd == -1 && errno != ENOSYS)
        return false;
    if (!prove(directory, path, &handle)) {
        if (handle.pidfd != -1)
            close(handle.pidfd);
        return false;
    }
    *out = handle;
    return true;
}

bool bsc_shim_ended(const struct bsc_shim_handle *handle, int directory)
{
    siginfo_t info = { 0 };
    if (handle->child)
        return waitid(P_PID, (id_t)handle->pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ||
               info.si_pid == handle->pid;
    return directory == -1 || !bsc_shim_locked(directory);
}

static void kill_process(int pidfd, pid_t pid)
{
    if (pidfd != -1)
        pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    else
        kill(pid, SIGKILL);
}

void bsc_shim_kill(const struct bsc_shim_handle *handle)
{
    kill_process(handle->pidfd, handle->pid);
}

int bsc_shim_reap(struct bsc_shim_handle *handle)
{
    siginfo_t info = { 0 };
    if (!handle->child)
        return -1;
    handle->child = false;
    if (waitid(P_PID, (id_t)handle->pid, &info, WEXITED | WNOHANG) == -1)
        return -1;
    return info.si_code == CLD_EXITED ? info.si_status : -1;
}

/* The session of a process that lives; 0 when it does not. */
static pid_t session_of(pid_t pid, struct bsc_text *scratch)
{
    if (!read_proc(pid, "stat", scratch))
        return 0;
    /* proc(5): pid (name) state ppid pgrp session ...; the name may hold anything. */
    const char *after = strrchr(scratch->data, ')');
    char state;
    int session;
    if (!after || sscanf(after + 1, " %c %*d %*d %d", &state, &session) != 2 || state == 'Z')
        return 0;
    return session;
}

static bool is_left_over(pid_t pid, const char *marker, pid_t session, struct bsc_text *scratch)
{
    if (pid == getpid())
        return false;
    return (session && session_of(pid, scratch) == session) ||
           (read_proc(pid, "environ", scratch) && holds_string(scratch, marker));
}

unsigned bsc_shim_sweep(const char *path, pid_t session)
{
    unsigned count = 0;
    struct bsc_text scratch = { 0 }, marker = { 0 };
    bsc_text_printf(&marker, "%s=%s", BSC_SHIM_MARKER, path);
    if (session && session_of(session, &scratch))
        session = 0; /* its leader, the shim, is dead: this is another process with its pid */
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        pid_t pid = (pid_t)atol(entry->d_name);
        if (!isdigit((unsigned char)entry->d_name[0]) ||
            !is_left_over(pid, marker.data, session, &scratch))
            continue;
        int pidfd = pidfd_open(pid, 0);
        if (pidfd == -1 && errno != ENOSYS)
            continue;
        if (is_left_over(pid, marker.data, session, &scratch)) { /* still the same process */
            kill_process(pidfd, pid);
            count++;
        }
        if (pidfd != -1)
            close(pidfd);
    }
    if (processes)
        closedir(processes);
    bsc_text_deinit(&scratch);
    bsc_text_deinit(&marker);
    return count;
}
