/* SPDX-License-Identifier: Apache-2.0
 * shim/command.c - see command.h. */
#include "shim/command.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.h"

/* What the user database says; also for a bare number, which need not be in it. */
static enum bsc_status find_user(const char *name, struct passwd *out, struct bsc_error *error)
{
    errno = 0;
    struct passwd *found = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    bool numeric = isdigit((unsigned char)name[0]) && !*end && number < (uid_t)-1;
    if (!found && numeric)
        found = getpwuid((uid_t)number);
    if (found)
        *out = *found;
    else if (numeric)
        *out = (struct passwd){ .pw_uid = (uid_t)number, .pw_gid = (gid_t)number };
    else
        return bsc_error_set(error, BSC_NOT_FOUND, "user %s: %s", name,
                             errno ? strerror(errno) : "not known here");
    return BSC_OK;
}

static enum bsc_status switch_user(const char *name, struct bsc_error *error)
{
    struct passwd user = { 0 };
    enum bsc_status status = find_user(name, &user, error);
    if (status != BSC_OK)
        return status;
    if (geteuid() != 0 && user.pw_uid == geteuid())
        return BSC_OK;
    int groups = user.pw_name ? initgroups(user.pw_name, user.pw_gid) : setgroups(0, NULL);
    if (groups == -1 || setresgid(user.pw_gid, user.pw_gid, user.pw_gid) == -1 ||
        setresuid(user.pw_uid, user.pw_uid, user.pw_uid) == -1)
        return bsc_error_errno(error, "become user %s", name);
    return BSC_OK;
}

/* In the child. Returns only when it failed. */
static void become_command(const struct bsc_shim_options *options, int output, pid_t shim,
                           struct bsc_error *error)
{
    bsc_signals_reset();
    setpgid(0, 0);
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input == -1 || dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1 ||
        dup2(output, STDERR_FILENO) == -1) {
        bsc_error_errno(error, "standard input and output");
        return;
    }
    if (options->user && switch_user(options->user, error) != BSC_OK)
        return;
    if (options->chdir && chdir(options->chdir) == -1) {
        bsc_error_errno(error, "chdir %s", options->chdir);
        return;
    }
    /* After the change of user, which clears it (prctl(2)). */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
        bsc_error_errno(error, "set the parent-death signal");
        return;
    }
    if (getppid() != shim) /* it died before the signal was armed */
        _exit(1);
    execvp(options->command[0], options->command);
    bsc_error_errno(error, "exec %s", options->command[0]);
}

/* The child writes here what went wrong; exec closes it. Reads it to the end. */
static size_t read_report(int fd, char *out, size_t size)
{
    size_t total = 0;
    while (total < size) {
        ssize_t got = read(fd, out + total, size - total);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        total += (size_t)got;
    }
    return total;
}

enum bsc_status bsc_command_spawn(const struct bsc_shim_options *options, int output, pid_t *out,
                                  struct bsc_error *error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) == -1)
        return bsc_error_errno(error, "pipe");
    pid_t shim = getpid(), pid = fork();
    if (pid == 0) {
        struct bsc_error why;
        become_command(options, output, shim, &why);
        ssize_t written = write(report[1], &why, sizeof why);
        _exit(written == sizeof why ? 1 : 2);
    }
    enum bsc_status status = pid == -1 ? bsc_error_errno(error, "fork") : BSC_OK;
    close(report[1]);
    struct bsc_error why;
    if (pid > 0 && read_report(report[0], (char *)&why, sizeof why) == sizeof why) {
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
            continue;
        *error = why;
        status = why.status;
    }
    close(report[0]);
    *out = pid;
    return status;
}
