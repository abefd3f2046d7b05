/* SPDX-License-Identifier: Apache-2.0
 * adapters/store_files.c - the state directory: who has it, who may read it, and a reserve of room.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "adapters/store_internal.h"

enum { BALLAST_BYTES = 1024 * 1024 };

/* Every file that the store keeps; what is there must be ours, plain and closed to others. */
static const char *const files[] = { "store.lock", "bascule.db", "bascule.db-wal", "bascule.db-shm",
                                     "ballast" };

static enum bsc_status denied_errno(struct bsc_error *error, const char *what, const char *name)
{
    enum bsc_status status = bsc_error_errno(error, "%s %s", what, name);
    if (error && error->number == EROFS)
        error->status = status = BSC_DENIED;
    return status;
}

static enum bsc_status check_directory(const char *directory, struct bsc_error *error)
{
    struct stat info;
    if (stat(directory, &info) == -1)
        return bsc_error_errno(error, "state directory %s", directory);
    if (!S_ISDIR(info.st_mode))
        return bsc_error_set(error, BSC_INVALID, "%s is not a directory", directory);
    if (info.st_uid != geteuid())
        return bsc_error_set(error, BSC_DENIED,
                             "state directory %s belongs to user id %u, not to ours (%u)",
                             directory, (unsigned)info.st_uid, (unsigned)geteuid());
    if (info.st_mode & 077)
        return bsc_error_set(error, BSC_DENIED,
                             "state directory %s is open to other users (mode %04o): "
                             "chmod 700 %s",
                             directory, (unsigned)info.st_mode & 07777, directory);
    if (access(directory, W_OK | X_OK) == -1)
        return denied_errno(error, "cannot write to the state directory", directory);
    return BSC_OK;
}

static enum bsc_status check_files(int directory_fd, const char *directory, struct bsc_error *error)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct stat info;
        if (fstatat(directory_fd, files[i], &info, AT_SYMLINK_NOFOLLOW) == -1) {
            if (errno == ENOENT)
                continue;
            return bsc_error_errno(error, "look at %s/%s", directory, files[i]);
        }
        if (!S_ISREG(info.st_mode) || info.st_nlink != 1)
            return bsc_error_set(error, BSC_DENIED,
                                 "%s/%s is %s, which bascule never makes: remove it if you trust "
                                 "what it points to, it is not opened as it is",
                                 directory, files[i],
                                 S_ISLNK(info.st_mode)   ? "a symbolic link"
                                 : S_ISREG(info.st_mode) ? "a file with several names"
                                                         : "not a plain file");
        if (info.st_uid != geteuid() || (info.st_mode & 077))
            return bsc_error_set(error, BSC_DENIED,
                                 "%s/%s is open to other users (mode %04o, user id %u): "
                                 "chown it to user id %u and chmod 600 it",
                                 directory, files[i], (unsigned)info.st_mode & 07777,
                                 (unsigned)info.st_uid, (unsigned)geteuid());
    }
    return BSC_OK;
}

static enum bsc_status take_lock(struct bsc_store_writer *writer, int directory_fd,
                                 struct bsc_error *error)
{
    char pid[32] = "";
    enum bsc_status status = BSC_OK;
    int lock = openat(directory_fd, "store.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock == -1)
        return denied_errno(error, "cannot write to the state directory", writer->directory);
    if (flock(lock, LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK) {
            status = bsc_error_errno(error, "lock %s/store.lock", writer->directory);
            goto close_lock;
        }
        ssize_t size = pread(lock, pid, sizeof pid - 1, 0);
        pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
        status = bsc_error_set(error, BSC_BUSY,
                               "state directory %s is in use by another bascule (process %s)",
                               writer->directory, *pid ? pid : "unknown");
        goto close_lock;
    }
    /* On a full disk the pid can't be told; the lock holds all the same. */
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) == -1 || pwrite(lock, pid, (size_t)size, 0) != size)
        errno = 0;
    writer->lock = lock;
    return BSC_OK;
close_lock:
    close(lock);
    return status;
}

/* SQLite would create the database readable for all: made here, its mode is 0600, which its log and
 * its index inherit. */
static enum bsc_status make_database(const struct bsc_store_writer *writer, int directory_fd,
                                     struct bsc_error *error)
{
    int fd = openat(directory_fd, "bascule.db", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd == -1)
        return errno == EEXIST ? BSC_OK : bsc_error_errno(error, "create %s", writer->path);
    close(fd);
    if (fsync(directory_fd) == -1)
        return bsc_error_errno(error, "sync %s", writer->directory);
    return BSC_OK;
}

enum bsc_status bsc_store_claim(struct bsc_store_writer *writer, const char *directory,
                                struct bsc_error *error)
{
    writer->lock = -1;
    enum bsc_status status = check_directory(directory, error);
    if (status)
        return status;
    writer->directory = realpath(directory, NULL);
    if (!writer->directory)
        return bsc_error_errno(error, "state directory %s", directory);
    size_t size = strlen(writer->directory) + sizeof "/bascule.db";
    writer->path = bsc_alloc(size);
    snprintf(writer->path, size, "%s/bascule.db", writer->directory);

    int fd = open(writer->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return bsc_error_errno(error, "open state directory %s", writer->directory);
    status = check_files(fd, writer->directory, error);
    if (!status)
        status = take_lock(writer, fd, error);
    if (!status)
        status = make_database(writer, fd, error);
    close(fd);
    return status;
}

void bsc_store_unclaim(struct bsc_store_writer *writer)
{
    if (writer->lock != -1)
        close(writer->lock);
    writer->lock = -1;
    free(writer->directory);
    free(writer->path);
    writer->directory = writer->path = NULL;
}

static int open_ballast(const struct bsc_store_writer *writer)
{
    size_t size = strlen(writer->directory) + sizeof "/ballast";
    char *path = bsc_alloc(size);
    snprintf(path, size, "%s/ballast", writer->directory);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(path);
    return fd;
}

void bsc_store_ballast_make(struct bsc_store_writer *writer)
{
    struct stat info;
    struct statvfs room;
    if (writer->ballast)
        return;
    int fd = open_ballast(writer);
    if (fd == -1)
        return;
    /* Some file systems keep what posix_fallocate got when it fails in the middle. With less room
     * than a few times the ballast the database needs it more. */
    if (!fstat(fd, &info) && info.st_size == BALLAST_BYTES &&
        info.st_blocks * (blkcnt_t)512 >= BALLAST_BYTES)
        writer->ballast = true;
    else if (!fstatvfs(fd, &room) &&
             (uint64_t)room.f_bavail * room.f_frsize >= (uint64_t)4 * BALLAST_BYTES)
        writer->ballast = !posix_fallocate(fd, 0, BALLAST_BYTES);
    if (!writer->ballast && ftruncate(fd, 0) == -1)
        errno = 0; /* it is tried again after the next transaction */
    close(fd);
}

bool bsc_store_ballast_free(struct bsc_store_writer *writer)
{
    struct stat info;
    int fd = open_ballast(writer);
    if (fd == -1)
        return false;
    writer->ballast = false;
    bool freed = !fstat(fd, &info) && info.st_blocks > 0 && !ftruncate(fd, 0);
    close(fd);
    return freed;
}
