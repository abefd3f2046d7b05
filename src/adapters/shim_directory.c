/* SPDX-License-Identifier: Apache-2.0
 * adapters/shim_directory.c - see shim_directory.h. */
#include "adapters/shim_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ports/event.h"
#include "ports/store.h"
#include "shim/shim.h"

enum { STATE_BYTES_MAX = 4096, DEPTH_MAX = 64 };

static const int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

bool bsc_shim_id_valid(const char *id)
{
    size_t size = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size && id[0] != '-' && id[size] == '\0' && size < BSC_ID_BYTES;
}

/* Reads a small file; -1 and errno, or its size. `out` gets a NUL. */
static ssize_t read_small(int directory, const char *name, char *out, size_t size)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return -1;
    ssize_t got = read(fd, out, size - 1);
    int number = errno;
    close(fd);
    errno = number;
    out[got > 0 ? got : 0] = '\0';
    return got;
}

void bsc_boot_id_read(char out[static BSC_BOOT_ID_MAX])
{
    out[0] = '\0';
    (void)read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out, BSC_BOOT_ID_MAX);
    out[strcspn(out, "\n")] = '\0';
}

int bsc_shim_directory_open(int instances, const char *id)
{
    return openat(instances, id, directory_flags);
}

/* Takes the lock that a shim takes, so that none begins meanwhile; close it to let go. -1: held, or
 * errno. */
