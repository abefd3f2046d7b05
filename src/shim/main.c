/* SPDX-License-Identifier: Apache-2.0
 * shim/main.c - bascule-shim: the parent of one instance or hook (shim.h).
 *
 * It depends on nothing that bascule runs: controller and supervisor may come and go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shim/run.h"
#include "shim/shim.h"

/* The leader of a process group can't make a session (setsid(2)), but may leave the group. */
static enum bsc_status leave_session(struct bsc_error *error)
{
    if (setsid() != -1 || getsid(0) == getpid())
        return BSC_OK;
    if (setpgid(0, getpgid(getppid())) == -1 || setsid() == -1)
        return bsc_error_errno(error, "setsid");
    return BSC_OK;
}

static enum bsc_status detach(struct bsc_error *error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null == -1)
        return bsc_error_errno(error, "open /dev/null");
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    close(null);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        return bsc_error_errno(error, "become a subreaper");
    return leave_session(error);
}

/* Both descriptors stay open until the process ends. BSC_BUSY: another shim has the directory. */
static enum bsc_status lock_directory(const char *path, int *out, struct bsc_error *error)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (directory == -1)
        return bsc_error_errno(error, "open %s", path);
    int lock = openat(directory, BSC_SHIM_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock == -1)
        return bsc_error_errno(error, "open %s/%s", path, BSC_SHIM_LOCK);
    if (flock(lock, LOCK_EX | LOCK_NB) == -1) {
        if (errno == EWOULDBLOCK)
            return bsc_error_set(error, BSC_BUSY, "%s is locked by another shim", path);
        return bsc_error_errno(error, "lock %s/%s", path, BSC_SHIM_LOCK);
    }
    *out = directory;
    return BSC_OK;
}

static int complain(const struct bsc_error *error, enum bsc_shim_exit code)
{
    fprintf(stderr, "bascule-shim: %s\n", error->text);
    return code;
}

int main(int argc, char **argv)
{
    struct bsc_error error;
    struct bsc_shim_options options;
    int directory = -1;
    if (bsc_shim_options_parse(argc, argv, &options, &error) != BSC_OK)
        return complain(&error, BSC_SHIM_USAGE);
    close_range(3, ~0U, 0); /* what the caller left open is not the command's business */
    enum bsc_status status = lock_directory(options.directory, &directory, &error);
    if (status != BSC_OK)
        return complain(&error, status == BSC_BUSY ? BSC_SHIM_LOCKED : BSC_SHIM_FAILED);
    struct bsc_run run;
    if (bsc_run_init(&run, &options, directory, &error) != BSC_OK || detach(&error) != BSC_OK ||
        bsc_run_to_end(&run, &error) != BSC_OK)
        return complain(&error, BSC_SHIM_FAILED);
    return BSC_SHIM_DONE;
}
