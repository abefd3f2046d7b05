/* SPDX-License-Identifier: Apache-2.0
 * supervisor/spawn.c - see spawn.h. */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/log.h"
#include "base/signals.h"

enum { CHILD_CHANNEL = 3 };

static void become(const char *path, char *const argv[], int channel)
{
    bsc_signals_reset();
    setsid();
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input != -1)
        dup2(input, STDIN_FILENO);
    /* dup2 to itself would leave it close-on-exec. */
    if (channel == CHILD_CHANNEL ? fcntl(channel, F_SETFD, 0) == -1
                                 : dup2(channel, CHILD_CHANNEL) == -1)
        bsc_log_error("pass the channel to %s: %s", path, strerror(errno));
    else if (execv(path, argv) == -1)
        bsc_log_error("execute %s: %s", path, strerror(errno));
    _exit(BSC_EXIT_CANNOT_EXECUTE);
}

enum bsc_status bsc_spawn(const char *path, char *const argv[], bool bound, pid_t *pid,
                          int *channel, struct bsc_error *error)
{
    int ends[2];
    enum bsc_status status = bsc_channel_pair(ends, error);
    if (status != BSC_OK)
        return status;
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0) {
        if (bound && (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent))
            _exit(BSC_EXIT_CANNOT_EXECUTE);
        become(path, argv, ends[1]);
    }
    if (*pid == -1) {
        status = bsc_error_errno(error, "fork");
        close(ends[0]);
    } else {
        *channel = ends[0];
    }
    close(ends[1]);
    return status;
}
