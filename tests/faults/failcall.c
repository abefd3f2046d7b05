/* SPDX-License-Identifier: Apache-2.0
 * faults/failcall.c - an LD_PRELOAD library that makes the Nth call of one function fail.
 *
 *   FAILCALL_NAME=pwrite64   which: open64 write pwrite64 fsync fdatasync ftruncate64
 *                            posix_fallocate malloc setgroups
 *   FAILCALL_PATH=/tmp/x     only on files whose path begins so (not malloc, setgroups)
 *   FAILCALL_NTH=3           0: none; the calls are only counted
 *   FAILCALL_TIMES=1         how many in a row from there on
 *   FAILCALL_ERRNO=5         with which errno
 *   FAILCALL_TOTAL=FILE      where to write at exit how many calls there were
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int open64(const char *path, int flags, ...);
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at);
int ftruncate64(int fd, off64_t size);

static struct {
    char name[32], path[256];
    unsigned nth, count;
    int number;
} plan;
static atomic_uint calls;

static unsigned number_of(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    snprintf(plan.path, sizeof plan.path, "%s",
             getenv("FAILCALL_PATH") ? getenv("FAILCALL_PATH") : "/");
    plan.nth = number_of("FAILCALL_NTH", 0);
    plan.count = number_of("FAILCALL_TIMES", 1);
    plan.number = (int)number_of("FAILCALL_ERRNO", EIO);
    /* Last: nothing counts before. */
    snprintf(plan.name, sizeof plan.name, "%s",
             getenv("FAILCALL_NAME") ? getenv("FAILCALL_NAME") : "");
}

__attribute__((destructor)) static void end(void)
{
    const char *total = getenv("FAILCALL_TOTAL");
    plan.name[0] = '\0';
    FILE *file = total ? fopen(total, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "%u\n", atomic_load(&calls));
    fclose(file);
}

static bool count_and_fail(void)
{
    unsigned nth = atomic_fetch_add(&calls, 1) + 1;
    if (!plan.nth || nth < plan.nth || nth - plan.nth >= plan.count)
        return false;
    errno = plan.number;
    return true;
}

static bool fails_on_path(const char *name, const char *path)
{
    return !strcmp(plan.name, name) && !strncmp(path, plan.path, strlen(plan.path)) &&
           count_and_fail();
}

static bool fails_on(const char *name, int fd)
{
    char link[64], path[512];
    if (strcmp(plan.name, name) != 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    return fails_on_path(name, path);
}

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (fails_on_path("open64", path))
        return -1;
    int (*next)(const char *, int, ...);
    *(void **)&next = real("open64");
    return next(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (fails_on("write", fd))
        return -1;
    ssize_t (*next)(int, const void *, size_t);
    *(void **)&next = real("write");
    return next(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    ssize_t (*next)(int, const void *, size_t, off64_t);
    *(void **)&next = real("pwrite64");
    if (fails_on("pwrite64", fd)) {
        if (next(fd, bytes, size / 2, at) < 0) /* half of it may have got there */
            return -1;
        errno = plan.number;
        return -1;
    }
    return next(fd, bytes, size, at);
}

int fsync(int fd)
{
    int (*next)(int);
    *(void **)&next = real("fsync");
    return fails_on("fsync", fd) ? -1 : next(fd);
}

int setgroups(size_t count, const gid_t *groups)
{
    int (*next)(size_t, const gid_t *);
    *(void **)&next = real("setgroups");
    if (!strcmp(plan.name, "setgroups") && count_and_fail())
        return -1;
    return next(count, groups);
}

int fdatasync(int fd)
{
    int (*next)(int);
    *(void **)&next = real("fdatasync");
    return fails_on("fdatasync", fd) ? -1 : next(fd);
}

int ftruncate64(int fd, off64_t size)
{
    int (*next)(int, off64_t);
    *(void **)&next = real("ftruncate64");
    return fails_on("ftruncate64", fd) ? -1 : next(fd, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    int (*next)(int, off_t, off_t);
    *(void **)&next = real("posix_fallocate");
    return fails_on("posix_fallocate", fd) ? plan.number : next(fd, at, size);
}

extern void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
    if (plan.name[0] == 'm' && !strcmp(plan.name, "malloc") && count_and_fail())
        return NULL;
    return __libc_malloc(size);
}
