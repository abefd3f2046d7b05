/* SPDX-License-Identifier: Apache-2.0
 * supervisor/statedir.c - see statedir.h. */
#include "supervisor/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum bsc_status make(const char *path, struct bsc_error *error)
{
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return bsc_error_set(error, BSC_INVALID, "state directory: the path is too long");
    for (char *at = part + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(part, 0755) == -1 && errno != EEXIST)
            return bsc_error_errno(error, "create %s for the state directory", part);
        *at = '/';
    }
    if (mkdir(path, 0700) == -1 && errno != EEXIST)
        return bsc_error_errno(error, "create state directory %s", path);
    return BSC_OK;
}

static enum bsc_status check(int directory, const char *path, struct bsc_error *error)
{
    struct stat found;
    if (fstat(directory, &found) == -1)
        return bsc_error_errno(error, "state directory %s", path);
    if (found.st_uid != geteuid())
        return bsc_error_set(error, BSC_DENIED,
                             "state directory %s belongs to user id %u, not to %u", path,
                             (unsigned)found.st_uid, (unsigned)geteuid());
    if (found.st_mode & (S_IWGRP | S_IWOTH))
        return bsc_error_set(error, BSC_DENIED,
                             "state directory %s is writable for other users (mode %04o): whoever "
                             "may write there controls the services; chmod 700 it if they are "
                             "trusted not to have done so",
                             path, (unsigned)found.st_mode & 07777);
    if (faccessat(directory, ".", R_OK | W_OK | X_OK, AT_EACCESS) == -1)
        return bsc_error_errno(error, "state directory %s is not writable", path);
    if ((found.st_mode & 077) && fchmod(directory, 0700) == -1)
        return bsc_error_errno(error, "chmod state directory %s", path);
    return BSC_OK;
}

enum bsc_status bsc_statedir_open(const char *path, int *out, struct bsc_error *error)
{
    struct stat found;
    enum bsc_status status = lstat(path, &found) == -1 ? make(path, error) : BSC_OK;
    if (status != BSC_OK)
        return status;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory == -1 && lstat(path, &found) == 0 && S_ISLNK(found.st_mode))
        return bsc_error_set(error, BSC_DENIED,
                             "state directory %s is a symbolic link: name the directory itself",
                             path);
    if (directory == -1)
        return bsc_error_errno(error, "open state directory %s", path);
    status = check(directory, path, error);
    if (status == BSC_OK)
        *out = directory;
    else
        close(directory);
    return status;
}

enum bsc_status bsc_statedir_lock(int directory, const char *path, int *out,
                                  struct bsc_error *error)
{
    char pid[32] = "";
    int lock = openat(directory, "serve.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock == -1)
        return bsc_error_errno(error, "open %s/serve.lock", path);
    enum bsc_status status = BSC_OK;
    bool locked = flock(lock, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) {
        status = bsc_error_errno(error, "lock %s/serve.lock", path);
        goto close_lock;
    }
    if (!locked) {
        ssize_t size = pread(lock, pid, sizeof pid - 1, 0);
        pid[size > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        status = bsc_error_set(error, BSC_BUSY, "bascule already runs on %s (pid %s)", path,
                               *pid ? pid : "unknown");
        goto close_lock;
    }
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) == -1 || pwrite(lock, pid, (size_t)size, 0) != size) {
        status = bsc_error_errno(error, "write %s/serve.lock", path);
        goto close_lock;
    }
    *out = lock;
    return BSC_OK;
close_lock:
    close(lock);
    return status;
}