static int take_lock(int directory)
{
    int fd = openat(directory, BSC_SHIM_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

enum bsc_status bsc_shim_directory_make(int instances, const char *id, bool durable,
                                        struct bsc_error *error)
{
    if (mkdirat(instances, id, 0700) == -1 && errno != EEXIST)
        return bsc_error_errno(error, "make the directory of %s", id);
    if (durable && fsync(instances) == -1)
        return bsc_error_errno(error, "make the directory of %s durable", id);
    int directory = bsc_shim_directory_open(instances, id);
    if (directory == -1)
        return bsc_error_errno(error, "open the directory of %s", id);
    enum bsc_status status = BSC_OK;
    int lock = take_lock(directory);
    if (lock == -1 && errno == EWOULDBLOCK)
        status = bsc_error_set(error, BSC_BUSY, "%s runs already", id);
    else if (lock == -1)
        status = bsc_error_errno(error, "lock the directory of %s", id);
    else if (unlinkat(directory, BSC_SHIM_STATE, 0) == -1 && errno != ENOENT)
        status = bsc_error_errno(error, "remove the old state of %s", id);
    if (lock != -1)
        close(lock);
    close(directory);
    return status;
}

bool bsc_shim_locked(int directory)
{
    int fd = openat(directory, BSC_SHIM_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

static bool parse_number(const char *text, long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !errno && end != text && !*end;
}

static bool parse_phase(const char *text, enum bsc_report_phase *out)
{
    static const char *const names[] = {
        [BSC_REPORT_STARTING] = "starting",
        [BSC_REPORT_RUNNING] = "running",
        [BSC_REPORT_STOPPING] = "stopping",
        [BSC_REPORT_EXITED] = "exited",
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *out = (enum bsc_report_phase)i;
            return true;
        }
    return false;
}

static void copy_cut(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* One "key=value"; false when a known key has a value that means nothing. */
static bool parse_line(char *line, struct bsc_shim_report *out, bool *has_phase)
{
    char *value = strchr(line, '=');
    if (!value)
        return false;
    *value++ = '\0';
    long long number = 0;
    bool ok = true;
    if (!strcmp(line, "boot_id"))
        copy_cut(out->boot_id, sizeof out->boot_id, value);
    else if (!strcmp(line, "error"))
        copy_cut(out->error, sizeof out->error, value);
    else if (!strcmp(line, "phase"))
        ok = *has_phase = parse_phase(value, &out->phase);
    else if (!strcmp(line, "shim_pid"))
        ok = parse_number(value, &number) && (out->shim_pid = (pid_t)number) > 1;
    else if (!strcmp(line, "pid"))
        ok = parse_number(value, &number) && (out->pid = number) >= 0;
    else if (!strcmp(line, "wait_status")) {
        ok = parse_number(value, &number);
        out->wait_status = (int)number;
    }
    return ok;
}

enum bsc_status bsc_shim_report_read(int directory, struct bsc_shim_report *out,
                                     struct bsc_error *error)
{
    char text[STATE_BYTES_MAX];
    bool has_phase = false, ok = true;
    *out = (struct bsc_shim_report){ .wait_status = BSC_WAIT_UNKNOWN };
    if (read_small(directory, BSC_SHIM_STATE, text, sizeof text) == -1)
        return bsc_error_errno(error, "its state");
    char *rest = text;
    for (char *line; ok && (line = strsep(&rest, "\n"));)
        ok = !*line || parse_line(line, out, &has_phase);
    if (!ok || !has_phase || !out->shim_pid)
        return bsc_error_set(error, BSC_CORRUPT, "its state file is damaged");
    if (out->phase != BSC_REPORT_EXITED)
        out->wait_status = BSC_WAIT_UNKNOWN;
    return BSC_OK;
}

bool bsc_shim_command(int directory, const char *command)
{
    int fd = openat(directory, BSC_SHIM_CONTROL, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return false;
    struct stat file;
    size_t size = strlen(command);
    bool written = fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) &&
                   write(fd, command, size) == (ssize_t)size;
    close(fd);
    return written;
}

/* Reads the last bytes of a file to the end of `out`[0, room); returns how many. *whole: all. */
static size_t read_end(int directory, const char *name, char *out, size_t room, bool *whole)
{
    struct stat file;
    *whole = true;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return 0;
    size_t got = 0;
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        size_t size = file.st_size < (off_t)room ? (size_t)file.st_size : room;
        *whole = file.st_size <= (off_t)room;
        ssize_t result = pread(fd, out + room - size, size, file.st_size - (off_t)size);
        if (result > 0) {
            got = (size_t)result;
            memmove(out + room - got, out + room - size, got);
        }
    }
    close(fd);
    return got;
}

void bsc_shim_tail(int directory, char *out, size_t size)
{
    if (!size)
        return;
    bool whole;
    size_t room = size - 1;
    size_t used = read_end(directory, BSC_SHIM_LOG, out, room, &whole);
    if (whole && used < room)
        used += read_end(directory, BSC_SHIM_LOG ".1", out, room - used, &whole);
    char *from = out + room - used;
    if (!whole) { /* the first line began earlier */
        char *line_end = memchr(from, '\n', used);
        size_t cut = line_end ? (size_t)(line_end - from) + 1 : 0;
        from += cut;
        used -= cut;
    }
    memmove(out, from, used);
    out[used] = '\0';
    for (size_t i = 0; i < used; i++)
        if (!out[i])
            out[i] = ' ';
}

static int remove_contents(int directory, unsigned depth);

static int remove_entry(int directory, const char *name, unsigned depth)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if ((errno != EISDIR && errno != EPERM) || depth == DEPTH_MAX)
        return -1;
    int inner = openat(directory, name, directory_flags);
    if (inner == -1)
        return -1;
    int result = remove_contents(inner, depth + 1);
    close(inner);
    return result == -1 ? -1 : unlinkat(directory, name, AT_REMOVEDIR);
}

static int remove_contents(int directory, unsigned depth)
{
    int again = openat(directory, ".", directory_flags);
    DIR *entries = again == -1 ? NULL : fdopendir(again);
    if (!entries) {
        if (again != -1)
            close(again);
        return -1;
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_entry(directory, entry->d_name, depth);
    int number = errno;
    closedir(entries);
    errno = number;
    return result;
}

enum bsc_status bsc_shim_directory_remove(int instances, const char *id, struct bsc_error *error)
{
    int directory = bsc_shim_directory_open(instances, id);
    if (directory == -1)
        return bsc_error_errno(error, "open the directory of %s", id);
    enum bsc_status status = BSC_OK;
    int lock = take_lock(directory);
    if (lock == -1 && errno == EWOULDBLOCK)
        status = bsc_error_set(error, BSC_BUSY, "remove the directory of %s: it still runs", id);
    else if (remove_contents(directory, 0) == -1 || unlinkat(instances, id, AT_REMOVEDIR) == -1)
        status = bsc_error_errno(error, "remove the directory of %s", id);
    if (lock != -1)
        close(lock);
    close(directory);
    return status;
}
