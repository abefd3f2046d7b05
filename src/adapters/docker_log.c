/* SPDX-License-Identifier: Apache-2.0
 * adapters/docker_log.c - see docker_log.h. */
#include "adapters/docker_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    FRAME_HEAD_BYTES = 8,
    FRAME_BYTES_MAX = 1024 * 1024, /* the Engine cuts lines at 16 KiB */
};

static const char log_name[] = "log", old_name[] = "log.1";

static void open_file(struct bsc_docker_log *log)
{
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    struct stat found;
    if (log->file != -1 || log->directory == -1)
        return;
    log->file = openat(log->directory, log_name, flags, 0600);
    if (log->file != -1)
        log->size_bytes = fstat(log->file, &found) == 0 ? found.st_size : 0;
}

void bsc_docker_log_init(struct bsc_docker_log *log, int take_directory)
{
    struct stat found;
    *log = (struct bsc_docker_log){ .directory = take_directory, .file = -1 };
    if (log->directory != -1 && fstatat(log->directory, log_name, &found, AT_SYMLINK_NOFOLLOW) == 0)
        log->last = found.st_mtim;
}

void bsc_docker_log_deinit(struct bsc_docker_log *log)
{
    if (log->file != -1)
        close(log->file);
    if (log->directory != -1)
        close(log->directory);
    bsc_text_deinit(&log->pending);
    *log = (struct bsc_docker_log){ .directory = -1, .file = -1 };
}

void bsc_docker_log_restart(struct bsc_docker_log *log)
{
    bsc_text_clear(&log->pending);
}

/* What can't be written is lost; what is written after it says nothing of that. */
static void write_out(struct bsc_docker_log *log, const char *bytes, size_t size)
{
    if (log->file != -1 && log->size_bytes && log->size_bytes + (int64_t)size > FILE_BYTES_MAX) {
        close(log->file);
        log->file = -1;
        renameat(log->directory, log_name, log->directory, old_name);
    }
    open_file(log);
    if (log->file == -1)
        return;
    ssize_t written = write(log->file, bytes, size);
    if (written > 0)
        log->size_bytes += written;
}

/* "2026-11-21T13:56:45.885133320Z ": its length, or 0 when there is none. */
static size_t read_time(const char *bytes, size_t size, struct timespec *out)
{
    char text[48];
    struct tm at = { 0 };
    long fraction = 0;
    int used = 0;
    const char *blank = memchr(bytes, ' ', size < sizeof text ? size : sizeof text - 1);
    if (!blank)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)(blank - bytes), bytes);
    if (sscanf(text, "%d-%d-%dT%d:%d:%d%n", &at.tm_year, &at.tm_mon, &at.tm_mday, &at.tm_hour,
               &at.tm_min, &at.tm_sec, &used) != 6)
        return 0;
    at.tm_year -= 1900;
    at.tm_mon -= 1;
    if (text[used] == '.') {
        long place = 100000000;
        for (const char *digit = text + used + 1; *digit >= '0' && *digit <= '9'; digit++) {
            fraction += (*digit - '0') * place;
            place /= 10;
        }
    }
    *out = (struct timespec){ .tv_sec = timegm(&at), .tv_nsec = fraction };
    return (size_t)(blank - bytes) + 1;
}

static void take_frame(struct bsc_docker_log *log, const char *bytes, size_t size)
{
    struct timespec at = log->last;
    size_t head = read_time(bytes, size, &at);
    write_out(log, bytes + head, size - head);
    log->last = at;
}

void bsc_docker_log_add(struct bsc_docker_log *log, const char *bytes, size_t size)
{
    struct text_position {
        const unsigned char *data;
        size_t left;
    } at;
    bsc_text_add(&log->pending, bytes, size);
    at.data = (const unsigned char *)log->pending.data;
    at.left = log->pending.size;
    while (at.left >= FRAME_HEAD_BYTES) {
        size_t frame = (size_t)at.data[4] << 24 | (size_t)at.data[5] << 16 |
                       (size_t)at.data[6] << 8 | at.data[7];
        if (frame > FRAME_BYTES_MAX) { /* that is no frame */
            bsc_text_clear(&log->pending);
            return;
        }
        if (at.left < FRAME_HEAD_BYTES + frame)
            break;
        take_frame(log, (const char *)at.data + FRAME_HEAD_BYTES, frame);
        at.data += FRAME_HEAD_BYTES + frame;
        at.left -= FRAME_HEAD_BYTES + frame;
    }
    bsc_text_drop_front(&log->pending, log->pending.size - at.left);
    if (log->file != -1) {
        struct timespec times[] = { log->last, log->last };
        futimens(log->file, times);
    }
}

void bsc_docker_log_since(const struct bsc_docker_log *log, char *out, size_t size)
{
    struct timespec next = log->last;
    if (!next.tv_sec) {
        snprintf(out, size, "0");
        return;
    }
    if (++next.tv_nsec == 1000000000)
        next = (struct timespec){ .tv_sec = next.tv_sec + 1 };
    snprintf(out, size, "%lld.%09ld", (long long)next.tv_sec, next.tv_nsec);
}
